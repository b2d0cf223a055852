package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// cells returns the words of the lines of a table.
func cells(text string) (all [][]string) {
	for line := range strings.Lines(text) {
		all = append(all, strings.Fields(line))
	}
	return all
}

// TestBalance: what the key holds of each token that the chain has, what is in channels, and what of that is owed.
func TestBalance(t *testing.T) {
	s := newShell(t, clienttest.Config{Funds: voucher.Units(5_000_000)})
	address := s.key.Address
	assert.Equal(t, [][]string{
		strings.Fields(address.Hex() + " on chain 42431 (Moderato, the testnet, or a demo)"),
		{"TOKEN", "BALANCE", "LOCKED", "OWED", "ADDRESS"},
		{"pathUSD", "5", "0", "0", s.srv.Token.Hex()},
	}, cells(s.ok("balance")))
	s.ok("/data")
	s.ok("/data")
	left := tokens(s.srv.Chain.Balance(address))
	rows := cells(s.process(nil, nil, "balance").stdout)
	require.Len(t, rows, 3)
	assert.Equal(t, []string{"pathUSD", left, "0.01", "0.0002", s.srv.Token.Hex()}, rows[2])

	var got struct {
		Address common.Address
		ChainID uint64
		Tokens  []holding
	}
	require.NoError(t, json.Unmarshal([]byte(s.ok("balance", "--json")), &got))
	assert.Equal(t, address, got.Address)
	assert.Equal(t, []holding{{
		s.srv.Token, "pathUSD", 6, s.srv.Chain.Balance(address), voucher.Units(10_000), voucher.Units(200),
	}}, got.Tokens)

	delete(s.env, "TALLY_KEY_FILE")
	e := s.run("balance", s.srv.Payee.Hex())
	assert.Equal(t, 0, e.code, e.stderr)
	assert.Contains(t, e.stdout, s.srv.Payee.Hex())
	assert.Contains(t, e.stderr, "1 more channels that hold money are of another key or chain")
	for _, one := range []struct {
		arg  string
		code int
		says string
	}{{"", exitKey, "tally key new"}, {"0x12", exitUsage, "not an address"}, {aKey, exitUsage, "move the money"}} {
		e := s.run(strings.Fields("balance " + one.arg)...)
		assert.Equal(t, one.code, e.code)
		assert.Contains(t, e.stderr, one.says)
		assert.NotContains(t, e.stderr, aKey)
	}
	delete(s.env, "TALLY_RPC_URL")
	assert.Equal(t, exitUsage, s.run("balance", address.Hex()).code)
}

// TestBalanceOfNamedTokens: a token that the policy names is shown with its symbol and its decimals, on its chain.
func TestBalanceOfNamedTokens(t *testing.T) {
	s, dir := newUser(t)
	s.env["TALLY_STORE"] = filepath.Join(dir, "store")
	s.env["TALLY_RPC_URL"] = answering(t, map[string]string{
		"eth_chainId": `"result":"0x2a"`, "eth_call": `"result":"0x` + strings.Repeat("0", 60) + `04d2"`,
	})
	assert.Len(t, cells(s.ok("balance", aAddress)), 2, "nothing is known of that chain")
	const token = "0x2222222222222222222222222222222222222222"
	s.policy("[limits]\nprice = '1'\n[asset.'" + token + "']\nchain = 42\nsymbol = 'EUR'\ndecimals = 2\nprice = '1'\ndeposit = '5'\n")
	assert.Equal(t, []string{"EUR", "12.34", "0", "0", token}, cells(s.ok("balance", aAddress))[2])
	assert.Contains(t, s.ok("balance", "--json", aAddress), `"symbol": "EUR",
      "decimals": 2,
      "balance": "1234",`)
	s.env["TALLY_POLICY"] += ".not-there"
	assert.Equal(t, exitRead, s.run("balance", aAddress).code)
}

// answering is a node that answers each method with a fixed result.
func answering(t *testing.T, answers map[string]string) (url string) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var call struct{ Method string }
		assert.NoError(t, json.NewDecoder(r.Body).Decode(&call))
		text, ok := answers[call.Method]
		if !ok {
			text = `"error":{"code":-32601,"message":"no such method\u001b[2J"}`
		}
		fmt.Fprintf(w, `{"jsonrpc":"2.0","id":1,%s}`, text)
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

// TestNodeThatLies or fails gives an error that a person can use, and nothing steers the terminal.
func TestNodeThatLies(t *testing.T) {
	s, dir := newUser(t)
	s.env["TALLY_STORE"] = filepath.Join(dir, "store")
	const testnet = `"result":"0xa5bf"`
	for _, one := range []struct {
		balance, says string
		code          int
	}{
		{`"result":"0x"`, "", 0},
		{`"result":"0x12"`, "answers no balance", exitReceive},
		{`"result":"0x` + strings.Repeat("f", 64) + `"`, "", exitReceive},
		{`"result":7`, "cannot be read", exitBusy},
		{`"error":{"code":1,"message":"\u001b[2Jno\nway"}`, `the node refuses: \u001b[2Jno\u000away (1)`, exitReceive},
		{`no`, "not JSON-RPC (HTTP status 200)", exitBusy},
	} {
		s.env["TALLY_RPC_URL"] = answering(t, map[string]string{"eth_chainId": testnet, "eth_call": one.balance})
		e := s.run("balance", aAddress)
		assert.Equal(t, one.code, e.code, "%s: %s", one.balance, e.stderr)
		assert.Contains(t, e.stderr, one.says)
		tame(t, e.stderr)
	}
	moved := httptest.NewServer(http.RedirectHandler(s.env["TALLY_RPC_URL"], http.StatusTemporaryRedirect))
	t.Cleanup(moved.Close)
	s.env["TALLY_RPC_URL"] = moved.URL
	assert.Equal(t, exitBusy, s.run("balance", aAddress).code, "a redirect is not followed")
	down := httptest.NewServer(http.NotFoundHandler())
	down.Close()
	s.env["TALLY_RPC_URL"] = down.URL + "/secret"
	e := s.run("balance", aAddress)
	assert.Equal(t, exitBusy, e.code, e.stderr)
	assert.NotContains(t, e.stderr, "secret")
	s.env["TALLY_RPC_URL"] += " " + answering(t, map[string]string{"eth_chainId": testnet, "eth_call": `"result":"0x"`})
	assert.Equal(t, 0, s.run("balance", aAddress).code, "another node answers")
	s.env["TALLY_RPC_URL"] = "http://127.0.0.1:1,http://127.0.0.1:2"
	e = s.run("balance", aAddress)
	assert.Equal(t, exitUsage, e.code)
	assert.Contains(t, e.stderr, "spaces between them in TALLY_RPC_URL")
}

// TestFund: the faucet of the testnet and of the demo is asked for play money, and no other chain for any.
func TestFund(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	node := httptest.NewServer(faucet{srv.Chain, srv.Node.Handler()})
	t.Cleanup(node.Close)
	s, dir := newUser(t)
	s.env["TALLY_STORE"], s.env["TALLY_KEY"] = filepath.Join(dir, "store"), aKey
	s.env["TALLY_RPC_URL"] = node.URL
	e := s.process(nil, nil, "fund")
	assert.Equal(t, 0, e.code, e.stderr)
	assert.Equal(t, aAddress+" has 100 pathUSD now\n", e.stdout)
	delete(s.env, "TALLY_KEY")
	assert.Equal(t, aAddress+" has 200 pathUSD now\n", s.ok("fund", aAddress))
	for _, one := range []struct {
		answers map[string]string
		code    int
		says    string
	}{
		{map[string]string{"eth_chainId": `"result":"0x1079"`}, exitRefused, "real money, which no faucet gives"},
		{map[string]string{"eth_chainId": `"result":"0x1"`}, exitRefused, "chain 1 has no faucet that tally knows"},
		{map[string]string{
			"eth_chainId": `"result":"0xa5bf"`, "eth_call": `"result":"0x"`,
		}, exitRefused, "ask the public one"},
		{map[string]string{
			"eth_chainId": `"result":"0xa5bf"`, "eth_call": `"result":"0x"`,
			"tempo_fundAddress": `"error":{"code":5,"message":"slow down"}`,
		}, exitBusy, "the faucet gives nothing now: the node refuses: slow down (5)"},
	} {
		s.env["TALLY_RPC_URL"] = answering(t, one.answers)
		e := s.run("fund", aAddress)
		assert.Equal(t, one.code, e.code, e.stderr)
		assert.Contains(t, e.stderr, one.says)
	}
	s.env["TALLY_RPC_URL"] = srv.RPCURL
	assert.Equal(t, exitRefused, s.run("fund", aAddress).code, "a node without a faucet")
}
