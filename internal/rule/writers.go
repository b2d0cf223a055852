package rule

import (
	"cmp"
	"slices"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Writer is what one of the sessions that share a channel's record has in flight. It is written together with the asks
// that it is about, so whoever reads the record knows what the payee's newest word may have missed.
type Writer struct {
	// Name is the session's.
	Name string `json:"name"`
	// Pending is the sum of the prices of its asks in the record that Spent may not have counted, in base units.
	Pending voucher.Amount `json:"pending"`
	// At is when it wrote that, in Unix seconds.
	At int64 `json:"at"`
}

// Pending is what sessions other than the named one have in flight, in base units.
func (s State) Pending(name string) (sum voucher.Amount) {
	for _, w := range s.Writers {
		if w.Name != name {
			sum = sum.AddCapped(w.Pending)
		}
	}
	return sum
}

// InFlight returns the state with what the named session has in flight as of now, in Unix seconds. Who has nothing in
// flight is not listed.
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

// bounded returns a state that names too many sessions with maxWriters entries, and one without a name for the sessions that wrote longest
// ago. That one is as new as the newest of them, so that what they have in flight counts for as long as it
// would have. The last entry stays.
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

// Folded returns the state with the sessions that are no more as one entry without a name, so that a record of a payee
// that sends no words does not grow with every session.
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

// Ended returns the state without the sessions that are no more: a word that comes from now on counts what they asked
// for, or they were not charged for it.
func (s State) Ended(ended func(Writer) bool) State {
	if slices.ContainsFunc(s.Writers, ended) {
		s.Writers = slices.DeleteFunc(slices.Clone(s.Writers), ended)
	}
	s.Writers = slices.Clip(s.Writers)
	return s
}
