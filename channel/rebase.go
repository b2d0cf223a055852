package channel

// Rebase returns the state to go on with when another process has written the record since: what is
// stored, plus what happened here since base, our last write. Nothing that either side signed is
// lowered.
func (s State) Rebase(stored, base State) State {
	out := stored.signedBefore(s.Signed)
	if out.Signed.Less(s.Signed) {
		out.Signed, out.Voucher = s.Signed, s.Voucher
	}
	out.Claimed = out.Claimed.AddCapped(s.Claimed.SubFloor(base.Claimed)).SubFloor(base.Claimed.SubFloor(s.Claimed))
	out.asked = out.asked.AddCapped(s.asked.SubFloor(base.asked)).SubFloor(base.asked.SubFloor(s.asked))
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
