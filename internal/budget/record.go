package budget

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

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
	// Others are, by kind, rises that count in every record of it: nobody knows any more in which.
	Others map[string]rule.History `json:"others,omitempty"`
}

// part is what one session took of a budget. It counts as used, all of it, until the session notes how
// much of it was. So after a crash a record counts too much, never too little.
type part struct {
	Session string `json:"session"`
	// N tells the parts of a session apart. It is not 0.
	N uint64 `json:"n"`
	// Amount is in base units.
	Amount voucher.Amount `json:"amount"`
	// Until is the end of the minute in which it may be used, in Unix seconds.
	Until int64 `json:"until"`
	// For are the keys of the further records that it would count in if they were kept. A kind in place of
	// a key stands for all records of that kind. It is of the record for all payments.
	For []string `json:"for,omitempty"`
}

const (
	version = 1 // of records. Others are refused.
	minute  = 60
	// maxParts bounds how many parts a record lists. The oldest count as used then, all of them.
	maxParts = 64
	// maxNames bounds how many further records all parts of a record name together, for [store.MaxRecord].
	// The oldest count as used then, too.
	maxNames = 256
	// keep is how long a part is listed after its minute, and keepFor how long one is that would count
	// in further records. That is longer than all windows.
	keep, keepFor = 60 * minute, 32 * 24 * 60 * minute
	// skew is how far the clocks of two machines may differ, and a minute more: see step in [rule.History].
	skew = 3 * minute
)

// has reports whether a part is listed.
func (r *record) has(session string, n uint64) bool {
	return slices.ContainsFunc(r.Parts, func(p part) bool { return p.Session == session && p.N == n })
}

// folded returns the record with a part counted as used, all of it, as of a time.
func (r record) folded(i int, at, now int64) record {
	p := r.Parts[i]
	r.Parts = slices.Delete(slices.Clone(r.Parts), i, i+1)
	r.Used = r.Used.Added(rule.Rise{At: at, By: p.Amount}, now)
	for _, kind := range [...]string{byOrigin, byPayee, ofFees} {
		if r.further(p, kind) {
			r = r.others(kind, r.Others[kind].Added(rule.Rise{At: at, By: p.Amount}, now))
		}
	}
	return r
}

// others returns the record with what counts in every record of a kind.
func (r record) others(kind string, h rule.History) record {
	all := maps.Clone(r.Others)
	if all == nil {
		all = map[string]rule.History{}
	}
	all[kind], r.Others = h, all
	return r
}

// over reports whether a part need not be listed any more whose session notes nothing.
func (r *record) over(p part, now int64) bool {
	further := r.further(p, byOrigin) || r.further(p, byPayee) || r.further(p, ofFees)
	return p.Until <= now-keepFor || !further && !strings.HasPrefix(p.Session, fee)
}

// further reports whether a part would count in records of a kind that is not kept.
func (r *record) further(p part, kind string) bool {
	return !slices.Contains(r.Kept, kind) &&
		slices.ContainsFunc(p.For, func(key string) bool { return strings.HasPrefix(key, kind) })
}

// redated returns the record with a mark that the clock, at now, went back behind what it shows: see
// [rule.State.Redated]. A part of a clock that was ahead counts from now.
func (r record) redated(now int64) (_ record, changed bool) {
	r.Used, changed = r.Used.Redated(now)
	for kind, h := range r.Others {
		if h, again := h.Redated(now); again {
			r, changed = r.others(kind, h), true
		}
	}
	for i := len(r.Parts) - 1; i >= 0; i-- {
		if r.Parts[i].Until > now+minute+skew {
			r, changed = r.folded(i, r.Parts[i].Until, now), true
		}
	}
	return r, changed
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
