package journal

import (
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
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
