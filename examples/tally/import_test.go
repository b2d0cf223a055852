package main

import (
	"database/sql"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store/filestore"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// states are the records of the store.
func (s *shell) states() (all []rule.State) {
	s.t.Helper()
	files, err := filestore.Open(s.env["TALLY_STORE"])
	require.NoError(s.t, err)
	for e, err := range files.List(s.t.Context(), "channel/") {
		require.NoError(s.t, err)
		st, err := rule.Decode(e.Data)
		require.NoError(s.t, err)
		all = append(all, st)
	}
	return all
}

// foreign writes channels as another client has them, and gives this one an empty store.
func (s *shell) foreign(path string, all []rule.State, change func(values map[string]any)) string {
	s.t.Helper()
	file := filepath.Join(s.t.TempDir(), "channels.db")
	db, err := sql.Open("sqlite3", "file:"+file)
	require.NoError(s.t, err)
	defer db.Close()
	schema, err := os.ReadFile("../../store/channelsdb/testdata/schema.sql")
	require.NoError(s.t, err)
	_, err = db.Exec(string(schema))
	require.NoError(s.t, err)
	for i, st := range all {
		d, low := st.Descriptor, func(a common.Address) string { return strings.ToLower(a.Hex()) }
		values := map[string]any{
			"channel_id": st.ID.Hex(), "version": 2, "origin": s.srv.URL, "request_url": s.srv.URL + path + "?token=secret", "chain_id": st.ChainID,
			"escrow_contract": low(st.Escrow), "token": low(d.Token), "payee": low(d.Payee), "payer": low(d.Payer), "authorized_signer": low(d.AuthorizedSigner),
			"salt": d.Salt.Hex(), "deposit": st.Deposit.String(), "cumulative_amount": st.Signed.String(), "challenge_echo": "{}", "created_at": 1, "last_used_at": 100 - i,
			"session_protocol": st.Protocol.String(),
		}
		if st.Protocol == voucher.V1 {
			values["request_url"] = s.srv.URL + "/v1/data"
		} else {
			values["descriptor_json"] = fmt.Sprintf(`{"payer":%q,"payee":%q,"operator":%q,"token":%q,"salt":%q,"authorizedSigner":%q,"expiringNonceHash":%q}`,
				low(d.Payer), low(d.Payee), low(d.Operator), low(d.Token), d.Salt.Hex(), low(d.AuthorizedSigner), d.ExpiringNonceHash.Hex())
		}
		if change != nil {
			change(values)
		}
		var names, marks []string
		var args []any
		for name, value := range values {
			names, marks, args = append(names, name), append(marks, "?"), append(args, value)
		}
		_, err = db.Exec("INSERT INTO channels ("+strings.Join(names, ",")+") VALUES ("+strings.Join(marks, ",")+")", args...)
		require.NoError(s.t, err)
	}
	s.env["TALLY_STORE"] = filepath.Join(s.t.TempDir(), "fresh")
	here, err := os.Getwd()
	require.NoError(s.t, err)
	file, err = filepath.Rel(here, file) // an argument with a slash in front is a path of the server
	require.NoError(s.t, err)
	return file
}

// TestImport takes over what another client has, at a server that shows our own voucher.
func TestImport(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	for range 5 {
		s.ok("/hinted")
	}
	s.ok("/v1/data")
	file := s.foreign("/hinted", s.states(), nil)
	before, err := os.ReadFile(file)
	require.NoError(t, err)
	money := s.srv.Chain.Balance(s.key.Address)
	out := s.ok("import", file)
	assert.Contains(t, out, " imported: 0.01 pathUSD deposited, 0.0005 pathUSD signed as far as is proved\n", "the v2 channel")
	assert.Contains(t, out, " imported: 0.01 pathUSD deposited, 0 pathUSD signed as far as is proved; the other client says 0.0001 pathUSD: if the server refuses, import again with --agree 0.0001\n", "the v1 channel")
	after, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, before, after)
	s.ok("/hinted")
	s.ok("import", "--agree", "0.0001", file)
	s.ok("/v1/data")
	assert.Equal(t, money, s.srv.Chain.Balance(s.key.Address), "nothing was opened")
	assert.NotContains(t, s.ok("channels", "--json")+s.ok("ledger", "--json"), "secret")
	spent := map[voucher.Protocol]string{}
	for _, a := range s.srv.Accounts() {
		spent[a.Protocol] = a.Spent.String()
	}
	assert.Equal(t, map[voucher.Protocol]string{voucher.V2: "600", voucher.V1: "200"}, spent)
	assert.Equal(t, 2, strings.Count(s.ok("import", file), "is here already, open"))
	s.ok("ledger", "--check")
	s.ok("close", "--all")
}

// TestImportWithoutAWord: a server that shows nothing refuses until the owner says how much was signed, and nothing is
// signed that the owner did not say.
func TestImportWithoutAWord(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	for range 5 {
		s.ok("/data")
	}
	file := s.foreign("/data", s.states(), nil)
	assert.Contains(t, s.ok("import", file), "0 pathUSD signed as far as is proved; the other client says 0.0005 pathUSD: if the server refuses, import again with --agree 0.0005\n")
	e := s.run("/data")
	assert.Equal(t, exitRejected, e.code, e.stderr)
	assert.False(t, voucher.Units(500).Less(s.states()[0].Authorized()), "the other client's number raised nothing")
	e = s.run("import", "--agree", "0.0003", file)
	assert.Contains(t, e.stdout, "import again with --agree 0.0005\n", "not that much")
	assert.Contains(t, s.ok("import", "--agree", "0.0005", file), "; agreed to 0.0005 pathUSD\n")
	s.ok("/data")
	s.ok("/data")
	s.ok("ledger", "--check")
	assert.Equal(t, voucher.Units(700), s.srv.Accounts()[0].Spent)
}

// TestImportLeaves what is not ours, not there any more, or in the way.
func TestImportLeaves(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	s.ok("/data")
	all := s.states()
	for name, one := range map[string]struct {
		column string
		value  any
		says   string
	}{
		"another payer":   {"", "0x2903ffd0a0bf4d4d192e0ff7a77f3a09ded299a5", "wanted"},
		"another chain":   {"chain_id", 1, "it is on chain 1"},
		"another id":      {"channel_id", common.Hash{1}.Hex(), "does not hash to its id"},
		"another escrow":  {"escrow_contract", "0x00000000000000000000000000000000000000aa", "does not hash to its id"},
		"too much signed": {"cumulative_amount", "10001", "more is signed than deposited"},
		"no server":       {"origin", "file:///etc", "names no server"},
		"another server":  {"request_url", "https://elsewhere.example/data", "imported"},
	} {
		t.Run(name, func(t *testing.T) {
			store := s.env["TALLY_STORE"]
			defer func() { s.env["TALLY_STORE"] = store }()
			file := s.foreign("/data", all, func(v map[string]any) {
				if one.column != "" {
					v[one.column] = one.value
				}
			})
			if one.column == "" {
				key := s.srv.Payer()
				path := filepath.Join(t.TempDir(), "other.hex")
				require.NoError(t, os.WriteFile(path, []byte(key.Hex), 0o600))
				assert.Contains(t, s.ok("import", "--key-file", path, file), one.says)
			} else {
				assert.Contains(t, s.ok("import", file), one.says)
			}
			for _, st := range s.states() {
				assert.Equal(t, s.srv.URL, st.Scope.Origin)
			}
		})
	}
	// A channel of ours is used there.
	file := s.foreign("/data", all, nil)
	s.ok("/data")
	assert.Contains(t, s.ok("import", file), "is used there; close that first")
	// It is closed by now, and its server is gone.
	s.ok("close", "--all")
	s.env["TALLY_STORE"] = filepath.Join(t.TempDir(), "another")
	s.srv.OnRequest(func(clienttest.Request) clienttest.Fault {
		return clienttest.Fault{Refuse: http.StatusServiceUnavailable}
	})
	assert.Contains(t, s.ok("import", file), "its server could not be asked (")
	e := s.run("import", "none.db")
	assert.Equal(t, exitRead, e.code)
	delete(s.env, "TALLY_RPC_URL")
	e = s.run("import", file)
	assert.Equal(t, exitUsage, e.code)
}

// TestImportBehindAGateway: the server's gateway wants a key with each request, and an import has none of
// its own. The key goes to one origin, and is neither stored nor shown.
func TestImportBehindAGateway(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	const key = "gateway-secret-7f3a"
	for range 3 {
		s.ok("/hinted")
	}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Api-Key") != key {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		s.srv.Handler().ServeHTTP(w, r)
	}))
	defer front.Close()
	behind := func(values map[string]any) { values["origin"], values["request_url"] = front.URL, front.URL+"/hinted" }
	all := s.states()
	file := s.foreign("/hinted", all, behind)
	out := s.ok("import", file)
	assert.Contains(t, out, "imported, but its server could not be asked (")
	assert.Contains(t, out, "0 pathUSD signed as far as is proved")

	file = s.foreign("/hinted", all, behind)
	out = s.ok("import", "-H", "X-Api-Key: "+key, file)
	assert.Contains(t, out, " imported: 0.01 pathUSD deposited, 0.0003 pathUSD signed as far as is proved\n")
	assert.NotContains(t, out+s.ok("channels", "--json")+s.ok("ledger", "--json"), key)

	file = s.foreign("/hinted", all, behind)
	assert.Empty(t, s.ok("import", "--origin", s.srv.URL, file), "another origin")
	assert.Contains(t, s.ok("import", "--origin", front.URL, "-H", "X-Api-Key: "+key, file), "0.0003 pathUSD signed")

	s.ok("/v1/data")
	both := s.states()
	require.Len(t, both, 2)
	for _, one := range []struct {
		args []string
		says string
	}{
		{[]string{"-H", "nonsense"}, "it is not \"Name: value\""},
		{[]string{"--origin", "nonsense"}, "--origin: "},
	} {
		e := s.run(append(append([]string{"import"}, one.args...), file)...)
		assert.Equal(t, exitUsage, e.code)
		assert.Contains(t, e.stderr, one.says)
	}
	i := 0
	file = s.foreign("/hinted", both, func(values map[string]any) {
		if i++; i > 1 {
			behind(values)
		}
	})
	e := s.run("import", "-H", "X-Api-Key: "+key, file)
	assert.Equal(t, exitUsage, e.code)
	assert.Contains(t, e.stderr, "choose one with --origin")
	assert.Empty(t, e.stdout, "nothing was imported")
}
