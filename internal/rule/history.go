package rule

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strconv"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Mark says that a channel's ceiling had reached an amount by a time.
type Mark struct {
	// At is in Unix seconds.
	At int64
	// Authorized is in base units.
	Authorized voucher.Amount
}

// History is how a channel's ceiling rose, the oldest mark first. It is what limits over an hour, a day and a month
// are measured by: the ceiling rises once for a price, so however often something is replayed, it counts once.
//
// Old marks are thinned out: the last hour is kept by the minute, the last day by the half hour, the rest by the
// day. What falls between two marks counts as the later one, so a limit is never passed and may
// free an amount that much late.
type History []Mark

// The lengths of the windows, in seconds.
const (
	Hour  = 60 * 60
	Day   = 24 * Hour
	Month = 30 * Day
)

// Risen is by how much a ceiling that is total now rose after since, in base units. Without a mark nobody knows
// when, and nothing counts.
func (h History) Risen(since int64, total voucher.Amount) voucher.Amount {
	if len(h) == 0 {
		return voucher.Amount{}
	}
	if n := sort.Search(len(h), func(i int) bool { return since < h[i].At }); n > 0 {
		return total.SubFloor(h[n-1].Authorized)
	}
	return total
}

const minute = 60

// note returns the history with the ceiling at total now. A clock that went back is taken to stand still.
func (h History) note(now int64, total voucher.Amount) History {
	end := now - now%minute + minute
	if n := len(h); n > 0 && end <= h[n-1].At {
		h = slices.Clone(h)
		h[n-1].Authorized = h[n-1].Authorized.Max(total)
		return h
	}
	return append(h.thinned(now), Mark{At: end, Authorized: total})
}

// thinned keeps the last mark of every minute, half hour or day, by age.
func (h History) thinned(now int64) History {
	out := make(History, 0, len(h)+1)
	for i, m := range h {
		if i+1 < len(h) && period(m.At, now) == period(h[i+1].At, now) {
			continue
		}
		out = append(out, m)
	}
	return out
}

// period names the stretch of time of which one mark is kept.
func period(at, now int64) (p struct{ step, n int64 }) {
	switch age := now - at; {
	case age > Month+Day:
		return p // all that is older is one mark
	case age > Day+Hour/2:
		p.step = Day
	case age > Hour:
		p.step = Hour / 2
	default:
		p.step = minute
	}
	p.n = at / p.step
	return p
}

// shifted counts amount as risen before all else: it was signed before this record knew of it.
func (h History) shifted(amount voucher.Amount) History {
	out := make(History, 0, len(h)+1)
	if len(h) == 0 || h[0].At != 0 {
		out = append(out, Mark{Authorized: amount})
	}
	for _, m := range h {
		out = append(out, Mark{At: m.At, Authorized: m.Authorized.AddCapped(amount)})
	}
	return out
}

// Noted returns the state with the rise of its ceiling since before marked as of now, in Unix seconds. The gate calls it
// for every rise.
func (s State) Noted(before State, now int64) State {
	if len(s.history) == 0 && !before.authorized.IsZero() {
		s.history = s.history.shifted(before.authorized)
	}
	s.history = s.history.note(now, s.authorized)
	return s
}

// History is how the ceiling rose. It must not be changed.
func (s State) History() History { return s.history }

// MarshalJSON writes every mark as [seconds, "amount"].
func (h History) MarshalJSON() ([]byte, error) {
	b := append(make([]byte, 0, 2+32*len(h)), '[')
	for i, m := range h {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(append(b, '['), m.At, 10)
		b = m.Authorized.AppendText(append(b, `,"`...))
		b = append(b, `"]`...)
	}
	return append(b, ']'), nil
}

// UnmarshalJSON reads what MarshalJSON writes. The error is [channel.ErrRecord].
func (h *History) UnmarshalJSON(text []byte) error {
	var pairs [][2]json.RawMessage
	if err := json.Unmarshal(text, &pairs); err != nil {
		return fmt.Errorf("%w: the history: %w", channel.ErrRecord, err)
	}
	*h = make(History, len(pairs))
	for i, pair := range pairs {
		m := &(*h)[i]
		if err := errors.Join(json.Unmarshal(pair[0], &m.At), json.Unmarshal(pair[1], &m.Authorized)); err != nil {
			return fmt.Errorf("%w: mark %d of the history: %w", channel.ErrRecord, i, err)
		}
	}
	return nil
}
