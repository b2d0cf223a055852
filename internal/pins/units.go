package pins

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/crypto"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/store"
)

// routes are the hashes of routes by their unit type, one after the other. A route is its hash, so
// its length does not matter. A route can have several unit types.
type routes map[string][]byte

// hashSize is how many bytes of a route's hash are kept: those after the first, which says in which
// record of units it is.
const hashSize = 8

// of returns the unit types of a route, given by its hash, in ascending order; none if it is not
// there.
func (r routes) of(hash []byte) (found []string) {
	for _, unit := range slices.Sorted(maps.Keys(r)) {
		for h := range slices.Chunk(r[unit], hashSize) {
			if bytes.Equal(h, hash[1:1+hashSize]) {
				found = append(found, unit)
				break
			}
		}
	}
	return found
}

// add adds a unit type to those of a route.
func (r routes) add(hash []byte, unit string) {
	if !slices.Contains(r.of(hash), unit) {
		r[unit] = append(slices.Clip(r[unit]), hash[1:1+hashSize]...)
	}
}

// whole reports whether there is no part of a hash.
func (r routes) whole() bool {
	for _, hashes := range r {
		if len(hashes) == 0 || len(hashes)%hashSize != 0 {
			return false
		}
	}
	return true
}

// size returns at least how many bytes of a record the routes take.
func (r routes) size() (n int) {
	for unit, hashes := range r {
		n += 6*len(unit) + 8 + (len(hashes)+2)/3*4 // a byte of a unit can take six in JSON
	}
	return n
}

// units is a record with the unit types of those routes of an origin whose hash begins with one
// byte, and that came after the record of the origin was full. 256 such records hold about a
// million routes.
//
// Routes that come later still are not remembered one by one. They may have the units of Rest and
// no other, so that a changed unit is noticed there too, and so is a first one that differs. What
// is accepted for one of them is accepted for all.
type units struct {
	Version int    `json:"version"`
	Origin  string `json:"origin"`
	Routes  routes `json:"routes,omitempty"`
	// Rest are the unit types of all other routes. It is empty until there is no room for another
	// route.
	Rest []string `json:"rest,omitempty"`

	key string
	rev uint64
}

const (
	// maxUnit is how long a unit type may be to be kept as it is, in bytes.
	maxUnit = 64
	// maxRest is how many unit types Rest can have.
	maxRest = 16
	// roomForUnits is how much of a record of units the hashes may take, in bytes. roomToAccept
	// comes on top of it for other unit types of the same routes, which an owner accepts.
	roomForUnits = 44 << 10
	roomToAccept = 4 << 10
)

// unitName returns a unit type as it is remembered: as it is, or cut and with its hash if it is
// long.
func unitName(unit string) string {
	if len(unit) <= maxUnit {
		return unit
	}
	return strings.ToValidUTF8(unit[:maxUnit/2], "") + "…" +
		hex.EncodeToString(crypto.Keccak256([]byte(unit))[:hashSize])
}

// readUnits returns the record of units that a route belongs into, or an empty one.
func (b *Book) readUnits(ctx context.Context, origin string, hash []byte) (*units, error) {
	u := &units{Version: 1, Origin: origin, key: fmt.Sprintf("unit/%x/%x",
		crypto.Keccak256([]byte(origin)), hash[:1])}
	data, rev, err := b.store.Get(ctx, u.key)
	if err == nil {
		var r units
		if err := strict(u.key, data, &r, &r.Version, 1); err != nil {
			return nil, err
		}
		if r.Origin != origin || !r.Routes.whole() {
			return nil, fmt.Errorf("%w: %s does not hold units of %s", channel.ErrRecord, u.key,
				origin)
		}
		u.Routes, u.Rest, u.rev = r.Routes, r.Rest, rev
	} else if !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	if u.Routes == nil {
		u.Routes = routes{}
	}
	return u, nil
}

// of returns the accepted unit types of a route; none if the route is new.
func (u *units) of(hash []byte) []string {
	if own := u.Routes.of(hash); len(own) > 0 {
		return own
	}
	return u.Rest
}

// add adds a unit type to those of a route. The error is ErrFull.
func (u *units) add(hash []byte, unit string) error {
	known := len(u.Routes.of(hash)) > 0
	size := u.Routes.size()
	switch {
	case known && size < roomForUnits+roomToAccept, !known && len(u.Rest) == 0 &&
		size < roomForUnits:
		u.Routes.add(hash, unit)
	case known, len(u.Rest) == maxRest:
		return errNoRoom
	default:
		u.Rest = append(slices.Clip(u.Rest), unit)
	}
	return nil
}
