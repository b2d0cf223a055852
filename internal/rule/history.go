package rule

import (
	"slices"
	"sort"
	"time"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Mark records that an amount had been reached by a time.
type Mark struct {
	// At is in Unix seconds.
	At int64
	// Authorized is in base units.
	Authorized voucher.Amount
}

// History records how an amount that only grows did so over time. It is what limits over an hour, a day and a month are
// measured by: a ceiling rises once for a price, so however often something is replayed, it counts once.
//
// Old marks are thinned out, by a [grain]. What falls between two marks counts as the later one, so a limit is
// never passed, and may free an amount that much late.
//
// A clock may be wrong. If it goes back behind the newest mark, it is wrong now or was wrong then, and nobody knows which.
// So the rises since then are marked in a history of their own, by the clock as it is. What that clock has not passed yet
// counts for one window from when it went back. When it passes the newest mark, the two are joined: what is certain
// is the order of the marks and how much time passed between those of one clock.
type History struct {
	marks []Mark   // sorted
	after *History // by the clock since it went back behind the newest mark; nil if it did not
}

// Seconds of the windows.
const (
	minute = 60
	hour   = 60 * minute
	day    = 24 * hour
	month  = 30 * day
)

// grain is how long a stretch of time has one mark: within the last hour, the last day, and the last month.
type grain struct{ hour, day, month int64 }

// The grains: of all rises of a channel, and of those for one origin that it was not opened for.
var (
	fine   = grain{minute, hour / 2, day}
	coarse = grain{5 * minute, 3 * hour, 3 * day}
)

// maxClocks bounds how often the clock may go back behind what it showed before. After that, the newest marks move back
// with it.
const maxClocks = 3

// step is how far a clock may go back, and by how much the clocks of machines may differ, without being wrong.
const step = 2 * minute

// IsZero reports whether nothing is marked.
func (h History) IsZero() bool { return len(h.marks) == 0 }

// last returns the newest mark, or the zero mark.
func (h History) last() (m Mark) {
	if n := len(h.marks); n > 0 {
		m = h.marks[n-1]
	}
	return m
}

// highest returns the highest amount that is marked.
func (h History) highest() voucher.Amount {
	highest := h.last().Authorized
	if h.after != nil {
		highest = highest.Max(h.after.highest())
	}
	return highest
}

// reached returns the amount that was reached at a time, as far as it is marked, and how many marks that are.
func (h History) reached(at int64) (voucher.Amount, int) {
	n := sort.Search(len(h.marks), func(i int) bool { return at < h.marks[i].At })
	if n == 0 {
		return voucher.Amount{}, 0
	}
	return h.marks[n-1].Authorized, n
}

// risen returns by how much an amount that is total now rose within the last length seconds. If nothing is marked,
// nobody knows when it rose, and nothing counts.
func (h History) risen(now, length int64, total voucher.Amount) voucher.Amount {
	if len(h.marks) == 0 {
		return voucher.Amount{}
	}
	passed, n := h.reached(now + step)
	if n == len(h.marks) {
		if h.after != nil {
			h = h.joined(now)
		}
		before, _ := h.reached(now - length)
		return total.SubFloor(before)
	}
	before, _ := h.reached(now - length)
	rest := total.SubFloor(passed) // marked before the clock went back
	if h.after != nil {
		rest = rest.Min(h.after.risen(now, length, total))
	}
	return passed.SubFloor(before).AddCapped(rest)
}

// unnoted reports whether something counts until it is noted that the clock shows now.
func (h History) unnoted(now int64, total voucher.Amount) bool {
	if h.IsZero() {
		return false
	}
	for h.last().At > now+step {
		if h.after == nil {
			return true
		}
		h = *h.after
	}
	return h.last().Authorized.Less(total)
}

// note returns the history with an amount that is total at now. The history may keep so many clocks.
func (h History) note(clocks int, now int64, total voucher.Amount, g grain) History {
	end := now - now%minute + minute // of the minute, so that a mark is never too early
	if n := len(h.marks); n > 0 {
		if h.marks[n-1].At > now+step {
			return h.noteBack(clocks, now, total, g)
		}
		if h.after != nil {
			h = h.joined(now)
		}
		if end <= h.marks[len(h.marks)-1].At {
			return h.raised(total)
		}
		h.marks = h.thinned(now, g, clocks < maxClocks)
	}
	h.marks = append(h.marks, Mark{At: end, Authorized: total})
	return h
}

// noteBack is note for a clock that went back behind the newest mark.
func (h History) noteBack(clocks int, now int64, total voucher.Amount, g grain) History {
	if clocks == 1 {
		return h.moved(endOfMinute(now) - h.last().At).raised(total)
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

// raised returns the history with total reached at the newest mark.
func (h History) raised(total voucher.Amount) History {
	h.marks = slices.Clone(h.marks)
	newest := &h.marks[len(h.marks)-1]
	newest.Authorized = newest.Authorized.Max(total)
	return h
}

// endOfMinute returns when the minute of now ends.
func endOfMinute(now int64) int64 { return now - now%minute + minute }

// joined returns a history with others after it, whose newest mark the clock has passed without one of its own after it. The clock may have
// been behind and jumped forward since it marked something last, at most by as much as it had gone back. So the later
// marks move up by that much, or until the last of them is now.
func (h History) joined(now int64) History {
	out, back := History{marks: slices.Clone(h.marks)}, int64(0)
	for earlier, later := h, h.after; later != nil; earlier, later = *later, later.after {
		back += max(0, earlier.last().At-later.marks[0].At)
		jump := min(back, max(0, endOfMinute(now)-later.last().At))
		out.marks = append(out.marks, later.moved(jump).marks...)
	}
	return out.ordered()
}

// forgotten returns the history without the marks of a clock that was ahead, once the clock has shown for longer than
// any window that it was.
func (h History) forgotten(now int64) History {
	if h.after == nil || h.after.marks[0].At > now-month-day {
		return h
	}
	out := History{marks: slices.Concat(h.marks, h.after.marks), after: h.after.after}
	return out.ordered()
}

// ordered returns the history with its marks in the order of their times. They are in the order in which they were
// made: none was made later than the next one.
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

// thinned returns the last mark of every stretch of time, with room for one more. first keeps the oldest mark, which
// tells when the clock went back.
func (h History) thinned(now int64, g grain, first bool) []Mark {
	out := make([]Mark, 0, len(h.marks)+1)
	for i, m := range h.marks {
		if i+1 < len(h.marks) && (i > 0 || !first) && g.period(m.At, now) == g.period(h.marks[i+1].At, now) {
			continue
		}
		out = append(out, m)
	}
	return out
}

// period names the stretch of time of which one mark is kept.
func (g grain) period(at, now int64) (p struct{ step, n int64 }) {
	switch age := now - at; {
	case age > month+g.month:
		return p // all that is older is one mark
	case age > day+g.day:
		p.step = g.month
	case age > hour:
		p.step = g.day
	default:
		p.step = g.hour
	}
	p.n = at / p.step
	return p
}

// shifted returns the history with amount reached before all else: it was signed before this record knew of it.
func (h History) shifted(amount voucher.Amount) History {
	var out History
	if h.IsZero() || h.marks[0].At != 0 {
		out.marks = append(out.marks, Mark{Authorized: amount})
	}
	return h.above(amount, out)
}

// above appends the marks of the history, higher by amount, to out.
func (h History) above(amount voucher.Amount, out History) History {
	for _, m := range h.marks {
		out.marks = append(out.marks, Mark{At: m.At, Authorized: m.Authorized.AddCapped(amount)})
	}
	if h.after != nil {
		after := h.after.above(amount, History{})
		out.after = &after
	}
	return out
}

// seconds returns a window in seconds.
func seconds(window time.Duration) int64 { return int64(window / time.Second) }
