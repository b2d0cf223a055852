package rule

import (
	"slices"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// noteBack is note for a clock that went back behind the newest mark.
func (h History) noteBack(clocks int, now int64, total voucher.Amount, g grain) History {
	if clocks == 1 {
		return h.moved(endOfMinute(now)-h.last().At).note(clocks, now, total, g)
	}
	var after History
	if h.after != nil {
		after = *h.after
	}
	after = after.note(clocks-1, now, total, g)
	h.after = &after
	return h.forgotten(now)
}

// moved returns the history with its marks moved in time, and nothing after them.
func (h History) moved(by int64) History {
	out := History{marks: slices.Clone(h.marks)}
	for i := range out.marks {
		out.marks[i].At += by
	}
	return out
}

// joined returns one history after the clock has passed the newest mark. The clock may have been
// behind, and have jumped forward since its last mark by as much as it had gone back. So the later
// marks move forward by that much, or until the last of them is now. Or it is behind still, and the
// earlier marks are of another machine whose clock is right: they keep their times, and no later mark
// is before them. If instead the clock was ahead once, what rose since it went back counts for longer.
func (h History) joined(now int64) History {
	out, back := History{marks: slices.Clone(h.marks)}, int64(0)
	for earlier, later := h, h.after; later != nil; earlier, later = *later, later.after {
		back += max(0, earlier.last().At-later.marks[0].At)
		jump := min(back, max(0, endOfMinute(now)-later.last().At))
		out.marks = append(out.marks, later.moved(jump).marks...)
	}
	for i := 1; i < len(out.marks); i++ {
		out.marks[i].At = max(out.marks[i].At, out.marks[i-1].At)
	}
	return out.ordered()
}

// forgotten returns the history without the times of a clock that was ahead, after the clock has
// run behind them for longer than any window.
func (h History) forgotten(now int64) History {
	if h.after == nil || h.after.marks[0].At > now-month-day {
		return h
	}
	out := History{marks: slices.Concat(h.marks, h.after.marks), after: h.after.after}
	return out.ordered()
}

// ordered returns the history with its marks sorted by time. They are in the order in which they
// were made, so none was made later than the next one.
func (h History) ordered() History {
	for i := len(h.marks) - 2; i >= 0; i-- {
		h.marks[i].At = min(h.marks[i].At, h.marks[i+1].At)
	}
	out := h.marks[:0]
	for i, m := range h.marks {
		if i+1 == len(h.marks) || m.At < h.marks[i+1].At {
			out = append(out, m)
		}
	}
	h.marks = out
	return h
}
