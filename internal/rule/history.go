package rule

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strconv"
	"time"

	"github.com/seed-5fe1f529/tallystick/channel"
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
// between the marks of one clock. No mark is moved back then; only what a clock showed that was ahead by
// more than any window is forgotten, once the clock has run behind it for that long.
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

// step is how far ahead of the clock a mark may be without consequence: a clock may go back, or the clocks of two
// machines may differ, by two minutes, and marks are at the ends of their minutes.
const step = 3 * minute

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

// unnoted reports whether a rise counts for longer than a window unless now is marked.
func (h History) unnoted(now int64, total voucher.Amount) bool {
	if len(h.marks) == 0 {
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
		if n = len(h.marks); end <= h.marks[n-1].At {
			last := h.marks[n-1]
			last.Authorized = last.Authorized.Max(total)
			h.marks = append(slices.Clone(h.marks[:n-1]), last)
			return h
		}
		h.marks = h.thinned(now, g, clocks < maxClocks)
	}
	h.marks = append(h.marks, Mark{At: end, Authorized: total})
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
	if len(h.marks) == 0 || h.marks[0].At != 0 {
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

// Rises records how the ceiling of a channel rose over time, and for which origins. Budget records
// begin with it ([State.Past]). It is a value that never changes.
type Rises struct {
	// Total is the ceiling, in base units.
	Total voucher.Amount
	// Origin is the origin that the channel was opened for. Every rise counts for it.
	Origin  string
	history History
	foreign foreign
}

// foreign records how a ceiling rose for origins that the channel was not opened for. The history
// of an origin marks the sum of the rises for it.
type foreign struct {
	origins map[string]History
	others  History // of all further origins together
}

// maxOrigins bounds how many foreign origins have their own history. The rises for further ones
// count for every foreign origin.
const maxOrigins = 8

// Rises returns how the ceiling rose.
func (s State) Rises() Rises { return Rises{s.authorized, s.Scope.Origin, s.history, s.foreign} }

// Within returns by how much the ceiling rose in the window that ends now, in base units. now is in
// Unix seconds. A record without a history counts as no rise.
func (r Rises) Within(now int64, window time.Duration) voucher.Amount {
	h, begin := r.history, now-int64(window/time.Second)
	if len(h.marks) == 0 {
		return voucher.Amount{}
	}
	behind := h.marks[len(h.marks)-1].At > now+step
	if h.after != nil && !behind {
		h = h.joined(now)
	}
	reached := func(by int64) (most voucher.Amount) {
		n := sort.Search(len(h.marks), func(i int) bool { return by < h.marks[i].At })
		if n > 0 {
			most = h.marks[n-1].Authorized
		}
		return most
	}
	before := reached(begin)
	if !behind {
		return r.Total.SubFloor(before)
	}
	passed := reached(now + step)
	rest := r.Total.SubFloor(passed) // not passed by the clock
	if h.after != nil {
		rest = rest.Min(Rises{Total: r.Total, history: *h.after}.Within(now, window))
	}
	return passed.SubFloor(before).AddCapped(rest)
}

// For is like [Rises.Within] for requests of one origin. Every rise counts for the origin that the
// channel was opened for.
func (r Rises) For(origin string, now int64, window time.Duration) voucher.Amount {
	if origin == r.Origin {
		return r.Within(now, window)
	}
	rose := func(h History) voucher.Amount {
		return Rises{Total: h.highest(), history: h}.Within(now, window)
	}
	return rose(r.foreign.origins[origin]).AddCapped(rose(r.foreign.others))
}

// noted returns f with a rise for an origin.
func (f foreign) noted(origin string, rise voucher.Amount, now int64) foreign {
	note := func(h History) History {
		return h.note(
			maxClocks, now, h.highest().AddCapped(rise), coarse,
		)
	}
	h, known := f.origins[origin]
	if !known && len(f.origins) >= maxOrigins {
		f.others = note(f.others)
		return f
	}
	origins := make(map[string]History, len(f.origins)+1)
	maps.Copy(origins, f.origins)
	origins[origin] = note(h)
	f.origins = origins
	return f
}

// Noted returns the state with a mark of the rise of its ceiling since before, for a request of
// origin. now is in Unix seconds. The gate calls it for every rise.
func (s State) Noted(before State, origin string, now int64) State {
	if len(s.history.marks) == 0 && !before.authorized.IsZero() {
		s.history = s.history.shifted(before.authorized)
	}
	s.history = s.history.note(maxClocks, now, s.authorized, fine)
	if origin != s.Scope.Origin {
		s.foreign = s.foreign.noted(origin, s.authorized.SubFloor(before.authorized), now)
	}
	return s
}

// Redated returns the state with a mark that the clock, at now, went back behind the newest rise.
// changed is false if that is not so, or is marked already. Without the mark, that rise counts
// until the clock shows its time again. The ledger stores the marked record.
func (s State) Redated(now int64) (_ State, changed bool) {
	if s.history.unnoted(now, s.authorized) {
		s.history, changed = s.history.note(maxClocks, now, s.authorized, fine), true
	}
	if f, renoted := s.foreign.renoted(now); renoted {
		s.foreign, changed = f, true
	}
	return s, changed
}

// renoted marks what each history has reached as of now, if that is not marked.
func (f foreign) renoted(now int64) (_ foreign, changed bool) {
	renoted := func(h History) (History, bool) {
		reached := h.highest()
		if !h.unnoted(now, reached) {
			return h, false
		}
		return h.note(maxClocks, now, reached, coarse), true
	}
	f.others, changed = renoted(f.others)
	origins := maps.Clone(f.origins)
	for origin, h := range f.origins {
		h, renoted := renoted(h)
		if origins[origin] = h; renoted {
			changed = true
		}
	}
	f.origins = origins
	return f, changed
}

// Within returns by how much the highest amount rose in the window that ends now. now is in Unix
// seconds. It is all if the sum of the rises does not fit an amount: nobody knows what came after.
func (h History) Within(now int64, window time.Duration) voucher.Amount {
	if len(h.marks) == 0 {
		return voucher.Amount{}
	}
	total := h.highest()
	if total == voucher.MaxAmount {
		return total
	}
	return Rises{Total: total, history: h}.Within(now, window)
}

// Highest returns the sum of all rises.
func (h History) Highest() voucher.Amount { return h.highest() }

// Added returns the history after a rise, which may lie behind the newest mark. One that lies ahead of now is
// that of another clock, which may go on with it for a minute. Which of the two clocks is wrong is not known:
// the history is marked as one whose clock went back since.
func (h History) Added(rise Rise, now int64) History {
	at := max(now, rise.At-1)
	if rise.At > now+step {
		at = now + minute
		switch after, last := h.after, h.last(); {
		case last.At <= at+step:
			h = h.note(maxClocks, rise.At-1, h.highest(), fine)
		case last.At < rise.At:
			h = History{marks: h.marks}.note(maxClocks, rise.At-1, last.Authorized, fine)
			h.after = after
		}
		h, _ = h.Redated(now)
	}
	if h.after != nil || h.last().At > now+step {
		return h.note(maxClocks, at, h.highest().AddCapped(rise.By), fine)
	}
	i, found := slices.BinarySearchFunc(h.marks, rise.At, func(m Mark, at int64) int {
		return cmp.Compare(m.At, at)
	})
	h.marks = slices.Clone(h.marks)
	if !found {
		var before voucher.Amount
		if i > 0 {
			before = h.marks[i-1].Authorized
		}
		h.marks = slices.Insert(h.marks, i, Mark{rise.At, before})
	}
	for ; i < len(h.marks); i++ {
		h.marks[i].Authorized = h.marks[i].Authorized.AddCapped(rise.By)
	}
	if len(h.marks) > tidy {
		h.marks = h.thinned(now, fine, false)
	}
	return h
}

// tidy is how many marks need not be thinned out.
const tidy = 32

// Redated is like [State.Redated] for a history of its own.
func (h History) Redated(now int64) (_ History, changed bool) {
	reached := h.highest()
	if !h.unnoted(now, reached) {
		return h, false
	}
	return h.note(maxClocks, now, reached, fine), true
}

// jsonHistory is a stored history with a second one. Any other is stored as its marks alone.
type jsonHistory struct {
	Marks []Mark   `json:"marks"`
	After *History `json:"after"`
}

// MarshalJSON writes every mark as [seconds, "amount"].
func (h History) MarshalJSON() ([]byte, error) {
	b := append(make([]byte, 0, 2+32*len(h.marks)), '[')
	for i, m := range h.marks {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(append(b, '['), m.At, 10)
		b = m.Authorized.AppendText(append(b, `,"`...))
		b = append(b, `"]`...)
	}
	b = append(b, ']')
	if h.after == nil {
		return b, nil
	}
	after, err := h.after.MarshalJSON()
	return fmt.Appendf(nil, `{"marks":%s,"after":%s}`, b, after), err
}

// UnmarshalJSON reads what MarshalJSON writes. The error is [channel.ErrRecord].
func (h *History) UnmarshalJSON(text []byte) error {
	*h = History{}
	var err error
	if bytes.HasPrefix(text, []byte("{")) {
		var j jsonHistory
		strict := json.NewDecoder(bytes.NewReader(text))
		strict.DisallowUnknownFields()
		err = strict.Decode(&j)
		h.marks, h.after = j.Marks, j.After
	} else {
		err = json.Unmarshal(text, &h.marks)
	}
	if len(h.marks) == 0 {
		h.marks = nil // so that it is left out again
	}
	sorted := slices.IsSortedFunc(h.marks, func(a, b Mark) int { return cmp.Compare(a.At, b.At) })
	switch {
	case err != nil:
		return fmt.Errorf("%w: the history: %w", channel.ErrRecord, err)
	case !sorted:
		return fmt.Errorf("%w: the history goes back in time", channel.ErrRecord)
	case h.after != nil && (len(h.marks) == 0 || len(h.after.marks) == 0):
		return fmt.Errorf("%w: the history has no marks", channel.ErrRecord)
	}
	return nil
}

// UnmarshalJSON reads [seconds, "amount"].
func (m *Mark) UnmarshalJSON(text []byte) error {
	at, amount, ok := bytes.Cut(inside(text, '[', ']'), []byte{','})
	if !ok {
		return fmt.Errorf("a mark is a time and an amount, not %s", text)
	}
	var err error
	if m.At, err = strconv.ParseInt(string(bytes.TrimSpace(at)), 10, 64); err != nil {
		return err
	}
	return m.Authorized.UnmarshalText(inside(amount, '"', '"'))
}

// inside returns the text between two characters, or nothing if they are not there.
func inside(text []byte, from, to byte) []byte {
	text = bytes.TrimSpace(text)
	if n := len(text); n >= 2 && text[0] == from && text[n-1] == to {
		return text[1 : n-1]
	}
	return nil
}
