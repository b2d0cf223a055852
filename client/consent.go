package client

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/ledger"
	"github.com/seed-5fe1f529/tallystick/internal/origin"
	"github.com/seed-5fe1f529/tallystick/internal/pins"
	"github.com/seed-5fe1f529/tallystick/internal/purchase"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// consent asks the policy, and the owner about a sum above Limits.Ask, redirects included. The limits and
// the budgets were checked before: nobody is asked about a price that is refused anyway.
func (a *attempt) consent(ctx context.Context) purchase.Event {
	e := purchase.Event{Kind: purchase.Consented}
	a.mayFund = false
	funding := a.account == nil
	if !funding {
		funding, e.Err = a.needsFunding()
	}
	if e.Err == nil {
		e.Err = a.askPolicy(ctx, funding)
	}
	sum, lim := a.decision.Total, a.terms.Limits
	if e.Err == nil && !lim.Ask.IsZero() && lim.Ask.Less(sum) {
		e.Err = a.approve(ctx, sum)
	}
	if e.Err == nil && ctx.Err() != nil {
		e.Err = context.Cause(ctx)
	}
	e.Expired = rule.Live(a.challenge.offer, time.Now().Add(a.challenge.skew)) != nil
	return e
}

// askPolicy asks the policy about the offer, and about funding a channel for it. It does not ask again
// about funding that the policy agreed to.
func (a *attempt) askPolicy(ctx context.Context, funding bool) error {
	if a.mayFund {
		return nil
	}
	if o := a.challenge.offer; funding && !o.FeePayer && o.FeeToken != (common.Address{}) && o.FeeToken != o.Token {
		asset := channel.Asset{ChainID: o.ChainID, Token: o.FeeToken}
		if _, err := a.s.currency(ctx, asset); err != nil {
			return fmt.Errorf("the fee of funding the channel: %w", err)
		}
	}
	a.asked = Proposal{
		Origin: a.origin.Text, Route: a.route.method + " " + a.route.path,
		Offer: a.challenge.offer, Terms: a.challenge.wants.Terms, Funding: funding,
	}
	if err := a.s.cfg.Policy(ctx, a.asked); err != nil {
		return fmt.Errorf("%w: %w", ErrPolicy, err)
	}
	a.mayFund = funding
	return nil
}

// approve asks the owner about a sum.
func (a *attempt) approve(ctx context.Context, sum voucher.Amount) error {
	lim := a.terms.Limits
	if a.s.cfg.Approve == nil {
		return &channel.LimitError{Limit: "Ask", Wanted: sum, Allowed: lim.Ask, Left: lim.Ask, Currency: lim.Currency}
	}
	rooms, err := a.s.ledger.Rooms(ctx, a.terms, a.challenge.scope)
	if err != nil {
		return err
	}
	left := voucher.MaxAmount
	for _, room := range rooms {
		left = left.Min(room.Left())
	}
	budgets, _ := ctx.Value(budgetKey{}).([]*ledger.Budget)
	for _, budget := range budgets {
		left = left.Min(budget.Left())
	}
	q := Quote{Proposal: a.asked, Decision: channel.Decision{Verdict: channel.Ask, Rule: "Ask", Wanted: sum, Allowed: lim.Ask, Left: left, Currency: lim.Currency}}
	limits, err := a.s.ledger.Limited(ctx, a.terms, a.challenge.scope, a.challenge.offer.Price)
	if err != nil {
		return err
	}
	var now *rule.State
	if a.account != nil {
		if state := a.without(); state.Payable() {
			now = &state
		}
	}
	_, _ = a.s.locks(ctx, &q, a.challenge, now, limits) // what the limits refuse locks nothing
	if err := a.s.cfg.Approve(ctx, q); err != nil {
		return fmt.Errorf("%w: not approved: %w", ErrPolicy, err)
	}
	return nil
}

// needsFunding reports whether the offer can only be paid once a channel is opened or topped up, as far
// as is known now.
func (a *attempt) needsFunding() (bool, error) {
	state := a.without()
	switch standingOf(state) {
	case purchase.Usable:
		plan, err := rule.PlanPayment(&state, a.challenge.request, rule.Wish{}, voucher.Amount{}, rule.Of(a.terms.Limits))
		return plan.Step != rule.Pay, err
	case purchase.Pending:
		return false, nil
	}
	return true, nil
}

// TermsError is the error of [PinFirstUse] for an offer whose terms were not accepted. It shows the
// offered terms and the accepted ones. [TermsError.Accept] accepts the offered ones.
type TermsError struct {
	// Origin and Route ("GET /data") are where the offer was made.
	Origin, Route string
	// Offered are the terms of the offer.
	Offered channel.Terms
	// Pinned are the accepted terms of the origin, the oldest first.
	Pinned []channel.Pin
	// Units are the accepted unit types of the route. None means that the route is new, and has any
	// unit.
	Units []string

	known bool // whether the terms are accepted and only the unit is not
}

// shownPins is how many accepted terms a TermsError writes.
const shownPins = 4

func (e *TermsError) Error() string {
	const how = "if that is right, accept it: TermsError.Accept, or tally trust accept"
	if e.known {
		return fmt.Sprintf("client: %s of %s is charged by the %q; accepted there: %q; %s",
			e.Route, e.Origin, e.Offered.Unit, e.Units, how)
	}
	var accepted []string
	for _, p := range e.Pinned[:min(len(e.Pinned), shownPins)] {
		accepted = append(accepted, p.String())
	}
	if more := len(e.Pinned) - shownPins; more > 0 {
		accepted = append(accepted, fmt.Sprintf("and %d more", more))
	}
	return fmt.Sprintf("client: %s names %s; accepted there: %s; %s", e.Origin, e.Offered,
		strings.Join(accepted, "; "), how)
}

// PinFirstUse returns a policy that pins the terms of an origin: it accepts the first payee,
// operator, token, chain, escrow and protocol that an origin names, stores them before anything is
// signed, and refuses others with a [*TermsError] until they are accepted with [TermsError.Accept].
// The unit type of a route is pinned too, when the route is first used. A nil Config.Policy is
// PinFirstUse over Config.Store. With [AllOf] it goes together with lists; put it last, so that an
// origin which a list refuses is not pinned.
//
// An origin that serves both protocol versions is accepted over the other one if payee, operator,
// token and chain are accepted ones. The escrow it names there first is pinned then; the session
// checks that it is the canonical one, or Config.Escrow.
//
// A store holds the units of about a million routes of an origin. Later routes are not remembered
// one by one: they may have the unit that the first of them had, and any other one is refused until
// it is accepted.
//
// If s is nil, pins are kept in memory. The policy is safe for concurrent use, also over a store
// that several processes share. Its other errors are the store's, and [channel.ErrRecord] for a pin
// that cannot be read.
func PinFirstUse(s store.Store) Policy {
	if s == nil {
		s = store.NewMem()
	}
	book := pins.New(s)
	return func(ctx context.Context, p Proposal) error {
		o, err := origin.Parse(p.Origin)
		if err != nil || p.Proof { // no terms yet
			return err
		}
		err = book.Check(ctx, pins.Offer{Origin: o, Route: p.Route, Terms: p.Offer.Terms()})
		if err == nil {
			return nil
		}
		var c *pins.Conflict
		if !errors.As(err, &c) {
			return pinError(err)
		}
		e := &TermsError{
			Origin: o, Route: p.Route, Offered: c.Terms, Units: c.Units,
			known: c.Known,
		}
		for _, pin := range c.Accepted {
			e.Pinned = append(e.Pinned, channel.Pin(pin))
		}
		return e
	}
}

// Accept adds the terms that the error shows to those that s accepts of its origin, and its unit to
// those of its route. What was accepted before stays accepted. It is safe for concurrent use, also
// with requests.
//
// The errors are the store's, [channel.ErrRecord] for a pin that cannot be read, and one for an
// origin that has more than a hundred accepted terms.
func (e *TermsError) Accept(ctx context.Context, s store.Store) error {
	o, err := origin.Parse(e.Origin)
	if err != nil {
		return fmt.Errorf("client: %w", err)
	}
	return pinError(pins.New(s).Accept(ctx, pins.Offer{Origin: o, Route: e.Route, Terms: e.Offered}))
}

// pinError marks an error of the store as one.
func pinError(err error) error {
	if err == nil || errors.Is(err, channel.ErrRecord) || errors.Is(err, pins.ErrFull) {
		return err
	}
	return fmt.Errorf("%w: %w", ledger.ErrStore, err)
}
