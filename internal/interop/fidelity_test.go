package interop

import (
	"bytes"
	"crypto/ecdsa"
	"maps"
	"math/big"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/internal/devchain"
)

// differences are the steps whose outcome is not the same on both chains, and what the package comment of
// devchain says of each. A step that is not here must not differ, and one that is here must.
var differences = map[string]string{
	"v of 0 or 1":                      "v of 0 or 1, in a transaction or a voucher",
	"settle with v 0 or 1, simulated":  "v of 0 or 1, in a transaction or a voucher",
	"an address with dirty upper bits": "calldata with dirty upper bits",
	"currency()":                       "currency() of a token",
	"name()":                           "name() and symbol() of pathUSD",
	"symbol()":                         "name() and symbol() of pathUSD",
	"nonce 0 of key 5":                 "a nonce key that is neither 0 nor expiring",
	"no transaction":                   "a transaction that cannot be decoded",
	"a high s":                         "a transaction that cannot be decoded",
	"no calls":                         "a transaction that cannot be decoded",
	"a sponsor who has not signed":     "a transaction that cannot be decoded",
	"the hand-off form":                "a transaction that cannot be decoded",
}

// fidelity sends the same bytes to devchain and to anvil.
func fidelity(t *testing.T) {
	p := newPair(t)
	p.tokens()
	p.reserve()
	p.admission()
	p.grace() // moves the clocks, so it is last

	t.Logf("%d outcomes compared, %d differ", p.count, len(p.differ))

	comment, err := os.ReadFile("../devchain/doc.go")
	require.NoError(t, err)
	for name, text := range differences {
		assert.Contains(t, slices.Collect(maps.Keys(p.differ)), name, "it does not differ any more")
		assert.True(t, strings.Contains(string(comment), "//\t"+text), "no row for %q in the package comment of devchain", text)
	}
	for name, how := range p.differ {
		_, known := differences[name]
		assert.True(t, known, "%s\ndevchain: %+v\nanvil: %+v", name, how[0], how[1])
	}
}

// pair is both chains with the same accounts and the same money.
type pair struct {
	t      *testing.T
	mem    *memory
	anvil  *anvil
	both   [2]*node // devchain, anvil
	sent   uint64   // makes each transaction another
	fees   [2]map[common.Address]uint64
	differ map[string][2]any
	count  int // of what was compared

	payer, payee, operator, stranger, sponsor *ecdsa.PrivateKey
	all                                       []common.Address
}

const funds = 50_000_000

func newPair(t *testing.T) *pair {
	p := &pair{t: t, mem: startDevchain(t), anvil: startAnvil(t), differ: map[string][2]any{}}
	p.both = [2]*node{p.mem.node, p.anvil.node}
	p.fees = [2]map[common.Address]uint64{{}, {}}
	for _, k := range []**ecdsa.PrivateKey{&p.payer, &p.payee, &p.operator, &p.stranger, &p.sponsor} {
		*k = newKey(t)
		at := address(*k)
		p.all = append(p.all, at)
		p.mem.fund(t, at, funds)
		p.anvil.fund(t, at, funds)
	}
	return p
}

func address(k *ecdsa.PrivateKey) common.Address { return crypto.PubkeyToAddress(k.PublicKey) }

// outcome is what became of a transaction, without what no two chains have in common: block, gas and fee.
type outcome struct {
	Refused bool
	Code    int
	Status  string
	Logs    []event
}

// event is a log. The amount of a fee is left out, and times are relative to their block.
type event struct {
	At     common.Address
	Topics []common.Hash
	Data   string
}

// tx is a transaction to both chains; change makes it another.
func (p *pair) tx(from *ecdsa.PrivateKey, change func(*escrow.Tx), calls ...escrow.Call) []byte {
	p.sent++
	x := &escrow.Tx{
		ChainID: devchain.Moderato, MaxFeePerGas: 50_000_000_000, Gas: 3_000_000, Calls: calls, NonceKey: escrow.ExpiringNonceKey,
		ValidBefore: p.now() + 20, ValidAfter: p.sent, FeeToken: devchain.PathUSD,
	}
	if change != nil {
		change(x)
	}
	return signTx(p.t, x, from)
}

func signTx(t testing.TB, x *escrow.Tx, from *ecdsa.PrivateKey) []byte {
	t.Helper()
	hash := x.SigningHash()
	sig, err := crypto.Sign(hash[:], from)
	require.NoError(t, err)
	sig[64] += 27
	x.Sender, x.Signature = address(from), sig
	return x.Serialize()
}

// now is the earlier of both clocks.
func (p *pair) now() uint64 {
	times := [2]uint64{}
	for i, n := range p.both {
		var block struct{ Timestamp hexutil.Uint64 }
		require.NoError(p.t, n.call(&block, "eth_getBlockByNumber", "latest", false))
		times[i] = uint64(block.Timestamp)
	}
	return max(times[0], times[1])
}

// send gives both chains the same bytes.
func (p *pair) send(name string, raw []byte) [2]outcome {
	p.t.Helper()
	out := [2]outcome{p.on(0, raw), p.on(1, raw)}
	p.same(name, out[0], out[1])
	for _, a := range p.all {
		held := func(i int) uint64 { return p.both[i].balance(p.t, a) + p.fees[i][a] }
		p.same(name+": balance", held(0), held(1))
	}
	return out
}

// do is a transaction of calls that is the same on both chains; it returns whether the calls were executed.
func (p *pair) do(name string, from *ecdsa.PrivateKey, calls ...escrow.Call) bool {
	p.t.Helper()
	out := p.send(name, p.tx(from, nil, calls...))
	return out[0].Status == "0x1"
}

func (p *pair) same(name string, devchain, anvil any) {
	p.count++
	if !assert.ObjectsAreEqual(devchain, anvil) {
		p.differ[name] = [2]any{devchain, anvil}
	}
}

// on sends to one chain, and keeps the account of fees.
func (p *pair) on(i int, raw []byte) (o outcome) {
	n := p.both[i]
	var hash common.Hash
	if err := n.call(&hash, "eth_sendRawTransaction", hexutil.Bytes(raw)); err != nil {
		var coded rpc.Error
		require.ErrorAs(p.t, err, &coded)
		return outcome{Refused: true, Code: coded.ErrorCode()}
	}
	var r struct {
		Status            string
		BlockNumber       hexutil.Uint64
		GasUsed           hexutil.Uint64
		EffectiveGasPrice *hexutil.Big
		Logs              []types.Log
	}
	n.mined(p.t, hash)
	require.NoError(p.t, n.call(&r, "eth_getTransactionReceipt", hash))
	var block struct{ Timestamp hexutil.Uint64 }
	require.NoError(p.t, n.call(&block, "eth_getBlockByNumber", r.BlockNumber, false))
	o.Status = r.Status
	for _, l := range r.Logs {
		e := event{At: l.Address, Topics: l.Topics, Data: hexutil.Encode(l.Data)}
		switch {
		case l.Topics[0] == transferTopic && common.BytesToAddress(l.Topics[2][:]) == devchain.FeeCollector:
			fee := new(big.Int).SetBytes(l.Data)
			attos := new(big.Int).Mul(new(big.Int).SetUint64(uint64(r.GasUsed)), r.EffectiveGasPrice.ToInt())
			want := new(big.Int).Div(new(big.Int).Add(attos, big.NewInt(999_999_999_999)), big.NewInt(1_000_000_000_000))
			assert.Equal(p.t, want, fee, "the fee follows from gas and price")
			p.fees[i][common.BytesToAddress(l.Topics[1][:])] += fee.Uint64()
			e.Data = "fee"
		case l.Topics[0] == crypto.Keccak256Hash([]byte("CloseRequested(bytes32,address,address,uint256)")):
			e.Data = "block + " + new(big.Int).Sub(new(big.Int).SetBytes(l.Data), new(big.Int).SetUint64(uint64(block.Timestamp))).String()
		}
		o.Logs = append(o.Logs, e)
	}
	return o
}

// view compares what a call returns or reverts with.
func (p *pair) view(name string, from *ecdsa.PrivateKey, call escrow.Call) []byte {
	p.t.Helper()
	type result struct {
		Out, Reverted string
		Failed        bool
	}
	var results [2]result
	var raw []byte
	for i, n := range p.both {
		out, reverted, err := n.view(address(from), *call.To, call.Data)
		if len(reverted) > 36 && bytes.Equal(reverted[:4], insufficientBalance) {
			clear(reverted[4:36]) // what is there, less other fees than on the other chain
		}
		results[i] = result{hexutil.Encode(out), hexutil.Encode(reverted), err != nil}
		raw = reverted
	}
	p.same(name, results[0], results[1])
	return raw
}

// would compares a call that must revert with this error, simulated and mined.
func (p *pair) would(revert, name string, from *ecdsa.PrivateKey, call escrow.Call) {
	p.t.Helper()
	got := p.view(name+", simulated", from, call)
	if assert.GreaterOrEqual(p.t, len(got), 4, name) {
		assert.Equal(p.t, hexutil.Encode(crypto.Keccak256([]byte(revert))[:4]), hexutil.Encode(got[:4]), "%s: %s", name, revert)
	}
	assert.False(p.t, p.do(name, from, call), name)
}

var insufficientBalance = pack("InsufficientBalance(uint256,uint256,address)")

func onToken(signature string, args ...any) escrow.Call {
	return escrow.Call{To: &devchain.PathUSD, Data: pack(signature, args...)}
}

func onReserve(signature string, args ...any) escrow.Call {
	return escrow.Call{To: &devchain.ReserveAddress, Data: pack(signature, args...)}
}
