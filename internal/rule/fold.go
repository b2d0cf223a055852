package rule

import (
	"cmp"
	"slices"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Counts are changes of Claimed, Asked and what is known to be unsigned. Every amount only grows:
// what is taken back is counted beside what was added. The zero Counts change nothing.
type Counts struct {
	// Claimed was added to State.Claimed, Released was taken from it.
	Claimed, Released voucher.Amount
	// Freed was taken from State.Claimed because a report showed that it was not charged.
	Freed voucher.Amount
	// Asked was added to State.Asked, Withdrawn was taken from it.
	Asked, Withdrawn voucher.Amount
	// Unsigned was added to the part of the ceiling that is known to be unsigned
	// ([State.MayExist]), Used was taken from it.
	Unsigned, Used voucher.Amount
}

// Changed returns what led from before to after.
func Changed(before, after *State) Counts {
	return Counts{
		Claimed:  after.Claimed.SubFloor(before.Claimed),
		Released: before.Claimed.SubFloor(after.Claimed),
		Asked:    after.asked.SubFloor(before.asked), Withdrawn: before.asked.SubFloor(after.asked),
		Unsigned: after.unsigned.SubFloor(before.unsigned),
		Used:     before.unsigned.SubFloor(after.unsigned),
	}
}

// Plus returns c followed by d.
func (c Counts) Plus(d Counts) Counts {
	return Counts{
		Claimed: c.Claimed.AddCapped(d.Claimed), Released: c.Released.AddCapped(d.Released),
		Freed: c.Freed.AddCapped(d.Freed),
		Asked: c.Asked.AddCapped(d.Asked), Withdrawn: c.Withdrawn.AddCapped(d.Withdrawn),
		Unsigned: c.Unsigned.AddCapped(d.Unsigned), Used: c.Used.AddCapped(d.Used),
	}
}

// Minus returns what followed d in c.
func (c Counts) Minus(d Counts) Counts {
	return Counts{
		Claimed: c.Claimed.SubFloor(d.Claimed), Released: c.Released.SubFloor(d.Released),
		Freed: c.Freed.SubFloor(d.Freed),
		Asked: c.Asked.SubFloor(d.Asked), Withdrawn: c.Withdrawn.SubFloor(d.Withdrawn),
		Unsigned: c.Unsigned.SubFloor(d.Unsigned), Used: c.Used.SubFloor(d.Used),
	}
}

// Inverse returns the counts that take c back.
func (c Counts) Inverse() Counts {
	return Counts{
		Claimed: c.Released.AddCapped(c.Freed), Released: c.Claimed, Asked: c.Withdrawn,
		Withdrawn: c.Asked,
		Unsigned:  c.Used, Used: c.Unsigned,
	}
}

// Additions are what one session did to a channel since the record was last read or written.
type Additions struct {
	Counts
	// Signed is the highest amount that this session knows a voucher of, and Voucher its signature,
	// or nil.
	Signed  voucher.Amount
	Voucher []byte
	// Accepted, Spent and Units are the highest that the payee reported. Untrusted is set after a
	// report that contradicts itself or our own numbers.
	Accepted, Spent voucher.Amount
	Units           uint64
	Untrusted       bool
}

// Learned returns a with the vouchers and reports of s that are newer.
func (a Additions) Learned(s State) Additions {
	if a.Signed.Less(s.Signed) || a.Signed == s.Signed && len(a.Voucher) == 0 {
		a.Signed, a.Voucher = s.Signed, s.Voucher
	}
	a.Accepted, a.Spent, a.Units = a.Accepted.Max(s.Accepted), a.Spent.Max(s.Spent), max(
		a.Units, s.Units,
	)
	a.Untrusted = a.Untrusted || s.Untrusted
	return a
}

// Fold returns the record s with what a session added. Nothing that either of them signed is
// lowered: a record that was restored from an older copy is raised to our own signature.
func (s State) Fold(a Additions) State {
	s.Claimed = s.Claimed.AddCapped(a.Claimed).SubFloor(a.Released).SubFloor(a.Freed)
	s.asked = s.asked.AddCapped(a.Asked).SubFloor(a.Withdrawn)
	if s.authorized.Less(a.Signed) {
		s = s.signedBefore(a.Signed)
	}
	if s.Signed.Less(a.Signed) || s.Signed == a.Signed && len(s.Voucher) == 0 {
		s.Signed, s.Voucher = a.Signed, a.Voucher
	}
	s.unsigned = s.unsigned.AddCapped(a.Unsigned).SubFloor(
		a.Used,
	).Min(s.authorized.SubFloor(s.Signed))
	s.Accepted, s.Spent, s.Units = s.Accepted.Max(a.Accepted), s.Spent.Max(a.Spent), max(
		s.Units, a.Units,
	)
	s.Untrusted = s.Untrusted || a.Untrusted
	return s
}

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

// Reconcile returns the state with what the server reports. It can only lower what will be signed:
// if less was spent than claimed, the difference is free for the next request. inFlight is the sum
// of the prices that the server may not have charged yet.
//
// If the report contradicts itself or our own amounts, the error is a [*channel.ViolationError],
// and the returned state differs only in that the server's Spent is no longer used.
func (s State) Reconcile(w channel.Report, inFlight voucher.Amount) (State, error) {
	violation := func(what string, claimed, bound voucher.Amount) (State, error) {
		s.Untrusted = true
		return s, &channel.ViolationError{
			ChannelID: s.ID, What: what, Claimed: claimed, Bound: bound,
		}
	}
	if s.authorized.Less(w.Accepted) {
		return violation("it accepted more than was ever authorized", w.Accepted, s.authorized)
	}
	if w.Accepted.Less(w.Spent) {
		return violation("more was spent than accepted", w.Spent, w.Accepted)
	}
	s.Accepted = s.Accepted.Max(w.Accepted)
	s.Units = max(s.Units, w.Units)
	if w.Spent.Less(s.Spent) {
		return s, nil // an older report, or one that counts a single request
	}
	s.Spent = w.Spent
	if !s.Untrusted {
		s.Claimed = s.Claimed.Min(s.Spent.Max(s.Settled).AddCapped(inFlight))
	}
	return s, nil
}
