package pins

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/origin"
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
	return "pin/" + hex.EncodeToString(crypto.Keccak256([]byte(origin+"\n"+p.String())))
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

// older is what a store holds of version 1.
type older struct {
	records    []version1
	unreadable map[string]error // by key
}

// addTo adds to the empty record of an origin what is accepted of it, over both protocols and under
// all spellings. A record that cannot be read is an error if its key is one of the origin; if its
// origin had another spelling, nobody knows.
func (o *older) addTo(r *record) error {
	for _, p := range []voucher.Protocol{voucher.V1, voucher.V2} {
		if err := o.unreadable[version1Key(r.origin, p)]; err != nil {
			return err
		}
	}
	var own []version1
	for _, v := range o.records {
		if origin.Canonical(v.Origin) == r.origin {
			own = append(own, v)
		}
	}
	slices.SortStableFunc(own, func(a, b version1) int { return a.Since.Compare(b.Since) })
	r.routes = routes{}
	for _, v := range own {
		if p := v.pin(); !slices.ContainsFunc(r.pins,
			func(q Pin) bool { return q.Terms == p.Terms }) {
			r.pins = append(r.pins, p)
		}
		for route, unit := range v.Units {
			r.routes.add(crypto.Keccak256([]byte(route)), unitName(unit))
		}
	}
	return nil
}
