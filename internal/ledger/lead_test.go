package ledger_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/ledger"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// flow is a stream of pieces of 10.
type flow struct {
	*ledger.Reservation
	came atomic.Uint64
}

// flows begins a stream on a, and lets it deliver pieces as they are paid for.
func flows(t *testing.T, a *ledger.Account, pieces uint64) *flow {
	t.Helper()
	r, v, err := a.Reserve(t.Context(), a.Terms(), price(10))
	require.NoError(t, err)
	f := &flow{Reservation: r}
	r.Stream(u(10), f.came.Load)
	r.RunAhead(f.came.Load)
	f.delivers(t, v.Cumulative, pieces)
	return f
}

// delivers lets the stream deliver so many pieces more, which are paid from a voucher of v.
func (f *flow) delivers(t *testing.T, v voucher.Amount, pieces uint64) {
	t.Helper()
	for range pieces {
		next := u(10 * (f.came.Load() + 1))
		if v.Less(next) {
			signed, err := f.More(t.Context(), next)
			require.NoError(t, err)
			v = signed.Cumulative
		}
		f.came.Add(1)
	}
}

// TestLeadIsCreditAtTheEnd: what a stream was authorized ahead and did not deliver pays the next
// request, after it was read to its end or a report says what it cost. Until then it is claimed.
func TestLeadIsCreditAtTheEnd(t *testing.T) {
	for name, c := range map[string]struct {
		end     func(t *testing.T, a *ledger.Account, f *flow)
		claimed uint64 // after it
	}{
		"read to its end": {func(_ *testing.T, _ *ledger.Account, f *flow) {
			f.Complete()
			f.Keep()
		}, 100},
		"read to its end, with a receipt": {func(t *testing.T, _ *ledger.Account, f *flow) {
			f.Complete()
			require.NoError(t, f.Settle(t.Context(), says(110, 100)))
		}, 100},
		"closed early, with a receipt": {func(t *testing.T, _ *ledger.Account, f *flow) {
			require.NoError(t, f.Settle(t.Context(), says(110, 105)))
		}, 105},
		"closed early": {func(_ *testing.T, _ *ledger.Account, f *flow) { f.Keep() }, 110},
		"closed early, and a receipt later": {func(t *testing.T, a *ledger.Account, f *flow) {
			f.Keep()
			r, v, err := a.Reserve(t.Context(), a.Terms(), price(10))
			require.NoError(t, err)
			require.Equal(t, u(120), v.Cumulative)
			require.NoError(t, r.Settle(t.Context(), says(120, 112)))
		}, 112},
		"released": {func(_ *testing.T, _ *ledger.Account, f *flow) { f.Release() }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, lim)
			a := b.open(t, 1_000_000)
			f := flows(t, a, 9)
			require.Equal(t, u(110), a.State().Signed, "eight pieces, a quarter of them, and one more")
			assert.Equal(t, u(110), a.State().Claimed)
			f.delivers(t, u(110), 1)
			assert.Equal(t, u(100), f.Price())
			assert.Equal(t, u(110), a.State().Claimed)
			c.end(t, a, f)
			s := a.State()
			assert.Equal(t, u(c.claimed), s.Claimed)
			before := b.judge.asked.Load()
			_, v, err := a.Reserve(t.Context(), a.Terms(), price(5))
			require.NoError(t, err)
			assert.Equal(t, s.Signed.Max(u(c.claimed+5)), v.Cumulative)
			if !s.Signed.Less(u(c.claimed + 5)) {
				assert.Equal(t, before, b.judge.asked.Load(), "the voucher that exists")
			}
		})
	}
}

// TestLeadsOfParallelStreams: each stream of a channel has its own lead, and a request beside them
// is authorized its own price.
func TestLeadsOfParallelStreams(t *testing.T) {
	b := newBench(t, lim)
	a := b.open(t, 1_000_000)
	first := flows(t, a, 9)
	second := flows(t, a, 1)
	require.Equal(t, u(110+10), a.State().Signed)
	_, v, err := a.Reserve(t.Context(), a.Terms(), price(7))
	require.NoError(t, err)
	assert.Equal(t, u(110+10+7), v.Cumulative, "the lead of a stream pays for no request beside it")
	for n := uint64(1); n < 9; n++ {
		_, err = second.More(t.Context(), a.State().Signed.AddCapped(u(10)))
		require.NoError(t, err)
		second.came.Add(1)
	}
	s := a.State()
	assert.Equal(t, s.Signed, s.Asked())
	assert.False(t, u(110+7+(8+2+2)*10).Less(s.Signed), "signed %s", s.Signed)
	// The payee used the lead of the first for the second, which was not read.
	required := s.Signed.AddCapped(u(10))
	v, err = first.More(t.Context(), required)
	require.NoError(t, err)
	assert.Equal(t, required, v.Cumulative)
}

// TestLeadAfterACrash: the lead stays claimed, and no more is authorized because of it.
func TestLeadAfterACrash(t *testing.T) {
	b := newBench(t, lim)
	flows(t, b.open(t, 1_000_000), 9)
	b = b.again()
	a, err := b.Account(t.Context(), b.state(t, 1, 1_000_000).ID)
	require.NoError(t, err)
	s := a.State()
	assert.Equal(t, u(110), s.Claimed)
	assert.Equal(t, u(110), s.Authorized())
	assert.Equal(t, u(110), s.Asked())
	f := flows(t, a, 1)
	require.Equal(t, u(120), a.State().Authorized())
	v, err := f.More(t.Context(), u(130))
	require.NoError(t, err)
	assert.Equal(t, u(130), v.Cumulative, "a lead begins anew with each stream")
}

// TestLeadThatIsNotSigned: a signer that refuses, or a caller that leaves, takes the lead back,
// whatever comes in between.
func TestLeadThatIsNotSigned(t *testing.T) {
	for _, since := range []uint64{0, 1, 2, 3, 100} {
		for _, leaves := range []bool{false, true} {
			b := newBench(t, lim)
			k := &during{judge: b.judge}
			b.Ledger = b.with(k)
			a := b.open(t, 1_000_000)
			f := flows(t, a, 11)
			require.Equal(t, u(110), a.State().Signed)
			ctx, cancel := context.WithCancel(t.Context())
			k.do = func() {
				f.came.Add(since)
				f.Price()
				if leaves {
					cancel()
				}
			}
			_, err := f.More(ctx, u(120))
			require.Error(t, err)
			cancel()
			s := a.State()
			require.Equal(t, u(110), s.Signed)
			require.Equal(t, u(110), s.Claimed, "%d since", since)
			require.Equal(t, u(110), s.Asked())
			require.Equal(t, u(110), f.Price())
			require.Equal(t, u(110), s.MayExist())

			f.came.Store(11)
			k.do = nil
			v, err := f.More(t.Context(), u(120))
			require.NoError(t, err)
			require.Equal(t, u(140), v.Cumulative)
			require.Equal(t, u(140), a.State().Claimed)
			require.Equal(t, u(140), a.State().Asked())
		}
	}
}

// TestLeadWithinABudget: a budget pays for the lead, too, and makes it shorter.
func TestLeadWithinABudget(t *testing.T) {
	b := newBench(t, lim)
	a := b.open(t, 1_000_000)
	budget := ledger.NewBudget(channel.Asset{ChainID: 42431, Token: b.scope.Token}, u(105), nil)
	terms := b.terms()
	terms.Charge = ledger.NewCharge(budget)
	r, v, err := a.Reserve(t.Context(), terms, price(10))
	require.NoError(t, err)
	terms.Charge.Sent()
	f := &flow{Reservation: r}
	r.Stream(u(10), f.came.Load)
	r.RunAhead(f.came.Load)
	f.delivers(t, v.Cumulative, 9)
	assert.Equal(t, u(105), a.State().Signed)
	assert.True(t, budget.Left().IsZero())
	f.delivers(t, u(105), 1)
	_, err = f.More(t.Context(), u(110))
	var over *channel.LimitError
	require.ErrorAs(t, err, &over)
	assert.Equal(t, channel.LimitBudget, over.Limit)
	assert.Equal(t, u(105), a.State().Authorized())
}

// TestLeadThatAnotherStreamUsed: a stream delivered its last pieces out of the lead of another one,
// and ended. They stay claimed when the other one ends, and are asked for once.
func TestLeadThatAnotherStreamUsed(t *testing.T) {
	for name, end := range map[string]func(f *flow){
		"read to its end": func(f *flow) { f.Complete(); f.Keep() },
		"closed early":    func(f *flow) { f.Keep() },
	} {
		t.Run(name, func(t *testing.T) {
			a := newBench(t, lim).open(t, 1_000_000)
			first := flows(t, a, 9)
			require.Equal(t, u(110), a.State().Signed)
			second := flows(t, a, 1)
			second.came.Add(2) // out of the lead of the first
			second.Complete()
			second.Keep()
			require.Equal(t, u(120), a.State().Claimed)
			first.came.Store(9)
			end(first)
			assert.Equal(t, u(120), a.State().Claimed)
			assert.Equal(t, u(120), a.State().Asked())
			request, v, err := a.Reserve(t.Context(), a.Terms(), price(5))
			require.NoError(t, err)
			require.Equal(t, u(125), v.Cumulative)
			_, err = request.Again(t.Context(), v.Cumulative)
			assert.ErrorIs(t, err, channel.ErrSpent, "nothing is owed any more")
		})
	}
}

// TestLeadIsInFlight: a report that came while a stream is open may have missed all of it, and frees
// nothing of its lead.
func TestLeadIsInFlight(t *testing.T) {
	a := newBench(t, lim).open(t, 1_000_000)
	f := flows(t, a, 9)
	request, v, err := a.Reserve(t.Context(), a.Terms(), price(5))
	require.NoError(t, err)
	require.Equal(t, u(115), v.Cumulative)
	require.True(t, f.Price().Less(u(110)))
	require.NoError(t, request.Settle(t.Context(), says(115, 5)))
	assert.Equal(t, u(115), a.State().Claimed)
}
