package clienttest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/client/clienttest/nodefaults"
	"github.com/seed-5fe1f529/tallystick/internal/bubble"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// A test of a client makes one of two nodes faulty.
func ExampleNode_Fail() {
	srv, err := clienttest.Start(clienttest.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer srv.Close()
	chainID := func(n *clienttest.Node) {
		const body = `{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}`
		res, err := http.Post(n.URL, "application/json", strings.NewReader(body))
		if err != nil {
			fmt.Println(err)
			return
		}
		defer res.Body.Close()
		answer, _ := io.ReadAll(res.Body)
		fmt.Println(res.StatusCode, strings.TrimSpace(string(answer)))
	}
	srv.Node.Fail(nodefaults.ChainZero)
	chainID(srv.Node)
	chainID(srv.OtherNode)
	srv.Node.FailTimes(1, nodefaults.Limit32016)
	chainID(srv.Node)
	chainID(srv.Node)
	fmt.Println(srv.Node.Failed(nodefaults.Limit32016))
	// Output:
	// 200 {"jsonrpc":"2.0","id":1,"result":"0x0"}
	// 200 {"jsonrpc":"2.0","id":1,"result":"0xa5bf"}
	// 200 {"jsonrpc":"2.0","id":1,"error":{"code":-32016,"message":"over rate limit"}}
	// 200 {"jsonrpc":"2.0","id":1,"result":"0xa5bf"}
	// 1
}

// asker asks a node over JSON-RPC, without sockets.
type asker struct {
	t   *testing.T
	srv *clienttest.Server
	n   *clienttest.Node
}

type rpcCall struct {
	Version string `json:"jsonrpc"`
	ID      int    `json:"id"`
	Method  string `json:"method"`
	Params  []any  `json:"params,omitempty"`
}

func call(method string, params ...any) rpcCall { return rpcCall{"2.0", 1, method, params} }

// post returns the status and the body. Both are empty if there was no answer within ten minutes.
func (a asker) post(body any) (status int, answer string) {
	raw, err := json.Marshal(body)
	require.NoError(a.t, err)
	ctx, cancel := context.WithTimeout(a.t.Context(), 10*time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.n.URL, bytes.NewReader(raw))
	require.NoError(a.t, err)
	req.Header.Set("Content-Type", "application/json")
	res, err := a.srv.Transport().RoundTrip(req)
	if err != nil {
		return 0, ""
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return res.StatusCode, "cut: " + string(b)
	}
	return res.StatusCode, strings.TrimSpace(string(b))
}

// reads is the call that reads a v2 channel.
func (a asker) reads(c *lane) rpcCall {
	data := hexutil.Bytes(abi("getChannelState(bytes32)", c.id))
	return call("eth_call", map[string]any{"to": a.srv.Escrow(voucher.V2), "data": data}, "latest")
}

// latest is the number of the block that is this many before the newest one.
func (a asker) latest(before uint64) hexutil.Uint64 {
	var answer struct{ Result hexutil.Uint64 }
	_, body := asker{a.t, a.srv, a.srv.OtherNode}.post(call("eth_blockNumber"))
	require.NoError(a.t, json.Unmarshal([]byte(body), &answer))
	return answer.Result - hexutil.Uint64(before)
}

// tour asks everything once and returns what was answered.
func (a asker) tour(channels []*lane, txs []common.Hash) (answers []string) {
	calls := []rpcCall{
		call("eth_chainId"), call("eth_blockNumber"), call("eth_getBlockByNumber", "latest", false),
		call("eth_gasPrice"),
		call("eth_getLogs", map[string]any{
			"fromBlock": a.latest(12), "toBlock": "latest", "address": a.srv.Escrow(voucher.V2),
		}),
		call("eth_estimateGas", map[string]any{"to": a.srv.Token}),
	}
	for _, c := range channels {
		calls = append(calls, a.reads(c))
	}
	for _, tx := range txs {
		calls = append(calls, call("eth_getTransactionReceipt", tx), call("eth_getTransactionByHash", tx))
	}
	for i := range calls {
		calls[i].ID = i
		status, answer := a.post(calls[i])
		answers = append(answers, fmt.Sprint(status, " ", answer))
	}
	status, answer := a.post(calls)
	return append(answers, fmt.Sprint(status, " ", answer))
}

// TestNodeFaults gives a node each fault in turn. Each must make a difference, end when it is told to,
// and leave the other node and the chain as they are.
func TestNodeFaults(t *testing.T) {
	taken := map[nodefaults.Fault]bool{}
	later := map[nodefaults.Fault]bool{}
	bubble.Run(t, func(t *testing.T) {
		srv := clienttest.New(t, clienttest.Config{NoSockets: true})
		faulty, right := asker{t, srv, srv.Node}, asker{t, srv, srv.OtherNode}
		var channels []*lane
		var txs []common.Hash
		send := func(a asker) {
			payload, c := newPayer(t, srv).opening(voucher.V2, open{deposit: 1000, amount: 100})
			raw := common.FromHex(payload["transaction"].(string))
			channels, txs = append(channels, c), append(txs, crypto.Keccak256Hash(raw))
			a.post(call("eth_sendRawTransaction", hexutil.Bytes(raw)))
		}
		for range 13 {
			srv.Chain.Advance(time.Second)
		}
		for range 3 {
			send(right)
		}
		for _, f := range nodefaults.All() {
			channels, txs = channels[:3], txs[:3]
			send(right)
			want := right.tour(channels, txs)
			require.Equal(t, want, faulty.tour(channels, txs), "before %s", f)
			srv.Node.Fail(f)
			faulty.tour(channels, txs)
			send(faulty)
			sent, tx := channels[4], txs[4]
			taken[f] = srv.Chain.Channel(sent.id).Exists
			for range 12 {
				faulty.post(call("eth_getTransactionByHash", tx))
			}
			later[f] = srv.Chain.Channel(sent.id).Exists
			assert.NotZero(t, srv.Node.Failed(f), "%s made no difference", f)
			srv.Node.Fail()
			assert.Zero(t, srv.Node.Failed(f), "counted anew")
		}
	})
	for _, f := range []nodefaults.Fault{
		nodefaults.SendReset, nodefaults.SendHangs, nodefaults.SendTakenRefused, nodefaults.SendOtherHash,
		nodefaults.SendNull, nodefaults.KnownBesu, nodefaults.KnownErigon, nodefaults.KnownGeth,
		nodefaults.KnownImported, nodefaults.KnownNethermind, nodefaults.KnownNonce, nodefaults.KnownParity,
		nodefaults.LateByTen, nodefaults.Cut, nodefaults.Page504, nodefaults.Slow, nodefaults.BatchRefused,
	} {
		assert.True(t, taken[f], "%s takes what is sent", f)
	}
	for _, f := range []nodefaults.Fault{nodefaults.SendHeld, nodefaults.SendRefusedHeld} {
		assert.False(t, taken[f], "%s takes nothing at once", f)
		assert.True(t, later[f], "%s takes it later", f)
	}
	for _, f := range []nodefaults.Fault{
		nodefaults.SendLost, nodefaults.SendRefused, nodefaults.SendDropped, nodefaults.SendUnknownType,
		nodefaults.SendUnknownAccount, nodefaults.LimitHTTP, nodefaults.Limit32005, nodefaults.Limit32016,
		nodefaults.Limit429, nodefaults.EverythingFails, nodefaults.Reset, nodefaults.Hangs,
		nodefaults.Page502, nodefaults.Redirected, nodefaults.Unauthorized,
	} {
		assert.False(t, later[f], "%s takes nothing", f)
	}
}

// Each fault shows what its line says.
func TestWhatNodesAnswer(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{NoSockets: true})
	p := newPayer(t, srv)
	a := asker{t, srv, srv.Node}
	srv.Chain.Advance(time.Second)
	payload, c := p.opening(voucher.V2, open{deposit: 1000, amount: 100})
	tx := common.FromHex(payload["transaction"].(string))
	status, answer := a.post(call("eth_sendRawTransaction", hexutil.Bytes(tx)))
	require.Equal(t, http.StatusOK, status, answer)
	hash := crypto.Keccak256Hash(tx)
	state := a.reads(c)
	head, receipt := call("eth_getBlockByNumber", "latest", false), call("eth_getTransactionReceipt", hash)
	logs := call("eth_getLogs", map[string]any{"fromBlock": "0x0", "toBlock": "0x20"})
	number := call("eth_blockNumber")
	second := number
	second.ID = 2
	batch := []rpcCall{number, second}
	none := `"result":"0x` + strings.Repeat("0", 192) + `"`
	for _, one := range []struct {
		fault  nodefaults.Fault
		call   any
		status int
		has    string
	}{
		{nodefaults.LateByOne, number, 200, `"result":"0x1"`},
		{nodefaults.LateByOne, state, 200, none},
		{nodefaults.LateByOne, receipt, 200, `"result":null`},
		{nodefaults.LatePool, call("eth_getTransactionByHash", hash), 200, `"blockHash":null`},
		{nodefaults.LateCalls, state, 200, none},
		{nodefaults.LateCalls, number, 200, `"result":"0x2"`},
		{nodefaults.LateBlocks, number, 200, `"result":"0x0"`},
		{nodefaults.LateLogs, logs, 200, `"result":[]`},
		{nodefaults.BranchOfOne, number, 200, `"result":"0x2"`},
		{nodefaults.BranchOfOne, state, 200, none},
		{nodefaults.BranchPool, call("eth_getTransactionByHash", hash), 200, `"blockHash":null`},
		{nodefaults.NoChannels, state, 200, none},
		{nodefaults.NoChannels, receipt, 200, hash.Hex()},
		{nodefaults.NullReceipt, receipt, 200, `"result":null`},
		{nodefaults.NullBlock, head, 200, `"result":null`},
		{nodefaults.EmptyLogs, logs, 200, `"result":[]`},
		{nodefaults.LogsTooMany, logs, 200, "more than 10000 results"},
		{nodefaults.TimeZero, head, 200, `"timestamp":"0x0"`},
		{nodefaults.NumberEndless, number, 200, `"result":"0xffffffffffffffff"`},
		{nodefaults.ChainZero, call("eth_chainId"), 200, `"result":"0x0"`},
		{nodefaults.LimitHTTP, number, 429, ""},
		{nodefaults.Limit32005, number, 200, `"code":-32005`},
		{nodefaults.Limit429, number, 200, `"code":429`},
		{nodefaults.Limit32016, batch, 200, `"code":-32016`},
		{nodefaults.LimitBatch, batch, 200, `{"jsonrpc":"2.0","id":null,"error":`},
		{nodefaults.BatchReversed, batch, 200, `[{"jsonrpc":"2.0","id":2,`},
		{nodefaults.BatchShort, batch, 200, `[{"jsonrpc":"2.0","id":1,"result":"0x2"}]`},
		{nodefaults.BatchLastFails, batch, 200, `"id":2,"error":`},
		{nodefaults.Truncated, number, 200, `{"jsonrpc":"2.0"`},
		{nodefaults.Cut, number, 200, `cut: {"jsonrpc"`},
		{nodefaults.Page502, number, 502, "<center>nginx</center>"},
		{nodefaults.Reset, number, 0, ""},
	} {
		srv.Node.Fail(one.fault)
		status, answer := a.post(one.call)
		assert.Equal(t, one.status, status, one.fault)
		assert.Contains(t, answer, one.has, one.fault)
	}
	assert.PanicsWithValue(t, "clienttest: package nodefaults has no fault named no-such-fault",
		func() { srv.Node.Fail("no-such-fault") })
	assert.Panics(t, func() { srv.Node.FailTimes(0, nodefaults.Reset) })
}

// A node with several faults has all of them, each for its times.
func TestNodeFaultsTogether(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{NoSockets: true})
	a := asker{t, srv, srv.Node}
	srv.Node.FailTimes(2, nodefaults.ChainOther, nodefaults.NumberZero)
	srv.Chain.Advance(time.Second)
	for i, want := range []string{"0x1", "0x1", "0xa5bf"} {
		_, answer := a.post([]rpcCall{call("eth_chainId"), call("eth_chainId")})
		assert.Equal(t, 2, strings.Count(answer, `"result":"`+want+`"`), "request %d: %s", i, answer)
	}
	for i, want := range []string{"0x0", "0x0", "0x1"} {
		_, answer := a.post(call("eth_blockNumber"))
		assert.Contains(t, answer, `"result":"`+want+`"`, i)
	}
}

// A reorganization takes a deposit back for all nodes, and the transaction can be mined again.
func TestReorganize(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	c := newPayer(t, srv).opened(voucher.V2, "/data")
	for _, pool := range []bool{true, false} {
		require.True(t, srv.Chain.Channel(c.id).Exists)
		srv.Chain.Reorganize(1, pool)
		assert.False(t, srv.Chain.Channel(c.id).Exists)
		assert.Equal(t, map[bool]int{true: 1, false: 0}[pool], srv.Chain.Remine())
	}
	_, ok := srv.Account(c.id)
	assert.True(t, ok, "the server does not notice")
}
