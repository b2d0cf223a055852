package devchain

import (
	"net/http/httptest"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// dialNode is dial for a node with a view.
func dialNode(t *testing.T, c *Chain, view func(method string) View) *rpc.Client {
	t.Helper()
	srv := httptest.NewServer(c.Node(view))
	client, err := rpc.Dial(srv.URL)
	require.NoError(t, err)
	t.Cleanup(func() {
		client.Close()
		srv.Close()
	})
	return client
}

// fixed is the same view for every method.
func fixed(v View) func(string) View { return func(string) View { return v } }

// seen is what a node says of a channel.
type seen struct {
	number        hexutil.Uint64
	time          any
	deposit       string // of the channel
	receipt       bool
	transaction   string // null, pending or mined
	logs          int    // openings of the channel, in all blocks
	stateAtBlock2 string
}

// readChannel is the eth_call that reads a v2 channel.
func readChannel(id common.Hash) object {
	read := on(ReserveAddress, "getChannelState(bytes32)", id)
	return object{"to": ReserveAddress, "data": hexutil.Bytes(read.Data)}
}

// see asks a node for everything about a v2 channel.
func see(t *testing.T, client *rpc.Client, id, tx common.Hash) (s seen) {
	t.Helper()
	request := readChannel(id)
	deposit := func(at string) string {
		a := args{data: ask[hexutil.Bytes](t, client, "eth_call", request, at)}
		a.amount(96)
		return a.amount(96).String()
	}
	s.number = ask[hexutil.Uint64](t, client, "eth_blockNumber")
	head := ask[object](t, client, "eth_getBlockByNumber", "latest", false)
	require.Equal(t, s.number.String(), head["number"])
	require.Equal(t, head, ask[object](t, client, "eth_getBlockByHash", head["hash"], false))
	s.time, s.deposit = head["timestamp"], deposit("latest")
	s.receipt = ask[object](t, client, "eth_getTransactionReceipt", tx) != nil
	s.transaction = "null"
	if got := ask[object](t, client, "eth_getTransactionByHash", tx); got != nil {
		s.transaction = "pending"
		if got["blockHash"] != nil {
			s.transaction = "mined"
		}
	}
	s.logs = len(ask[[]types.Log](t, client, "eth_getLogs", object{
		"fromBlock": "0x0", "address": ReserveAddress, "topics": []any{eventReserveOpened, id},
	}))
	if s.number >= 2 {
		s.stateAtBlock2 = deposit("0x2")
	}
	return s
}

// story is a chain on which block 2 opens a channel and block 3 tops it up.
func story(t *testing.T) (c *Chain, id common.Hash, opened, toppedUp *Receipt) {
	t.Helper()
	c = testChain(t)
	d := Descriptor{Payer: payer.addr, Payee: payee.addr, Token: PathUSD}
	c.Advance(second)
	opened = mustSend(t, c, payer, reserveOpening(d, 500))
	id = opened.Logs[1].Topics[1]
	d.ExpiringNonceHash = opened.ExpiringNonceHash
	toppedUp = mustSend(t, c, payer, rTopUp(d, units(70)))
	return c, id, opened, toppedUp
}

func TestViews(t *testing.T) {
	c, id, opened, toppedUp := story(t)
	c.Mint(PathUSD, stranger.addr, units(7)) // belongs to block 3
	head := hexutil.Uint64(c.head().time).String()
	whole := seen{3, head, "570", true, "mined", 1, "500"}
	assert.Equal(t, whole, see(t, dial(t, c), id, opened.TxHash))
	every := func(common.Hash) bool { return true }
	block2 := func(n uint64) bool { return n == 2 }
	tx, later := opened.TxHash, toppedUp.TxHash
	for name, test := range map[string]struct {
		view View
		tx   common.Hash
		want seen
	}{
		"all":                {View{}, tx, whole},
		"one block late":     {View{Lag: 1}, tx, seen{2, head, "500", true, "mined", 1, "500"}},
		"late for the topup": {View{Lag: 1}, later, seen{2, head, "500", false, "null", 1, "500"}},
		"two blocks late":    {View{Lag: 2}, tx, seen{1, head, "0", false, "null", 0, ""}},
		"and pooled":         {View{Lag: 2, Pooled: true}, tx, seen{1, head, "0", false, "pending", 0, ""}},
		"another branch":     {View{Replaced: 2}, tx, seen{3, head, "0", false, "null", 0, "0"}},
		"late branch":        {View{Lag: 1, Replaced: 1}, tx, seen{2, head, "0", false, "null", 0, "0"}},
		"hidden channel":     {View{HideChannel: every}, tx, seen{3, head, "0", true, "mined", 1, "0"}},
		"hidden receipt":     {View{HideTransaction: every}, tx, seen{3, head, "570", false, "null", 1, "500"}},
		"hidden logs":        {View{HideLogs: block2}, tx, seen{3, head, "570", true, "mined", 0, "500"}},
	} {
		got := see(t, dialNode(t, c, fixed(test.view)), id, test.tx)
		assert.Equal(t, test.want, got, name)
		assert.Equal(t, whole, see(t, dial(t, c), id, opened.TxHash), "%s: the chain is as it was", name)
	}
	genesis := see(t, dialNode(t, c, fixed(View{Lag: 99})), id, opened.TxHash)
	assert.Zero(t, genesis.number)
	assert.NotEqual(t,
		ask[object](t, dial(t, c), "eth_getBlockByNumber", "0x3", false)["hash"],
		ask[object](t, dialNode(t, c, fixed(View{Replaced: 1})), "eth_getBlockByNumber", "0x3", false)["hash"])
}

// A late node passes on what it is sent, and a balancer answers one batch from several replicas.
func TestBalancedNode(t *testing.T) {
	c, id, opened, _ := story(t)
	late := dialNode(t, c, fixed(View{Lag: 3}))
	raw := hexutil.Bytes(newDraft(c, noCall).signed(payer.key))
	ask[common.Hash](t, late, "eth_sendRawTransaction", raw)
	assert.Equal(t, uint64(4), c.head().number)

	balanced := dialNode(t, c, func(method string) View {
		if method == "eth_call" {
			return View{Lag: 3}
		}
		return View{}
	})
	var number hexutil.Uint64
	var state hexutil.Bytes
	request := readChannel(id)
	batch := []rpc.BatchElem{
		{Method: "eth_blockNumber", Result: &number},
		{Method: "eth_call", Args: []any{request, "latest"}, Result: &state},
	}
	require.NoError(t, balanced.BatchCall(batch))
	assert.EqualValues(t, 4, number)
	assert.Equal(t, make([]byte, 96), []byte(state), "as of block 1")
	require.ErrorContains(t, askError(t, balanced, "eth_call", request, number), "header not found")
	require.ErrorContains(t, askError(t, balanced, "eth_call", request, opened.BlockHash), "header not found")
}

func TestReorganize(t *testing.T) {
	for _, pool := range []bool{false, true} {
		c, id, opened, toppedUp := story(t)
		client := dial(t, c)
		before := ask[object](t, client, "eth_getBlockByNumber", "0x1", false)["hash"]
		rich := c.Balance(PathUSD, stranger.addr)
		c.Mint(PathUSD, stranger.addr, units(7))
		c.Reorganize(2, pool)
		waits := map[bool]string{false: "null", true: "pending"}[pool]
		head := hexutil.Uint64(c.head().time).String()
		assert.Equal(t, seen{3, head, "0", false, waits, 0, "0"}, see(t, client, id, opened.TxHash))
		assert.Equal(t, before, ask[object](t, client, "eth_getBlockByNumber", "0x1", false)["hash"])
		second := ask[object](t, client, "eth_getBlockByNumber", "0x2", false)
		assert.NotEqual(t, opened.BlockHash.Hex(), second["hash"])
		assert.Equal(t, rich.AddCapped(units(7)), c.Balance(PathUSD, stranger.addr), "minted money stays")
		require.NoError(t, c.CheckSupply())

		again := c.Remine()
		if !pool {
			assert.Empty(t, again)
			continue
		}
		require.Len(t, again, 2)
		assert.Equal(t, opened.TxHash, again[0].TxHash)
		assert.Equal(t, toppedUp.TxHash, again[1].TxHash)
		assert.Equal(t, seen{5, head, "570", true, "mined", 1, "0"}, see(t, client, id, opened.TxHash))
		assert.Empty(t, c.Remine())
	}
}

// A transaction that a reorganization took out can come back, at once or not at all while it waits, but
// never twice and never after its time.
func TestReorganizedTransactionsAreSentAgain(t *testing.T) {
	c := testChain(t)
	client := dial(t, c)
	raw := hexutil.Bytes(newDraft(c, noCall).signed(payer.key))
	first := ask[common.Hash](t, client, "eth_sendRawTransaction", raw)
	c.Reorganize(1, false)
	assert.Equal(t, first, ask[common.Hash](t, client, "eth_sendRawTransaction", raw))
	require.ErrorContains(t, askError(t, client, "eth_sendRawTransaction", raw), "already executed")
	c.Reorganize(1, true)
	require.ErrorContains(t, askError(t, client, "eth_sendRawTransaction", raw), "already known")
	c.Advance(maxExpiry * second)
	assert.Empty(t, c.Remine(), "its time has passed")
	require.ErrorContains(t, askError(t, client, "eth_sendRawTransaction", raw), "expired")
	c.Reorganize(1<<40, false)
	assert.Equal(t, voucher.Units(100_000_000), c.Balance(PathUSD, payer.addr), "it paid no fee")
}
