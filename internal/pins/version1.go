package pins

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/origin"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// version1 is a record of version 1: one for each origin and protocol, with the units of its routes
// in it. Its origin may have a spelling that is not the canonical one.
type version1 struct {
	Version  int              `json:"version"`
	Origin   string           `json:"origin"`
	Protocol voucher.Protocol `json:"protocol"`
	Terms    struct {
		Payee    common.Address `json:"payee"`
		Operator common.Address `json:"operator"`
		Token    common.Address `json:"token"`
		Escrow   common.Address `json:"escrow"`
		ChainID  uint64         `json:"chainId"`
	} `json:"terms"`
	Units map[string]string `json:"units,omitempty"`
	Since time.Time         `json:"since"`
}

func version1Key(origin string, p voucher.Protocol) string {
	return "pin/" + hex.EncodeToString(hashOf(origin+"\n"+p.String()))
}

func decodeVersion1(key string, data []byte) (v version1, err error) {
	if err := json.Unmarshal(data, &v); err != nil || v.Version != 1 || version1Key(v.Origin,
		v.Protocol) != key {
		return v, fmt.Errorf("%w: %s is not a pin of version 1", channel.ErrRecord, key)
	}
	return v, nil
}

// pin returns the pin of a record, with the canonical origin.
func (v version1) pin() Pin {
	t := v.Terms
	return Pin{
		Origin: origin.Canonical(v.Origin), Since: v.Since,
		Terms: channel.Terms{
			Protocol: v.Protocol, ChainID: t.ChainID, Escrow: t.Escrow,
			Payee: t.Payee, Operator: t.Operator, Token: t.Token,
		},
	}
}

// readVersion1 returns what records of version 1 hold of an origin, over both protocols and under
// all spellings.
func (b *Book) readVersion1(ctx context.Context, canonical string) (*record, error) {
	old, err := b.search(ctx)
	if err != nil {
		return nil, err
	}
	old = slices.DeleteFunc(slices.Clone(old),
		func(v version1) bool { return origin.Canonical(v.Origin) != canonical })
	for _, p := range []voucher.Protocol{voucher.V1, voucher.V2} {
		key := version1Key(canonical, p)
		data, _, err := b.store.Get(ctx, key)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		v, err := decodeVersion1(key, data)
		if err != nil {
			return nil, err
		}
		old = append(old, v)
	}
	slices.SortStableFunc(old, func(a, b version1) int { return a.Since.Compare(b.Since) })
	r := &record{origin: canonical, routes: routes{}}
	for _, v := range old {
		if p := v.pin(); !slices.ContainsFunc(r.pins,
			func(q Pin) bool { return q.Terms == p.Terms }) {
			r.pins = append(r.pins, p)
		}
		for route, unit := range v.Units {
			r.routes.add(route, unitName(unit))
		}
	}
	return r, nil
}

// search returns the records of version 1 whose origin has another spelling now. The store is read
// once: this program writes no more of them. A record that cannot be read is passed over here; its
// origin is not known.
func (b *Book) search(ctx context.Context) ([]version1, error) {
	b.mu.Lock()
	found, done := b.respelled, b.searched
	b.mu.Unlock()
	if done {
		return found, nil
	}
	for e, err := range b.store.List(ctx, "pin/") {
		if err != nil && e.Key == "" {
			return nil, err
		}
		if err != nil || versionOf(e.Data) != 1 {
			continue
		}
		if v, err := decodeVersion1(e.Key, e.Data); err == nil &&
			origin.Canonical(v.Origin) != v.Origin {
			found = append(found, v)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.respelled, b.searched = found, true
	return found, nil
}
