package main

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store/filestore"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

func TestChannels(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	assert.Equal(t, "[]\n", s.ok("channels", "--json"))
	s.ok("/data")
	s.ok("/v1/data")
	lines := strings.Split(strings.TrimSpace(s.ok("channels")), "\n")
	require.Len(t, lines, 3)
	assert.Equal(t, []string{"CHANNEL", "PHASE", "ORIGIN", "DEPOSIT", "USED", "SPENT", "SIGNED", "SETTLED", "TOKEN", "FEES"}, strings.Fields(lines[0]))
	for _, line := range lines[1:] {
		assert.Equal(t, []string{"open", s.srv.URL, "0.01", "0.0001", "0.0001", "0.0001", "0", "pathUSD", "-"}, strings.Fields(line)[1:])
	}
	var rows []map[string]any
	require.NoError(t, json.Unmarshal([]byte(s.ok("channels", "--json")), &rows))
	require.Len(t, rows, 2)
	for _, account := range s.srv.Accounts() {
		row := rows[0]
		if row["channelId"] != account.ChannelID.Hex() {
			row = rows[1]
		}
		assert.Equal(t, account.ChannelID.Hex(), row["channelId"])
		assert.Equal(t, account.Protocol.String(), row["protocol"])
		assert.Equal(t, "10000", row["deposit"])
		assert.Equal(t, "100", row["spent"])
	}

	// A damaged record does not hide the others.
	damaged, err := filepath.Glob(filepath.Join(s.env["TALLY_STORE"], "channel="+rows[0]["channelId"].(string)+".*"))
	require.NoError(t, err)
	require.Len(t, damaged, 1)
	require.NoError(t, os.WriteFile(damaged[0], []byte("tide"), 0o600))
	e := s.run("channels")
	assert.Equal(t, exitState, e.code)
	assert.Contains(t, e.stdout, rows[1]["channelId"].(string)[:10])
	assert.NotContains(t, e.stdout, rows[0]["channelId"].(string)[:10])
	assert.Contains(t, e.stderr, rows[0]["channelId"].(string))
}

func TestCloseChooses(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	s.ok("/data")
	s.ok("/v1/data")
	for _, one := range []struct {
		args []string
		says string
	}{
		{nil, "2 channels fit"},
		{[]string{"0x"}, "2 channels fit"},
		{[]string{"0x12ab", "--all"}, "not both"},
		{[]string{"nothing"}, "no channel that holds money begins with"},
		{[]string{"--force", "--withdraw", "--all"}, "two steps"},
		{[]string{"a", "b"}, "--help"},
	} {
		e := s.run(append([]string{"close"}, one.args...)...)
		assert.Equal(t, exitUsage, e.code)
		assert.Contains(t, e.stderr, one.says)
	}
	key := s.env["TALLY_KEY_FILE"]
	delete(s.env, "TALLY_KEY_FILE")
	e := s.run("close", "--all")
	assert.Equal(t, exitKey, e.code)
	assert.Contains(t, e.stderr, "set --key-file")
	s.env["TALLY_KEY_FILE"] = key
	assert.Equal(t, 2, strings.Count(s.ok("close", "--all"), "closed: 0.0001 pathUSD paid, 0.0099 pathUSD back"))
	assert.Empty(t, s.ok("close", "--all"))
	for _, account := range s.srv.Accounts() {
		assert.True(t, account.Finalized)
	}
}

// TestCloseIdle closes the channels that nothing was paid from for a time.
func TestCloseIdle(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	e := s.run("/data")
	assert.Contains(t, e.stderr, "0.0099 pathUSD stays in it: tally close "+s.srv.Accounts()[0].ChannelID.Hex()[:10]+" brings it back")
	files, err := filestore.Open(s.env["TALLY_STORE"])
	require.NoError(t, err)
	key := rule.StateKey(s.srv.Accounts()[0].ChannelID)
	data, rev, err := files.Get(t.Context(), key)
	require.NoError(t, err)
	year := regexp.MustCompile(`"createdAt":"20\d\d-`)
	require.Regexp(t, year, string(data))
	marks := regexp.MustCompile(`"history":\[\[\d+,`)
	require.Regexp(t, marks, string(data))
	aged := marks.ReplaceAllString(year.ReplaceAllString(string(data), `"createdAt":"2001-`), `"history":[[1000000000,`)
	_, err = files.Put(t.Context(), key, []byte(aged), rev)
	require.NoError(t, errors.Join(err, files.Close()))
	s.ok("/v1/data")
	assert.Equal(t, exitUsage, s.run("close", "--idle", "1h", "0x12ab").code)
	assert.Equal(t, exitUsage, s.run("close", "--idle", "-1h").code)
	assert.Equal(t, 1, strings.Count(s.ok("close", "--idle", "1h"), "closed: 0.0001 pathUSD paid, 0.0099 pathUSD back"))
	assert.Empty(t, s.ok("close", "--idle", "1h"))
}

// TestCloseWithoutThePayee gets the money back from a payee that does not answer.
func TestCloseWithoutThePayee(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	s.ok("/data")
	id := s.srv.Accounts()[0].ChannelID
	s.srv.OnRequest(func(r clienttest.Request) clienttest.Fault {
		return clienttest.Fault{Refuse: http.StatusServiceUnavailable}
	})
	e := s.run("close")
	assert.Equal(t, exitRejected, e.code, e.stderr)
	assert.Contains(t, s.ok("channels"), "open")

	assert.Contains(t, s.ok("close", "--force"), "close requested: run tally close "+id.Hex()[:10]+" --withdraw after ")
	assert.Contains(t, s.ok("channels"), "close requested")
	e = s.run("close", "--withdraw")
	assert.Equal(t, exitRejected, e.code, "too early")
	before := s.srv.Chain.Balance(s.key.Address)
	s.srv.Chain.Advance(15 * time.Minute)
	assert.Contains(t, s.ok("close", "--withdraw", "-v"), "closed: what the payee did not take of 0.01 pathUSD is back")
	assert.False(t, s.srv.Chain.Channel(id).Exists)
	back := s.srv.Chain.Balance(s.key.Address).SubFloor(before)
	assert.False(t, back.Less(voucher.Units(5000)), "the deposit less a fee: %s", back)
}

// TestCloseBehindAGateway: the payee's gateway wants a key with each request, and a close has none of
// its own. The key goes to one origin, and is neither stored nor shown.
func TestCloseBehindAGateway(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	const key = "gateway-secret-7f3a"
	paid := s.srv.Paid(clienttest.Terms{Price: voucher.Units(100), Deposit: voucher.Units(1000)}, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok")) }))
	var seen [2]atomic.Int64
	var url [2]string
	for i := range url {
		front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("X-Api-Key") != key {
				http.Error(w, "no key", http.StatusUnauthorized)
				return
			}
			seen[i].Add(1)
			paid.ServeHTTP(w, r)
		}))
		defer front.Close()
		url[i] = front.URL
		s.ok("-H", "X-Api-Key: "+key, front.URL+"/v1/a%2Fb")
	}
	s.ok("/data")
	for _, args := range [][]string{{"--force", "0x"}, {"--all", "--withdraw"}} {
		assert.Equal(t, exitUsage, s.run(append([]string{"close", "-H", "X-Api-Key: " + key}, args...)...).code)
	}
	e := s.run("close", "--all", "-H", "X-Api-Key: "+key)
	assert.Equal(t, exitUsage, e.code)
	assert.Contains(t, e.stderr, "choose one with --origin")
	assert.Equal(t, exitUsage, s.run("close", "--all", "-H", "no colon").code)
	assert.Equal(t, exitUsage, s.run("close", "--all", "--origin", "nowhere").code)
	for i := range seen {
		seen[i].Store(0)
	}
	e = s.run("close", "-v", "--all", "--origin", url[0], "-H", "x-api-key: "+key, "-H", "Content-Type: text/plain")
	require.Equal(t, 0, e.code, e.stderr)
	assert.Equal(t, 1, strings.Count(e.stdout, "closed: 0.0001 pathUSD paid, 0.0009 pathUSD back"))
	assert.NotContains(t, e.stdout+e.stderr, key)
	assert.NotZero(t, seen[0].Load())
	assert.Zero(t, seen[1].Load())

	assert.Equal(t, exitRejected, s.run("close", "--origin", url[1]).code, "without the key")
	s.ok("close", "--origin", url[1], "-H", "X-Api-Key: "+key)
	s.ok("close")
	for _, account := range s.srv.Accounts() {
		assert.True(t, account.Finalized)
	}
	require.NoError(t, filepath.WalkDir(s.env["TALLY_STORE"], func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		assert.NotContains(t, string(data), key, path)
		return err
	}))
}

// TestCloseAllRunsSideBySide: a payee that answers no close holds up no other, and what became of each
// channel is printed in the order of tally channels.
func TestCloseAllRunsSideBySide(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	paid := s.srv.Paid(clienttest.Terms{Price: voucher.Units(100), Deposit: voucher.Units(1000)}, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok")) }))
	const fronts = 6
	var closing atomic.Bool
	var here sync.WaitGroup // all closes
	here.Add(fronts)
	for range fronts {
		var once sync.Once
		front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if closing.Load() {
				once.Do(here.Done)
				here.Wait() // each waits for all others
			}
			paid.ServeHTTP(w, r)
		}))
		defer front.Close()
		s.ok(front.URL)
	}
	var ids []string
	for line := range strings.Lines(s.ok("channels")) {
		if id, _, ok := strings.Cut(line, " "); ok && strings.HasPrefix(id, "0x") {
			ids = append(ids, id)
		}
	}
	closing.Store(true)
	var got []string
	for line := range strings.Lines(s.ok("close", "--all", "-v")) {
		id, rest, _ := strings.Cut(line, " ")
		assert.Equal(t, "closed: 0.0001 pathUSD paid, 0.0009 pathUSD back\n", rest)
		got = append(got, id)
	}
	assert.Equal(t, ids, got)
}
