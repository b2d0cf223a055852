package ledger_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/ledger"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// cancel ends a request that sent nothing.
func cancel(r *ledger.Reservation, terms ledger.Terms) {
	r.Release()
	terms.Charge.Refund()
}

// reserve decides a request that must pass.
func reserve(
	t *testing.T, a *ledger.Account, terms ledger.Terms, n uint64,
) (*ledger.Reservation, voucher.Amount) {
	t.Helper()
	r, v, err := a.Reserve(t.Context(), terms, price(n))
	require.NoError(t, err)
	return r, v.Cumulative
}

// TestRefundOfACoveredVoucher: a request is canceled before it sent its voucher, and another one
// had signed a higher one meanwhile and sent it. The payee can redeem both prices, so both stay
// counted.
func TestRefundOfACoveredVoucher(t *testing.T) {
	for name, order := range map[string]func(refund, send func()){
		"sent before":   func(refund, send func()) { send(); refund() },
		"sent after it": func(refund, send func()) { refund(); send() },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, lim)
			a, other := b.at(t, 1, here, 1), b.at(t, 2, here, 2)
			run := b.budget(200, nil)
			canceled, sent := b.in(run), b.in(run)
			r, _ := reserve(t, a, canceled, 100)
			_, v := reserve(t, a, sent, 100)
			require.Equal(t, u(200), v)
			order(func() { cancel(r, canceled) }, sent.Charge.Sent)
			assert.True(t, run.Left().IsZero())
			_, _, err := other.Reserve(t.Context(), b.in(run), price(100))
			assert.Equal(t, channel.LimitBudget, over(t, err).Limit)
			_, v = reserve(t, a, b.terms(), 100)
			assert.Equal(t, u(200), v, "its price is free for the next request")
		})
	}
}

// TestRefundsInAnyOrder: requests that cover one another are all canceled. Nothing left, so all is
// given back.
func TestRefundsInAnyOrder(t *testing.T) {
	own := lim
	own.Ahead = u(25)
	for _, order := range [][3]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
		b := newBench(t, own)
		a := b.open(t, 100_000)
		runs := []*ledger.Budget{b.budget(500, nil), b.budget(700, nil)}
		var end [3]func()
		for i := range end {
			terms := b.in(runs[i%2])
			r, _ := reserve(t, a, terms, 100)
			end[i] = func() { cancel(r, terms) }
		}
		for _, i := range order {
			end[i]()
		}
		assert.Equal(t, u(500), runs[0].Left(), "%v", order)
		assert.Equal(t, u(700), runs[1].Left(), "%v", order)
	}
}

// TestRefundOfTwoRuns: each run is charged what its own requests raised. What another run's voucher
// covers stays with the one that raised it.
func TestRefundOfTwoRuns(t *testing.T) {
	b := newBench(t, lim)
	a := b.open(t, 100_000)
	first, second := b.budget(150, nil), b.budget(70, nil)
	canceled, sent, last := b.in(first), b.in(second), b.in(first)
	r, _ := reserve(t, a, canceled, 100)
	_, _ = reserve(t, a, sent, 60)
	r3, v := reserve(t, a, last, 50)
	require.Equal(t, u(210), v)
	sent.Charge.Sent()
	cancel(r, canceled)
	assert.True(t, first.Left().IsZero())
	cancel(r3, last)
	assert.Equal(t, u(50), first.Left(), "nobody was given the last 50")
	assert.Equal(t, u(10), second.Left())
}

// TestRefundOfASharedVoucher: requests without a rise of their own present the voucher of another
// one, whose credit ahead covers them. If it left with one of them it is not given back.
func TestRefundOfASharedVoucher(t *testing.T) {
	own := lim
	own.Ahead = u(70)
	for name, share := range map[string]func(b *bench, run *ledger.Budget) ledger.Terms{
		"a run of its own": func(b *bench, _ *ledger.Budget) ledger.Terms {
			return b.in(b.budget(10, nil))
		},
		"the same run": func(b *bench, run *ledger.Budget) ledger.Terms { return b.in(run) },
		"no budget":    func(b *bench, _ *ledger.Budget) ledger.Terms { return b.terms() },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, own)
			a := b.open(t, 100_000)
			run := b.budget(200, nil)
			canceled, shares := b.in(run), share(b, run)
			r, v := reserve(t, a, canceled, 100)
			_, same := reserve(t, a, shares, 10)
			require.Equal(t, v, same)
			cancel(r, canceled)
			assert.Equal(t, u(30), run.Left(), "it may still leave")
			shares.Charge.Sent()
			shares.Charge.Refund()
			assert.Equal(t, u(30), run.Left())
		})
	}
}

// TestRefundOfABatch: requests that waited at the gate together got one voucher. If it left with
// one of them, what the others raised stays counted; if all are canceled, all is given back.
func TestRefundOfABatch(t *testing.T) {
	const n = 4
	for name, sends := range map[string]bool{"one sends": true, "all canceled": false} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, lim)
			a := b.open(t, 100_000)
			b.judge.stall = make(chan struct{})
			run := b.budget(2000, nil)
			ends := make(chan func(), n)
			first := b.in(run)
			var terms [n]ledger.Terms
			var firstEnd func()
			done := make(chan struct{})
			go func() {
				defer close(done)
				r, _, err := a.Reserve(context.Background(), first, price(100))
				assert.NoError(t, err)
				firstEnd = func() { cancel(r, first) }
			}()
			for b.judge.asked.Load() == 0 { // it is at the signer
				yieldTo()
			}
			for i := range n {
				terms[i] = b.in(run)
				go func() {
					r, v, err := a.Reserve(context.Background(), terms[i], price(100))
					assert.NoError(t, err)
					assert.Equal(t, u(500), v.Cumulative)
					ends <- func() { cancel(r, terms[i]) }
				}()
			}
			for a.Waiting() < n {
				yieldTo()
			}
			close(b.judge.stall)
			<-done
			var all [n]func()
			for i := range all {
				all[i] = <-ends
			}
			if sends {
				terms[2].Charge.Sent()
			}
			firstEnd()
			for _, end := range all {
				end()
			}
			want := u(2000)
			if sends {
				want = u(1500)
			}
			assert.Equal(t, want, run.Left())
		})
	}
}

// TestRefundWhileItIsSigned: a caller gives up while the signer works, and is given its budget back
// once: after the voucher, which nobody presents, or after the signer refused.
func TestRefundWhileItIsSigned(t *testing.T) {
	for name, refuses := range map[string]bool{"signed": false, "refused": true} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, lim)
			a := b.open(t, 100_000)
			b.judge.stall = make(chan struct{})
			run := b.budget(300, nil)
			lead, quits := b.in(run), b.in(run)
			ctx, quit := context.WithCancel(t.Context())
			first, second, third := make(chan error, 1), make(chan error, 1), make(chan error, 1)
			ask := func(ctx context.Context, terms ledger.Terms, got chan error) {
				_, _, err := a.Reserve(ctx, terms, price(100))
				got <- err
			}
			go ask(t.Context(), b.terms(), first)
			for b.judge.asked.Load() == 0 {
				yieldTo()
			}
			go ask(t.Context(), lead, second)
			for a.Waiting() < 1 {
				yieldTo()
			}
			go ask(ctx, quits, third)
			for a.Waiting() < 2 {
				yieldTo()
			}
			b.judge.stall <- struct{}{} // the first is signed, the others are at the signer
			require.NoError(t, <-first)
			for b.judge.asked.Load() == 1 {
				yieldTo()
			}
			quit()
			require.ErrorIs(t, <-third, context.Canceled)
			quits.Charge.Refund()
			assert.Equal(t, u(100), run.Left(), "its voucher may come to be, and the other one has it")
			b.judge.fail.Store(refuses)
			close(b.judge.stall)
			err := <-second
			if refuses {
				require.Error(t, err)
				assert.Equal(t, u(300), run.Left())
				return
			}
			require.NoError(t, err)
			assert.Equal(t, u(100), run.Left())
			lead.Charge.Refund()
			assert.Equal(t, u(300), run.Left())
		})
	}
}

// TestRefundOfAStream: what a stream signed for further pieces is given back if nothing of it left,
// and not if another request presents the voucher.
func TestRefundOfAStream(t *testing.T) {
	for name, shared := range map[string]bool{"alone": false, "shared": true} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, lim)
			a := b.open(t, 100_000)
			run := b.budget(100, nil)
			terms, other := b.in(run), b.in(run)
			r, _ := reserve(t, a, terms, 10)
			r.Stream(u(10), func() uint64 { return 1 })
			for n := uint64(20); n <= 40; n += 10 {
				v, err := r.More(t.Context(), u(n))
				require.NoError(t, err)
				require.Equal(t, u(n), v.Cumulative)
			}
			if shared {
				_, v := reserve(t, a, other, 5)
				require.Equal(t, u(45), v)
				other.Charge.Sent()
			}
			cancel(r, terms)
			want := u(100)
			if shared {
				want = u(55)
			}
			assert.Equal(t, want, run.Left())
		})
	}
}

// TestRefundOfAnOpening: the dial of the server failed before the opening left. The channel is
// written off, and all is given back, the voucher included.
func TestRefundOfAnOpening(t *testing.T) {
	b := newBench(t, lim)
	a, added, err := b.Add(t.Context(), b.state(t, 1, 100_000), nil)
	require.NoError(t, err)
	require.True(t, added)
	run := b.budget(100, nil)
	terms := b.in(run)
	r, _ := reserve(t, a, terms, 100)
	require.NoError(t, a.Update(t.Context(), func(s rule.State) rule.State {
		return s.Settle(rule.OnChain{Time: s.Opening.ValidBefore + 1})
	}))
	cancel(r, terms)
	assert.Equal(t, u(100), run.Left())
}

// TestRefundAfterATopUp: a top-up changes nothing about vouchers.
func TestRefundAfterATopUp(t *testing.T) {
	b := newBench(t, lim)
	a := b.open(t, 150)
	run := b.budget(300, nil)
	terms, more := b.in(run), b.in(run)
	r, _ := reserve(t, a, terms, 100)
	require.NoError(t, a.Update(t.Context(), func(s rule.State) rule.State {
		s.Deposit = u(1000)
		return s
	}))
	r2, _ := reserve(t, a, more, 200)
	assert.True(t, run.Left().IsZero())
	cancel(r, terms)
	assert.True(t, run.Left().IsZero())
	cancel(r2, more)
	assert.Equal(t, u(300), run.Left())
}

// TestSignedAgainAfterARefund: what was given back is charged to whoever signs it again, Ahead
// included, and no more is signed than that budget leaves.
func TestSignedAgainAfterARefund(t *testing.T) {
	own := lim
	own.Ahead = u(1000)
	b := newBench(t, own)
	a, other := b.at(t, 1, here, 1), b.at(t, 2, here, 2)
	run, small := b.budget(2000, nil), b.budget(50, nil)
	canceled := b.in(run)
	r, v := reserve(t, a, canceled, 100)
	require.Equal(t, u(1100), v)
	cancel(r, canceled)
	require.Equal(t, u(2000), run.Left())

	next := b.in(small)
	_, v = reserve(t, a, next, 10)
	assert.Equal(t, u(50), v, "not the voucher that exists, which the budget does not pay for")
	assert.True(t, small.Left().IsZero())
	next.Charge.Sent()

	again := b.in(run)
	_, v = reserve(t, a, again, 100)
	assert.Equal(t, u(1110), v)
	assert.Equal(t, u(2000-1060), run.Left(), "all above the 50 that left")
	again.Charge.Sent()
	assert.Equal(t, u(1110), a.State().Authorized())
	_, v = reserve(t, other, b.in(run), 100)
	assert.Equal(t, u(940), v)
	assert.True(t, run.Left().IsZero())
}

// TestCloseAfterARefund: a payee that refuses to close learns of no voucher that was given back.
func TestCloseAfterARefund(t *testing.T) {
	own := lim
	own.Ahead = u(70)
	b := newBench(t, own)
	a := b.open(t, 100_000)
	_, left := reserve(t, a, b.terms(), 30)
	require.Equal(t, u(100), left)
	run := b.budget(300, nil)
	terms := b.in(run)
	r, v := reserve(t, a, terms, 200)
	require.Equal(t, u(300), v)
	cancel(r, terms)
	require.Equal(t, u(300), run.Left())
	refused := voucher.Amount{}
	for range 3 {
		v, err := a.CloseVoucher(t.Context(), refused)
		if err != nil {
			require.ErrorIs(t, err, channel.ErrNotPayable)
			break
		}
		assert.False(t, left.Less(v.Cumulative), "%s", v.Cumulative)
		refused = v.Cumulative
	}
}

// TestRefundAfterProof: a voucher of ours that this session did not hand out, or a settlement,
// proves that what it covers left.
func TestRefundAfterProof(t *testing.T) {
	for name, prove := range map[string]func(t *testing.T, b *bench, a *ledger.Account){
		"voucher": func(t *testing.T, b *bench, a *ledger.Account) {
			s := a.State()
			v := voucher.Voucher{ChannelID: a.ID(), Cumulative: u(150)}
			sig, err := b.judge.KeySigner.SignVoucher(t.Context(), s.Domain(), v)
			require.NoError(t, err)
			require.NoError(t, a.Update(t.Context(), func(s rule.State) rule.State {
				s, err := s.Recover(voucher.Signed{Voucher: v, Signature: sig})
				assert.NoError(t, err)
				return s
			}))
		},
		"settlement": func(t *testing.T, _ *bench, a *ledger.Account) {
			require.NoError(t, a.Update(t.Context(), func(s rule.State) rule.State {
				return s.Settle(rule.OnChain{Exists: true, Deposit: s.Deposit, Settled: u(40)})
			}))
		},
		"another session": func(t *testing.T, b *bench, a *ledger.Account) {
			other, err := b.again().Account(t.Context(), a.ID())
			require.NoError(t, err)
			_, _ = reserve(t, other, b.terms(), 500)
			require.NoError(t, a.Update(t.Context(), rule.State.Acknowledged)) // reads it
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, lim)
			a := b.open(t, 100_000)
			run := b.budget(200, nil)
			terms := b.in(run)
			r, _ := reserve(t, a, terms, 100)
			prove(t, b, a)
			cancel(r, terms)
			assert.Equal(t, u(100), run.Left())
			if name != "another session" {
				return
			}
			more := b.in(run)
			r, v := reserve(t, a, more, 150)
			require.Equal(t, u(650), v, "50 above the other session's voucher")
			cancel(r, more)
			assert.Equal(t, u(50), run.Left(), "the other session may present what is on record")
		})
	}
}

// TestProofAfterARefund: what was given back and is then proved to have left is charged to nobody,
// and is presented again like any voucher.
func TestProofAfterARefund(t *testing.T) {
	b := newBench(t, lim)
	a := b.open(t, 100_000)
	run := b.budget(300, nil)
	terms := b.in(run)
	r, v := reserve(t, a, terms, 100)
	cancel(r, terms)
	require.NoError(t, a.Update(t.Context(), func(s rule.State) rule.State {
		return s.Settle(rule.OnChain{Exists: true, Deposit: s.Deposit, Settled: v})
	}))
	_, again := reserve(t, a, b.in(run), 100)
	assert.Equal(t, u(100), again)
	assert.Equal(t, u(200), run.Left(), "its price")
	_, again = reserve(t, a, b.in(run), 100)
	assert.Equal(t, u(200), again)
	assert.Equal(t, u(100), run.Left())
}

// TestBudgetAfterAnUnknownWrite: a write failed and was stored all the same. Nothing was signed or
// charged for it, so what the next request signs of it is charged to that one.
func TestBudgetAfterAnUnknownWrite(t *testing.T) {
	own := lim
	own.Ahead = u(500)
	b := newBench(t, own)
	a := b.open(t, 100_000)
	run := b.budget(600, nil)
	b.store.stored.Store(true)
	_, _, err := a.Reserve(t.Context(), b.in(run), price(100))
	require.ErrorIs(t, err, ledger.ErrStore)
	require.Equal(t, u(600), run.Left())
	b.store.stored.Store(false)
	_, v := reserve(t, a, b.in(run), 10)
	assert.Equal(t, u(510), v)
	assert.Equal(t, u(90), run.Left())
}
