package channel

// Rebase returns the state to go on with when another session has written the record since base, our last
// write or read: what is stored, plus the asks that were made here since. Nothing that either side signed
// is lowered.
//
// What a receipt freed here is dropped, unless the other left the account alone: its own asks in flight are
// not known here, and credit that two sessions count on is credit that one of them does not have.
func (s State) Rebase(stored, base State) State {
	out := stored.signedBefore(s.Signed)
	if out.Signed.Less(s.Signed) {
		out.Signed, out.Voucher = s.Signed, s.Voucher
	}
	if stored.asked == base.asked && stored.Claimed == base.Claimed {
		out.asked, out.Claimed = s.asked, s.Claimed
	} else {
		asked := s.asked.SubFloor(base.asked)
		out.asked, out.Claimed = out.asked.AddCapped(asked), out.Claimed.AddCapped(asked)
	}
	out.Accepted, out.Spent = out.Accepted.Max(s.Accepted), out.Spent.Max(s.Spent)
	out.Settled = out.Settled.Max(s.Settled)
	out.Units = max(out.Units, s.Units)
	out.Untrusted = out.Untrusted || s.Untrusted
	out.Gone = out.Gone || s.Gone
	out.Closed = out.Closed || s.Closed
	if s.Confirmed && !out.Confirmed {
		out = out.Acknowledged()
	}
	return out
}
