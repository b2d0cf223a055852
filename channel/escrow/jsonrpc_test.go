package escrow_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// write makes the node answer everything with the text.
func (n *node) write(text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.before = func(w http.ResponseWriter, _ []byte) bool {
		_, _ = io.WriteString(w, text)
		return true
	}
}

// TestAnswerToOneCall: a result counts if it has the id of the call; a refusal counts with any id.
func TestAnswerToOneCall(t *testing.T) {
	n := newNode(t)
	for name, c := range map[string]struct{ text, err string }{
		"a result":             {`{"jsonrpc":"2.0","id":1,"result":"0xa5bf"}`, ""},
		"no error, by null":    {`{"jsonrpc":"2.0","id":1,"result":"0xa5bf","error":null}`, ""},
		"no version":           {` {"id":1,"result":"0xa5bf"} `, ""},
		"of another call":      {`{"jsonrpc":"2.0","id":2,"result":"0xa5bf"}`, "did not answer"},
		"the id as a string":   {`{"jsonrpc":"2.0","id":"1","result":"0xa5bf"}`, "did not answer"},
		"no id":                {`{"jsonrpc":"2.0","result":"0xa5bf"}`, "did not answer"},
		"nothing in it":        {`{"jsonrpc":"2.0","id":1}`, "neither a result nor an error"},
		"result and error":     {`{"id":1,"result":"0xa5bf","error":{"code":1,"message":"no"}}`, "eth_chainId: no"},
		"an error":             {`{"id":1,"error":{"code":1,"message":"no"}}`, "eth_chainId: no"},
		"an error without id":  {`{"id":null,"error":{"code":1,"message":"no"}}`, "eth_chainId: no"},
		"an error that is odd": {`{"id":1,"error":"no"}`, "JSON-RPC error 0"},
		"a code that is odd":   {`{"id":1,"error":{"code":"1","message":"no"}}`, "eth_chainId: no"},
		"a result that is odd": {`{"id":1,"result":{"a":1}}`, "eth_chainId: json"},
		"a list":               {`[{"id":1,"result":"0xa5bf"}]`, "cannot unmarshal array"},
		"two answers":          {`{"id":1,"result":"0xa5bf"}{"id":1,"result":"0x1"}`, "after top-level value"},
		"half an answer":       {`{"id":1,"result":"0xa5`, "unexpected end"},
		"nothing":              {``, "unexpected end"},
	} {
		n.write(c.text)
		id, err := dial(t, n.URL).ChainID(soon(t))
		if c.err == "" {
			require.NoError(t, err, name)
			assert.Equal(t, escrow.Moderato, id, name)
			continue
		}
		require.ErrorIs(t, err, escrow.ErrRPC, name)
		require.ErrorContains(t, err, c.err, name)
	}
}

// TestAnswersToABatch: answers belong to calls by their ids, in any order, and each call needs one.
func TestAnswersToABatch(t *testing.T) {
	n := newNode(t)
	chain, balance := `{"id":1,"result":"0xa5bf"}`, fmt.Sprintf(`{"id":2,"result":"0x%064x"}`, 7)
	for name, c := range map[string]struct{ text, err string }{
		"in order":        {"[" + chain + "," + balance + "]", ""},
		"reversed":        {"[" + balance + "," + chain + "]", ""},
		"with others":     {`[null,{"id":9,"result":1},{"id":null,"error":{}},` + chain + "," + balance + "]", ""},
		"the first twice": {"[" + chain + "," + balance + `,{"id":1,"result":"0x1"}]`, ""},
		"one is missing":  {"[" + chain + "]", "eth_call: the node did not answer"},
		"all are missing": {"[]", "eth_chainId: the node did not answer"},
		"one is refused":  {"[" + chain + `,{"id":2,"error":{"code":-1,"message":"no"}}]`, "eth_call: no"},
		"a lone error":    {`{"id":null,"error":{"code":-32600,"message":"no\nbatches"}}`, "batch: the node refuses the batch: no batches"},
		"a lone answer":   {chain, "cannot unmarshal object"},
		"no list of it":   {`[1,2]`, "cannot unmarshal number"},
	} {
		n.write(c.text)
		amount, err := dial(t, n.URL).TokenBalance(soon(t), escrow.PathUSD, common.Address{1})
		if c.err == "" {
			require.NoError(t, err, name)
			assert.Equal(t, voucher.Units(7), amount, name)
			continue
		}
		require.ErrorIs(t, err, escrow.ErrRPC, name)
		require.ErrorContains(t, err, c.err, name)
	}
}

// TestRequestsOnTheWire: one call is an object and several are a list, each with an id of its own.
func TestRequestsOnTheWire(t *testing.T) {
	n := newNode(t)
	c := dial(t, strings.Replace(n.URL, "//", "//user:hunter2@", 1)+"/path?key=1")
	var seen []string
	n.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		seen = append(seen, strings.Join([]string{
			r.Method, r.URL.String(), r.Header.Get("Accept"), r.Header.Get("Content-Type"), user, password,
		}, " "))
		n.ServeHTTP(w, r)
	})
	_, err := c.ChainID(soon(t))
	require.NoError(t, err)
	_, err = c.TokenBalance(soon(t), escrow.PathUSD, common.Address{})
	require.NoError(t, err)
	require.ErrorIs(t, c.GasPrice(soon(t), 1), escrow.ErrChainID)
	assert.Equal(t, "POST /path?key=1 application/json application/json user hunter2", seen[0])
	require.Len(t, n.bodies, 3)
	assert.JSONEq(t, `{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}`, n.bodies[0])
	assert.JSONEq(t, `{"jsonrpc":"2.0","id":2,"method":"eth_call","params":[{
		"data":"0x70a08231`+strings.Repeat("0", 64)+`","to":"0x20c0000000000000000000000000000000000000"},"latest"]}`, n.bodies[1])
	assert.JSONEq(t, `[{"jsonrpc":"2.0","id":3,"method":"eth_chainId"},{"jsonrpc":"2.0","id":4,"method":"eth_gasPrice"}]`, n.bodies[2])
}

// TestNothingRemainsOfAnotherNode: what one node answered before it failed is not taken for the answer of the next.
func TestNothingRemainsOfAnotherNode(t *testing.T) {
	a, b := newNode(t), newNode(t)
	a.say("eth_gasPrice", &jsonError{Code: 429, Message: "too many"})
	b.answer("eth_getBlockByNumber", func(question) any { return nil })
	c := dial(t, a.URL, escrow.WithNodes(b.URL))
	_, err := c.PrepareOpen(soon(t), openParams(t))
	require.ErrorIs(t, err, escrow.ErrRPC)
	require.ErrorContains(t, err, "no newest block")
	b.say("eth_getBlockByNumber", map[string]any{"timestamp": hexutil.Uint64(blockTime)})
	_, err = c.PrepareOpen(soon(t), openParams(t))
	require.NoError(t, err)
}
