package rule

import (
	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

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
