package rule_test

import (
	"context"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// testKey is a public key of a well-known test mnemonic. It guards nothing.
const testKey = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"

func u(n uint64) voucher.Amount { return voucher.Units(n) }

func signer(t testing.TB) *voucher.KeySigner {
	t.Helper()
	k, err := voucher.ParseKey(testKey)
	require.NoError(t, err)
	return k
}

var (
	payee  = common.HexToAddress("0x70997970C51812dc3A010C7d01b50e0d17dc79C8")
	token  = common.HexToAddress("0x20c0000000000000000000000000000000000000")
	escrow = common.HexToAddress("0x4d50500000000000000000000000000000000000")
)

const chainID = 42431

const (
	here  = "https://api.example.com:443" // the origin of scope
	there = "https://other.example.com:443"
)

func scope(t testing.TB) channel.Scope {
	me := signer(t).Address()
	return channel.Scope{
		Origin: here, Protocol: voucher.V2, ChainID: chainID, Escrow: escrow, Payee: payee,
		Token: token, Payer: me, Signer: me,
	}
}

func descriptor(t testing.TB) channel.Descriptor {
	me := signer(t).Address()
	return channel.Descriptor{
		Payer: me, Payee: payee, Token: token, Salt: common.Hash{1}, AuthorizedSigner: me,
		ExpiringNonceHash: common.Hash{2},
	}
}

// opening is a channel whose opening transaction is written down.
func opening(t testing.TB, deposit uint64) rule.State {
	t.Helper()
	s, err := rule.New(
		voucher.V2, chainID, escrow, descriptor(t), scope(t),
		rule.Funding{
			Amount: u(deposit), Raw: []byte{0x76, 1}, Hash: common.Hash{9}, ValidBefore: 1000,
		},
	)
	require.NoError(t, err)
	return s
}

// open is a channel that the payee acknowledged.
func open(t testing.TB, deposit uint64) rule.State { return opening(t, deposit).Acknowledged() }

// pay authorizes an ask and signs what is due, as the gate does.
func pay(
	t testing.TB, s rule.State, price uint64, lim rule.Limits,
) (rule.State, rule.Claim, voucher.Amount) {
	t.Helper()
	next, claim, due, err := s.Authorize(rule.Request{Price: u(price)}, lim)
	require.NoError(t, err)
	return sign(t, next, due), claim, due
}

// refuse takes a decision back, from before to after: its ceiling was stored, and then the signer
// refused. Others may have been decided since.
func refuse(s, before, after rule.State) rule.State {
	back := rule.Counts{}.Changed(&before, &after).Inverse()
	back.Unsigned = back.Unsigned.AddCapped(after.Authorized().SubFloor(before.Authorized()))
	return s.Fold(rule.Additions{Counts: back})
}

func sign(t testing.TB, s rule.State, due voucher.Amount) rule.State {
	t.Helper()
	v := voucher.Voucher{ChannelID: s.ID, Cumulative: due}
	sig, err := signer(t).SignVoucher(context.Background(), s.Domain(), v)
	require.NoError(t, err)
	next, err := s.MarkSigned(voucher.Signed{Voucher: v, Signature: sig})
	require.NoError(t, err)
	return next
}

var wide = rule.Of(channel.Limits{Price: u(1000), Deposit: u(1_000_000), Stream: u(100_000)})

func ahead(l rule.Limits, n uint64) rule.Limits { l.Ahead = u(n); return l }
