package ledger_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/bubble"
	"github.com/seed-5fe1f529/tallystick/internal/ledger"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// feeOf is the fee of a transaction that is about to be signed.
func feeOf(most uint64) rule.Fee {
	return rule.Fee{Kind: "open", Token: pathUSD, Max: u(most), ValidBefore: 100}
}

func (b *bench) use() ledger.FeeUse { return ledger.FeeUse{Terms: b.terms(), Scope: b.scope} }

// counted returns what is used of a month, as another session sees it: of all payments, of the origin, of the
// payee and of fees.
func (b *bench) counted(t testing.TB) [4]uint64 {
	t.Helper()
	other := b.again()
	lim := b.Limits()
	lim.Origin.Month, lim.Payee.Month = u(1<<40), u(1<<40)
	rooms, err := other.Rooms(t.Context(), ledger.Terms{Limits: lim}, b.scope)
	require.NoError(t, err)
	fees, err := other.FeeRooms(t.Context(), lim, b.scope)
	require.NoError(t, err)
	var out [4]uint64
	for i, used := range []voucher.Amount{rooms[0].Used, rooms[3].Used, rooms[6].Used, fees[0].Used} {
		for out[i] = 0; u(out[i]).Less(used); out[i]++ {
		}
	}
	return out
}

// TestLimitsRefuseFees: each limit refuses by itself what it does not leave room for, says what the
// transaction can cost, and nothing is counted then. What it advises is enough.
func TestLimitsRefuseFees(t *testing.T) {
	wide := channel.Windows{Month: u(1 << 30)}
	for limit, c := range map[string]struct {
		set    func(*channel.Limits, voucher.Amount)
		before uint64 // is counted already
		also   uint64 // has to fit, too
	}{
		"Fees.Transaction": {func(l *channel.Limits, n voucher.Amount) { l.Fees.Transaction = n }, 0, 0},
		"Fees.Hour":        {func(l *channel.Limits, n voucher.Amount) { l.Fees.Hour = n }, 70, 0},
		"Fees.Day":         {func(l *channel.Limits, n voucher.Amount) { l.Fees.Day = n }, 70, 0},
		"Fees.Month":       {func(l *channel.Limits, n voucher.Amount) { l.Fees.Month = n }, 70, 0},
		"All.Hour":         {func(l *channel.Limits, n voucher.Amount) { l.All.Hour = n }, 70, 5},
		"All.Day":          {func(l *channel.Limits, n voucher.Amount) { l.All.Day = n }, 70, 5},
		"All.Month":        {func(l *channel.Limits, n voucher.Amount) { l.All.Month = n }, 70, 5},
		"Origin.Day":       {func(l *channel.Limits, n voucher.Amount) { l.Origin.Day = n }, 70, 5},
		"Payee.Day":        {func(l *channel.Limits, n voucher.Amount) { l.Payee.Day = n }, 70, 5},
		"Total":            {func(l *channel.Limits, n voucher.Amount) { l.Total = n }, 70, 0},
	} {
		bubble.Run(t, func(t *testing.T) {
			lim := channel.Limits{
				Price: u(10), Deposit: u(1 << 20), Total: u(1 << 20), All: wide,
				Fees: channel.FeeLimits{Transaction: u(1 << 20), Month: u(1 << 20)},
			}
			b := newBench(t, lim)
			use := b.use()
			use.Price = u(c.also)
			if c.before > 0 {
				_, err := b.ReserveFee(t.Context(), use, feeOf(c.before))
				require.NoError(t, err)
			}
			need := c.before + 100 + c.also
			c.set(&use.Terms.Limits, u(need-1))
			_, err := b.ReserveFee(t.Context(), use, feeOf(100))
			refused := over(t, err)
			assert.Equal(t, []any{limit, u(need), u(need - 1), u(100)}, []any{refused.Limit, refused.Wanted, refused.Allowed, refused.Fee})
			assert.False(t, refused.Enough.Less(u(need)))
			assert.Equal(t, c.before, b.counted(t)[3], "%s: a refused fee counts", limit)
			assert.Equal(t, u(c.before), b.Funded(b.scope), limit)
			c.set(&use.Terms.Limits, u(need))
			_, err = b.ReserveFee(t.Context(), use, feeOf(100))
			require.NoError(t, err, limit)
			assert.Equal(t, c.before+100, b.counted(t)[3], limit)
		})
	}
}

// TestFeesCountEverywhere: a fee counts for all payments, for the origin and the payee of its channel and for
// fees, in all sessions, also in records that are made later, and in a window for as long as any payment.
func TestFeesCountEverywhere(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		b := newBench(t, lim)
		fee, err := b.ReserveFee(t.Context(), b.use(), feeOf(100))
		require.NoError(t, err)
		assert.Equal(t, [4]uint64{100, 100, 100, 100}, b.counted(t), "the records of origins and payees were made after it")
		other := b.use()
		other.Scope.Origin, other.Scope.Payee = there, common.Address{9}
		second, err := b.ReserveFee(t.Context(), other, feeOf(50))
		require.NoError(t, err)
		assert.Equal(t, [4]uint64{150, 100, 100, 150}, b.counted(t))

		require.NoError(t, b.SettleFee(t.Context(), other.Scope, second, u(20)))
		for range 2 { // the second time changes nothing
			require.NoError(t, b.again().SettleFee(t.Context(), other.Scope, second, u(1)))
		}
		assert.Equal(t, [4]uint64{120, 100, 100, 120}, b.counted(t))
		time.Sleep(2 * time.Hour)
		require.NoError(t, b.again().SettleFee(t.Context(), b.scope, fee, u(60)), "by another session, much later")
		got := b.counted(t)
		assert.Equal(t, [2]uint64{80, 80}, [2]uint64{got[0], got[3]})
		time.Sleep(31 * 24 * time.Hour)
		assert.Equal(t, [4]uint64{}, b.counted(t))
	})
}

// TestFeesOfRecordsAreListed: what channels' transactions cost counts in records that are made from them, what
// is not known with its highest.
func TestFeesOfRecordsAreListed(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		b := newBench(t, lim)
		a := b.open(t, 1000)
		now := time.Now().Unix()
		require.NoError(t, a.Update(t.Context(), func(s rule.State) rule.State {
			one, two := feeOf(70), feeOf(30)
			one.Hash, two.Hash, one.At, two.At = common.Hash{1}, common.Hash{2}, now, now
			s, _, _ = s.Costing(one, now).Costing(two, now).Charged(one.Hash, u(50), now)
			return s
		}))
		assert.Equal(t, [4]uint64{80, 80, 80, 80}, b.counted(t))
	})
}

// TestSessionsShareLimitsOfFees: many sessions reserve fees and pay at the same time, and pass no limit
// together.
func TestSessionsShareLimitsOfFees(t *testing.T) {
	lim := channel.Limits{
		Price: u(10), Deposit: u(1 << 20), Total: u(1 << 20), All: channel.Windows{Month: u(1000)},
		Fees: channel.FeeLimits{Transaction: u(100), Month: u(600)},
	}
	b := newBench(t, lim)
	var all sync.WaitGroup
	var mu sync.Mutex
	var fees uint64
	for n := range byte(6) {
		all.Go(func() {
			one := b.again()
			a := one.at(t, 10+n, here, n+1)
			for i := range 12 {
				fee := feeOf(uint64(13 + i))
				_, err := one.ReserveFee(t.Context(), one.use(), fee)
				var over *channel.LimitError
				switch {
				case err == nil:
					mu.Lock()
					fees += uint64(13 + i)
					mu.Unlock()
				case !errors.As(err, &over):
					assert.NoError(t, err)
				}
				r, _, err := a.Reserve(t.Context(), one.terms(), rule.Request{Price: u(7)})
				if err == nil {
					r.Keep()
				} else {
					assert.ErrorIs(t, err, channel.ErrLimit)
				}
			}
			assert.NoError(t, one.Flush(context.Background()))
		})
	}
	all.Wait()
	got := b.counted(t)
	assert.LessOrEqual(t, got[0], uint64(1000))
	assert.LessOrEqual(t, got[3], uint64(600))
	assert.Equal(t, fees, got[3])
	assert.Greater(t, got[3], uint64(500), "a limit is reached to within one fee")
}

// TestFeesThatBringMoneyBack are refused by nothing if they bring back more than they cost, and then only by
// the limits on fees. They count all the same.
func TestFeesThatBringMoneyBack(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		lim := channel.Limits{
			Price: u(10), Deposit: u(1000), All: channel.Windows{Month: u(1)}, Origin: channel.Windows{Month: u(1)},
			Fees: channel.FeeLimits{Transaction: u(50), Month: u(50)},
		}
		b := newBench(t, lim)
		use := b.use()
		use.Returns, use.Back = true, u(101)
		_, err := b.ReserveFee(t.Context(), use, feeOf(100))
		require.NoError(t, err, "above each limit")
		use.Back = u(100)
		_, err = b.ReserveFee(t.Context(), use, feeOf(100))
		assert.Equal(t, "Fees.Transaction", over(t, err).Limit)
		use.Terms.Limits.Fees.Transaction = u(200)
		_, err = b.ReserveFee(t.Context(), use, feeOf(100))
		assert.Equal(t, "Fees.Month", over(t, err).Limit)
		use.Terms.Limits.Fees.Month = u(200)
		_, err = b.ReserveFee(t.Context(), use, feeOf(100))
		require.NoError(t, err, "All and Origin refuse nothing that brings money back")
		got := b.counted(t)
		assert.Equal(t, [2]uint64{200, 200}, [2]uint64{got[0], got[3]})
		assert.True(t, b.Funded(b.scope).IsZero())

		use.Terms.Limits = channel.Limits{Currency: channel.Currency{Asset: channel.Asset{ChainID: 7}}}
		_, err = b.ReserveFee(t.Context(), use, feeOf(100))
		require.NoError(t, err, "there are no limits for the token")
		use.Returns = false
		_, err = b.ReserveFee(t.Context(), use, feeOf(100))
		require.ErrorIs(t, err, channel.ErrAsset)
	})
}

// TestFeesThatNoStoreTakes: a fee that cannot be stored is not agreed to.
func TestFeesThatNoStoreTakes(t *testing.T) {
	b := newBench(t, lim)
	run := ledger.NewBudget(channel.Asset{ChainID: b.scope.ChainID, Token: pathUSD}, u(500), nil)
	use := b.use()
	use.Terms.Charge = ledger.NewCharge(run)
	b.store.failed.Store(true)
	_, err := b.ReserveFee(t.Context(), use, feeOf(100))
	require.ErrorIs(t, err, ledger.ErrStore)
	assert.Equal(t, u(500), run.Left())
	assert.True(t, b.Funded(b.scope).IsZero())
	b.store.failed.Store(false)
	fee, err := b.ReserveFee(t.Context(), use, feeOf(100))
	require.NoError(t, err)
	assert.Equal(t, u(400), run.Left())
	require.NoError(t, b.SettleFee(t.Context(), b.scope, fee, u(30)))
	assert.Equal(t, u(470), run.Left())
	assert.Equal(t, u(30), b.Funded(b.scope))
}

// killing is the store of a session that is killed at a write: before or after it.
type killing struct {
	store.Store
	left  int
	after bool
}

func (k *killing) Put(ctx context.Context, key string, data []byte, rev uint64) (uint64, error) {
	if k.left--; k.left > 0 {
		return k.Store.Put(ctx, key, data, rev)
	}
	if k.left == 0 && k.after {
		_, _ = k.Store.Put(ctx, key, data, rev)
	}
	return 0, errDisk
}

// TestFeesOfSessionsThatAreKilled at each write, before or after it: what left never counts for less than it
// was charged, nothing counts twice, and the next session that reads the channel corrects what the record of the
// channel does not say yet.
func TestFeesOfSessionsThatAreKilled(t *testing.T) {
	const most, charged = 100, 60
	hash := common.Hash{1}
	finished := false
	for n := 1; !finished; n++ {
		for _, after := range []bool{false, true} {
			bubble.Run(t, func(t *testing.T) {
				b := newBench(t, lim)
				id := b.open(t, 1000).ID()
				b.counted(t) // makes the records
				k := &killing{b.store, n, after}
				killed := ledger.New(k, b.judge, b.Limits())
				know := func(l *ledger.Ledger) error {
					a, err := l.Account(t.Context(), id)
					require.NoError(t, err)
					due := a.State().FeesDue()
					if len(due) == 0 {
						return nil
					}
					var first bool
					if err := a.Update(t.Context(), func(s rule.State) rule.State {
						s, _, first = s.Charged(hash, u(charged), time.Now().Unix())
						return s
					}); err != nil || !first {
						return err
					}
					return l.SettleFee(t.Context(), b.scope, due[0], u(charged))
				}
				left := false
				finished = func() bool {
					fee, err := killed.ReserveFee(t.Context(), b.use(), feeOf(most))
					if err != nil {
						return false
					}
					a, err := killed.Account(t.Context(), id)
					require.NoError(t, err)
					fee.Hash = hash
					if a.Update(t.Context(), func(s rule.State) rule.State { return s.Costing(fee, time.Now().Unix()) }) != nil {
						return false // it does not leave
					}
					left = true
					return know(killed) == nil
				}()
				heir := b.again()
				stored, err := heir.Account(t.Context(), id)
				require.NoError(t, err)
				settled := len(stored.State().FeesDue()) == 0
				require.NoError(t, know(heir.Ledger))
				for i, got := range b.counted(t) {
					if i == 1 || i == 2 {
						continue // made now: a part that nobody corrected may count twice there
					}
					if left {
						assert.GreaterOrEqual(t, got, uint64(charged), "write %d, %t, record %d", n, after, i)
					}
					assert.LessOrEqual(t, got, uint64(most), "write %d, %t, record %d", n, after, i)
					if finished || left && !settled {
						assert.Equal(t, uint64(charged), got, "write %d, %t, record %d", n, after, i)
					}
				}
			})
		}
	}
}
