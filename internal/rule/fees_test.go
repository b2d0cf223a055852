package rule_test

import (
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// again writes and reads a record.
func again(t *testing.T, s rule.State) rule.State {
	t.Helper()
	data, err := s.Encode()
	require.NoError(t, err)
	read, err := rule.Decode(data)
	require.NoError(t, err)
	require.Equal(t, s, read)
	return read
}

func fee(n byte, most uint64, at int64) rule.Fee {
	return rule.Fee{
		Kind: "topup", Hash: common.Hash{n}, Token: token, Max: u(most), ValidBefore: 1000, At: at, Part: "fee/1",
	}
}

func sumOf(all []rule.Rise) (sum voucher.Amount) {
	for _, r := range all {
		sum = sum.AddCapped(r.By)
	}
	return sum
}

// TestFeesStayOnRecord: what the transactions of a channel cost is in its record, whatever transaction
// came after them, and counts with its highest until it is known.
func TestFeesStayOnRecord(t *testing.T) {
	const now = 1_700_000_000
	s := opening(t, 100)
	s.Opening.FeeToken, s.Opening.MaxFee = token, u(70)
	s = again(t, s.Costing(rule.Fee{Kind: "open", Hash: s.Opening.Hash, Token: token, Max: u(70), ValidBefore: 1000, At: now}, now))
	charged, reserved := s.Fees()
	assert.Empty(t, charged)
	assert.Equal(t, map[common.Address]voucher.Amount{token: u(70)}, reserved)
	assert.Equal(t, u(70), sumOf(s.PastFees(now)[token]))
	assert.Equal(t, s.FeesDue(), s.Costing(fee(9, 70, now), now).FeesDue(), "the same transaction counts once")

	known, was, ok := s.Charged(s.Opening.Hash, u(60), now)
	require.True(t, ok)
	assert.Equal(t, u(70), was.Max)
	assert.True(t, known.Opening.FeeKnown)
	assert.Equal(t, u(60), known.Opening.Fee)
	_, _, ok = known.Charged(s.Opening.Hash, u(60), now)
	assert.False(t, ok, "known once")

	other := common.Address{0x20, 0xc0, 7}
	more := fee(2, 5, now)
	more.Token = other
	s = again(t, again(t, known).Acknowledged().Funded(rule.Funding{Amount: u(9), Raw: []byte{0x76}, Hash: common.Hash{1}}).Costing(fee(1, 30, now), now))
	s = again(t, s.Settle(rule.OnChain{Exists: true, Deposit: u(109), Time: 1}).Costing(more, now))
	require.False(t, s.ToppingUp.Pending())
	charged, reserved = s.Fees()
	assert.Equal(t, map[common.Address]voucher.Amount{token: u(60)}, charged)
	assert.Equal(t, map[common.Address]voucher.Amount{token: u(30), other: u(5)}, reserved)
	assert.Equal(t, u(90), sumOf(s.PastFees(now)[token]))
	assert.Equal(t, u(5), sumOf(s.PastFees(now)[other]))

	closed := s.Settle(rule.OnChain{Ended: true})
	assert.False(t, closed.Finished(), "a fee is not known")
	closed, _, _ = closed.Charged(common.Hash{1}, u(1_000), now)
	closed, _, _ = closed.Charged(common.Hash{2}, voucher.Amount{}, now)
	closed = again(t, closed)
	assert.True(t, closed.Finished())
	charged, reserved = closed.Fees()
	assert.Equal(t, map[common.Address]voucher.Amount{token: u(90)}, charged, "never more than its highest")
	assert.Empty(t, reserved)
	info := closed.Info()
	assert.Equal(t, charged, info.Fees)
	assert.Empty(t, info.FeesReserved)
	assert.Empty(t, closed.PastFees(now + 70*24*3600)[token], "long ago")
}

// TestFeesThatNobodyKnows: a record lists at most 32 fees that are not known; none is dropped.
func TestFeesThatNobodyKnows(t *testing.T) {
	const now = 1_700_000_000
	s := open(t, 100)
	for n := range byte(40) {
		s = s.Costing(fee(n+1, 3, now), now)
	}
	charged, reserved := again(t, s).Fees()
	assert.Len(t, s.FeesDue(), 32)
	assert.Equal(t, common.Hash{9}, s.FeesDue()[0].Hash, "the oldest go first")
	assert.Equal(t, u(24), charged[token])
	assert.Equal(t, u(96), reserved[token])
	assert.Empty(t, open(t, 1).Costing(fee(1, 0, now), now).FeesDue(), "nothing can be charged")
}

// TestFeesOfWhatTheChainShows: that it shows an opening or a top-up is proof that it was mined. The word of a
// payee is none.
func TestFeesOfWhatTheChainShows(t *testing.T) {
	const now = 1_700_000_000
	s := opening(t, 100)
	s = s.Costing(rule.Fee{Kind: "open", Hash: s.Opening.Hash, Token: token, Max: u(70), At: now}, now)
	sum := func(s rule.State) (sum voucher.Amount) {
		for _, f := range again(t, s).FeesDue() {
			sum = sum.AddCapped(f.Missing())
		}
		return sum
	}
	assert.True(t, sum(s.Acknowledged().Settle(rule.OnChain{Time: 1 << 40})).IsZero())
	assert.Equal(t, u(70), sum(s.Mined(s.Opening.Hash, false)), "reverted")
	assert.Equal(t, u(70), sum(s.Settle(rule.OnChain{Ended: true})))
	s = s.Settle(rule.OnChain{Exists: true, Deposit: u(100), Time: 1})
	assert.Equal(t, u(70), sum(s))
	s = s.Funded(rule.Funding{Amount: u(9), Raw: []byte{0x76}, Hash: common.Hash{1}, ValidBefore: 5}).Costing(fee(1, 30, now), now)
	assert.Equal(t, u(70), sum(s.ToppedUp()))
	assert.Equal(t, u(70), sum(s.Settle(rule.OnChain{Exists: true, Deposit: u(100), Time: 9})), "it lapsed")
	assert.Equal(t, u(100), sum(s.Settle(rule.OnChain{Exists: true, Deposit: u(109), Time: 2})))
	assert.Equal(t, u(70), sum(s.Settle(rule.OnChain{Ended: true})))
	assert.Equal(t, u(100), sum(s.ToppedUp().Settle(rule.OnChain{Ended: true})), "nothing else tells any more")
}
