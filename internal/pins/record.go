package pins

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// record is what is accepted of one origin.
type record struct {
	key, origin string
	pins        []Pin
	routes      routes // the units of the first routes
	more        bool   // whether there are records of units

	rev   uint64 // 0 if there is no record of version 2 yet
	dirty bool   // whether it has more than what is stored
}

// admits reports whether terms were accepted, whatever their unit, or are those of accepted parties
// over the other protocol. The escrow of the other protocol is another one by nature; that it can
// be trusted is checked elsewhere. Once it was pinned, it stays.
func (r *record) admits(t channel.Terms) bool {
	t.Unit = ""
	parties := func(t channel.Terms) channel.Terms {
		t.Protocol, t.Escrow = 0, common.Address{}
		return t
	}
	same, other := false, false // whether the parties are pinned over this protocol and the other
	for _, p := range r.pins {
		if p.Terms == t {
			return true
		}
		if parties(p.Terms) == parties(t) {
			same = same || p.Terms.Protocol == t.Protocol
			other = other || p.Terms.Protocol != t.Protocol
		}
	}
	return other && !same
}

// roomForRoutes is how much of a record the hashes of its routes may take, in bytes. It leaves room
// for MaxTerms.
const roomForRoutes = 4 << 10

// addUnit adds a unit type of a route and reports true, or reports false if it belongs into a
// record of units: the route is new and there is no room for it. The error is ErrFull.
func (r *record) addUnit(hash []byte, unit string) (bool, error) {
	known := len(r.routes.of(hash)) > 0
	if !known && (r.more || r.routes.size() >= roomForRoutes) {
		return false, nil
	}
	if known && r.routes.size() >= roomForRoutes+roomToAccept {
		return false, errNoRoom
	}
	r.routes.add(hash, unit)
	r.dirty = true
	return true, nil
}

// stored is a record of version 2.
type stored struct {
	Version  int        `json:"version"`
	Origin   string     `json:"origin"`
	Accepted []accepted `json:"accepted"`
	Routes   routes     `json:"routes,omitempty"`
	More     bool       `json:"more,omitempty"`
}

type accepted struct {
	Protocol voucher.Protocol `json:"protocol"`
	ChainID  uint64           `json:"chainId"`
	Escrow   common.Address   `json:"escrow"`
	Payee    common.Address   `json:"payee"`
	Operator common.Address   `json:"operator"`
	Token    common.Address   `json:"token"`
	Since    time.Time        `json:"since"`
}

// pinKey is the key of a record, of the hash of its origin.
const pinKey = "pin/%x"

// decode reads a record of version 2.
func decode(key string, data []byte) (*record, error) {
	var s stored
	if err := strict(key, data, &s, &s.Version, 2); err != nil {
		return nil, err
	}
	if fmt.Sprintf(pinKey, crypto.Keccak256([]byte(s.Origin))) != key || len(s.Accepted) == 0 || !s.Routes.whole() {
		return nil, fmt.Errorf("%w: %s is not a pin", channel.ErrRecord, key)
	}
	r := &record{key: key, origin: s.Origin, routes: s.Routes, more: s.More}
	for _, a := range s.Accepted {
		t := channel.Terms{
			Protocol: a.Protocol, ChainID: a.ChainID, Escrow: a.Escrow,
			Payee: a.Payee, Operator: a.Operator, Token: a.Token,
		}
		r.pins = append(r.pins, Pin{s.Origin, t, a.Since})
	}
	return r, nil
}

// strict reads a record, whose version it writes to have, and refuses another version and a field
// that this program does not know: to write the record again would lose that field.
func strict(key string, data []byte, to any, have *int, version int) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	err := d.Decode(to)
	if err != nil {
		*have = versionOf(data)
	}
	if *have != version {
		return fmt.Errorf("%w: %s has version %d, this program reads version %d: "+
			"use the program that wrote it",
			channel.ErrRecord, key, *have, version)
	}
	if err != nil {
		return fmt.Errorf("%w: %s: %w", channel.ErrRecord, key, err)
	}
	return nil
}

// versionOf returns the version of a record, or 0 if it cannot be read.
func versionOf(data []byte) int {
	var v struct {
		Version int `json:"version"`
	}
	_ = json.Unmarshal(data, &v) // 0 then
	return v.Version
}

// All yields every pin of the store, those of version 1 last. A record that cannot be read is
// yielded as an error, and the iteration goes on.
func (b *Book) All(ctx context.Context) iter.Seq2[Pin, error] {
	return func(yield func(Pin, error) bool) {
		newer := map[string]bool{} // origins with a record of version 2
		var old []Pin
		for e, err := range b.store.List(ctx, "pin/") {
			var pins []Pin
			switch {
			case err != nil:
			case versionOf(e.Data) == 1:
				var v version1
				if v, err = decodeVersion1(e.Key, e.Data); err == nil {
					old = append(old, v.pin())
				}
			default:
				var r *record
				if r, err = decode(e.Key, e.Data); err == nil {
					pins, newer[r.origin] = r.pins, true
				}
			}
			if err != nil && !yield(Pin{}, err) {
				return
			}
			for _, p := range pins {
				if !yield(p, nil) {
					return
				}
			}
		}
		for _, p := range old {
			if !newer[p.Origin] && !yield(p, nil) {
				return
			}
		}
	}
}
