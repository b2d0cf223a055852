package journal

import (
	"iter"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Totals are the sums over the lines of one channel, for comparison with its record and with the chain.
// Amounts are base units of the channel's token. Fees are not in them: see [Totals.Fees]. The zero value
// is ready to use. It is not safe for concurrent use.
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
	// Closed is what an accepted close paid to the payee, or nil if no line is about one.
	Closed *voucher.Amount

	spans   []span // merged when there are limit of them
	limit   int
	funding []funding
	known   map[common.Hash]int // indexes in funding, if there are many
	found   voucher.Amount
}

// span is a part of the authorized amount that lines explain. first is the end of the operation at
// its lower end, last that of the operation at its upper end.
type span struct {
	from, to    voucher.Amount
	first, last time.Time
}

// funding is a transaction: an open or a top-up with what it puts in, or another one for its fee.
type funding struct {
	transaction       common.Hash
	amount            voucher.Amount
	accepted, pending bool
	fee               Fee
}

// Add adds one line. What a Totals holds grows with the gaps and the transactions, not with the lines.
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
		t.span(span{e.Before, e.After, e.End, e.End})
	}
	switch {
	case e.Kind == KindFound:
		t.Funded = t.Funded.SubFloor(t.found).AddCapped(e.Amount)
		t.found = e.Amount
	case e.Kind == KindOpen, e.Kind == KindTopUp:
		t.fund(e)
	case e.Kind == KindClose && e.Accepted():
		amount := e.Amount // alone, or the whole line would stay in memory
		t.Closed = &amount
	}
	if e.Fee != (Fee{}) {
		t.transaction(e.Transaction).learn(e.Fee)
	}
}

// Fees yields the fees of the transactions in the lines by transaction hash, each transaction once, in
// the order of their first lines. If any line has the charge, Fee.Known is true; otherwise the Fee is
// that of the last line. Transactions without a fee in their lines are left out. Add [Fee.Counted] for
// each Token by itself.
func (t *Totals) Fees() iter.Seq2[common.Hash, Fee] {
	return func(yield func(common.Hash, Fee) bool) {
		for _, f := range t.funding {
			if f.fee != (Fee{}) && !yield(f.transaction, f.fee) {
				return
			}
		}
	}
}

// learn takes in what a further line says of the fee.
func (f *funding) learn(fee Fee) {
	if !f.fee.Known {
		f.fee = fee
	}
}

// few is how many transactions are searched one by one.
const few = 16

// transaction returns the transaction of a hash, a new one if no line named it. It is valid until the
// next call.
func (t *Totals) transaction(hash common.Hash) *funding {
	i, ok := t.known[hash]
	if t.known == nil {
		i = slices.IndexFunc(t.funding, func(g funding) bool { return g.transaction == hash })
		ok = i >= 0
	}
	if ok {
		return &t.funding[i]
	}
	t.funding = append(t.funding, funding{transaction: hash})
	if t.known != nil {
		t.known[hash] = len(t.funding) - 1
	} else if len(t.funding) > few {
		t.known = make(map[common.Hash]int, 2*few)
		for i, g := range t.funding {
			t.known[g.transaction] = i
		}
	}
	return &t.funding[len(t.funding)-1]
}

// fund counts what a transaction puts in by its last line, or by the first with success.
func (t *Totals) fund(e Entry) {
	f := t.transaction(e.Transaction)
	if f.accepted {
		return
	}
	if f.pending {
		t.Pending = t.Pending.SubFloor(f.amount)
	}
	f.amount, f.accepted, f.pending = e.Amount, e.Accepted(), e.Outcome == "unknown"
	switch {
	case f.accepted:
		t.Funded = t.Funded.AddCapped(f.amount)
	case f.pending:
		t.Pending = t.Pending.AddCapped(f.amount)
	}
}

// span adds a part that a line explains. Most lines go on where the one before ended.
func (t *Totals) span(s span) {
	if n := len(t.spans); n > 0 && t.spans[n-1].extend(s) {
		return
	}
	if t.spans = append(t.spans, s); len(t.spans) >= max(t.limit, 32) {
		t.spans = merged(t.spans)
		t.limit = 2 * len(t.spans)
	}
}

// extend makes s reach as far as other, if that begins inside s.
func (s *span) extend(other span) bool {
	if other.from.Less(s.from) || s.to.Less(other.from) {
		return false
	}
	if s.to.Less(other.to) {
		s.to, s.last = other.to, other.last
	}
	return true
}

// merged returns the spans in order, those that touch made one.
func merged(spans []span) []span {
	spans = slices.Clone(spans)
	slices.SortFunc(spans, func(a, b span) int { return a.from.Cmp(b.from) })
	out := spans[:0]
	for _, s := range spans {
		if n := len(out); n == 0 || !out[n-1].extend(s) {
			out = append(out, s)
		}
	}
	return out
}

// Gap is the part of the authorized amount above From and up to To, in base units, that no line explains:
// an operation was killed or canceled before its line was written.
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
	var reached voucher.Amount
	var last time.Time
	for _, s := range merged(t.spans) {
		if reached.Less(s.from) {
			gaps = append(gaps, Gap{reached, s.from, last, s.first})
		}
		if reached.Less(s.to) {
			reached, last = s.to, s.last
		}
	}
	if reached.Less(authorized) {
		gaps = append(gaps, Gap{From: reached, To: authorized, After: last})
	}
	return gaps
}
