package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// TestWhatTheProcessSays when it is used in the wrong way, or has nothing to do.
func TestWhatTheProcessSays(t *testing.T) {
	s := newShell(t, clienttest.Config{WallClock: true})
	hanging, err := net.Listen("tcp", "127.0.0.1:0") // it takes connections, and never answers
	require.NoError(t, err)
	defer hanging.Close()
	file := filepath.Join(t.TempDir(), "config")
	require.NoError(t, os.WriteFile(file, []byte("silent\nmax-pirce = 1\n"), 0o600))
	for _, one := range []struct {
		args   string
		code   int
		stderr string
		never  string
	}{
		{"-m 0.05 http://" + hanging.Addr().String(), exitTimeout, "--max-time: 0.05 seconds are over\n", "deadline"},
		{"-m much http://127.0.0.1:1", exitUsage, "--max-time", ""},
		{"quote", exitUsage, "tally: write tally quote URL (nothing was given); see tally quote --help\n", ""},
		{"quote a b", exitUsage, "write tally quote URL (2 arguments were given)", ""},
		{"", exitUsage, "tally: write tally URL (nothing was given); see tally --help\n", ""},
		{"-K " + file + " http://127.0.0.1:1", exitUsage, "tally: --config: " + file + ":2: there is no flag \"max-pirce\"; did you mean --max-price?\n", ""},
		{"--retry x http://127.0.0.1:1", exitUsage, "tally: --retry: write a whole number\n", "strconv"},
		{"close", 0, "tally: there is nothing to close: no channel holds money\n", ""},
		{
			"close --idle 1h --origin https://a.example", 0,
			"no channel of https://a.example:443 that nothing was paid from for 1h0m0s holds money\n", "",
		},
	} {
		e := s.process(nil, nil, strings.Fields(one.args)...)
		assert.Equal(t, one.code, e.code, one.args)
		assert.Contains(t, e.stderr, one.stderr)
		if one.never != "" {
			assert.NotContains(t, e.stderr, one.never)
		}
		assert.Empty(t, e.stdout)
	}
	e := s.process(nil, nil, "doctor", "--max-stream", "0.02")
	assert.Contains(t, e.stdout, "0.1 dollars a channel, 0.02 dollars a stream, by TALLY_MAX_PRICE, TALLY_MAX_DEPOSIT, --max-stream\n")

	assert.Contains(t, s.process(nil, nil, "--help").stdout, "\n  110  refused by our limits")
	for _, command := range []string{"quote", "close", "channels sync"} {
		e := s.process(nil, nil, append(strings.Fields(command), "--help")...)
		assert.NotContains(t, e.stdout, "  110  ")
		assert.Contains(t, e.stdout, "Exit statuses: see tally --help.\n")
	}
}

// TestSmallDepositsAreNoted once, also without -v.
func TestSmallDepositsAreNoted(t *testing.T) {
	s := newShell(t, clienttest.Config{BaseFee: 20_000_000_000})
	delete(s.env, "TALLY_FUND_AS_NEEDED")
	for _, name := range []string{"MAX_DEPOSIT", "MAX_FEE", "FEES_PER_MONTH"} {
		s.env["TALLY_"+name] = "0.03" // the deposit shares it with the fee
	}
	for _, flags := range [][]string{nil, {"-v"}, {"-s"}} {
		s.env["TALLY_STORE"] = filepath.Join(t.TempDir(), "store")
		e := s.process(nil, nil, append(flags, s.srv.URL+"/data?price=1000")...)
		require.Equal(t, 0, e.code, e.stderr)
		want := 1
		if len(flags) > 0 && flags[0] == "-s" {
			want = 0
		}
		assert.Equal(t, want, strings.Count(e.stderr, "fees are about 1%"), e.stderr)
		assert.Equal(t, flags == nil, strings.Contains(e.stderr, "tally: note: the limits allow a deposit of 0.0"), e.stderr)
	}
}

// TestNoPasswordInURLs that --write-out writes.
func TestNoPasswordInURLs(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	s.srv.Handle("/away", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "http://me:horse@127.0.0.1:1/b@c")
		w.WriteHeader(http.StatusFound)
	}))
	at := strings.TrimPrefix(s.srv.URL, "http://") + "/away?a=b@c"
	e := s.process(nil, nil, "-o", filepath.Join(t.TempDir(), "body"), "-w", "%{url} %{url_effective} %{redirect_url}", "http://me:horse@"+at)
	assert.Equal(t, 0, e.code, e.stderr)
	assert.Equal(t, fmt.Sprintf("http://%s http://%[1]s http://127.0.0.1:1/b@c", at), e.stdout)
	for text, want := range map[string]string{
		"a:b@h/p@q": "h/p@q", "h?x@y": "h?x@y", "https://u@h": "https://h", "https://u:p@q@h:1/#@": "https://h:1/#@", "": "",
	} {
		assert.Equal(t, want, withoutUser(text))
	}
}

// TestPaidBodyInAnUnknownCoding is written as it came: it is not sent twice.
func TestPaidBodyInAnUnknownCoding(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, err := z.Write([]byte("zipped"))
	require.NoError(t, err)
	require.NoError(t, z.Close())
	body, coding := "", ""
	s.srv.Handle("/coded", s.srv.Paid(clienttest.Terms{Price: voucher.Units(100), Deposit: voucher.Units(10_000)},
		http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", coding)
			_, _ = io.WriteString(w, body)
		})))
	for _, one := range []struct {
		coding, body, want string
		code               int
	}{
		{"gzip", zipped.String(), "zipped", 0},
		{"br", "\x8b\x02\x80brotli\x03", "\x8b\x02\x80brotli\x03", exitEncoding},
		{"gzip", "no gzip, but long enough to have a header", "no gzip, but long enough to have a header", exitEncoding},
		{"gzip", "short", "short", exitEncoding},
		{"deflate", "no zlib", "no zlib", exitEncoding},
		{"gzip, br", "twice", "twice", exitEncoding},
	} {
		coding, body = one.coding, one.body
		e := s.process(nil, nil, "--compressed", s.srv.URL+"/coded")
		assert.Equal(t, one.code, e.code, "%s: %s", one.coding, e.stderr)
		assert.Equal(t, one.want, e.stdout)
		if one.code != 0 {
			assert.Contains(t, e.stderr, "the body is written as it came")
		}
	}
	s.books(600)
}
