package rule

import (
	"cmp"
	"slices"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Writer is what one of the sessions that share a channel's record has in flight. Whoever reads the
// record knows what the payee's newest report may have missed.
type Writer struct {
	// Name is the name of the session. It is empty for several sessions together.
	Name string `json:"name"`
	// Pending is the sum of the prices of its requests that the payee may not have charged yet, in
	// base units.
	Pending voucher.Amount `json:"pending"`
	// At is when it wrote that, in Unix seconds. Zero means that the sessions have ended.
	At int64 `json:"at"`
}

// Pending returns what sessions other than the named one have in flight, in base units.
func (s State) Pending(name string) (sum voucher.Amount) {
	for _, w := range s.Writers {
		if w.Name != name {
			sum = sum.AddCapped(w.Pending)
		}
	}
	return sum
}

// InFlight returns the state with what the named session has in flight as of now, in Unix seconds.
// A session that has nothing in flight is not listed.
func (s State) InFlight(name string, pending voucher.Amount, now int64) State {
	writers := make([]Writer, 0, len(s.Writers)+1)
	for _, w := range s.Writers {
		if w.Name == name {
			continue
		}
		writers = append(writers, w)
	}
	if !pending.IsZero() {
		writers = append(writers, Writer{name, pending, now})
	}
	if s.Writers = writers; len(writers) > maxWriters {
		s = s.bounded()
	}
	return s
}

// maxWriters bounds how many sessions a record names.
const maxWriters = 64

// bounded returns a state that names too many sessions with maxWriters entries. The oldest ones are
// merged into an entry without a name, which is as new as the newest of them, so that nothing
// counts for a shorter time. The last entry stays.
func (s State) bounded() State {
	over := len(s.Writers) - maxWriters
	last := s.Writers[len(s.Writers)-1]
	others := slices.Clone(s.Writers[:len(s.Writers)-1])
	slices.SortStableFunc(others, func(a, b Writer) int { return cmp.Compare(a.At, b.At) })
	var rest Writer
	for _, w := range others[:over+1] {
		rest.Pending, rest.At = rest.Pending.AddCapped(w.Pending), max(rest.At, w.At)
	}
	s.Writers = append(append([]Writer{rest}, others[over+1:]...), last)
	return s
}

// Folded merges the entries of ended sessions into one entry without a name, so that the record
// stays small if the payee sends no receipts.
func (s State) Folded(ended func(Writer) bool) State {
	var rest Writer
	for _, w := range s.Writers {
		if ended(w) {
			rest.Pending = rest.Pending.AddCapped(w.Pending)
		}
	}
	if s = s.Ended(ended); !rest.Pending.IsZero() {
		s.Writers = append(s.Writers, rest)
	}
	return s
}

// Ended returns the state without the entries of ended sessions: any report from now on includes
// what they were charged.
func (s State) Ended(ended func(Writer) bool) State {
	if slices.ContainsFunc(s.Writers, ended) {
		s.Writers = slices.DeleteFunc(slices.Clone(s.Writers), ended)
	}
	s.Writers = slices.Clip(s.Writers)
	return s
}
