package ledger_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
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

func u(n uint64) voucher.Amount { return voucher.Units(n) }

// judge is a signer that reads the store and fails the test when it is asked for more than is there.
type judge struct {
	*voucher.KeySigner
	t     testing.TB
	store store.Store
	asked atomic.Int64
	fail  atomic.Bool
	stall chan struct{} // when not nil, every signature waits for it
}

func (j *judge) SignVoucher(ctx context.Context, d *voucher.Domain, v voucher.Voucher) ([]byte, error) {
	j.asked.Add(1)
	data, _, err := j.store.Get(context.Background(), rule.StateKey(v.ChannelID))
	if !assert.NoError(j.t, err) {
		return nil, err
	}
	s, err := rule.Decode(data)
	if assert.NoError(j.t, err) {
		assert.False(j.t, s.MayExist().Less(v.Cumulative), "asked to sign %s, the store holds %s", v.Cumulative, s.MayExist())
	}
	if j.stall != nil {
		select {
		case <-j.stall:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	if j.fail.Load() {
		return nil, errors.New("the key is locked")
	}
	return j.KeySigner.SignVoucher(ctx, d, v)
}

// faulty fails writes: before them, or after them.
type faulty struct {
	store.Store
	failed, stored atomic.Bool
	puts           atomic.Int64
}

var errDisk = errors.New("the disk is full")

func (f *faulty) Put(ctx context.Context, key string, data []byte, rev uint64) (uint64, error) {
	f.puts.Add(1)
	if f.failed.Load() {
		return 0, errDisk
	}
	n, err := f.Store.Put(ctx, key, data, rev)
	if f.stored.Load() {
		return 0, errDisk
	}
	return n, err
}

type bench struct {
	*ledger.Ledger
	store *faulty
	judge *judge
	scope channel.Scope
}

const key = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d" // a public test key

func newBench(t testing.TB, lim channel.Limits) *bench {
	t.Helper()
	k, err := voucher.ParseKey(key)
	require.NoError(t, err)
	f := &faulty{Store: store.NewMem()}
	j := &judge{KeySigner: k, t: t, store: f}
	return &bench{Ledger: ledger.New(f, j, lim), store: f, judge: j, scope: channel.Scope{
		Origin: "https://api.example.com:443", Protocol: voucher.V2, ChainID: 42431, Escrow: common.Address{0x4d},
		Payee: common.Address{1}, Token: common.Address{2}, Payer: k.Address(), Signer: k.Address(),
	}}
}

// again is the same store under a new ledger: a restart, or another process.
func (b *bench) again() *bench {
	n := *b
	n.Ledger = ledger.New(b.store, b.judge, b.Limits())
	return &n
}

// terms are those of a request that is held to the session's own limits.
func (b *bench) terms() ledger.Terms { return ledger.Terms{Limits: b.Limits()} }

// with is a ledger of the same store and limits under another signer.
func (b *bench) with(s voucher.Signer) *ledger.Ledger { return ledger.New(b.store, s, b.Limits()) }

func (b *bench) state(t testing.TB, salt byte, deposit uint64) rule.State {
	t.Helper()
	d := channel.Descriptor{Payer: b.scope.Payer, Payee: b.scope.Payee, Token: b.scope.Token, Salt: common.Hash{salt}, AuthorizedSigner: b.scope.Signer}
	s, err := rule.New(voucher.V2, b.scope.ChainID, b.scope.Escrow, d, b.scope, rule.Funding{Amount: u(deposit), Raw: []byte{0x76}, ValidBefore: 100})
	require.NoError(t, err)
	return s
}

func (b *bench) open(t testing.TB, deposit uint64) *ledger.Account {
	t.Helper()
	a, added, err := b.Add(t.Context(), b.state(t, 1, deposit), nil)
	require.NoError(t, err)
	require.True(t, added)
	require.NoError(t, a.Update(t.Context(), rule.State.Acknowledged))
	return a
}

var lim = channel.Limits{Price: u(1000), Deposit: u(10_000_000), Stream: u(10_000)}

func price(n uint64) rule.Request { return rule.Request{Price: u(n)} }

func TestGateStoresThenSigns(t *testing.T) {
	b := newBench(t, lim)
	a := b.open(t, 1000)
	for n := uint64(1); n <= 3; n++ {
		c, v, err := a.Reserve(t.Context(), a.Terms(), price(100))
		require.NoError(t, err)
		assert.Equal(t, u(100*n), v.Cumulative)
		assert.NoError(t, voucher.Verify(a.State().Domain(), v, b.scope.Signer))
		assert.Equal(t, u(100), c.Price())
		c.Keep()
	}
	assert.EqualValues(t, 3, b.judge.asked.Load())
}

func TestSteadyRequestSignsAndWritesNothing(t *testing.T) {
	l := lim
	l.Ahead = u(6400)
	b := newBench(t, l)
	a := b.open(t, 100_000)
	c, first, err := a.Reserve(t.Context(), a.Terms(), price(100))
	require.NoError(t, err)
	c.Keep()
	puts, signed := b.store.puts.Load(), b.judge.asked.Load()
	for range 64 {
		c, v, err := a.Reserve(t.Context(), a.Terms(), price(100))
		require.NoError(t, err)
		assert.Equal(t, first, v)
		c.Keep()
	}
	assert.Equal(t, puts, b.store.puts.Load())
	assert.Equal(t, signed, b.judge.asked.Load())
}

// TestBrokenWrites breaks every write of a payment, before and after it took effect. Nothing is signed
// for it, and the next request works and costs what it says.
func TestBrokenWrites(t *testing.T) {
	for name, breaks := range map[string]func(*faulty) *atomic.Bool{
		"failed":            func(f *faulty) *atomic.Bool { return &f.failed },
		"failed but stored": func(f *faulty) *atomic.Bool { return &f.stored },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, lim)
			a := b.open(t, 1000)
			c, _, err := a.Reserve(t.Context(), a.Terms(), price(100))
			require.NoError(t, err)
			c.Keep()
			breaks(b.store).Store(true)
			before := b.judge.asked.Load()
			_, _, err = a.Reserve(t.Context(), a.Terms(), price(100))
			require.ErrorIs(t, err, ledger.ErrStore)
			require.ErrorIs(t, err, errDisk)
			assert.Equal(t, before, b.judge.asked.Load(), "nothing was signed")
			breaks(b.store).Store(false)
			_, v, err := a.Reserve(t.Context(), a.Terms(), price(100))
			require.NoError(t, err)
			assert.Equal(t, u(200), v.Cumulative, "the failed ask was not counted")
			assert.Equal(t, u(200), a.State().Authorized())
		})
	}
}

func TestSignerFailureKeepsTheCeilingAsCredit(t *testing.T) {
	b := newBench(t, lim)
	a := b.open(t, 1000)
	b.judge.fail.Store(true)
	_, _, err := a.Reserve(t.Context(), a.Terms(), price(100))
	require.ErrorContains(t, err, "the key is locked")
	b.judge.fail.Store(false)
	_, v, err := a.Reserve(t.Context(), a.Terms(), price(100))
	require.NoError(t, err)
	assert.Equal(t, u(100), v.Cumulative)
	assert.Equal(t, u(100), a.State().Authorized())
}

// TestRefusedVouchersStayUnsigned: the signer was down for some requests, which share a stored ceiling. It is not
// signed later for the asking of a payee, a stream or a close, in this session or after it.
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

// TestWaitingOrdersShareOneVoucher: asks that wait at the gate together cost one write and one
// signature.
func TestWaitingOrdersShareOneVoucher(t *testing.T) {
	b := newBench(t, lim)
	a := b.open(t, 100_000)
	b.judge.stall = make(chan struct{})
	const n = 10
	got := make(chan voucher.Signed, n+1)
	var wg sync.WaitGroup
	issue := func() {
		defer wg.Done()
		_, v, err := a.Reserve(context.Background(), a.Terms(), price(100))
		assert.NoError(t, err)
		got <- v
	}
	wg.Add(1)
	go issue()
	for b.judge.asked.Load() == 0 { // the first one is at the signer
		yieldTo()
	}
	wg.Add(n)
	for range n {
		go issue()
	}
	for a.Waiting() < n {
		yieldTo()
	}
	close(b.judge.stall)
	wg.Wait()
	close(got)
	counts := map[voucher.Amount]int{}
	for v := range got {
		counts[v.Cumulative]++
	}
	assert.Equal(t, map[voucher.Amount]int{u(100): 1, u(1100): n}, counts)
	assert.EqualValues(t, 2, b.judge.asked.Load())
}

func TestWaitingObeysTheContext(t *testing.T) {
	b := newBench(t, lim)
	a := b.open(t, 1000)
	b.judge.stall = make(chan struct{})
	first := make(chan error, 1)
	go func() {
		_, _, err := a.Reserve(context.Background(), a.Terms(), price(100))
		first <- err
	}()
	for b.judge.asked.Load() == 0 {
		yieldTo()
	}
	ctx, cancel := context.WithCancel(t.Context())
	second := make(chan error, 1)
	go func() {
		_, _, err := a.Reserve(ctx, a.Terms(), price(100))
		second <- err
	}()
	for a.Waiting() == 0 {
		yieldTo()
	}
	cancel()
	assert.ErrorIs(t, <-second, context.Canceled)
	close(b.judge.stall)
	assert.NoError(t, <-first)
	assert.Equal(t, u(100), a.State().Claimed, "the one who left claims nothing")
}

// TestCancelledLeaderDoesNotFailTheRest: whoever has the turn may give up; the others are served.
func TestCancelledLeaderDoesNotFailTheRest(t *testing.T) {
	b := newBench(t, lim)
	a := b.open(t, 1000)
	b.judge.stall = make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	first, second := make(chan error, 1), make(chan error, 1)
	go func() { _, _, err := a.Reserve(ctx, a.Terms(), price(100)); first <- err }()
	for b.judge.asked.Load() == 0 {
		yieldTo()
	}
	go func() { _, _, err := a.Reserve(context.Background(), a.Terms(), price(100)); second <- err }()
	for a.Waiting() == 0 {
		yieldTo()
	}
	cancel()
	assert.ErrorIs(t, <-first, context.Canceled)
	close(b.judge.stall)
	assert.NoError(t, <-second)
	assert.Equal(t, u(100), a.State().Authorized(), "the first one's ceiling serves the second")
}

// TestTwoProcesses: two ledgers over one store never sign the same number for two asks.
func TestTwoProcesses(t *testing.T) {
	b := newBench(t, lim)
	b.open(t, 1_000_000)
	other := b.again()
	var wg sync.WaitGroup
	for _, one := range []*bench{b, other} {
		wg.Go(func() {
			a, err := one.Lookup(context.Background(), b.scope)
			if !assert.NoError(t, err) {
				return
			}
			for range 50 {
				c, _, err := a.Reserve(context.Background(), a.Terms(), price(10))
				if assert.NoError(t, err) {
					c.Keep()
				}
			}
		})
	}
	wg.Wait()
	fresh, err := b.again().Lookup(t.Context(), b.scope)
	require.NoError(t, err)
	assert.Equal(t, u(1000), fresh.State().Authorized())
	assert.Equal(t, u(1000), fresh.State().Asked())
}

// TestReceiptsOfSharedChannelsFreeNothing: the other session has a request under way that this one cannot
// see, so a receipt that does not count it frees nothing.
func TestReceiptsOfSharedChannelsFreeNothing(t *testing.T) {
	b := newBench(t, lim)
	a := b.open(t, 10_000)
	other, err := b.again().Lookup(t.Context(), b.scope)
	require.NoError(t, err)
	_, _, err = a.Reserve(t.Context(), a.Terms(), price(100)) // under way
	require.NoError(t, err)
	c, signed, err := other.Reserve(t.Context(), other.Terms(), price(100))
	require.NoError(t, err)
	require.Equal(t, u(200), signed.Cumulative)
	require.NoError(t, c.Settle(t.Context(), channel.Report{Accepted: u(200), Spent: u(100)}))
	assert.Equal(t, u(200), other.State().Claimed)
	_, signed, err = other.Reserve(t.Context(), other.Terms(), price(100))
	require.NoError(t, err)
	assert.Equal(t, u(300), signed.Cumulative, "the 200 are for two")
}

// TestOneScopeOneChannel: the second opener finds the first one's channel, and its own is written off.
func TestOneScopeOneChannel(t *testing.T) {
	b := newBench(t, lim)
	first, added, err := b.Add(t.Context(), b.state(t, 1, 100), nil)
	require.NoError(t, err)
	require.True(t, added)
	other := b.again()
	lost := b.state(t, 2, 100)
	got, added, err := other.Add(t.Context(), lost, nil)
	require.NoError(t, err)
	assert.False(t, added)
	assert.Equal(t, first.ID(), got.ID())
	mine, err := other.Account(t.Context(), lost.ID)
	require.NoError(t, err)
	assert.Equal(t, channel.Closed, mine.State().Phase())
	assert.True(t, mine.State().Deposit.IsZero())

	// Rebinding is one write: the old alias is gone with it.
	next := b.state(t, 3, 100)
	now, added, err := b.Add(t.Context(), next, first)
	require.NoError(t, err)
	assert.True(t, added)
	found, err := b.again().Lookup(t.Context(), b.scope)
	require.NoError(t, err)
	assert.Equal(t, now.ID(), found.ID())
	n := 0
	for _, err := range b.Each(t.Context()) {
		require.NoError(t, err)
		n++
	}
	assert.Equal(t, 3, n, "every record is still there")
}

func TestBrokenWritesOfAnOpening(t *testing.T) {
	b := newBench(t, lim)
	b.store.failed.Store(true)
	_, _, err := b.Add(t.Context(), b.state(t, 1, 100), nil)
	require.ErrorIs(t, err, ledger.ErrStore)
	b.store.failed.Store(false)
	b.store.stored.Store(true)
	_, _, err = b.Add(t.Context(), b.state(t, 2, 100), nil)
	require.ErrorIs(t, err, ledger.ErrStore)
	b.store.stored.Store(false)
	a, added, err := b.Add(t.Context(), b.state(t, 2, 100), nil)
	require.NoError(t, err)
	assert.True(t, added, "the record that was stored all the same is taken up")
	assert.Equal(t, b.state(t, 2, 100).ID, a.ID())
}

func TestReceiptsFreeWhatWasNotSpent(t *testing.T) {
	b := newBench(t, lim)
	a := b.open(t, 10_000)
	c1, _, err := a.Reserve(t.Context(), a.Terms(), price(100))
	require.NoError(t, err)
	c2, v2, err := a.Reserve(t.Context(), a.Terms(), price(100))
	require.NoError(t, err)
	require.NoError(t, c1.Settle(t.Context(), channel.Report{Accepted: u(100), Spent: u(40)}))
	assert.Equal(t, u(140), a.State().Claimed, "what is in flight stays claimed")
	require.NoError(t, c2.Settle(t.Context(), channel.Report{Accepted: u(200), Spent: u(80)}))
	assert.Equal(t, u(80), a.State().Claimed)
	_, v3, err := a.Reserve(t.Context(), a.Terms(), price(100))
	require.NoError(t, err)
	assert.Equal(t, v2, v3, "the credit is used before anything new is signed")

	var bad *channel.ViolationError
	require.ErrorAs(t, a.Reconcile(t.Context(), nil, channel.Report{Accepted: u(5000), Spent: u(5000)}), &bad)
	assert.Equal(t, u(200), a.State().Authorized())
}

func TestAgainClimbsAndThenGivesUp(t *testing.T) {
	b := newBench(t, lim)
	a := b.open(t, 10_000)
	c, v, err := a.Reserve(t.Context(), a.Terms(), price(100))
	require.NoError(t, err)
	_, err = c.Again(t.Context(), v.Cumulative)
	assert.ErrorIs(t, err, channel.ErrSpent)
	c.Release()
	c, v, err = a.Reserve(t.Context(), a.Terms(), price(100))
	require.NoError(t, err)
	v2, err := c.Again(t.Context(), v.Cumulative)
	require.NoError(t, err)
	assert.Equal(t, u(200), v2.Cumulative)
	_, err = c.Again(t.Context(), v2.Cumulative)
	assert.ErrorIs(t, err, channel.ErrSpent)
}

func TestStreamCountsWhatItBrought(t *testing.T) {
	l := lim
	l.Ahead = u(50)
	b := newBench(t, l)
	a := b.open(t, 10_000)
	c, v, err := a.Reserve(t.Context(), a.Terms(), price(10))
	require.NoError(t, err)
	require.Equal(t, u(60), v.Cumulative)
	var pieces atomic.Uint64
	c.Stream(u(10), pieces.Load)
	pieces.Store(6)
	v, err = c.More(t.Context(), u(70))
	require.NoError(t, err)
	assert.Equal(t, u(120), v.Cumulative, "six pieces and one more, and Ahead")
	assert.Equal(t, u(70), c.Price())
	same, err := c.More(t.Context(), u(90))
	require.NoError(t, err)
	assert.Equal(t, v, same)
	var desync *channel.DesyncError
	_, err = c.More(t.Context(), u(9000))
	assert.ErrorAs(t, err, &desync)
	pieces.Store(7)
	c.Keep()
	assert.Equal(t, u(70), a.State().Claimed)
}

func TestCloseVoucher(t *testing.T) {
	b := newBench(t, lim)
	a := b.open(t, 10_000)
	c, _, err := a.Reserve(t.Context(), a.Terms(), price(100))
	require.NoError(t, err)
	require.NoError(t, c.Settle(t.Context(), channel.Report{Accepted: u(100), Spent: u(70)}))
	v, err := a.CloseVoucher(t.Context(), voucher.Amount{})
	require.NoError(t, err)
	assert.Equal(t, u(70), v.Cumulative)
	v, err = a.CloseVoucher(t.Context(), u(70))
	require.NoError(t, err)
	assert.Equal(t, u(100), v.Cumulative)
	_, err = a.CloseVoucher(t.Context(), u(100))
	assert.ErrorIs(t, err, channel.ErrNotPayable)
}

// TestCloseVoucherIsNobodyElses: asks that wait beside a close do not raise what it gives.
func TestCloseVoucherIsNobodyElses(t *testing.T) {
	b := newBench(t, lim)
	a := b.open(t, 10_000)
	b.judge.stall = make(chan struct{})
	var wg sync.WaitGroup
	got := make([]voucher.Signed, 4)
	wait := func(n int) {
		for a.Waiting() < n {
			yieldTo()
		}
	}
	ask := func(i int) func() {
		return func() {
			var err error
			_, got[i], err = a.Reserve(context.Background(), a.Terms(), price(100))
			assert.NoError(t, err)
		}
	}
	wg.Go(ask(0))
	for b.judge.asked.Load() == 0 { // it is at the signer
		yieldTo()
	}
	wg.Go(ask(1))
	wait(1)
	wg.Go(func() {
		var err error
		got[2], err = a.CloseVoucher(context.Background(), voucher.Amount{})
		assert.NoError(t, err)
	})
	wait(2)
	wg.Go(ask(3))
	wait(3)
	close(b.judge.stall)
	wg.Wait()
	for i, want := range []uint64{100, 200, 200, 300} {
		assert.Equal(t, u(want), got[i].Cumulative, "order %d", i)
	}
}

func TestFlushWritesExactNumbers(t *testing.T) {
	l := lim
	l.Ahead = u(1000)
	b := newBench(t, l)
	a := b.open(t, 10_000)
	for range 5 {
		c, _, err := a.Reserve(t.Context(), a.Terms(), price(100))
		require.NoError(t, err)
		c.Keep()
	}
	require.NoError(t, b.Flush(t.Context()))
	puts := b.store.puts.Load()
	require.NoError(t, b.Flush(t.Context()))
	assert.Equal(t, puts, b.store.puts.Load(), "a second flush has nothing to write")
	after, err := b.again().Account(t.Context(), a.ID())
	require.NoError(t, err)
	assert.Equal(t, u(500), after.State().Claimed)
	_, v, err := after.Reserve(t.Context(), after.Terms(), price(100))
	require.NoError(t, err)
	assert.Equal(t, u(1100), v.Cumulative, "the voucher of before serves on")
	assert.EqualValues(t, 1, b.judge.asked.Load())
}

func TestUnreadableRecordsAreRefused(t *testing.T) {
	b := newBench(t, lim)
	s := b.state(t, 1, 100)
	_, err := b.store.Put(t.Context(), rule.StateKey(s.ID), []byte(`{"version":99}`), 0)
	require.NoError(t, err)
	_, err = b.Account(t.Context(), s.ID)
	assert.ErrorIs(t, err, channel.ErrRecord)
	_, err = b.Account(t.Context(), common.Hash{42})
	assert.ErrorIs(t, err, store.ErrNotFound)
	bad := 0
	for _, err := range b.Each(t.Context()) {
		if err != nil {
			bad++
		}
	}
	assert.Equal(t, 1, bad)
	_, err = b.store.Put(t.Context(), rule.ScopeKey(b.scope), []byte(`{}`), 0)
	require.NoError(t, err)
	_, err = b.Lookup(t.Context(), b.scope)
	assert.ErrorIs(t, err, channel.ErrRecord)
}

// TestAnotherScopesRecord: a record that was put under another scope's name is not that scope's channel.
func TestAnotherScopesRecord(t *testing.T) {
	b := newBench(t, lim)
	b.open(t, 100)
	data, _, err := b.store.Get(t.Context(), rule.ScopeKey(b.scope))
	require.NoError(t, err)
	other := b.scope
	other.Origin = "https://evil.example:443"
	_, err = b.store.Put(t.Context(), rule.ScopeKey(other), data, 0)
	require.NoError(t, err)
	_, err = b.Lookup(t.Context(), other)
	assert.ErrorIs(t, err, channel.ErrRecord)
}

func TestReserveHoldsTheTotal(t *testing.T) {
	l := lim
	l.Deposit, l.Total = u(100), u(150)
	b := newBench(t, l)
	p, err := b.Plan(t.Context(), b.terms(), b.scope, nil, price(10), u(100))
	require.NoError(t, err)
	assert.Equal(t, rule.Plan{Step: rule.Fund, Amount: u(100)}, p)
	p, err = b.Plan(t.Context(), b.terms(), b.scope, nil, price(10), u(100))
	require.NoError(t, err)
	assert.Equal(t, u(50), p.Amount)
	_, err = b.Plan(t.Context(), b.terms(), b.scope, nil, price(10), u(100))
	assert.ErrorIs(t, err, channel.ErrLimit)
	b.Unplan(u(50))
	assert.Equal(t, u(100), b.Funded())
}

func yieldTo() { ledger.Yield() }
