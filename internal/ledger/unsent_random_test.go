package ledger_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/seed-5fe1f529/tallystick/internal/ledger"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// buyer is one request of the random test, with what it was given on each of the channels.
type buyer struct {
	run      int // whose budget it spends; 2 for none
	terms    ledger.Terms
	reserved [3]*ledger.Reservation
	given    [3]voucher.Amount
	sent     bool
	over     bool // it sends nothing that it was given so far
}

// market is the model that the random test compares with: what left on each channel, and what was
// first given to requests without a budget.
type market struct {
	*bench
	accounts [3]*ledger.Account
	runs     [2]*ledger.Budget
	limits   [2]voucher.Amount
	buyers   []*buyer
	left     [3]voucher.Amount
	free     voucher.Amount
	troubles []string
}

// highest returns the highest voucher of a channel that left or may leave.
func (m *market) highest(ch int) voucher.Amount {
	top := m.left[ch]
	for _, b := range m.buyers {
		if !b.over {
			top = top.Max(b.given[ch])
		}
	}
	return top
}

// given notes the voucher that a buyer was given. One without a budget may send it at once.
func (m *market) given(b *buyer, ch int, v voucher.Amount) {
	if b.run == 2 {
		m.free = m.free.AddCapped(v.SubFloor(m.highest(ch)))
		m.left[ch] = m.left[ch].Max(v)
	}
	b.given[ch] = b.given[ch].Max(v)
}

// buy decides a request on a channel, for the first time or again.
func (m *market) buy(t *testing.T, r *rapid.T, b *buyer, ch int) {
	n := uint64(rapid.IntRange(1, 150).Draw(r, "price"))
	trouble := rapid.SampledFrom(m.troubles).Draw(r, "trouble")
	m.judge.fail.Store(trouble == "signer")
	m.store.failed.Store(trouble == "store")
	m.store.stored.Store(trouble == "stored")
	var v voucher.Signed
	var err error
	if b.over {
		b.over, b.sent, b.given = false, false, [3]voucher.Amount{} // it goes on after all
	}
	if b.reserved[ch] == nil {
		b.reserved[ch], v, err = m.accounts[ch].Reserve(t.Context(), b.terms, price(n))
	} else {
		v, err = b.reserved[ch].Decide(t.Context(), price(n))
	}
	m.judge.fail.Store(false)
	m.store.failed.Store(false)
	m.store.stored.Store(false)
	if err == nil {
		m.given(b, ch, v.Cumulative)
	}
}

// more is a need-voucher frame of a stream.
func (m *market) more(t *testing.T, r *rapid.T, b *buyer, ch int) {
	if b.reserved[ch] == nil || b.over {
		return
	}
	b.reserved[ch].Stream(u(10), func() uint64 { return 1 })
	need := b.given[ch].AddCapped(u(uint64(rapid.IntRange(0, 30).Draw(r, "need"))))
	if v, err := b.reserved[ch].More(t.Context(), need); err == nil {
		m.given(b, ch, v.Cumulative)
	}
}

// end releases what a buyer has reserved, and refunds it.
func (m *market) end(b *buyer) {
	for _, r := range b.reserved {
		if r != nil {
			r.Release()
		}
	}
	b.terms.Charge.Refund()
	if b.sent {
		for ch, v := range b.given {
			m.left[ch] = m.left[ch].Max(v)
		}
	}
	b.over = true
}

// check compares what payees can take with what the runs count: each alone on a channel of its own,
// and together.
func (m *market) check(r *rapid.T) {
	var all voucher.Amount
	for ch := range m.accounts {
		all = all.AddCapped(m.highest(ch))
	}
	counted := m.free
	for i, run := range m.runs {
		used := m.limits[i].SubFloor(run.Left())
		counted = counted.AddCapped(used)
		require.False(r, used.Less(m.highest(i)), "run %d counts %s, its own channel can be settled "+
			"at %s", i, used, m.highest(i))
	}
	require.False(r, counted.Less(all), "%s can be taken, %s are counted", all, counted)
}

// TestRunsHoldWhateverHappens lets requests of two runs, and some without a budget, reserve, send,
// stream, release, end and come back on three channels, while the signer and the store fail. After
// each step, what left or may still leave is at most what the runs count, so at most their limits.
// If nothing ever left, all is given back.
func TestRunsHoldWhateverHappens(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		own := lim
		own.Ahead = u(rapid.SampledFrom([]uint64{0, 0, 70}).Draw(r, "ahead"))
		m := &market{bench: newBench(t, own)}
		for i := range m.accounts {
			m.accounts[i] = m.at(t, byte(i+1), here, byte(i+1))
		}
		for i := range m.runs {
			limit := uint64(rapid.IntRange(100, 900).Draw(r, "limit"))
			m.limits[i], m.runs[i] = u(limit), m.budget(limit, nil)
		}
		quiet := rapid.Bool().Draw(r, "quiet") // nothing leaves
		m.troubles = []string{"", "", "", "signer", "store"}
		if !quiet { // after an unknown write nobody can tell who wrote
			m.troubles = append(m.troubles, "stored")
		}
		for range rapid.IntRange(5, 60).Draw(r, "steps") {
			what := rapid.IntRange(0, 9).Draw(r, "what")
			if len(m.buyers) == 0 || what < 3 {
				b := &buyer{run: rapid.SampledFrom([]int{0, 0, 1, 1, 2}).Draw(r, "run")}
				if b.terms = m.terms(); quiet || b.run < 2 {
					b.run %= 2
					b.terms = m.in(m.runs[b.run])
				}
				m.buyers = append(m.buyers, b)
			}
			b := m.buyers[len(m.buyers)-1]
			if what >= 3 {
				b = m.buyers[rapid.IntRange(0, len(m.buyers)-1).Draw(r, "buyer")]
			}
			ch := 2 // which both runs use
			if b.run < 2 && rapid.Bool().Draw(r, "own channel") {
				ch = b.run
			}
			switch {
			case what < 5:
				m.buy(t, r, b, ch)
			case what == 5:
				m.more(t, r, b, ch)
			case what == 6 && !quiet && !b.over:
				b.terms.Charge.Sent()
				b.sent = true
				m.left[ch] = m.left[ch].Max(b.given[ch])
			case what == 7 && b.reserved[ch] != nil && !b.over:
				b.reserved[ch].Release()
			default:
				m.end(b)
			}
			m.check(r)
		}
		for _, b := range m.buyers {
			m.end(b)
		}
		m.check(r)
		for i, run := range m.runs {
			if quiet {
				assert.Equal(r, m.limits[i], run.Left(), "nothing left, so all is given back")
			}
		}
	})
}
