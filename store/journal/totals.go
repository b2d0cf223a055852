package journal

import (
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Totals are the sums over the lines of one channel, for comparison with its record and with the
// chain. The zero value is ready to use. It is not safe for concurrent use.
type Totals struct {
	// Origin is the origin of the last line.
	Origin string
	// Lines is the number of lines. First is the start of the first operation, and Last the end of
	// the last one.
	Lines       int
	First, Last time.Time
	// Raised is the sum of all increases of the authorized amount, in base units. If no line is
	// missing, it equals the authorized amount of the record.
	Raised voucher.Amount
	// Presented is the amount of the highest voucher that was sent.
	Presented voucher.Amount
	// Funded is the sum of the accepted opens and top-ups, each transaction once, and of the
	// deposit of a found channel.
	Funded voucher.Amount
	// Pending is the same sum for opens and top-ups whose outcome is unknown.
	Pending voucher.Amount
	// Closed is the payment to the payee of an accepted close, or nil.
	Closed *voucher.Amount

	spans   []span
	funding map[common.Hash]Entry
	found   voucher.Amount
}

// span is the part of the authorized amount between two values of one operation.
type span struct {
	from, to voucher.Amount
	at       time.Time
}

// Add adds one line.
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
			t.funding[e.Transaction] = e // the last line, or the first with success
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

// Gap is a part of the authorized amount that no line explains: an operation was killed or canceled
// before its line was written.
type Gap struct {
	From, To voucher.Amount
	// After is the end of the operation below the gap, and Before that of the operation above. They
	// are zero if there is none.
	After, Before time.Time
}

// Gaps returns the parts up to authorized that no line covers, in order. A line whose operation ran
// concurrently with others covers their increases too, so the gaps can be smaller than authorized
// minus Raised.
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
