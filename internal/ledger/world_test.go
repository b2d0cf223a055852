package ledger_test

import (
	"context"
	"errors"
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

// pathUSD is a known dollar token of the test chain.
var pathUSD = common.HexToAddress("0x20c0000000000000000000000000000000000000")

// euro is no dollar token.
var euro = channel.Currency{Asset: channel.Asset{ChainID: 42431, Token: common.Address{77}}, Symbol: "EUR", Decimals: 6}

// judge is a signer that reads the store and fails the test when it is asked for more than is
// there.
type judge struct {
	*voucher.KeySigner
	t     testing.TB
	store store.Store
	asked atomic.Int64
	fail  atomic.Bool
	stall chan struct{} // when not nil, every signature waits for it
}

func (j *judge) SignVoucher(
	ctx context.Context, d *voucher.Domain, v voucher.Voucher,
) ([]byte, error) {
	j.asked.Add(1)
	data, _, err := j.store.Get(context.Background(), rule.StateKey(v.ChannelID))
	if !assert.NoError(j.t, err) {
		return nil, err
	}
	s, err := rule.Decode(data)
	if assert.NoError(j.t, err) {
		assert.False(j.t, s.MayExist().Less(v.Cumulative),
			"asked to sign %s, the store holds %s", v.Cumulative, s.MayExist())
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

// key is a public test key.
const key = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"

func newBench(t testing.TB, lim channel.Limits) *bench {
	t.Helper()
	k, err := voucher.ParseKey(key)
	require.NoError(t, err)
	f := &faulty{Store: store.NewMem()}
	j := &judge{KeySigner: k, t: t, store: f}
	return &bench{Ledger: ledger.New(f, j, lim), store: f, judge: j, scope: channel.Scope{
		Origin: here, Protocol: voucher.V2, ChainID: 42431, Escrow: common.Address{0x4d},
		Payee: common.Address{1}, Token: pathUSD, Payer: k.Address(), Signer: k.Address(),
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
	d := channel.Descriptor{
		Payer: b.scope.Payer, Payee: b.scope.Payee, Token: b.scope.Token,
		Salt: common.Hash{salt}, AuthorizedSigner: b.scope.Signer,
	}
	opening := rule.Funding{Amount: u(deposit), Raw: []byte{0x76}, ValidBefore: 100}
	s, err := rule.New(voucher.V2, b.scope.ChainID, b.scope.Escrow, d, b.scope, opening)
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

// refusal is the error of a limit.
func refusal(limit string, wanted, allowed, left uint64) channel.LimitError {
	return channel.LimitError{Limit: limit, Wanted: u(wanted), Allowed: u(allowed), Left: u(left)}
}

func price(n uint64) rule.Request { return rule.Request{Price: u(n)} }

func yieldTo() { ledger.Yield() }
