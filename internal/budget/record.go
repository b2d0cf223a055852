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
	"slices"
	"time"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// What budgets are for: all payments of the store, those of an origin, and those to a payee.
const (
	All    = "all"
	Origin = "origin"
	Payee  = "payee"
)

// Record is a stored budget: by how much ceilings rose over time, on all channels together, for one
// origin, or for one payee. It is a value; every change returns a new one.
//
// A session may take a part for several rises at once. A part counts as used, all of it, until the
// session notes how much of it was. So a record counts too much after a crash, never too little.
type Record struct {
	scope, name string
	used        rule.History
	parts       []Part

	// What follows is of the record of all payments. kept are the scopes whose records are complete,
	// and pending those whose records are being made.
	kept, pending []string
	// origins counts for every origin: channels' records that name too many do not tell for which.
	origins rule.History
}

// Part is what one session took of a budget.
type Part struct {
	Session string `json:"session"`
	// N tells the parts of a session apart.
	N uint64 `json:"n"`
	// Amount is in base units.
	Amount voucher.Amount `json:"amount"`
	// Until is the end of the minute in which it may be used, in Unix seconds.
	Until int64 `json:"until"`
}

// live reports whether the part may be used at now.
func (p Part) live(now int64) bool { return p.Until-60 <= now && now < p.Until }

const (
	// maxParts bounds how many parts a record lists.
	maxParts = 64
	// skew is how far the clocks of two machines may differ, in seconds.
	skew = 120
	day  = 24 * 60 * 60
)

// endOfMinute returns when the minute of now ends.
func endOfMinute(now int64) int64 { return now - now%60 + 60 }

// Key returns the key of a record. A slash and more may follow it some day, for budgets of one
// asset.
func Key(scope, name string) string {
	if scope == All {
		return "budget/all"
	}
	sum := sha256.Sum256([]byte(name))
	return "budget/" + scope + "/" + hex.EncodeToString(sum[:])
}

// Used returns what was used in the window that ends now, in base units, parts included. It leaves
// out the part of one session.
func (r Record) Used(now int64, window time.Duration, except string) voucher.Amount {
	sum := r.used.Within(now, window)
	for _, p := range r.parts {
		if p.Session != except && now-int64(window/time.Second) < p.Until {
			sum = sum.AddCapped(p.Amount)
		}
	}
	return sum
}

// part returns the part of a session, or a zero one.
func (r Record) part(session string) (part Part) {
	for _, p := range r.parts {
		if p.Session == session {
			part = p
		}
	}
	return part
}

// grown returns by how much at most others than a session used more, in any window, than before.
func (r Record) grown(before Record, except string) voucher.Amount {
	sum := r.used.Highest().SubFloor(before.used.Highest())
	for _, p := range r.parts {
		if p.Session != except && !slices.Contains(before.parts, p) {
			sum = sum.AddCapped(p.Amount)
		}
	}
	return sum
}

// taken reports whether another session may use a part that it took, by its own clock.
func (r Record) taken(except string, now int64, gone func(session string) bool) bool {
	return slices.ContainsFunc(r.parts, func(p Part) bool {
		return p.Session != except && now < p.Until+skew && !gone(p.Session)
	})
}

// counted returns the record after a session used so much of its last part, and takes the next one.
// now is in Unix seconds.
func (r Record) counted(used voucher.Amount, next Part, now int64) Record {
	if !used.IsZero() {
		at := cmp.Or(r.part(next.Session).Until, endOfMinute(now))
		r.used = r.used.Added(rule.Rise{At: at, By: used}, now)
	}
	r.parts = slices.DeleteFunc(slices.Clone(r.parts), func(p Part) bool {
		return p.Session == next.Session
	})
	old := now - day
	if over := len(r.parts) - maxParts + 1; over > 0 {
		slices.SortStableFunc(r.parts, func(p, q Part) int { return cmp.Compare(p.Until, q.Until) })
		old = max(old, r.parts[over-1].Until)
	}
	r = r.folded(now, func(p Part) bool { return p.Until <= old })
	if !next.Amount.IsZero() {
		r.parts = append(r.parts, next)
	}
	return r
}

// folded returns the record with parts counted as used by their sessions.
func (r Record) folded(now int64, fold func(Part) bool) Record {
	var parts []Part
	for _, p := range r.parts {
		if fold(p) {
			r.used = r.used.Added(rule.Rise{At: p.Until, By: p.Amount}, now)
		} else {
			parts = append(parts, p)
		}
	}
	r.parts = parts
	return r
}

// redated returns the record with a mark that the clock, at now, went back behind what it shows: see
// [rule.State.Redated].
func (r Record) redated(now int64) (_ Record, changed bool) {
	var again bool
	r.used, changed = r.used.Redated(now)
	r.origins, again = r.origins.Redated(now)
	ahead := func(p Part) bool { return p.Until > now+60+skew }
	if slices.ContainsFunc(r.parts, ahead) {
		r, again = r.folded(now, ahead), true
	}
	return r, changed || again
}

// keeps reports whether the records of a scope are complete.
func (r Record) keeps(scope string) bool { return scope == All || slices.Contains(r.kept, scope) }

// making returns the record of all payments when the records of further scopes are about to be made.
func (r Record) making(scopes []string) Record {
	r.pending = slices.Concat(r.pending, scopes)
	return r
}

// made returns the record of all payments after the records that were pending were made from past.
func (r Record) made(past *Past) Record {
	if slices.Contains(r.pending, Origin) {
		r.origins = past.record(Origin, "").used
	}
	r.kept, r.pending = slices.Concat(r.kept, r.pending), nil
	return r
}

// Past adds up how the ceilings of channels rose, to make the first records of a store.
type Past struct {
	now  int64
	sums map[[2]string]map[int64]voucher.Amount // by scope and name, and time
}

// Add adds a channel. What rose for origins that nobody knows has the empty name.
func (p *Past) Add(s rule.State) {
	all, origins, others := s.Past(p.now)
	p.add(All, "", all)
	p.add(Payee, s.Scope.Payee.Hex(), all)
	if s.Scope.Origin != "" {
		p.add(Origin, s.Scope.Origin, all)
	}
	for origin, rises := range origins {
		p.add(Origin, origin, rises)
	}
	p.add(Origin, "", others)
}

func (p *Past) add(scope, name string, rises []rule.Rise) {
	if len(rises) == 0 {
		return
	}
	key := [2]string{scope, name}
	if p.sums[key] == nil {
		p.sums[key] = map[int64]voucher.Amount{}
	}
	for _, r := range rises {
		p.sums[key][r.At] = p.sums[key][r.At].AddCapped(r.By)
	}
}

// of returns the records of scopes that have used anything.
func (p *Past) of(scopes []string) (all []Record) {
	for key := range p.sums {
		if slices.Contains(scopes, key[0]) && key[1] != "" {
			all = append(all, p.record(key[0], key[1]))
		}
	}
	return all
}

func (p *Past) record(scope, name string) Record {
	r, sums := Record{scope: scope, name: name}, p.sums[[2]string{scope, name}]
	times := make([]int64, 0, len(sums))
	for at := range sums {
		times = append(times, at)
	}
	slices.Sort(times)
	for _, at := range times {
		r.used = r.used.Added(rule.Rise{At: at, By: sums[at]}, p.now)
	}
	return r
}

// version is written into every record. Records of another version are refused.
const version = 1

// stored is a stored Record: JSON, with amounts as decimal strings.
type stored struct {
	Version int          `json:"version"`
	Scope   string       `json:"scope"`
	Name    string       `json:"name,omitempty"`
	Used    rule.History `json:"used,omitzero"`
	Parts   []Part       `json:"parts,omitempty"`
	Kept    []string     `json:"kept,omitempty"`
	Pending []string     `json:"pending,omitempty"`
	Origins rule.History `json:"origins,omitzero"`
}

// Encode returns the stored record.
func (r Record) Encode() ([]byte, error) {
	return json.Marshal(stored{
		version, r.scope, r.name, r.used, r.parts, r.kept, r.pending, r.origins,
	})
}

// Decode reads the stored record of a scope and a name. The error is [channel.ErrRecord].
func Decode(data []byte, scope, name string) (Record, error) {
	var s stored
	strict := json.NewDecoder(bytes.NewReader(data))
	strict.DisallowUnknownFields()
	err := strict.Decode(&s)
	if err == nil && s.Version != version {
		err = fmt.Errorf("version %d, this program reads version %d", s.Version, version)
	} else if err == nil && (s.Scope != scope || s.Name != name) {
		err = fmt.Errorf("it holds the budget of %s %s", s.Scope, s.Name)
	}
	if err != nil {
		return Record{}, fmt.Errorf("%w: %s: %w: what was used of the limits over time is not "+
			"known, so nothing more is authorized: restore it, or move all records below budget/ "+
			"out of the store, to have them made again", channel.ErrRecord, Key(scope, name), err)
	}
	return Record{s.Scope, s.Name, s.Used, s.Parts, s.Kept, s.Pending, s.Origins}, nil
}
