package interop

import (
	"context"
	"errors"
	"math/big"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/internal/devchain"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// node reads a chain over JSON-RPC, whichever it is, and knows nothing of package escrow.
type node struct {
	url string
	rpc *rpc.Client
}

func dial(t testing.TB, url string) *node {
	t.Helper()
	c, err := rpc.DialContext(context.Background(), url)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return &node{url, c}
}

func (n *node) call(out any, method string, params ...any) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return n.rpc.CallContext(ctx, out, method, params...)
}

// view is the result of a read-only call, or what it reverted with.
func (n *node) view(from, to common.Address, data []byte) (out, reverted hexutil.Bytes, err error) {
	err = n.call(&out, "eth_call", map[string]any{"from": from, "to": to, "data": hexutil.Bytes(data)}, "latest")
	var detailed rpc.DataError
	if errors.As(err, &detailed) {
		if text, ok := detailed.ErrorData().(string); ok {
			return nil, common.FromHex(text), nil
		}
	}
	return out, nil, err
}

// read is a view that must not fail.
func (n *node) read(t testing.TB, to common.Address, signature string, args ...any) []byte {
	t.Helper()
	out, reverted, err := n.view(common.Address{}, to, pack(signature, args...))
	require.NoError(t, err)
	require.Empty(t, reverted, "%s reverted", signature)
	return out
}

func (n *node) balance(t testing.TB, of common.Address) uint64 {
	t.Helper()
	return new(big.Int).SetBytes(n.read(t, devchain.PathUSD, "balanceOf(address)", of)).Uint64()
}

// onChain is what the escrow holds.
type onChain struct{ deposit, settled, closeRequestedAt uint64 }

// channel reads the escrow of the rail.
func (n *node) channel(t testing.TB, rail voucher.Protocol, id common.Hash) onChain {
	t.Helper()
	word := func(out []byte, i int) uint64 { return new(big.Int).SetBytes(out[32*i : 32*i+32]).Uint64() }
	if rail == voucher.V1 {
		out := n.read(t, devchain.StreamChannelAddress, "getChannel(bytes32)", id)
		return onChain{deposit: word(out, 6), settled: word(out, 7), closeRequestedAt: word(out, 1)}
	}
	out := n.read(t, devchain.ReserveAddress, "getChannelState(bytes32)", id)
	return onChain{deposit: word(out, 1), settled: word(out, 0), closeRequestedAt: word(out, 2)}
}

func (n *node) height(t testing.TB) uint64 {
	t.Helper()
	var number hexutil.Uint64
	require.NoError(t, n.call(&number, "eth_blockNumber"))
	return uint64(number)
}

// mined waits for a receipt.
func (n *node) mined(t testing.TB, hash common.Hash) map[string]any {
	t.Helper()
	var out map[string]any
	require.Eventually(t, func() bool { return n.call(&out, "eth_getTransactionReceipt", hash) == nil && out != nil }, time.Minute, 10*time.Millisecond)
	return out
}

var transferTopic = crypto.Keccak256Hash([]byte("Transfer(address,address,uint256)"))

// flows is what moved between an account and the escrow, and what it paid in fees, since a block.
type flows struct{ toEscrow, fromEscrow, fees, rest uint64 }

func (n *node) flows(t testing.TB, since uint64, of, escrow common.Address) (f flows) {
	t.Helper()
	var logs []types.Log
	require.NoError(t, n.call(&logs, "eth_getLogs", map[string]any{
		"fromBlock": hexutil.Uint64(since + 1), "toBlock": "latest", "address": devchain.PathUSD, "topics": []any{transferTopic},
	}))
	for _, l := range logs {
		from, to := common.BytesToAddress(l.Topics[1][:]), common.BytesToAddress(l.Topics[2][:])
		amount := new(big.Int).SetBytes(l.Data).Uint64()
		switch {
		case from == of && to == escrow:
			f.toEscrow += amount
		case from == escrow && to == of:
			f.fromEscrow += amount
		case from == of && to == devchain.FeeCollector:
			f.fees += amount
		case from == of || to == of:
			f.rest += amount
		}
	}
	return f
}

// pack is a selector and words. Dynamic arguments are []byte, and come last.
func pack(signature string, args ...any) []byte {
	out := crypto.Keccak256([]byte(signature))[:4]
	head := 32 * len(args)
	var tail []byte
	for _, a := range args {
		switch a := a.(type) {
		case common.Address:
			out = append(out, common.LeftPadBytes(a[:], 32)...)
		case common.Hash:
			out = append(out, a[:]...)
		case uint64:
			out = append(out, common.LeftPadBytes(new(big.Int).SetUint64(a).Bytes(), 32)...)
		case *big.Int:
			out = append(out, common.LeftPadBytes(a.Bytes(), 32)...)
		case devchain.Descriptor:
			for _, one := range [][]byte{a.Payer[:], a.Payee[:], a.Operator[:], a.Token[:], a.Salt[:], a.AuthorizedSigner[:], a.ExpiringNonceHash[:]} {
				out = append(out, common.LeftPadBytes(one, 32)...)
			}
			head += 6 * 32
		case []byte:
			out = append(out, common.LeftPadBytes(big.NewInt(int64(head)).Bytes(), 32)...)
			tail = append(tail, common.LeftPadBytes(big.NewInt(int64(len(a))).Bytes(), 32)...)
			tail = append(tail, common.RightPadBytes(a, (len(a)+31)/32*32)...)
		default:
			panic("pack: unknown type")
		}
	}
	return append(out, tail...)
}
