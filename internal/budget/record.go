// Package budget keeps the records of what was authorized over time, for the limits of an hour, a
// day and a month. All sessions of a store change them by compare-and-swap: what a ceiling is going
// to rise by is counted here before the record of its channel is written.
package budget

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// All is the key of the record for all payments of a store. It always exists. There are records for
// each origin and each payee, too, if sessions have limits for these: their keys begin with byOrigin
// and byPayee. A slash and more may follow some day, for budgets of one asset.
const (
	All      = "budget/all"
	byOrigin = "budget/origin/"
	byPayee  = "budget/payee/"
)

// OfOrigin returns the key of the record of an origin.
func OfOrigin(origin string) string { return hashed(byOrigin, origin) }

// OfPayee returns the key of the record of a payee.
func OfPayee(payee common.Address) string { return hashed(byPayee, payee.Hex()) }

func hashed(kind, name string) string {
	sum := sha256.Sum256([]byte(name))
	return kind + hex.EncodeToString(sum[:])
}

// record is a stored budget: by how much ceilings rose over time. It is a value; every change returns
// a new one.
type record struct {
	Version int          `json:"version"`
	Key     string       `json:"key"`
	Used    rule.History `json:"used,omitzero"`
	Parts   []part       `json:"parts,omitempty"`

	// What follows is of the record for all payments. Kept are the kinds of records that are complete,
	// and Pending those that are being made: nothing is taken meanwhile.
	Kept    []string `json:"kept,omitempty"`
	Pending []string `json:"pending,omitempty"`
	// Others counts for every origin: records of channels that name too many do not tell for which.
	Others rule.History `json:"others,omitzero"`
}

// part is what one session took of a budget, for rises of one channel. It counts as used, all of it,
// until the session notes how much of it was. So after a crash a record counts too much, never too
// little.
type part struct {
	Session string `json:"session"`
	// N tells the parts of a session apart. It is not 0.
	N uint64 `json:"n"`
	// Amount is in base units.
	Amount voucher.Amount `json:"amount"`
	// Until is the end of the minute in which it may be used, in Unix seconds.
	Until int64 `json:"until"`
	// For are the keys of the further records that it would count in if they were kept. It is of the
	// record for all payments.
	For []string `json:"for,omitempty"`
}

const (
	version = 1 // of records. Others are refused.
	minute  = 60
	// maxParts bounds how many parts a record lists, and keep for how long after their minute. Others
	// count as used, all of them.
	maxParts = 64
	keep     = 60 * minute
	// skew is how far the clocks of two machines may differ.
	skew = 2 * minute
)

// has reports whether a part is listed.
func (r *record) has(session string, n uint64) bool {
	return slices.ContainsFunc(r.Parts, func(p part) bool { return p.Session == session && p.N == n })
}

// noted returns the record after the session of old used so much of it, and takes next in its place.
// If old is not listed any more, all of it was counted as used, and that stands. now is in Unix
// seconds.
func (r record) noted(old part, used voucher.Amount, next part, now int64) record {
	listed := len(r.Parts)
	r.Parts = slices.DeleteFunc(slices.Clone(r.Parts), func(p part) bool {
		return p.Session == old.Session && p.N == old.N
	})
	if len(r.Parts) < listed && !used.IsZero() {
		r.Used = r.Used.Added(rule.Rise{At: old.Until, By: used}, now)
	}
	if next.N != 0 {
		r.Parts = append(r.Parts, next)
	}
	if n := len(r.Parts); n > 0 && (n > maxParts || r.Parts[0].Until <= now-keep) { // the oldest is first
		return r.noted(r.Parts[0], r.Parts[0].Amount, part{}, now)
	}
	return r
}

// redated returns the record with a mark that the clock, at now, went back behind what it shows: see
// [rule.State.Redated]. A part of a clock that was ahead counts from now.
func (r record) redated(now int64) (_ record, changed bool) {
	var again bool
	r.Used, changed = r.Used.Redated(now)
	r.Others, again = r.Others.Redated(now)
	changed = changed || again
	for _, p := range r.Parts {
		if p.Until > now+minute+skew {
			used := p.Amount
			p.Until, changed = now, true
			r = r.noted(p, used, part{}, now)
		}
	}
	return r, changed
}

// past adds up how the ceilings of channels rose, by key and time, to make records from.
type past map[string]map[int64]voucher.Amount

// add adds rises to a record.
func (p past) add(key string, rises ...rule.Rise) {
	for _, r := range rises {
		if p[key] == nil {
			p[key] = map[int64]voucher.Amount{}
		}
		p[key][r.At] = p[key][r.At].AddCapped(r.By)
	}
}

// channel adds a channel. What rose for origins that nobody knows has the key byOrigin.
func (p past) channel(s rule.State, now int64) {
	all, origins, others := s.Past(now)
	for _, key := range keysOf("", &s.Scope) {
		if key != "" {
			p.add(key, all...)
		}
	}
	for origin, rises := range origins {
		p.add(OfOrigin(origin), rises...)
	}
	p.add(byOrigin, others...)
}

// history returns the history of a record.
func (p past) history(key string, now int64) (h rule.History) {
	for _, at := range slices.Sorted(maps.Keys(p[key])) {
		h = h.Added(rule.Rise{At: at, By: p[key][at]}, now)
	}
	return h
}

// records returns the further records of kinds: what rose on channels, and what sessions took that do
// not know yet that it counts in them. What was used of that and not noted may count twice.
func (p past) records(kinds []string, parts []part, now int64) (all []record) {
	for _, part := range parts {
		for _, key := range part.For {
			p.add(key, rule.Rise{At: part.Until, By: part.Amount})
		}
	}
	for key := range p {
		if slices.ContainsFunc(kinds, func(kind string) bool {
			return strings.HasPrefix(key, kind) && key != kind
		}) {
			all = append(all, record{Version: version, Key: key, Used: p.history(key, now)})
		}
	}
	return all
}

// keysOf returns the keys of the records that a rise counts in for a request of an origin on a channel
// of a scope: that of all payments, of the request's origin, of the payee, and of the channel's origin
// if that is another one. An empty origin is that of the channel. What has no name has no key.
func keysOf(origin string, scope *channel.Scope) (keys [4]string) {
	keys[0] = All
	if origin = cmp.Or(origin, scope.Origin); origin != "" {
		keys[1] = OfOrigin(origin)
	}
	if scope.Payee != (common.Address{}) {
		keys[2] = OfPayee(scope.Payee)
	}
	if scope.Origin != "" && scope.Origin != origin {
		keys[3] = OfOrigin(scope.Origin)
	}
	return keys
}

// decode reads the stored record of a key. The error is [channel.ErrRecord].
func decode(data []byte, key string) (r record, err error) {
	strict := json.NewDecoder(bytes.NewReader(data))
	strict.DisallowUnknownFields()
	err = strict.Decode(&r)
	switch {
	case err != nil:
	case r.Version != version:
		err = fmt.Errorf("version %d, this program reads version %d", r.Version, version)
	case r.Key != key:
		err = fmt.Errorf("it holds %s", r.Key)
	}
	if err != nil {
		return record{}, fmt.Errorf("%w: %s: %w: what was used of the limits over time is not known, so "+
			"nothing more is authorized: restore it, or move all records below budget/ out of the store, "+
			"to have them made again", channel.ErrRecord, key, err)
	}
	return r, nil
}
