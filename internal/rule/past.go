package rule

import (
	"time"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Rise is by how much an amount rose, and when at the latest, in Unix seconds.
type Rise struct {
	At int64
	By voucher.Amount
}

// Past returns how the ceiling rose, as far as is known at now: in all, for origins that it was not
// opened for, and for further ones together. Budget records begin with it.
func (s State) Past(now int64) (all []Rise, origins map[string][]Rise, others []Rise) {
	origins = map[string][]Rise{}
	for origin, h := range s.foreign.origins {
		origins[origin] = h.rises(now, h.highest())
	}
	others = s.foreign.others.rises(now, s.foreign.others.highest())
	return s.history.rises(now, s.authorized), origins, others
}

// rises returns by how much an amount rose by when, as of now. If the clock went back, what is not
// certain counts from the latest time that it can be.
func (h History) rises(now int64, total voucher.Amount) (rises []Rise) {
	add := func(at int64, by voucher.Amount) {
		if !by.IsZero() && at > now-2*month {
			rises = append(rises, Rise{at, by})
		}
	}
	if len(h.marks) == 0 {
		return nil // no history counts as no rise
	}
	if h.after == nil && h.last().At <= now+step {
		var before voucher.Amount
		for _, m := range h.marks {
			add(m.At, m.Authorized.SubFloor(before))
			before = m.Authorized
		}
		add(endOfMinute(now), total.SubFloor(before))
		return rises
	}
	r := Rises{Total: total, history: h}
	inHour, inDay := r.Within(now, hour*time.Second), r.Within(now, day*time.Second)
	add(now-day, r.Within(now, month*time.Second).SubFloor(inDay))
	add(now-hour, inDay.SubFloor(inHour))
	add(max(endOfMinute(now), h.last().At), inHour) // by another clock, if that is ahead: see [History.Added]
	return rises
}
