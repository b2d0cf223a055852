package client

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/ledger"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Terms are what an origin wants its money in and where: everything of an offer that must not change unnoticed
// but its price, which [channel.Limits] bound.
type Terms struct {
	Payee    common.Address `json:"payee"`
	Operator common.Address `json:"operator"`
	Token    common.Address `json:"token"`
	Escrow   common.Address `json:"escrow"`
	ChainID  uint64         `json:"chainId"`
}

// String is the terms in words.
func (t Terms) String() string {
	return fmt.Sprintf("payee %s, operator %s, token %s, escrow %s on chain %d", t.Payee, t.Operator, t.Token, t.Escrow, t.ChainID)
}

func termsOf(o channel.Offer) Terms {
	return Terms{Payee: o.Payee, Operator: o.Operator, Token: o.Token, Escrow: o.Escrow, ChainID: o.ChainID}
}

// Pin is what an origin asked for first, or what was accepted since, as a store remembers it. An origin may serve
// both protocol versions; each is pinned on its own.
type Pin struct {
	Origin   string           `json:"origin"`
	Protocol voucher.Protocol `json:"protocol"`
	Terms    Terms            `json:"terms"`
	// Units is what a unit is (a "request", a "chunk"), by route: method, blank, path.
	Units map[string]string `json:"units,omitempty"`
	// Since is when these terms were pinned.
	Since time.Time `json:"since"`
}

// maxPinnedRoutes bounds how many routes of an origin have their unit remembered; an origin may have any number.
const maxPinnedRoutes = 256

// TermsError is why [PinFirstUse] refuses: an origin asks for other terms than it did. It shows both. [Accept] takes
// the new ones.
type TermsError struct {
	// Pinned is what is remembered.
	Pinned Pin
	// Offered is what is asked for now, Route and Unit where, and what a unit is there.
	Offered     Terms
	Route, Unit string
}

func (e *TermsError) Error() string {
	const how = "if that is right, accept it: client.Accept, or tally trust accept"
	if e.Offered == e.Pinned.Terms {
		return fmt.Sprintf("client: %s of %s first charged by the %q and now by the %q; %s", e.Route, e.Pinned.Origin, e.Pinned.Units[e.Route], e.Unit, how)
	}
	return fmt.Sprintf("client: %s first asked for %s and now asks for %s; %s", e.Pinned.Origin, e.Pinned.Terms, e.Offered, how)
}

// PinFirstUse deals with whatever payee, token, chain, escrow and unit an origin names first, remembers them in the store
// before anything is signed, and refuses that origin with a [*TermsError] when it names others later. Over the session's
// own store it is what a nil Policy means; with [AllOf] it goes together with lists. Nil is a memory of its own.
func PinFirstUse(s store.Store) Policy {
	if s == nil {
		s = store.NewMem()
	}
	return func(ctx context.Context, p Proposal) error {
		for {
			pin, rev, err := readPin(ctx, s, p.Origin, p.Offer.Protocol)
			if err != nil {
				return err
			}
			offered, unit := termsOf(p.Offer), p.Offer.UnitType
			if rev == 0 {
				pin.Terms, pin.Since = offered, time.Now().UTC()
			}
			was, seen := pin.Units[p.Route]
			if pin.Terms != offered || (seen && was != unit) {
				return &TermsError{Pinned: pin, Offered: offered, Route: p.Route, Unit: unit}
			}
			if rev != 0 && (seen || len(pin.Units) >= maxPinnedRoutes) {
				return nil
			}
			pin.Units[p.Route] = unit
			if err := writePin(ctx, s, pin, rev); !errors.Is(err, store.ErrConflict) {
				return err
			}
		}
	}
}

// Accept makes a store remember the terms that a [TermsError] refused, so that the next request is paid by them. It
// takes exactly what the error shows. The errors are the store's.
func Accept(ctx context.Context, s store.Store, e *TermsError) error {
	for {
		pin, rev, err := readPin(ctx, s, e.Pinned.Origin, e.Pinned.Protocol)
		if err != nil {
			return err
		}
		pin.Terms, pin.Since = e.Offered, time.Now().UTC()
		pin.Units[e.Route] = e.Unit
		if err := writePin(ctx, s, pin, rev); !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}

// Pins yields what a store remembers of origins. A record that cannot be read is yielded as an error, and the
// iteration goes on.
func Pins(ctx context.Context, s store.Store) iter.Seq2[Pin, error] {
	return func(yield func(Pin, error) bool) {
		for e, err := range s.List(ctx, "pin/") {
			var pin Pin
			if err == nil {
				pin, err = decodePin(e.Key, e.Data)
			}
			if !yield(pin, err) {
				return
			}
		}
	}
}

// storedPin is a pin as it is stored.
type storedPin struct {
	Version int `json:"version"`
	Pin
}

func pinKey(origin string, p voucher.Protocol) string {
	return "pin/" + hex.EncodeToString(crypto.Keccak256([]byte(origin+"\n"+p.String())))
}

// readPin returns an empty pin and revision 0 where there is none.
func readPin(ctx context.Context, s store.Store, origin string, p voucher.Protocol) (Pin, uint64, error) {
	key := pinKey(origin, p)
	data, rev, err := s.Get(ctx, key)
	if errors.Is(err, store.ErrNotFound) {
		return Pin{Origin: origin, Protocol: p, Units: map[string]string{}}, 0, nil
	}
	if err != nil {
		return Pin{}, 0, fmt.Errorf("%w: %w", ledger.ErrStore, err)
	}
	pin, err := decodePin(key, data)
	return pin, rev, err
}

func decodePin(key string, data []byte) (Pin, error) {
	var r storedPin
	if err := json.Unmarshal(data, &r); err != nil || r.Version != 1 || pinKey(r.Origin, r.Protocol) != key {
		return Pin{}, fmt.Errorf("%w: %s is not a pin of version 1", channel.ErrRecord, key)
	}
	if r.Units == nil {
		r.Units = map[string]string{}
	}
	return r.Pin, nil
}

func writePin(ctx context.Context, s store.Store, p Pin, rev uint64) error {
	data, err := json.Marshal(storedPin{1, p})
	if err != nil {
		return err
	}
	if _, err = s.Put(ctx, pinKey(p.Origin, p.Protocol), data, rev); err != nil {
		return fmt.Errorf("%w: %w", ledger.ErrStore, err)
	}
	return nil
}
