package devchain

import (
	"context"
	"encoding/json"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// dial serves the chain on loopback.
func dial(t *testing.T, c *Chain) *rpc.Client {
	t.Helper()
	srv := httptest.NewServer(c.Handler())
	client, err := rpc.Dial(srv.URL)
	require.NoError(t, err)
	t.Cleanup(func() {
		client.Close()
		srv.Close()
	})
	return client
}

// ask calls a method and decodes its result.
func ask[T any](t *testing.T, client *rpc.Client, method string, params ...any) T {
	t.Helper()
	var out T
	require.NoError(t, client.CallContext(context.Background(), &out, method, params...), method)
	return out
}

// askError calls a method that must fail.
func askError(t *testing.T, client *rpc.Client, method string, params ...any) error {
	t.Helper()
	var out json.RawMessage
	err := client.CallContext(context.Background(), &out, method, params...)
	require.Error(t, err, "%s answered %s", method, out)
	return err
}

func codeOf(t *testing.T, err error) int {
	t.Helper()
	var coded rpc.Error
	require.ErrorAs(t, err, &coded)
	return coded.ErrorCode()
}

type object = map[string]any

func TestChainReads(t *testing.T) {
	c := testChain(t)
	client := dial(t, c)
	assert.EqualValues(t, Moderato, ask[hexutil.Uint64](t, client, "eth_chainId"))
	assert.EqualValues(t, 0, ask[hexutil.Uint64](t, client, "eth_blockNumber"))
	assert.EqualValues(t, 20_000_000_000, ask[hexutil.Uint64](t, client, "eth_gasPrice"))
	assert.EqualValues(t, 0, ask[hexutil.Uint64](t, client, "eth_maxPriorityFeePerGas"))
	c.Advance(60 * second)
	r, err := c.Transfer(payer.key, PathUSD, payee.addr, units(1))
	require.NoError(t, err)
	assert.EqualValues(t, 2, ask[hexutil.Uint64](t, client, "eth_blockNumber"))

	for _, tag := range []string{"latest", "pending", "safe", "finalized", "0x2"} {
		b := ask[object](t, client, "eth_getBlockByNumber", tag, false)
		assert.Equal(t, "0x2", b["number"], tag)
		assert.Equal(t, hexutil.EncodeUint64(c.testTime()), b["timestamp"])
		assert.Equal(t, "0x4a817c800", b["baseFeePerGas"])
		assert.Equal(t, []any{r.TxHash.Hex()}, b["transactions"])
	}
	first := ask[*types.Header](t, client, "eth_getBlockByNumber", "earliest", true)
	second := ask[*types.Header](t, client, "eth_getBlockByNumber", "0x1", false)
	assert.EqualValues(t, 60, second.Time-first.Time, "an ordinary header")
	assert.Equal(t, big.NewInt(20_000_000_000), second.BaseFee)
	assert.Nil(t, ask[object](t, client, "eth_getBlockByNumber", "0x3", false))
	assert.Equal(t, -32602, codeOf(t, askError(t, client, "eth_getBlockByNumber", "newest", false)))
	one, two := ask[object](t, client, "eth_getBlockByNumber", "0x1", false), ask[object](t, client, "eth_getBlockByNumber", "0x2", false)
	assert.Equal(t, one["hash"], two["parentHash"])

	seen := ask[object](t, client, "eth_getTransactionReceipt", r.TxHash)
	assert.Equal(t, "0x1", seen["status"])
	assert.Equal(t, "0x76", seen["type"])
	assert.Equal(t, hexutil.EncodeUint64(r.GasUsed), seen["gasUsed"])
	assert.Equal(t, "0x4a817c800", seen["effectiveGasPrice"])
	assert.Len(t, seen["logs"], 2)
	ordinary := ask[*types.Receipt](t, client, "eth_getTransactionReceipt", r.TxHash)
	assert.Equal(t, r.TxHash, ordinary.TxHash, "an ordinary receipt")
	assert.True(t, types.BloomLookup(ordinary.Bloom, PathUSD))
	assert.Nil(t, ask[object](t, client, "eth_getTransactionReceipt", common.Hash{1}))

	assert.EqualValues(t, 0, ask[hexutil.Uint64](t, client, "eth_getTransactionCount", payer.addr, "latest"))
	assert.EqualValues(t, 0, ask[hexutil.Uint64](t, client, "eth_getTransactionCount", payer.addr))
	for at, code := range map[common.Address]string{PathUSD: "0xef", ReserveAddress: "0xef", StreamChannelAddress: "0xef", payer.addr: "0x"} {
		assert.Equal(t, code, ask[string](t, client, "eth_getCode", at, "latest"))
	}
	assert.Equal(t, -32601, codeOf(t, askError(t, client, "eth_sendTransaction", object{})))
}

func TestSendOverRPC(t *testing.T) {
	c := testChain(t)
	client := dial(t, c)
	raw := newDraft(c, on(PathUSD, "transfer(address,uint256)", payee.addr, uint64(3))).signed(payer.key)
	hash := ask[common.Hash](t, client, "eth_sendRawTransaction", hexutil.Bytes(raw))
	assert.Equal(t, keccak(raw), hash)
	err := askError(t, client, "eth_sendRawTransaction", hexutil.Bytes(raw))
	assert.Equal(t, -32003, codeOf(t, err))
	require.ErrorContains(t, err, "already executed")
	assert.Equal(t, -32003, codeOf(t, askError(t, client, "eth_sendRawTransaction", "0x02c0")))
	assert.Equal(t, -32602, codeOf(t, askError(t, client, "eth_sendRawTransaction", "76")))

	raw = newDraft(c, on(PathUSD, "nonsense()")).signed(payer.key)
	receipt := ask[object](t, client, "eth_sendRawTransactionSync", hexutil.Bytes(raw), 1000)
	assert.Equal(t, "0x0", receipt["status"])
	raw = newDraft(c, noCall).with(fieldNonceKey, emptyString).signed(payer.key)
	receipt = ask[object](t, client, "eth_sendRawTransactionSync", hexutil.Bytes(raw))
	assert.Equal(t, "0x1", receipt["status"])
	assert.EqualValues(t, 1, ask[hexutil.Uint64](t, client, "eth_getTransactionCount", payer.addr, "pending"))
	assert.Equal(t, -32003, codeOf(t, askError(t, client, "eth_sendRawTransactionSync", hexutil.Bytes(raw))))
}

func TestCall(t *testing.T) {
	c := testChain(t)
	client := dial(t, c)
	balance := hexutil.Bytes(on(PathUSD, "balanceOf(address)", payee.addr).Data)
	word := hexutil.Encode(words(units(100_000_000)))
	assert.Equal(t, word, ask[string](t, client, "eth_call", object{"to": PathUSD, "data": balance}, "latest"))
	assert.Equal(t, word, ask[string](t, client, "eth_call", object{"to": PathUSD, "input": balance, "data": balance}))
	send := object{"to": PathUSD, "value": "0x", "data": hexutil.Bytes(on(PathUSD, "transfer(address,uint256)", payee.addr, uint64(1)).Data)}
	batch := object{"from": payer.addr, "type": "0x76", "chainId": "0xa5bf", "calls": []any{send, object{"to": PathUSD, "value": "0x0", "input": balance}}, "accessList": []any{}, "keyType": "secp256k1"}
	assert.Equal(t, hexutil.Encode(words(units(100_000_001))), ask[string](t, client, "eth_call", batch, "latest"), "the last result, after the first call")
	assert.Equal(t, word, ask[string](t, client, "eth_call", object{"to": PathUSD, "data": balance}, "latest"), "nothing was kept")

	open := reserveOpening(Descriptor{Payee: payee.addr, Token: PathUSD}, 10)
	id := ask[string](t, client, "eth_call", object{"from": payer.addr, "calls": []any{object{"to": open.To, "data": hexutil.Bytes(open.Data)}}}, "latest")
	assert.Len(t, id, 66)
	open = reserveOpening(Descriptor{Payee: payee.addr, Token: PathUSD}, 0)
	err := askError(t, client, "eth_call", object{"from": payer.addr, "to": open.To, "data": hexutil.Bytes(open.Data)}, "latest")
	assert.Equal(t, 3, codeOf(t, err))
	var data rpc.DataError
	require.ErrorAs(t, err, &data)
	assert.Equal(t, hexutil.Encode(selectorBytes("ZeroDeposit()")), data.ErrorData())
	require.EqualError(t, err, "execution reverted: ZeroDeposit()")
	err = askError(t, client, "eth_call", object{"to": StreamChannelAddress, "data": "0x12345678"}, "latest")
	require.EqualError(t, err, "execution reverted")

	now := c.testTime()
	with := func(key string, value any) object {
		out := object{"to": PathUSD, "data": balance}
		out[key] = value
		return out
	}
	for name, test := range map[string]struct {
		request object
		code    int
	}{
		"calls and to":      {with("calls", []any{send}), -32602},
		"value":             {with("value", "0x1"), -32602},
		"input is not data": {with("input", "0x01"), -32602},
		"other chain":       {with("chainId", "0x1"), -32602},
		"not a quantity":    {with("value", "1"), -32602},
		"negative":          {with("value", "0x-1"), -32602},
		"no target":         {object{"data": balance}, -32602},
		"expired":           {with("validBefore", hexutil.EncodeUint64(now)), -32003},
		"not yet":           {with("validAfter", hexutil.EncodeUint64(now+1)), -32003},
	} {
		assert.Equal(t, test.code, codeOf(t, askError(t, client, "eth_call", test.request, "latest")), name)
	}
	require.ErrorContains(t, askError(t, client, "eth_call", with("from", payer.addr), "latest", object{"0x01": object{}}), "overrides")
	ask[string](t, client, "eth_call", with("from", payer.addr), "latest", object{})
}

func TestStateOfOldBlocks(t *testing.T) {
	c := testChain(t)
	client := dial(t, c)
	r, err := c.Transfer(payer.key, PathUSD, payee.addr, units(1))
	require.NoError(t, err)
	c.Advance(second)
	request := object{"to": PathUSD, "data": hexutil.Bytes(on(PathUSD, "totalSupply()").Data)}
	for _, at := range []any{"latest", "0x2", "0x1", r.BlockHash, object{"blockHash": r.BlockHash}, object{"blockNumber": "0x1"}} {
		ask[string](t, client, "eth_call", request, at)
	}
	balance := object{"to": PathUSD, "data": hexutil.Bytes(on(PathUSD, "balanceOf(address)", payee.addr).Data)}
	one := func(at any) *big.Int {
		return new(big.Int).SetBytes(ask[hexutil.Bytes](t, client, "eth_call", balance, at))
	}
	assert.Equal(t, new(big.Int).Add(one("0x0"), big.NewInt(1)), one("0x1"))
	for range keptStates {
		c.Advance(second)
	}
	for _, at := range []any{"earliest", "0x0"} {
		require.ErrorContains(t, askError(t, client, "eth_call", request, at), "not kept")
		require.ErrorContains(t, askError(t, client, "eth_estimateGas", request, at), "not kept")
		require.ErrorContains(t, askError(t, client, "eth_getTransactionCount", payer.addr, at), "not kept")
		require.ErrorContains(t, askError(t, client, "eth_getCode", payer.addr, at), "not kept")
	}
	for _, at := range []any{"0x999", common.Hash{5}} {
		require.ErrorContains(t, askError(t, client, "eth_call", request, at), "header not found")
	}
}

func TestEstimateGas(t *testing.T) {
	c := testChain(t)
	client := dial(t, c)
	open := reserveOpening(Descriptor{Payee: payee.addr, Token: PathUSD}, 10)
	request := func(more object) object {
		out := object{"from": payer.addr, "calls": []any{object{"to": open.To, "data": hexutil.Bytes(open.Data), "value": "0x"}}, "nonceKey": hexutil.EncodeBig(expiringNonceKey.Big()), "nonce": "0x0"}
		for k, v := range more {
			out[k] = v
		}
		return out
	}
	gas := uint64(ask[hexutil.Uint64](t, client, "eth_estimateGas", request(nil)))
	d := newDraft(c, open)
	_, err := c.SendRaw(d.with(fieldGas, rawUint(gas-1)).signed(payer.key))
	require.NoError(t, err)
	assert.Zero(t, c.Balance(PathUSD, ReserveAddress), "one less is too little")
	r, err := c.SendRaw(d.with(fieldGas, rawUint(gas)).signed(payer.key))
	require.NoError(t, err)
	assert.True(t, r.Success)
	assert.Equal(t, gas, r.GasUsed)

	gas = uint64(ask[hexutil.Uint64](t, client, "eth_estimateGas", request(nil)))
	assert.EqualValues(t, gas+gasP256, ask[hexutil.Uint64](t, client, "eth_estimateGas", request(object{"keyType": "p256"})))
	assert.EqualValues(t, gas+gasKeychain, ask[hexutil.Uint64](t, client, "eth_estimateGas", request(object{"keyId": delegate.addr})))
	assert.EqualValues(t, gas-gasExpiringNonce, ask[hexutil.Uint64](t, client, "eth_estimateGas", request(object{"nonceKey": "0x0"})))
	plain := object{"from": payer.addr, "to": open.To, "data": hexutil.Bytes(open.Data)}
	assert.EqualValues(t, gas-gasExpiringNonce, ask[hexutil.Uint64](t, client, "eth_estimateGas", plain))

	require.ErrorContains(t, askError(t, client, "eth_estimateGas", request(object{"gas": "0x1000"})), "exceeds allowance")
	bad := reserveOpening(Descriptor{Payee: payee.addr, Token: PathUSD}, 0)
	err = askError(t, client, "eth_estimateGas", object{"from": payer.addr, "to": bad.To, "data": hexutil.Bytes(bad.Data)})
	assert.Equal(t, 3, codeOf(t, err))

	// A small wallet: with a price and no limit, the node holds the fee of a whole block.
	poor := newParty(50)
	c.Mint(PathUSD, poor.addr, units(100_000))
	priced := object{"from": poor.addr, "maxFeePerGas": "0x4a817c800", "feeToken": PathUSD}
	require.ErrorContains(t, askError(t, client, "eth_estimateGas", request(priced)), "insufficient funds")
	priced["gas"] = hexutil.EncodeUint64(3_000_000)
	ask[hexutil.Uint64](t, client, "eth_estimateGas", request(priced))
	priced["gas"] = hexutil.EncodeUint64(5_000_000)
	err = askError(t, client, "eth_estimateGas", request(priced))
	assert.Equal(t, 3, codeOf(t, err), "the fee is there, but then not the deposit")
	priced["feePayer"] = true
	ask[hexutil.Uint64](t, client, "eth_estimateGas", request(priced))
	priced["feePayer"], priced["feePayerSignature"] = false, object{"r": "0x1"}
	ask[hexutil.Uint64](t, client, "eth_estimateGas", request(priced))
	gone := object{"from": payer.addr, "gasPrice": "0x4a817c800", "feeToken": payee.addr, "gas": "0x100000"}
	require.ErrorContains(t, askError(t, client, "eth_estimateGas", request(gone)), "not a token")
	require.NoError(t, c.CheckSupply())
}

func TestGetLogs(t *testing.T) {
	c := New(Config{MaxLogRange: 10})
	defer c.Close()
	c.Mint(PathUSD, payer.addr, units(100_000_000))
	client := dial(t, c)
	d := Descriptor{Payer: payer.addr, Payee: payee.addr, Token: PathUSD}
	var ids []common.Hash
	for i := range 3 {
		d.Salt = common.Hash{byte(i)}
		r := mustSend(t, c, payer, reserveOpening(d, 5))
		ids = append(ids, r.Logs[1].Topics[1])
		c.Advance(second)
	} // opened in blocks 1, 3 and 5; 6 is the newest
	logs := func(filter object) []common.Hash {
		out := []common.Hash{}
		for _, l := range ask[[]types.Log](t, client, "eth_getLogs", filter) {
			out = append(out, l.Topics[1])
		}
		return out
	}
	opened := []any{eventReserveOpened}
	assert.Equal(t, ids, logs(object{"fromBlock": "0x0", "toBlock": "latest", "address": ReserveAddress, "topics": opened}))
	assert.Equal(t, ids[1:2], logs(object{"fromBlock": "0x2", "toBlock": "0x4", "topics": opened}))
	assert.Equal(t, ids[2:], logs(object{"fromBlock": "0x4", "address": []any{ReserveAddress, PathUSD}, "topics": []any{[]any{eventReserveOpened, eventReserveClosed}}}))
	assert.Equal(t, ids[1:2], logs(object{"fromBlock": "earliest", "topics": []any{nil, ids[1]}}), "any first topic")
	assert.Equal(t, ids[:1], logs(object{"fromBlock": "earliest", "topics": []any{eventReserveOpened, ids[0], topic(payer.addr), topic(payee.addr)}}))
	assert.Empty(t, logs(object{"fromBlock": "earliest", "topics": []any{nil, nil, nil, nil, nil}}), "more topics than any log has")
	assert.Empty(t, logs(object{"address": ReserveAddress}), "only the newest block")
	assert.Empty(t, logs(object{"fromBlock": "0x7", "toBlock": "0x8"}), "blocks to come")
	assert.Equal(t, -32005, codeOf(t, askError(t, client, "eth_getLogs", object{"fromBlock": "0x0", "toBlock": "0xa"})))
	assert.Equal(t, -32602, codeOf(t, askError(t, client, "eth_getLogs", object{"fromBlock": "0x2", "toBlock": "0x1"})))
	assert.Equal(t, -32602, codeOf(t, askError(t, client, "eth_getLogs", object{"topics": "0x01"})))

	at := ask[object](t, client, "eth_getBlockByNumber", "0x3", false)["hash"]
	assert.Equal(t, ids[1:2], logs(object{"blockHash": at, "topics": opened}))
	assert.Equal(t, -32602, codeOf(t, askError(t, client, "eth_getLogs", object{"blockHash": at, "fromBlock": "0x1"})))
	assert.Equal(t, -32602, codeOf(t, askError(t, client, "eth_getLogs", object{"blockHash": common.Hash{1}})))
	one := ask[[]types.Log](t, client, "eth_getLogs", object{"blockHash": at, "address": ReserveAddress})
	require.Len(t, one, 1)
	assert.EqualValues(t, 3, one[0].BlockNumber)
	assert.EqualValues(t, 1, one[0].Index)
}

func TestBatchRequests(t *testing.T) {
	c := testChain(t)
	client := dial(t, c)
	var chainID, number hexutil.Uint64
	batch := []rpc.BatchElem{{Method: "eth_chainId", Result: &chainID}, {Method: "eth_blockNumber", Result: &number}, {Method: "eth_nonsense", Result: new(any)}}
	require.NoError(t, client.BatchCall(batch))
	assert.EqualValues(t, Moderato, chainID)
	require.NoError(t, batch[1].Error)
	require.Error(t, batch[2].Error)
}

func TestClosedChain(t *testing.T) {
	c := New(Config{})
	client := dial(t, c)
	c.Mint(PathUSD, payer.addr, voucher.Units(1))
	c.Close()
	require.Error(t, client.Call(new(any), "eth_chainId"))
	assert.Equal(t, voucher.Units(1), c.Balance(PathUSD, payer.addr))
}

func TestOnlyJSON(t *testing.T) {
	c := testChain(t)
	srv := httptest.NewServer(c.Handler())
	defer srv.Close()
	resp, err := srv.Client().Post(srv.URL, "text/plain", strings.NewReader("{}"))
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	assert.Equal(t, http.StatusUnsupportedMediaType, resp.StatusCode)
}
