package ledger_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// TestRefusedVouchersStayUnsigned: the signer was down for some requests, which share a stored
// ceiling. It is not signed later for the asking of a payee, a stream or a close, in this session
// or after it.
func TestRefusedVouchersStayUnsigned(t *testing.T) {
	b := newBench(t, lim)
	a := b.open(t, 100_000)
	_, v, err := a.Reserve(t.Context(), a.Terms(), price(100))
	require.NoError(t, err)
	b.judge.stall = make(chan struct{})
	b.judge.fail.Store(true)
	var wg sync.WaitGroup
	for range 40 {
		wg.Go(func() {
			_, _, err := a.Reserve(context.Background(), a.Terms(), price(100))
			assert.ErrorContains(t, err, "the key is locked")
		})
		for b.judge.asked.Load() < 2 { // the first one is at the signer, and the others wait
			yieldTo()
		}
	}
	for a.Waiting() < 39 {
		yieldTo()
	}
	close(b.judge.stall)
	wg.Wait()
	b.judge.fail.Store(false)
	require.Equal(t, u(4000), a.State().Authorized())
	require.Equal(t, u(100), a.State().MayExist())
	_, err = a.CloseVoucher(t.Context(), v.Cumulative)
	require.ErrorIs(t, err, channel.ErrNotPayable)

	r, v, err := a.Reserve(t.Context(), a.Terms(), price(100))
	require.NoError(t, err)
	assert.Equal(t, u(200), v.Cumulative)
	assert.Equal(t, u(100), r.Raised())
	_, err = r.Again(t.Context(), v.Cumulative)
	require.ErrorIs(t, err, channel.ErrSpent)
	_, err = r.More(t.Context(), u(4000))
	require.ErrorIs(t, err, channel.ErrServerReport)
	r.Keep()

	require.NoError(t, b.Flush(t.Context()))
	later := b.again()
	a, err = later.Account(t.Context(), a.ID())
	require.NoError(t, err)
	require.Equal(t, u(4000), a.State().Authorized())
	r, v, err = a.Reserve(t.Context(), a.Terms(), price(100))
	require.NoError(t, err)
	assert.Equal(t, u(300), v.Cumulative)
	_, err = r.Again(t.Context(), v.Cumulative)
	require.ErrorIs(t, err, channel.ErrSpent)
	assert.Equal(t, u(300), a.State().Signed)
}

// TestWhatASignerRefusedIsNotAsked: forty requests get no signature, together and one by one.
// Nothing of them is signed later, however often the payee asks, and not by a close, before a
// restart or after it.
func TestWhatASignerRefusedIsNotAsked(t *testing.T) {
	for name, together := range map[string]bool{"together": true, "one by one": false} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, lim)
			a := b.open(t, 100_000)
			first, _, err := a.Reserve(t.Context(), a.Terms(), price(100))
			require.NoError(t, err)
			first.Keep()
			b.judge.fail.Store(true)
			var wg sync.WaitGroup
			for range 40 {
				wg.Go(func() {
					_, _, err := a.Reserve(context.Background(), a.Terms(), price(100))
					assert.ErrorContains(t, err, "the key is locked")
				})
				if !together {
					wg.Wait()
				}
			}
			wg.Wait()
			assert.Equal(t, u(100), a.State().Asked())
			assert.Equal(t, u(100), a.State().Claimed)
			b.judge.fail.Store(false)
			require.NoError(t, b.Flush(t.Context()))
			for _, session := range []*bench{b, b.again()} {
				a, err := session.Account(t.Context(), a.ID())
				require.NoError(t, err)
				r, v, err := a.Reserve(t.Context(), a.Terms(), price(100))
				require.NoError(t, err)
				for err == nil {
					v, err = r.Again(t.Context(), v.Cumulative)
				}
				r.Keep()
				for refused := (voucher.Amount{}); ; {
					v, err := a.CloseVoucher(t.Context(), refused)
					if err != nil {
						break
					}
					refused = v.Cumulative
				}
				s := a.State()
				assert.False(t, s.Asked().Less(s.Signed), "signed %s of %s", s.Signed, s.Asked())
				require.NoError(t, session.Flush(t.Context()))
			}
		})
	}
}

// TestNothingIsSignedForAClosedChannel: neither for a request that is open, nor for a stream, nor
// for another close.
func TestNothingIsSignedForAClosedChannel(t *testing.T) {
	own := lim
	own.Ahead = u(50)
	b := newBench(t, own)
	a := b.open(t, 10_000)
	r, v, err := a.Reserve(t.Context(), a.Terms(), price(100))
	require.NoError(t, err)
	r.Stream(u(100), func() uint64 { return 1 })
	b.judge.fail.Store(true)
	_, err = r.Decide(t.Context(), price(300)) // leaves a ceiling that nothing was signed for
	require.Error(t, err)
	b.judge.fail.Store(false)
	require.NoError(t, a.Update(t.Context(), func(s rule.State) rule.State {
		return s.Settle(rule.OnChain{Exists: true, Finalized: true})
	}))
	require.Equal(t, channel.Closed, a.State().Phase())
	before := b.judge.asked.Load()
	_, err = r.Again(t.Context(), u(0))
	require.ErrorIs(t, err, channel.ErrNotPayable, "not even a voucher that exists")
	_, err = r.Again(t.Context(), v.Cumulative)
	require.ErrorIs(t, err, channel.ErrNotPayable)
	_, err = r.More(t.Context(), v.Cumulative)
	require.ErrorIs(t, err, channel.ErrNotPayable)
	_, err = r.Decide(t.Context(), price(100))
	require.ErrorIs(t, err, channel.ErrNotPayable)
	_, _, err = a.Reserve(t.Context(), a.Terms(), price(1))
	require.ErrorIs(t, err, channel.ErrNotPayable)
	_, err = a.CloseVoucher(t.Context(), voucher.Amount{})
	require.ErrorIs(t, err, channel.ErrNotPayable)
	assert.Equal(t, before, b.judge.asked.Load())
}

// TestRefusedDecisionLeavesTheReservation: a decision that comes to nothing leaves the reservation
// as it was, with what the stream has delivered meanwhile.
func TestRefusedDecisionLeavesTheReservation(t *testing.T) {
	own := lim
	own.Ahead = u(100)
	b := newBench(t, own)
	k := &during{judge: b.judge}
	b.Ledger = b.with(k)
	a := b.open(t, 10_000)
	r, _, err := a.Reserve(t.Context(), a.Terms(), price(10))
	require.NoError(t, err)
	pieces := uint64(1)
	r.Stream(u(10), func() uint64 { return pieces })
	k.do = func() {
		pieces = 20
		assert.Equal(t, u(150), r.Price(), "nothing is signed for what came since")
		pieces = 4
	}
	_, err = r.Decide(t.Context(), price(150))
	require.ErrorContains(t, err, "not now")
	assert.Equal(t, u(10+30), r.Price())
	assert.Equal(t, u(40), a.State().Claimed)
	assert.Equal(t, u(40), a.State().Asked())

	// What a stream delivers while a decision about it is at the signer counts once.
	require.Equal(t, u(110), a.State().Signed)
	k.do = func() {
		pieces = 11
		assert.Equal(t, u(110), r.Price(), "as much as is signed")
	}
	_, err = r.More(t.Context(), u(115))
	require.ErrorContains(t, err, "not now")
	assert.Equal(t, r.Price(), a.State().Claimed)
	assert.Equal(t, r.Price(), a.State().Asked())
}

// during is a signer that does something first, and then refuses.
type during struct {
	*judge
	do func()
}

func (d *during) SignVoucher(
	ctx context.Context, domain *voucher.Domain, v voucher.Voucher,
) ([]byte, error) {
	if d.do != nil {
		d.do()
		return nil, errors.New("not now")
	}
	return d.judge.SignVoucher(ctx, domain, v)
}
