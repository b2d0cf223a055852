package rule

import "github.com/seed-5fe1f529/tallystick/voucher"

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
