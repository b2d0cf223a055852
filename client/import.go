package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/internal/ledger"
	"github.com/seed-5fe1f529/tallystick/internal/origin"
	"github.com/seed-5fe1f529/tallystick/internal/purchase"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/store/journal"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Import takes a channel into the store that another program, another machine or a lost store opened,
// and uses it for the origin of rawurl from now on, in place of the one in use. It is closed at rawurl.
// The descriptor must hash to the id; a v1 channel needs none. The channel must belong to this
// session's payer and voucher key, and be open on chain; otherwise the error is [channel.ErrNotOurs].
// What is signed starts at what the chain has settled. A server that holds a higher voucher of ours
// shows it in a snapshot; see [Channels.RecoverFromPayee].
func (c *Channels) Import(ctx context.Context, rawurl string, in channel.Identity) error {
	s := c.s
	u, err := url.Parse(rawurl)
	if err != nil {
		return fmt.Errorf("client: the URL of the channel: %w", unwrapURL(err))
	}
	at, err := originOf(u)
	if err != nil {
		return err
	}
	d := in.Descriptor
	scope := channel.Scope{
		Origin: at.Text, Protocol: in.Protocol, ChainID: in.ChainID, Escrow: in.Escrow, Payee: d.Payee, Operator: d.Operator,
		Token: d.Token, Payer: s.payer, Signer: s.ledger.Signer(),
	}
	if _, err := s.adopt(ctx, in.ID, d, scope, adoption{place: placeOf(u), replace: true}); err != nil {
		return &Error{Op: "import", Outcome: OutcomeRefused, Origin: at.Text, ChannelID: in.ID, Err: err}
	}
	s.challenges.rebind(at.Text, in.ID) // servers show a snapshot of the channel that a request names
	return nil
}

// adoption says how a channel is taken in.
type adoption struct {
	// snap is what a server reported of it, nil if none did.
	snap *channel.Snapshot
	// place is where it will be closed.
	place string
	// now is the channel that the scope used until now and that cannot be paid from; nil if it has none.
	// replace takes the place of whatever channel the scope uses. The one before stays on record.
	now     *ledger.Account
	replace bool
}

// adopt checks a channel against the chain and puts it into the ledger.
func (s *Session) adopt(ctx context.Context, id common.Hash, d channel.Descriptor, scope channel.Scope, how adoption) (*ledger.Account, error) {
	if s.cfg.Chain == nil {
		return nil, ErrNoChain
	}
	if how.replace {
		s.cfg.Chain.Forget(id) // the caller means it as it is now
	}
	c, err := s.cfg.Chain.State(ctx, escrow.Ref{Protocol: scope.Protocol, ChainID: scope.ChainID, Escrow: scope.Escrow, ChannelID: id})
	if err != nil {
		return nil, err
	}
	if scope.Protocol == voucher.V1 && scope.Payee == (common.Address{}) {
		scope.Payee, scope.Token = c.Payee, c.Token
	}
	state, err := rule.Find(scope.Protocol, scope.ChainID, scope.Escrow, id, d, scope, rule.OnChain(c))
	if err != nil {
		return nil, err
	}
	state.CreatedAt, state.URL = time.Now().UTC(), how.place
	if state, err = claimed(state, how.snap); err != nil {
		return nil, err
	}
	return s.takeIn(ctx, state, rule.OnChain(c), how)
}

// takeIn puts a channel that was checked into the ledger. One that had ended by the record, and that the
// chain shows, is as it was before.
func (s *Session) takeIn(ctx context.Context, state rule.State, c rule.OnChain, how adoption) (_ *ledger.Account, err error) {
	id := state.ID
	if how.replace {
		if how.now, err = s.ledger.Lookup(ctx, state.Scope); err != nil {
			return nil, err
		}
	}
	known, missing := s.ledger.Account(ctx, id)
	if missing == nil && known.State().Unbound() {
		before := known.State()
		if err := s.ledger.Bind(ctx, id, state); err != nil {
			return nil, err
		}
		s.recordProof(ctx, known.State(), ledger.Rise{}.Plus(before.Authorized(), known.State().Authorized()))
	}
	if missing == nil && known.State().Phase() == channel.Closed {
		if _, err := s.sync(ctx, known, syncOptions{read: &c, news: true}); err != nil {
			return nil, err
		}
	}
	account, added, err := s.ledger.Add(ctx, state, how.now)
	if err == nil && added && errors.Is(missing, store.ErrNotFound) {
		s.recordFound(ctx, state)
	}
	return account, err
}

// claimed checks what a server reports of a channel that is about to be taken in, and books what it
// proves.
func claimed(state rule.State, snap *channel.Snapshot) (rule.State, error) {
	if snap == nil {
		return state, nil
	}
	if snap.Voucher == nil && state.Settled.Less(snap.Report.Accepted) {
		return state, fmt.Errorf("%w: the server reports that it accepted %s and shows no voucher of ours for it; the chain proves %s", channel.ErrNotOurs, state.Currency().Format(snap.Report.Accepted), state.Currency().Format(state.Settled))
	}
	if snap.Voucher != nil {
		var err error
		if state, err = state.Recover(*snap.Voucher); err != nil {
			return state, err
		}
	}
	state, err := state.Reconcile(snap.Report, voucher.Amount{})
	if err != nil {
		err = fmt.Errorf("%w: %w", channel.ErrNotOurs, err)
	}
	return state, err
}

// RecoverFromPayee asks the payee what was signed on a channel: it sends a HEAD request, and a GET if
// that brings no challenge, to where the channel was last paid, unpaid and with the channel's id. If
// the answer contains a voucher signed by our key, the record is raised to that voucher. No other field
// can raise it. Use it for a channel from a backup or from another program, before it is paid from. The
// error is [ErrRejected] if no challenge came, or the transport's.
func (c *Channels) RecoverFromPayee(ctx context.Context, id common.Hash) (channel.Info, error) {
	account, err := c.s.ledger.Account(ctx, id)
	if err != nil {
		return channel.Info{}, err
	}
	_, err = c.s.managing(ctx, account, "recover")
	return account.State().Info(), err
}

// AuthorizeManually raises the authorized amount of a channel by amount, in base units, and signs a
// voucher for it. Use it if another program, or a lost store, already signed vouchers that the payee
// will not show ([Channels.RecoverFromPayee]) and refuses lower ones. The amount comes from the caller
// alone; Limits apply as for any price, the Policy is asked, and Config.Approve above Limits.Ask.
// Nothing is sent; the next request presents it. The error is an [*Error].
func (c *Channels) AuthorizeManually(ctx context.Context, id common.Hash, amount voucher.Amount) (channel.Info, error) {
	s := c.s
	account, err := s.ledger.Account(ctx, id)
	if err != nil {
		return channel.Info{}, err
	}
	state := account.State()
	fail := func(err error) (channel.Info, error) {
		return account.State().Info(), &Error{Op: "authorize", Outcome: OutcomeRefused, Origin: state.Scope.Origin, ChannelID: id, Price: amount, Err: err}
	}
	a, err := s.manual(ctx, account, amount)
	if err != nil {
		return fail(err)
	}
	if !state.Payable() {
		return fail(fmt.Errorf("%w: channel %s is %s", channel.ErrNotPayable, id, state.Phase()))
	}
	if err := a.affords(ctx, &state); err != nil {
		return fail(err)
	}
	if e := a.consent(ctx); e.Err != nil {
		return fail(e.Err)
	}
	reserved, signed, err := account.Reserve(ctx, a.terms, rule.Request{Price: amount})
	if err != nil {
		a.charge.Refund()
		return fail(err)
	}
	a.charge.Sent() // the next request presents it
	reserved.Keep()
	line := lineOf(journal.KindPay, account.State(), reserved.Rise())
	line.Price, line.Cumulative, line.Outcome = amount, signed.Cumulative, string(OutcomeNotSent)
	s.write(ctx, line)
	return account.State().Info(), nil
}

// manual returns the attempt that stands for an amount that the caller authorizes by hand.
func (s *Session) manual(ctx context.Context, account *ledger.Account, amount voucher.Amount) (*attempt, error) {
	state := account.State()
	asset := channel.Asset{ChainID: state.ChainID, Token: state.Descriptor.Token}
	currency, err := s.currency(ctx, asset)
	if err != nil {
		return nil, err
	}
	lim, err := s.limits(ctx, state.Scope.Origin, currency)
	if err != nil {
		return nil, err
	}
	budgets, _ := ctx.Value(budgetKey{}).([]*ledger.Budget)
	charge := ledger.NewCharge(budgets...)
	offer := channel.Offer{
		Protocol: state.Protocol, ChainID: state.ChainID, Escrow: state.Escrow, Payee: state.Descriptor.Payee,
		Operator: state.Descriptor.Operator, Token: state.Descriptor.Token, Price: amount, Currency: currency,
	}
	a := &attempt{
		s: s, account: account, origin: origin.Origin{Text: state.Scope.Origin}, info: &Payment{},
		challenge: manualChallenge(offer, state.Scope),
		bought:    &bought{decision: new(purchase.Purchase), charge: charge},
		terms:     ledger.Terms{Limits: lim, Charge: charge, Origin: state.Scope.Origin},
	}
	a.decision.Next(purchase.Event{Kind: purchase.Answered, Status: http.StatusPaymentRequired, Offered: true, Offer: a.challenge.wants})
	return a, nil
}

func manualChallenge(o channel.Offer, scope channel.Scope) *challenge {
	return &challenge{
		offer: o, scope: scope, request: rule.Request{Price: o.Price}, wants: purchase.Offer{Terms: o.Terms(), Price: o.Price},
	}
}
