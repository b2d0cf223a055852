package journal

import (
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Totals are what the lines of one channel add up to: what a record and the chain are compared with. The zero
// value is an empty account. It is not safe for concurrent use.
type Totals struct {
	// Origin is that of the last line.
	Origin string
	// Lines counts them. First and Last are when the first operation began and the last one ended.
	Lines       int
	First, Last time.Time
	// Raised is the sum of all raises of the authorized amount, in base units. The record's authorized amount is the
	// same where no line is missing.
	Raised voucher.Amount
	// Presented is the highest voucher that was presented.
	Presented voucher.Amount
	// Funded is what accepted opens and top-ups put in, each transaction once, and what a channel held that was
	// found.
	Funded voucher.Amount
	// Pending is the same of those whose outcome no line knows.
	Pending voucher.Amount
	// Closed is what the payee got in an accepted close; nil where there was none.
	Closed *voucher.Amount

	spans   []span
	funding map[common.Hash]Entry
	found   voucher.Amount
}

// span is a piece of the authorized amount that one operation raised it over.
type span struct {
	from, to voucher.Amount
	at       time.Time
}

// Add counts one line.
func (t *Totals) Add(e Entry) {
	if t.Lines++; t.Lines == 1 || e.Start.Before(t.First) {
		t.First = e.Start
	}
	if t.Last.Before(e.End) {
		t.Last = e.End
	}
	t.Origin = e.Origin
	t.Presented = t.Presented.Max(e.Cumulative)
	if !e.Raised.IsZero() {
		t.Raised = t.Raised.AddCapped(e.Raised)
		t.spans = append(t.spans, span{e.Before, e.After, e.End})
	}
	switch {
	case e.Kind == KindFound:
		t.found = e.Amount
	case e.Kind == KindOpen, e.Kind == KindTopUp:
		if t.funding == nil {
			t.funding = map[common.Hash]Entry{}
		}
		if was, ok := t.funding[e.Transaction]; !ok || !was.Accepted() {
			t.funding[e.Transaction] = e // the last word, or the first that says yes
		}
	case e.Kind == KindClose && e.Accepted():
		t.Closed = &e.Amount
	}
	t.Funded, t.Pending = t.found, voucher.Amount{}
	for _, f := range t.funding {
		switch {
		case f.Accepted():
			t.Funded = t.Funded.AddCapped(f.Amount)
		case f.Outcome == "unknown":
			t.Pending = t.Pending.AddCapped(f.Amount)
		}
	}
}

// Gap is a piece of the authorized amount that no line raised it over: an operation that was killed, or canceled at
// the gate, before its line was written.
type Gap struct {
	From, To voucher.Amount
	// After is when the operation below it ended, Before when the one above it did; zero where there is none.
	After, Before time.Time
}

// Gaps are the pieces up to authorized that no line covers, in order. A line whose operation was interleaved with
// others covers theirs too, so there can be fewer gaps than authorized less Raised says.
func (t *Totals) Gaps(authorized voucher.Amount) (gaps []Gap) {
	spans := slices.Clone(t.spans)
	slices.SortFunc(spans, func(a, b span) int { return a.from.Cmp(b.from) })
	var reached voucher.Amount
	var last time.Time
	for _, s := range spans {
		if reached.Less(s.from) {
			gaps = append(gaps, Gap{reached, s.from, last, s.at})
		}
		if reached.Less(s.to) {
			reached, last = s.to, s.at
		}
	}
	if reached.Less(authorized) {
		gaps = append(gaps, Gap{From: reached, To: authorized, After: last})
	}
	return gaps
}
