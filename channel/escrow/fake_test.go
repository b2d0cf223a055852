package escrow_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// question is a JSON-RPC request.
type question struct {
	ID     json.RawMessage
	Method string
	Params []json.RawMessage
}

// jsonError is a JSON-RPC error, as a value that a handler returns.
type jsonError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Data    any    `json:"data,omitempty"`
}

// node is a JSON-RPC server whose answers a test sets. It answers like a quiet chain where nothing is set.
type node struct {
	*httptest.Server
	mu      sync.Mutex
	answers map[string]func(question) any
	// before sees every exchange first, and ends it by returning true.
	before    func(w http.ResponseWriter, body []byte) bool
	exchanges int
	methods   []string
	bodies    []string
}

const (
	blockTime   = 1_767_225_600
	blockNumber = 1_000
	gwei        = 1_000_000_000
)

func newNode(t *testing.T) *node {
	n := &node{answers: map[string]func(question) any{}}
	n.say("eth_chainId", hexutil.Uint64(escrow.Moderato))
	n.say("eth_gasPrice", hexutil.Uint64(20*gwei))
	n.say("eth_estimateGas", hexutil.Uint64(600_000))
	n.say("eth_getTransactionReceipt", nil)
	n.answer("eth_getBlockByNumber", func(q question) any {
		if string(q.Params[0]) == `"pending"` {
			return &jsonError{Code: -32601, Message: "no pending block here"}
		}
		return block(blockTime)
	})
	n.say("eth_blockNumber", hexutil.Uint64(blockNumber))
	n.answer("eth_call", func(q question) any {
		var tx struct{ Data hexutil.Bytes }
		_ = json.Unmarshal(q.Params[0], &tx)
		switch hexutil.Encode(tx.Data[:4]) {
		case "0x70a08231": // balanceOf
			return words(1_000_000_000)
		case "0xd18da8b1": // getChannelState
			return words(10, 1000, 0)
		case "0x831c2b82": // v1 getChannel
			return words(0, 0, 1, 2, 3, 4, 1000, 10)
		default:
			return hexutil.Bytes{}
		}
	})
	n.Server = httptest.NewServer(n)
	t.Cleanup(n.Close)
	return n
}

// block is the newest block at a time.
func block(time uint64) map[string]any {
	return map[string]any{
		"number": hexutil.Uint64(blockNumber), "hash": common.BigToHash(new(big.Int).SetUint64(time)),
		"timestamp": hexutil.Uint64(time), "baseFeePerGas": hexutil.Uint64(20 * gwei),
	}
}

// words is ABI data of small numbers.
func words(numbers ...uint64) hexutil.Bytes {
	var out []byte
	for _, one := range numbers {
		w := voucher.Units(one).Word()
		out = append(out, w[:]...)
	}
	return out
}

// answer sets what a method answers; an error is a *jsonError.
func (n *node) answer(method string, f func(question) any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.answers[method] = f
}

func (n *node) say(method string, value any) {
	n.answer(method, func(question) any { return value })
}

// count is how many exchanges there were, and how often a method was called.
func (n *node) count(method string) (exchanges, calls int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, m := range n.methods {
		if m == method {
			calls++
		}
	}
	return n.exchanges, calls
}

func (n *node) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	n.mu.Lock()
	n.exchanges++
	n.bodies = append(n.bodies, string(body))
	before := n.before
	n.mu.Unlock()
	if before != nil && before(w, body) {
		return
	}
	var many []question
	single := !bytes.HasPrefix(body, []byte("["))
	if single {
		many = make([]question, 1)
		_ = json.Unmarshal(body, &many[0])
	} else {
		_ = json.Unmarshal(body, &many)
	}
	var out []map[string]any
	for _, q := range many {
		n.mu.Lock()
		n.methods = append(n.methods, q.Method)
		f := n.answers[q.Method]
		n.mu.Unlock()
		if f == nil {
			panic(http.ErrAbortHandler) // nothing was set for the method: the node hangs up
		}
		one := map[string]any{"jsonrpc": "2.0", "id": q.ID}
		switch answer := f(q).(type) {
		case *jsonError:
			one["error"] = answer
		default:
			one["result"] = answer
		}
		out = append(out, one)
	}
	w.Header().Set("Content-Type", "application/json")
	if single {
		_ = json.NewEncoder(w).Encode(out[0])
		return
	}
	_ = json.NewEncoder(w).Encode(out)
}

// dial connects with short waits.
func dial(t testing.TB, url string, opts ...escrow.Option) *escrow.Client {
	t.Helper()
	c, err := escrow.Dial(context.Background(), url, append([]escrow.Option{escrow.InTest(nil)}, opts...)...)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

// soon is a context that does not let a test hang.
func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func key(t testing.TB) *voucher.KeySigner {
	t.Helper()
	k, err := voucher.ParseKey(testKey)
	require.NoError(t, err)
	return k
}

func openParams(t testing.TB) escrow.OpenParams {
	return escrow.OpenParams{
		Protocol: voucher.V2, ChainID: escrow.Moderato, Escrow: escrow.Reserve, Payer: key(t),
		Payee: goldenPayee, Token: escrow.PathUSD, Deposit: voucher.Units(1_000_000),
	}
}

func refTo(n uint64) escrow.Ref {
	return escrow.Ref{Protocol: voucher.V2, ChainID: escrow.Moderato, Escrow: escrow.Reserve, ChannelID: common.Hash(voucher.Units(n).Word())}
}

// failEstimate lets every estimate end in a cut line.
func (n *node) failEstimate() {
	n.before = func(_ http.ResponseWriter, body []byte) bool {
		if bytes.Contains(body, []byte("eth_estimateGas")) {
			panic(http.ErrAbortHandler)
		}
		return false
	}
}
