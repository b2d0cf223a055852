package escrow_test

import (
	"context"
	"crypto/ecdsa"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/internal/devchain"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// world is a chain behind JSON-RPC, and people with money.
type world struct {
	*devchain.Chain
	*escrow.Client
	payer          *voucher.KeySigner
	payee, sponsor *ecdsa.PrivateKey
}

const allMoney = 100_000_000

func newWorld(t *testing.T, cfg devchain.Config) *world {
	t.Helper()
	chain := devchain.New(cfg)
	server := httptest.NewServer(chain.Handler())
	w := &world{Chain: chain, Client: dial(t, server.URL), payer: key(t)}
	t.Cleanup(func() {
		w.Client.Close()
		server.Close()
		assert.NoError(t, chain.CheckSupply())
		chain.Close()
	})
	var err error
	w.payee, err = crypto.GenerateKey()
	require.NoError(t, err)
	w.sponsor, err = crypto.GenerateKey()
	require.NoError(t, err)
	chain.Mint(devchain.PathUSD, w.payer.Address(), voucher.Units(allMoney))
	for _, key := range []*ecdsa.PrivateKey{w.payee, w.sponsor} {
		chain.Mint(devchain.PathUSD, crypto.PubkeyToAddress(key.PublicKey), voucher.Units(allMoney))
	}
	return w
}

// send gives a prepared transaction to the chain, as a server would.
func (w *world) send(t *testing.T, raw []byte) *devchain.Receipt {
	t.Helper()
	var err error
	if raw[0] == 0x78 {
		raw, err = w.Cosign(raw, w.sponsor, devchain.PathUSD)
		require.NoError(t, err)
	}
	r, err := w.SendRaw(raw)
	require.NoError(t, err)
	require.True(t, r.Success, r.RevertReason())
	return r
}

// The whole life of a channel over JSON-RPC, on both escrows, on our own fee and a sponsor's. In the end every
// base unit is where it belongs.
func TestLife(t *testing.T) {
	for _, p := range []voucher.Protocol{voucher.V1, voucher.V2} {
		for _, sponsored := range []bool{false, true} {
			t.Run(map[bool]string{true: "sponsored ", false: ""}[sponsored]+p.String(), func(t *testing.T) {
				life(t, newWorld(t, devchain.Config{}), p, sponsored)
			})
		}
	}
}

func life(t *testing.T, w *world, p voucher.Protocol, sponsored bool) {
	ctx := soon(t)
	at, ok := escrow.DefaultEscrow(p, escrow.Moderato)
	require.True(t, ok)
	me, payee := w.payer.Address(), crypto.PubkeyToAddress(w.payee.PublicKey)
	fees := voucher.Amount{}
	pay := func(r *devchain.Receipt) {
		if r.FeePayer == me {
			fees = fees.AddCapped(r.Fee)
		}
	}
	o, err := w.PrepareOpen(ctx, escrow.OpenParams{
		Protocol: p, ChainID: escrow.Moderato, Escrow: at, Payer: w.payer, Payee: payee, Token: devchain.PathUSD,
		Deposit: voucher.Units(1_000_000), Sponsored: sponsored, AuthorizedSigner: common.HexToAddress("0x77"),
	})
	require.NoError(t, err)
	ref := escrow.Ref{Protocol: p, ChainID: escrow.Moderato, Escrow: at, ChannelID: o.ChannelID}
	s, err := w.State(ctx, ref)
	require.NoError(t, err)
	assert.False(t, s.Exists, "prepared, not sent")

	r := w.send(t, o.Raw)
	pay(r)
	assert.Equal(t, sponsored, r.FeePayer != me)
	assert.Equal(t, o.Descriptor.ID(p, at, escrow.Moderato), o.ChannelID)
	if !sponsored {
		assert.Equal(t, o.TxHash, r.TxHash)
		got, found, err := w.Confirm(ctx, o.TxHash)
		require.NoError(t, err)
		assert.True(t, found && got.Success)
		assert.Equal(t, r.GasUsed, got.GasUsed)
		assert.Equal(t, []any{r.Fee, me, true}, []any{got.Fee, got.FeePayer, got.FeeKnown})
		assert.False(t, o.Fee.Max.Less(got.Fee), "it can be charged no more than was agreed to")
	}
	want := escrow.State{Exists: true, Deposit: voucher.Units(1_000_000), Time: uint64(w.Now().Unix())}
	if p == voucher.V1 {
		want.Payer, want.Payee, want.Token, want.Signer = me, payee, devchain.PathUSD, common.HexToAddress("0x77")
	}
	s, err = w.State(ctx, ref)
	require.NoError(t, err)
	assert.Equal(t, want, s)

	up := escrow.TopUpParams{Protocol: p, ChainID: escrow.Moderato, Escrow: at, Payer: w.payer, Descriptor: o.Descriptor, Additional: voucher.Units(5), Sponsored: sponsored}
	for range 2 { // twice the same is two top-ups
		u, err := w.PrepareTopUp(ctx, up)
		require.NoError(t, err)
		assert.Equal(t, o.ChannelID, u.ChannelID)
		pay(w.send(t, u.Raw))
		_, err = w.SendRaw(u.Raw)
		require.Error(t, err, "the same bytes are not")
	}
	w.Forget(o.ChannelID)
	s, err = w.State(ctx, ref)
	require.NoError(t, err)
	assert.Equal(t, voucher.Units(1_000_010), s.Deposit)

	own := escrow.CloseParams{Protocol: p, ChainID: escrow.Moderato, Escrow: at, Payer: w.payer, Descriptor: o.Descriptor}
	_, err = w.Withdraw(ctx, own)
	require.ErrorIs(t, err, escrow.ErrWouldRevert)
	require.ErrorContains(t, err, "CloseNotReady")
	mine := func(r escrow.Receipt, err error) {
		t.Helper()
		require.NoError(t, err)
		require.True(t, r.Success)
		// Fees of what we sent ourselves: constant base fee, no tip.
		fee := (r.GasUsed*20_000_000_000 + 999_999_999_999) / 1_000_000_000_000
		fees = fees.AddCapped(voucher.Units(fee))
	}
	mine(w.RequestClose(ctx, own))
	s, err = w.State(ctx, ref)
	require.NoError(t, err)
	assert.EqualValues(t, w.Now().Unix(), s.CloseRequestedAt)
	if p == voucher.V2 {
		mine(w.CancelClose(ctx, own))
		s, err = w.State(ctx, ref)
		require.NoError(t, err)
		assert.Zero(t, s.CloseRequestedAt)
		mine(w.RequestClose(ctx, own))
	}
	w.Advance(escrow.GracePeriod - time.Second)
	_, err = w.Withdraw(ctx, own)
	require.ErrorIs(t, err, escrow.ErrWouldRevert)
	w.Advance(time.Second)
	mine(w.Withdraw(ctx, own))
	s, err = w.State(ctx, ref)
	require.NoError(t, err)
	assert.Equal(t, escrow.State{Finalized: p == voucher.V1, Time: uint64(w.Now().Unix())}, s)
	_, err = w.PrepareTopUp(ctx, up)
	require.ErrorIs(t, err, escrow.ErrNoChannel)

	balance, err := w.TokenBalance(ctx, devchain.PathUSD, me)
	require.NoError(t, err)
	assert.Equal(t, voucher.Units(allMoney).SubFloor(fees), balance, "all of it but the fees")
}

func TestSendsSurviveFaults(t *testing.T) {
	ctx := soon(t)
	w := newWorld(t, devchain.Config{})
	p := openParams(t)
	o, err := w.PrepareOpen(ctx, p)
	require.NoError(t, err)
	w.send(t, o.Raw)
	own := closeParams(t)
	own.Descriptor = o.Descriptor

	w.LoseNextAnswer()
	r, err := w.RequestClose(ctx, own)
	require.NoError(t, err, "executed; the answer was lost, the repetition refused, the receipt found")
	assert.True(t, r.Success)
	w.RefuseNextSend("the pool is full")
	go w.passes(ctx, 25*time.Second)
	_, err = w.CancelClose(ctx, own)
	require.ErrorIs(t, err, escrow.ErrNotSent)
	require.ErrorContains(t, err, "the pool is full")
	s := w.ChannelState(o.ChannelID)
	assert.NotZero(t, s.CloseRequestedAt)
}

// passes lets time pass once a transaction was refused.
func (w *world) passes(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(50 * time.Millisecond):
		w.Advance(d)
	case <-ctx.Done():
	}
}

// An opening that was never sent dies with its validity, and the state says when it is dead.
func TestAnOpeningExpires(t *testing.T) {
	ctx := soon(t)
	w := newWorld(t, devchain.Config{})
	o, err := w.PrepareOpen(ctx, openParams(t))
	require.NoError(t, err)
	w.Advance(25 * time.Second)
	_, err = w.SendRaw(o.Raw)
	require.ErrorContains(t, err, "expired")
	s, err := w.State(ctx, escrow.Ref{Protocol: voucher.V2, ChainID: escrow.Moderato, Escrow: escrow.Reserve, ChannelID: o.ChannelID})
	require.NoError(t, err)
	assert.False(t, s.Exists)
	assert.GreaterOrEqual(t, s.Time, o.ValidBefore)
}

// The chain's time counts, not this machine's: two years off changes nothing.
func TestClockOfTheMachine(t *testing.T) {
	w := newWorld(t, devchain.Config{Start: time.Now().AddDate(-2, 0, 0)})
	o, err := w.PrepareOpen(soon(t), openParams(t))
	require.NoError(t, err)
	w.send(t, o.Raw)
}

func TestSmallWallets(t *testing.T) {
	ctx := soon(t)
	w := newWorld(t, devchain.Config{})
	poor, err := crypto.GenerateKey()
	require.NoError(t, err)
	payer, err := voucher.NewKeySigner(poor)
	require.NoError(t, err)
	p := openParams(t)
	p.Payer = payer
	_, err = w.PrepareOpen(ctx, p)
	require.ErrorIs(t, err, escrow.ErrInsufficientBalance)
	w.Mint(devchain.PathUSD, payer.Address(), p.Deposit)
	_, err = w.PrepareOpen(ctx, p)
	var short *escrow.BalanceError
	require.ErrorAs(t, err, &short, "the fee is missing")
	missing, err := short.Want.Sub(short.Have)
	require.NoError(t, err)
	w.Mint(devchain.PathUSD, payer.Address(), missing)
	var o *escrow.Opening
	for range 50 { // each with another salt
		o, err = w.PrepareOpen(ctx, p)
		require.NoError(t, err, "exactly what was said to be missing is enough")
		require.NotContains(t, o.Descriptor.Salt.Bytes(), byte(0))
	}
	w.send(t, o.Raw)
	// A sponsor pays where there is nothing left.
	other := w.Balance(devchain.PathUSD, payer.Address())
	p.Sponsored, p.Deposit = true, other
	o, err = w.PrepareOpen(ctx, p)
	require.NoError(t, err)
	w.send(t, o.Raw)
	assert.Zero(t, w.Balance(devchain.PathUSD, payer.Address()))
}

// An access key signs for the payer.
type accessKey struct {
	root common.Address
	key  *ecdsa.PrivateKey
}

func (a accessKey) Address() common.Address { return a.root }

func (a accessKey) SignTransaction(_ context.Context, tx voucher.Transaction) ([]byte, error) {
	digest := crypto.Keccak256([]byte{0x04}, crypto.Keccak256(tx.SigningBytes()), a.root[:])
	sig, err := crypto.Sign(digest, a.key)
	if err != nil {
		return nil, err
	}
	sig[64] += 27
	return append(append([]byte{0x04}, a.root[:]...), sig...), nil
}

func TestAccessKey(t *testing.T) {
	ctx := soon(t)
	w := newWorld(t, devchain.Config{})
	hot, err := crypto.GenerateKey()
	require.NoError(t, err)
	signer := accessKey{w.payer.Address(), hot}
	w.RegisterAccessKey(signer.root, crypto.PubkeyToAddress(hot.PublicKey))
	for _, sponsored := range []bool{false, true} {
		p := openParams(t)
		p.Payer, p.Sponsored = signer, sponsored
		p.AuthorizedSigner = crypto.PubkeyToAddress(hot.PublicKey)
		o, err := w.PrepareOpen(ctx, p)
		require.NoError(t, err)
		r := w.send(t, o.Raw)
		assert.Equal(t, signer.root, r.From)
		assert.Equal(t, o.Descriptor.ExpiringNonceHash, r.ExpiringNonceHash, "of the root account, not the key")
		assert.Equal(t, voucher.V2, w.ChannelState(o.ChannelID).Protocol)
	}
}
