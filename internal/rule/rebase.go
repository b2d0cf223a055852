package rule

// Rebase returns the state to go on with when another session has written the record since base, our last
// write or read: what is stored, plus what was asked for and released here since. Nothing that either side signed
// is lowered.
//
// What a word freed here is left out, unless the other left the account alone: the other may have freed the same
// money. [State.Reconcile] with the newest word frees it again where it still is free, now that what others have in
// flight is known.
func (s State) Rebase(stored, base State) State {
	out := stored.signedBefore(s.Signed)
	if out.Signed.Less(s.Signed) {
		out.Signed, out.Voucher = s.Signed, s.Voucher
	}
	freed := s.freed.SubFloor(base.freed)
	if stored.asked == base.asked && stored.Claimed == base.Claimed {
		out.asked, out.Claimed, out.freed = s.asked, s.Claimed, freed
	} else {
		out.asked = out.asked.AddCapped(s.asked).SubFloor(base.asked)
		out.Claimed = out.Claimed.AddCapped(s.Claimed).AddCapped(freed).SubFloor(base.Claimed)
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
