// Package pins remembers in a store which terms were accepted of each origin.
//
// An origin has one record, pin/<hash>, with all terms that were accepted there, whatever the
// protocol, and with the unit types of its first routes. Later routes are in records of their own,
// so that their number does not matter: see units.go. Records of version 1, one for each origin and
// protocol, are read until the first record of version 2 of that origin is written, which holds
// what they hold: see version1.go.
package pins

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/crypto"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/store"
)

// Offer is an offer as far as it is pinned.
type Offer struct {
	// Origin has its canonical spelling. Route is a method and a path ("GET /data").
	Origin, Route string
	Terms         channel.Terms
}

// Pin is one set of terms that was accepted of an origin. Its unit is empty: units are remembered
// by route.
type Pin struct {
	Origin string
	Terms  channel.Terms
	Since  time.Time
}

// Conflict is the error of [Book.Check] for an offer that was not accepted.
type Conflict struct {
	Offer
	// Accepted are the pins of the origin, the oldest first. Known reports whether they admit the
	// terms of the offer, so that only its unit is new.
	Accepted []Pin
	Known    bool
	// Units are the accepted unit types of the route; none if the route is new.
	Units []string
}

func (c *Conflict) Error() string { return "pins: the offer was not accepted" }

// ErrFull is the error for an origin of which [MaxTerms] terms are accepted.
var ErrFull = errors.New("pins: the origin has too many accepted terms")

// errNoRoom is the error for a route that has too many accepted unit types.
var errNoRoom = fmt.Errorf("%w: no room for another unit type", ErrFull)

// MaxTerms is how many terms of one origin can be accepted. A record of so many fits into a store.
const MaxTerms = 128

// Book is the pins of one store. It is safe for concurrent use, also by several processes.
type Book struct {
	store store.Store

	mu    sync.Mutex
	older *older // guarded by mu; nil until the store was searched for them
}

// New returns the pins of a store.
func New(s store.Store) *Book { return &Book{store: s} }

// Check returns nil if the offer was accepted of its origin. The first offer of an origin is
// accepted and stored. So are the first unit type of a route, and the first offer of accepted
// parties over the other protocol. Any other offer is a [*Conflict].
//
// The other errors are [channel.ErrRecord], [ErrFull] and the store's.
func (b *Book) Check(ctx context.Context, o Offer) error {
	return b.update(ctx, o, func(r *record, seen []string) error {
		if len(r.pins) == 0 {
			return nil
		}
		known := r.admits(o.Terms)
		sameUnit := len(seen) == 0 || slices.Contains(seen, unitName(o.Terms.Unit))
		if known && sameUnit {
			return nil
		}
		return &Conflict{Offer: o, Accepted: r.pins, Known: known, Units: seen}
	})
}

// Accept adds the terms of an offer, and its unit on its route, to those that are accepted. The
// errors are those of [Book.Check] without the conflict.
func (b *Book) Accept(ctx context.Context, o Offer) error {
	return b.update(ctx, o, func(*record, []string) error { return nil })
}

// maxConflicts bounds how often a write is tried again because another one was quicker.
const maxConflicts = 1000

// update reads what is known of an offer, and adds the offer to it unless decide returns an error.
func (b *Book) update(ctx context.Context, o Offer, decide func(r *record,
	seen []string) error,
) error {
	terms, unit := o.Terms, o.Terms.Unit
	terms.Unit = ""
	if len(unit) > maxUnit {
		unit = unitName(unit)
	}
	route := crypto.Keccak256([]byte(o.Route))
	for range maxConflicts {
		r, err := b.read(ctx, o.Origin)
		if err != nil {
			return err
		}
		var u *units
		var seen []string
		if len(r.routes) > 0 {
			seen = r.routes.of(route)
		}
		if len(seen) == 0 && r.more {
			if u, err = b.readUnits(ctx, o.Origin, route); err != nil {
				return err
			}
			seen = u.of(route)
		}
		if err := decide(r, seen); err != nil {
			return err
		}
		if !slices.ContainsFunc(r.pins, func(p Pin) bool { return p.Terms == terms }) {
			r.pins = append(r.pins, Pin{Origin: o.Origin, Terms: terms, Since: time.Now().UTC()})
			r.dirty = true
		}
		switch {
		case slices.Contains(seen, unit):
			u = nil // nothing to write
		case len(r.routes) == 0 && !r.more:
			r.routes, r.dirty = routes{unit: route[1 : 1+hashSize]}, true
		default:
			if u, err = b.addUnit(ctx, r, u, route, unit); err != nil {
				return fmt.Errorf("%s: %w", o.Route, err)
			}
		}
		if err := b.put(ctx, r, u); !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
	return fmt.Errorf("pins of %s: too many concurrent updates (%d conflicts)", o.Origin,
		maxConflicts)
}

// addUnit adds a unit type of a route to the record of the origin, or if that has no room to a
// record of units, which it returns.
func (b *Book) addUnit(ctx context.Context, r *record, u *units, route []byte,
	unit string,
) (*units, error) {
	if u == nil {
		if fits, err := r.addUnit(route, unit); err != nil || fits {
			return nil, err
		}
		r.more, r.dirty = true, true
		var err error
		if u, err = b.readUnits(ctx, r.origin, route); err != nil {
			return nil, err
		}
	}
	return u, u.add(route, unit)
}

// put writes what has more than what is stored, the record of the origin last.
func (b *Book) put(ctx context.Context, r *record, u *units) error {
	if len(r.pins) > MaxTerms {
		return fmt.Errorf("%w: %s has %d", ErrFull, r.origin, MaxTerms)
	}
	if u != nil {
		data, err := json.Marshal(u)
		if err != nil {
			return err
		}
		if _, err := b.store.Put(ctx, u.key, data, u.rev); err != nil {
			return err
		}
	}
	if !r.dirty {
		return nil
	}
	s := stored{Version: 2, Origin: r.origin, Routes: r.routes, More: r.more}
	for _, p := range r.pins {
		t := p.Terms
		s.Accepted = append(s.Accepted, accepted{
			t.Protocol, t.ChainID, t.Escrow, t.Payee,
			t.Operator, t.Token, p.Since,
		})
	}
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	_, err = b.store.Put(ctx, r.key, data, r.rev)
	return err
}

// read returns the record of an origin, or what records of version 1 hold of it, or an empty one. The
// store is searched once for records of version 1: this program writes no more of them.
func (b *Book) read(ctx context.Context, origin string) (*record, error) {
	key := fmt.Sprintf(pinKey, crypto.Keccak256([]byte(origin)))
	data, rev, err := b.store.Get(ctx, key)
	if err == nil {
		r, err := decode(key, data)
		if err == nil {
			r.rev = rev
		}
		return r, err
	} else if !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	r := &record{key: key, origin: origin}
	b.mu.Lock()
	old := b.older
	b.mu.Unlock()
	if old == nil {
		old = &older{unreadable: map[string]error{}}
		for e, err := range b.store.List(ctx, "pin/") {
			if err != nil && e.Key == "" {
				return nil, err
			}
			if err == nil && versionOf(e.Data) == 2 {
				continue
			}
			var v version1
			if err == nil {
				v, err = decodeVersion1(e.Key, e.Data)
			}
			if err != nil {
				old.unreadable[e.Key] = err
				continue
			}
			old.records = append(old.records, v)
		}
		b.mu.Lock()
		b.older = old
		b.mu.Unlock()
	}
	if len(old.records)+len(old.unreadable) == 0 {
		return r, nil
	}
	return r, old.addTo(r)
}
