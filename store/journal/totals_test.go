package journal

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

func at(n int64) time.Time { return time.Unix(n, 0).UTC() }

func rise(kind Kind, from, to, by uint64, end int64) Entry {
	return Entry{
		Kind:       kind,
		Before:     u(from),
		After:      u(to),
		Raised:     u(by),
		Cumulative: u(to),
		Outcome:    "accepted",
		Start:      at(end - 1),
		End:        at(end),
	}
}

func fund(kind Kind, amount uint64, tx byte, outcome string) Entry {
	return Entry{
		Kind:        kind,
		Amount:      u(amount),
		Transaction: common.Hash{tx},
		Outcome:     outcome,
		Start:       at(1),
		End:         at(1),
	}
}

func total(all ...Entry) *Totals {
	t := &Totals{}
	for _, e := range all {
		t.Add(e)
	}
	return t
}

func TestGaps(t *testing.T) {
	for _, one := range []struct {
		name       string
		lines      []Entry
		authorized uint64
		raised     uint64
		gaps       []Gap
	}{
		{"nothing", nil, 0, 0, nil},
		{"nothing but a number", nil, 100, 0, []Gap{{From: u(0), To: u(100)}}},
		{"whole", []Entry{rise(KindPay, 0, 100, 100, 1), rise(KindPay, 100, 200, 100, 2)}, 200, 200, nil},
		{"out of order", []Entry{rise(KindPay, 100, 200, 100, 2), rise(KindPay, 0, 100, 100, 1)}, 200, 200, nil},
		{"one was killed", []Entry{rise(KindPay, 0, 100, 100, 1), rise(KindPay, 200, 300, 100, 3)}, 300, 200, []Gap{{u(100), u(200), at(1), at(3)}}},
		{"the last was killed", []Entry{rise(KindPay, 0, 100, 100, 1)}, 300, 100, []Gap{{From: u(100), To: u(300), After: at(1)}}},
		{"the first is missing", []Entry{rise(KindPay, 50, 100, 50, 1)}, 100, 50, []Gap{{From: u(0), To: u(50), Before: at(1)}}},
		{"interleaved", []Entry{rise(KindStream, 0, 300, 200, 5), rise(KindPay, 100, 200, 100, 2)}, 300, 300, nil},
		{"interleaved, and one of them was killed", []Entry{rise(KindStream, 0, 300, 200, 5)}, 300, 200, nil},
		{"found", []Entry{rise(KindFound, 0, 700, 700, 1), rise(KindPay, 700, 800, 100, 2)}, 800, 800, nil},
	} {
		t.Run(one.name, func(t *testing.T) {
			got := total(one.lines...)
			assert.Equal(t, u(one.raised), got.Raised)
			assert.Equal(t, one.gaps, got.Gaps(u(one.authorized)))
			assert.Equal(t, len(one.lines), got.Lines)
		})
	}
}

func TestFunded(t *testing.T) {
	for _, one := range []struct {
		name            string
		lines           []Entry
		funded, pending uint64
	}{
		{"opened and topped up", []Entry{fund(KindOpen, 10, 1, "accepted"), fund(KindTopUp, 5, 2, "accepted")}, 15, 0},
		{"one transaction is one", []Entry{fund(KindOpen, 10, 1, "unknown"), fund(KindOpen, 10, 1, "accepted"), fund(KindOpen, 10, 1, "accepted")}, 10, 0},
		{"a later doubt takes nothing back", []Entry{fund(KindTopUp, 10, 1, "accepted"), fund(KindTopUp, 10, 1, "unknown")}, 10, 0},
		{"not known yet", []Entry{fund(KindOpen, 10, 1, "unknown")}, 0, 10},
		{"never mined", []Entry{fund(KindOpen, 10, 1, "unknown"), fund(KindOpen, 10, 1, "rejected")}, 0, 0},
		{"not sent", []Entry{fund(KindOpen, 10, 1, "not_sent")}, 0, 0},
		{"found, then topped up", []Entry{fund(KindFound, 30, 0, "accepted"), fund(KindTopUp, 5, 2, "accepted")}, 35, 0},
	} {
		t.Run(one.name, func(t *testing.T) {
			got := total(one.lines...)
			assert.Equal(t, u(one.funded), got.Funded)
			assert.Equal(t, u(one.pending), got.Pending)
		})
	}
}

func TestClosed(t *testing.T) {
	assert.Nil(t, total(fund(KindClose, 7, 1, "rejected")).Closed)
	got := total(rise(KindPay, 0, 9, 9, 4), fund(KindClose, 7, 1, "refunded"))
	assert.Equal(t, u(7), *got.Closed)
	assert.Equal(t, u(9), got.Presented)
	assert.Equal(t, at(1), got.First)
	assert.Equal(t, at(4), got.Last)
}

// TestTotalsStayShort checks that a channel of very many lines is added up in little memory, whatever
// their order, and that the gaps are those of adding them one by one.
func TestTotalsStayShort(t *testing.T) {
	const lines = 20_000
	for name, shuffle := range map[string]bool{"in order": false, "in any order": true} {
		t.Run(name, func(t *testing.T) {
			random := rand.New(rand.NewPCG(1, 2))
			order := make([]int, lines)
			for i := range order {
				order[i] = i
			}
			if shuffle { // as far as processes that write at once go
				for i := range order {
					j := min(lines-1, i+random.IntN(64))
					order[i], order[j] = order[j], order[i]
				}
			}
			got, most := &Totals{}, 0
			for _, i := range order {
				if i == 777 || i == 15_000 {
					continue // these were killed
				}
				from := uint64(i) * 10
				got.Add(rise(KindPay, from, from+10, 10, int64(i+1)))
				most = max(most, len(got.spans))
			}
			assert.Less(t, most, 300)
			assert.Equal(t, []Gap{
				{u(7770), u(7780), at(777), at(779)},
				{u(150_000), u(150_010), at(15_000), at(15_002)},
			}, got.Gaps(u(lines*10)))
			assert.Equal(t, u((lines-2)*10), got.Raised)
		})
	}
}

// TestManyTopUps checks the sums over very many transactions, each of which has two lines.
func TestManyTopUps(t *testing.T) {
	const n = 20_000
	got := &Totals{}
	line := func(i int, outcome string) Entry {
		e := fund(KindTopUp, 3, 0, outcome)
		binary.BigEndian.PutUint64(e.Transaction[:], uint64(i+1))
		return e
	}
	for i := range n {
		got.Add(line(i, "unknown"))
	}
	assert.Equal(t, u(3*n), got.Pending)
	for i := range n {
		got.Add(line(i, []string{"accepted", "rejected", "unknown"}[i%3]))
	}
	accepted, unknown := uint64(n+2)/3, uint64(n)/3
	assert.Equal(t, u(3*accepted), got.Funded)
	assert.Equal(t, u(3*unknown), got.Pending)
}

// TestFees checks that a transaction is counted once, however many lines name it, and that what is known of its
// charge is not unlearned.
func TestFees(t *testing.T) {
	token := common.Address{7}
	most, charged := Fee{Token: token, Max: u(9)}, Fee{Token: token, Max: u(9), Charged: u(5), Known: true}
	none := Fee{Token: token, Max: u(9), Known: true}
	line := func(kind Kind, tx byte, fee Fee) Entry {
		e := fund(kind, 10, tx, "accepted")
		e.Fee = fee
		return e
	}
	for _, one := range []struct {
		name    string
		lines   []Entry
		fees    map[byte]Fee
		counted uint64
	}{
		{"not recorded", []Entry{fund(KindOpen, 10, 1, "accepted")}, nil, 0},
		{"the most, until it is known", []Entry{line(KindOpen, 1, most)}, map[byte]Fee{1: most}, 9},
		{"twice the same", []Entry{line(KindOpen, 1, most), line(KindOpen, 1, most)}, map[byte]Fee{1: most}, 9},
		{"known later", []Entry{line(KindOpen, 1, most), line(KindFee, 1, charged)}, map[byte]Fee{1: charged}, 5},
		{"known first", []Entry{line(KindFee, 1, charged), line(KindOpen, 1, most)}, map[byte]Fee{1: charged}, 5},
		{"known twice", []Entry{line(KindFee, 1, charged), line(KindFee, 1, none)}, map[byte]Fee{1: charged}, 5},
		{"never mined", []Entry{line(KindTopUp, 1, most), line(KindFee, 1, none)}, map[byte]Fee{1: none}, 0},
		{"a line without a fee says nothing", []Entry{line(KindOpen, 1, charged), fund(KindOpen, 10, 1, "accepted")}, map[byte]Fee{1: charged}, 5},
		{"sponsored", []Entry{line(KindOpen, 1, Fee{Sponsored: true})}, map[byte]Fee{1: {Sponsored: true}}, 0},
		{
			"of every kind",
			[]Entry{line(KindOpen, 1, charged), line(KindTopUp, 2, most), line(KindRequestClose, 3, most), line(KindWithdraw, 4, charged)},
			map[byte]Fee{1: charged, 2: most, 3: most, 4: charged},
			28,
		},
	} {
		t.Run(one.name, func(t *testing.T) {
			got := total(one.lines...)
			var fees map[byte]Fee
			var counted voucher.Amount
			for tx, fee := range got.Fees() {
				if fees == nil {
					fees = map[byte]Fee{}
				}
				fees[tx[0]] = fee
				counted = counted.AddCapped(fee.Counted())
			}
			assert.Equal(t, one.fees, fees)
			assert.Equal(t, u(one.counted), counted)
		})
	}
	for range total(line(KindOpen, 1, most), line(KindTopUp, 2, most)).Fees() {
		break
	}
	many := &Totals{}
	for i := range byte(100) {
		many.Add(line(KindTopUp, i, most))
		many.Add(line(KindFee, i, charged))
	}
	assert.Equal(t, u(1000), many.Funded, "a line of a fee moves nothing")
	n := 0
	for _, fee := range many.Fees() {
		assert.Equal(t, charged, fee)
		n++
	}
	assert.Equal(t, 100, n)
}
