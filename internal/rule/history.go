package rule

import (
	"slices"
	"sort"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Mark records that an amount had been reached by a time.
type Mark struct {
	// At is in Unix seconds.
	At int64
	// Authorized is in base units.
	Authorized voucher.Amount
}

// History records how an amount that only grows rose over time. Limits over an hour, a day and a
// month are computed from it. A price raises a ceiling once, so a replay counts nothing.
//
// Old marks are thinned out (see [grain]). What rose between two marks counts from the later one: a
// limit is never passed, and may free an amount that much late.
//
// Clocks can be wrong. If the clock goes back behind the newest mark, it is wrong now or was wrong
// then. Further rises are marked in a second history, by the clock as it is, and earlier marks that
// this clock has not passed count from when it went back. When the clock passes the newest mark,
// the two histories are joined by what is certain: the order of the marks, and how much time passed
// between the marks of one clock.
type History struct {
	marks []Mark   // sorted by time
	after *History // since the clock went back behind the newest mark; nil if it did not
}

// Seconds of the windows.
const (
	minute = 60
	hour   = 60 * minute
	day    = 24 * hour
	month  = 30 * day
)

// grain tells how many seconds share one mark: within the last hour, the last day, and the last
// month.
type grain struct{ hour, day, month int64 }

// The grains for all rises of a channel, and for those of one foreign origin.
var (
	fine   = grain{minute, hour / 2, day}
	coarse = grain{5 * minute, 3 * hour, 3 * day}
)

// maxClocks bounds how often the clock may go back behind what it showed before. After that, the
// newest marks move back with it.
const maxClocks = 3

// step is how far a clock may go back, or the clocks of two machines may differ, without
// consequence.
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

// reached returns the amount that was reached at a time, as far as it is marked, and how many marks
// that are.
func (h History) reached(at int64) (voucher.Amount, int) {
	n := sort.Search(len(h.marks), func(i int) bool { return at < h.marks[i].At })
	if n == 0 {
		return voucher.Amount{}, 0
	}
	return h.marks[n-1].Authorized, n
}

// risen returns by how much an amount that is total now rose within the last length seconds. An
// empty history counts as no rise.
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
	rest := total.SubFloor(passed) // not passed by the clock
	if h.after != nil {
		rest = rest.Min(h.after.risen(now, length, total))
	}
	return passed.SubFloor(before).AddCapped(rest)
}

// unnoted reports whether a rise counts for longer than a window unless now is marked.
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

// note returns the history with a mark of total at now. clocks is how many histories it may keep,
// this one included.
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

// raised returns the history with total reached at the newest mark.
func (h History) raised(total voucher.Amount) History {
	h.marks = slices.Clone(h.marks)
	newest := &h.marks[len(h.marks)-1]
	newest.Authorized = newest.Authorized.Max(total)
	return h
}

// endOfMinute returns when the minute of now ends.
func endOfMinute(now int64) int64 { return now - now%minute + minute }

// thinned returns the last mark of every period, with room for one more. first keeps the oldest
// mark, too: it tells when the clock went back.
func (h History) thinned(now int64, g grain, first bool) []Mark {
	out := make([]Mark, 0, len(h.marks)+1)
	for i, m := range h.marks {
		if i+1 < len(h.marks) && (i > 0 || !first) && g.period(m.At, now) == g.period(
			h.marks[i+1].At, now,
		) {
			continue
		}
		out = append(out, m)
	}
	return out
}

// period identifies the time of which one mark is kept.
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

// shifted returns the history with all marks higher by amount, which was signed before this record
// was made.
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
