package ledger_test

import (
	"context"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/ledger"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// TestOneOfABatchGivesUp: of two orders that are decided together one is canceled while the signer works.
// Whichever of them had the turn, the other is served, and the one who left claims nothing.
func TestOneOfABatchGivesUp(t *testing.T) {
	for range 50 {
		b := newBench(t, lim)
		a := b.open(t, 1000)
		b.judge.stall = make(chan struct{})
		issue := func(ctx context.Context, done chan<- error) {
			_, _, err := a.Reserve(ctx, a.Terms(), price(100))
			done <- err
		}
		first, second, third := make(chan error, 1), make(chan error, 1), make(chan error, 1)
		go issue(context.Background(), first)
		for b.judge.asked.Load() < 1 {
			yieldTo()
		}
		ctx, cancel := context.WithCancel(t.Context())
		go issue(ctx, second)
		go issue(context.Background(), third)
		for a.Waiting() < 2 {
			yieldTo()
		}
		b.judge.stall <- struct{}{} // the first is signed
		for b.judge.asked.Load() < 2 {
			yieldTo()
		}
		cancel() // the batch of two is at the signer
		close(b.judge.stall)
		assert.NoError(t, <-first)
		assert.NoError(t, <-third)
		if err := <-second; err != nil {
			assert.ErrorIs(t, err, context.Canceled)
			assert.Equal(t, u(200), a.State().Claimed)
		}
		assert.False(t, u(300).Less(a.State().Authorized()))
	}
}

// TestNothingWorksWithoutTheStore: an account whose record cannot be read after a failed write decides
// nothing.
func TestNothingWorksWithoutTheStore(t *testing.T) {
	b := newBench(t, lim)
	a := b.open(t, 1000)
	b.store.failed.Store(true)
	require.ErrorIs(t, a.Update(t.Context(), rule.State.Acknowledged), ledger.ErrStore)
	b.store.failed.Store(false)
	gone := &unreadable{b.store}
	blind := ledger.New(gone, b.judge, lim)
	_, err := blind.Lookup(t.Context(), b.scope)
	require.ErrorIs(t, err, errDisk)
	_, err = blind.Account(t.Context(), common.Hash{1})
	require.ErrorIs(t, err, errDisk)
	_, _, err = blind.Add(t.Context(), b.state(t, 9, 10), nil)
	require.ErrorIs(t, err, errDisk)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	assert.NoError(t, a.Update(t.Context(), rule.State.Acknowledged))
	assert.Equal(t, b.scope.Signer, b.Signer())
	c, _, err := a.Reserve(t.Context(), a.Terms(), price(1))
	require.NoError(t, err)
	assert.Equal(t, a, c.Account())
	for range 64 { // a free turn and a dead context: either may be seen first
		if err := a.Update(ctx, rule.State.Acknowledged); err != nil {
			assert.ErrorIs(t, err, context.Canceled)
			return
		}
	}
	t.Error("a dead context is never seen")
}

type unreadable struct{ store.Store }

func (u *unreadable) Get(context.Context, string) ([]byte, uint64, error) { return nil, 0, errDisk }

// TestRecordsUnderFoot: a record that turns unreadable, or that others write all the time, ends in an
// error and no signature.
func TestRecordsUnderFoot(t *testing.T) {
	b := newBench(t, lim)
	a := b.open(t, 1000)
	busy := &contended{Store: b.store}
	b2 := ledger.New(busy, b.judge, lim)
	a2, err := b2.Account(t.Context(), a.ID())
	require.NoError(t, err)
	before := b.judge.asked.Load()
	_, _, err = a2.Reserve(t.Context(), a2.Terms(), price(1))
	require.ErrorIs(t, err, ledger.ErrStore)
	require.ErrorContains(t, err, "too many concurrent updates")
	require.ErrorContains(t, a2.Update(t.Context(), rule.State.Abandoned), "too many concurrent updates")
	assert.Equal(t, before, b.judge.asked.Load())

	_, rev, err := b.store.Get(t.Context(), rule.StateKey(a.ID()))
	require.NoError(t, err)
	_, err = b.store.Put(t.Context(), rule.StateKey(a.ID()), []byte(`{"version":2}`), rev)
	require.NoError(t, err)
	_, _, err = a.Reserve(t.Context(), a.Terms(), price(1))
	require.ErrorIs(t, err, channel.ErrRecord)
	assert.Equal(t, before, b.judge.asked.Load())
}

// contended is a store that somebody else always writes first.
type contended struct{ store.Store }

func (c *contended) Put(context.Context, string, []byte, uint64) (uint64, error) {
	return 0, store.ErrConflict
}

// TestARecordUnderAnotherName is not taken for the channel that was asked for.
func TestARecordUnderAnotherName(t *testing.T) {
	b := newBench(t, lim)
	data, err := b.state(t, 1, 10).Encode()
	require.NoError(t, err)
	_, err = b.store.Put(t.Context(), rule.StateKey(common.Hash{5}), data, 0)
	require.NoError(t, err)
	_, err = b.Account(t.Context(), common.Hash{5})
	assert.ErrorIs(t, err, channel.ErrRecord)
	for range b.Each(t.Context()) {
		break
	}
}

// TestCloseAfterRestartSignsAgain: the signature of a channel that was found is made when it is needed,
// for no more than is stored.
func TestCloseAfterRestartSignsAgain(t *testing.T) {
	b := newBench(t, lim)
	found := b.state(t, 3, 100).Settle(rule.OnChain{Exists: true, Deposit: u(100), Settled: u(30)})
	a, _, err := b.Add(t.Context(), found, nil)
	require.NoError(t, err)
	v, err := a.CloseVoucher(t.Context(), voucher.Amount{})
	require.NoError(t, err)
	assert.Equal(t, u(30), v.Cumulative)
	assert.NoError(t, voucher.Verify(found.Domain(), v, b.scope.Signer))
}
