package client

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/ledger"
	"github.com/seed-5fe1f529/tallystick/internal/origin"
	"github.com/seed-5fe1f529/tallystick/internal/pins"
	"github.com/seed-5fe1f529/tallystick/store"
)

// Pin is one set of terms that an origin may name: its first one, or one that was accepted since.
// An origin can have several, for example two payees.
type Pin struct {
	// Origin is spelled as [ParseOrigin] returns it.
	Origin string
	// Terms are the accepted ones. Their Unit is empty: units are remembered by route.
	Terms channel.Terms
	// Since is when they were accepted.
	Since time.Time
}

// TermsError is the error of [PinFirstUse] for an offer whose terms were not accepted. It shows the
// offered terms and the accepted ones. [Accept] accepts the offered ones.
type TermsError struct {
	// Origin and Route ("GET /data") are where the offer was made.
	Origin, Route string
	// Offered are the terms of the offer.
	Offered channel.Terms
	// Pinned are the accepted terms of the origin, the oldest first.
	Pinned []Pin
	// Units are the accepted unit types of the route. None means that the route is new, and has any
	// unit.
	Units []string

	known bool // whether the terms are accepted and only the unit is not
}

// shownPins is how many accepted terms a TermsError writes.
const shownPins = 4

func (e *TermsError) Error() string {
	const how = "if that is right, accept it: client.Accept, or tally trust accept"
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

// String returns the accepted terms in one line, without the origin.
func (p Pin) String() string {
	t := p.Terms
	return fmt.Sprintf("payee %s, operator %s, token %s, escrow %s on chain %d (%s)",
		t.Payee, t.Operator, t.Token, t.Escrow, t.ChainID, t.Protocol)
}

// PinFirstUse returns a policy that pins the terms of an origin: it accepts the first payee,
// operator, token, chain, escrow and protocol that an origin names, stores them before anything is
// signed, and refuses others with a [*TermsError] until they are accepted with [Accept]. The unit
// type of a route is pinned too, when the route is first used. A nil Config.Policy is PinFirstUse
// over Config.Store. With [AllOf] it goes together with lists; put it last, so that an origin which
// a list refuses is not pinned.
//
// An origin that serves both protocol versions is accepted over the other one if payee, operator,
// token and chain are accepted ones. The escrow it names there first is pinned then; the session
// checks that it is the canonical one, or Config.Escrow.
//
// A store holds the units of some million routes of an origin. Later routes are not remembered one
// by one: they may have the unit that the first of them had, and any other one is refused until it
// is accepted.
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
		if err != nil {
			return err
		}
		err = book.Check(ctx, pins.Offer{Origin: o, Route: p.Route, Terms: p.Offer.Terms()})
		var c *pins.Conflict
		if !errors.As(err, &c) {
			return pinError(err)
		}
		e := &TermsError{
			Origin: o, Route: p.Route, Offered: c.Terms, Units: c.Units,
			known: c.Known,
		}
		for _, pin := range c.Accepted {
			e.Pinned = append(e.Pinned, Pin(pin))
		}
		return e
	}
}

// Accept adds the terms that a [TermsError] shows to those that are accepted of its origin, and its
// unit to those of its route. What was accepted before stays accepted. It is safe for concurrent
// use, also with requests.
//
// The errors are the store's, [channel.ErrRecord] for a pin that cannot be read, and one for an
// origin that has more than a hundred accepted terms.
func Accept(ctx context.Context, s store.Store, e *TermsError) error {
	o, err := origin.Parse(e.Origin)
	if err != nil {
		return fmt.Errorf("client: %w", err)
	}
	return pinError(pins.New(s).Accept(ctx, pins.Offer{
		Origin: o, Route: e.Route,
		Terms: e.Offered,
	}))
}

// Pins yields the accepted terms of all origins, in no particular order. A record that cannot be
// read is yielded as an error, and the iteration goes on.
func Pins(ctx context.Context, s store.Store) iter.Seq2[Pin, error] {
	return func(yield func(Pin, error) bool) {
		for p, err := range pins.New(s).All(ctx) {
			if !yield(Pin(p), err) {
				return
			}
		}
	}
}

// pinError marks an error of the store as one.
func pinError(err error) error {
	if err == nil || errors.Is(err, channel.ErrRecord) || errors.Is(err, pins.ErrFull) {
		return err
	}
	return fmt.Errorf("%w: %w", ledger.ErrStore, err)
}
