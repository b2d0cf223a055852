package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/client/clienttest/lies"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// TestRefused: our own limits end with 110 (119 without a key), name the flag, and sign nothing.
func TestRefused(t *testing.T) {
	for _, one := range []struct {
		name, unset string
		args        []string
		says        string
	}{
		{"no key", "TALLY_KEY_FILE", []string{"/data"}, "set --key-file or TALLY_KEY"},
		{"no node", "TALLY_RPC_URL", []string{"/data"}, "set --rpc-url"},
		{"no price", "TALLY_MAX_PRICE", []string{"/data"}, "to allow it: --max-price 0.0001"},
		{"a low price", "", []string{"--max-price", "99u", "/data"}, "--max-price is 0.000099 and this needs 0.0001"},
		{"no deposit", "TALLY_MAX_DEPOSIT", []string{"/data"}, "to allow it: --max-deposit 0.002"},
		{"a low deposit", "", []string{"--max-deposit", "99u", "/data"}, "to allow it: --max-deposit 0.002"},
		{"another escrow", "", []string{"--escrow", "0x00000000000000000000000000000000000000aa", "/data"}, "--escrow"},
	} {
		t.Run(one.name, func(t *testing.T) {
			s := newShell(t, clienttest.Config{})
			delete(s.env, one.unset)
			e := s.run(one.args...)
			want := exitRefused
			if one.unset == "TALLY_KEY_FILE" {
				want = exitKey
			}
			assert.Equal(t, want, e.code)
			assert.Contains(t, e.stderr, one.says)
			assert.Empty(t, s.srv.Accounts())
			for _, r := range s.srv.Requests() {
				assert.Empty(t, r.Action, "nothing was presented")
			}
		})
	}
}

// TestStreamLimit: what came before the limit is on stdout, and paid.
func TestStreamLimit(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	e := s.run("--max-stream", "200u", "/stream/50/10")
	assert.Equal(t, exitRefused, e.code)
	assert.Contains(t, e.stderr, "to allow it: --max-stream 0.00021")
	assert.Equal(t, 20, strings.Count(e.stdout, "data: "))
	s.books(200)
	delete(s.env, "TALLY_MAX_STREAM")
	e = s.run("/stream/50/10")
	assert.Equal(t, exitRefused, e.code)
	assert.Equal(t, 1, strings.Count(e.stdout, "data: "), "the first piece is the price of the request")
}

// TestStatusOfANodeThatFails: it is told from a server that fails, as it is another node that is needed.
func TestStatusOfANodeThatFails(t *testing.T) {
	down := &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	assert.Equal(t, exitBusy, status(fmt.Errorf("%w: eth_getLogs: %w", escrow.ErrRPC, down)))
	assert.Equal(t, exitInterrupted, status(fmt.Errorf("%w: %w", escrow.ErrRPC, context.Canceled)))
	assert.Equal(t, exitConnect, status(down))
}

// TestPaymentFails: what the payee refuses, what cannot be known, and what is not for us, end differently.
func TestPaymentFails(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	s.srv.OnRequest(func(r clienttest.Request) clienttest.Fault {
		return clienttest.Fault{LoseAnswer: r.Action != ""}
	})
	e := s.run("/data")
	assert.Equal(t, exitUnknown, e.code, e.stderr)
	assert.Contains(t, e.stderr, "it is not known whether it was taken")
	s.srv.OnRequest(nil)
	s.ok("/data")

	other := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", `Payment id="x", realm="r", method="card", intent="charge", request="e30"`)
		http.Error(w, "money, please", http.StatusPaymentRequired)
	})
	s.srv.Handle("/other", other)
	e = s.run("/other")
	assert.Equal(t, exitNothing, e.code)
	assert.Equal(t, "money, please\n", e.stdout, "the answer is the caller's")
	assert.Contains(t, e.stderr, "in no way that tally can pay")
}

// TestMoneyStatuses: what became of the money has an exit status each. Other tests have those that are not here.
func TestMoneyStatuses(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	terms := clienttest.Terms{Price: voucher.Units(10), Deposit: voucher.Units(1000)}
	s.srv.Handle("/none", s.srv.Paid(terms, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNoContent)
	})))
	node, file := s.env["TALLY_RPC_URL"], s.env["TALLY_KEY_FILE"]
	poor := filepath.Join(filepath.Dir(file), "poor.hex")
	require.NoError(t, os.WriteFile(poor, []byte("0x"+strings.Repeat("07", 32)), 0o600))
	refuse := func(on func(clienttest.Request) bool) {
		s.srv.OnRequest(func(r clienttest.Request) (f clienttest.Fault) {
			if on(r) {
				f.Refuse = http.StatusServiceUnavailable
			}
			return f
		})
	}
	for _, one := range []struct {
		name    string
		prepare func()
		args    []string
		code    int
		says    string
	}{
		{"no funds", func() { s.env["TALLY_KEY_FILE"] = poor }, []string{"/data"}, exitFunds, "the balance is too low"},
		{"the node is down", func() { s.env["TALLY_RPC_URL"] = "http://127.0.0.1:1" }, []string{"/data"}, exitBusy, ""},
		{"paid, and an error came", func() { s.srv.Lie(lies.ErrorWithReceipt) }, []string{"/data"}, exitNoContent, "accepted"},
		{"paid, and no content is right", func() {}, []string{"/none"}, 0, ""},
		{"refused", func() { s.srv.Lie(lies.ProblemInsufficient) }, []string{"/data"}, exitRejected, ""},
		{"one of two closes", func() {
			s.ok("/data")
			s.ok("/v1/data")
			refuse(func(r clienttest.Request) bool { return strings.HasPrefix(r.Path, "/v1/") })
		}, []string{"close", "--all"}, exitPart, ""},
	} {
		t.Run(one.name, func(t *testing.T) {
			s.t = t
			one.prepare()
			e := s.run(one.args...)
			assert.Equal(t, one.code, e.code, e.stderr)
			assert.Contains(t, e.stderr, one.says)
			s.env["TALLY_RPC_URL"], s.env["TALLY_KEY_FILE"] = node, file
			s.srv.Lie()
			s.srv.OnRequest(nil)
		})
	}
}

// TestTransport: the exit statuses are curl's.
func TestTransport(t *testing.T) {
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, dead.Close())
	tlsServer := httptest.NewUnstartedServer(http.NotFoundHandler())
	tlsServer.Config.ErrorLog = log.New(io.Discard, "", 0)
	tlsServer.StartTLS()
	defer tlsServer.Close()
	s := newShell(t, clienttest.Config{})
	s.srv.Handle("/missing", http.NotFoundHandler())
	s.srv.Handle("/short", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "10")
		_, _ = w.Write([]byte("four"))
	}))
	s.srv.Handle("/hang-up", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	s.srv.Handle("/round", http.RedirectHandler("/round", http.StatusFound))
	s.srv.Handle("/there", http.RedirectHandler("/data", http.StatusFound))
	s.srv.Handle("/late", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	for _, one := range []struct {
		name string
		args []string
		code int
	}{
		{"well", []string{"/free"}, 0},
		{"scheme", []string{"gopher://127.0.0.1/"}, exitScheme},
		{"flag", []string{"--no-such-flag", "/free"}, exitUsage},
		{"amount", []string{"--max-price", "a lot", "/free"}, exitUsage},
		{"fine amount", []string{"--max-price", "0.0000001", "/free"}, exitUsage},
		{"no URL", nil, exitUsage},
		{"two URLs", []string{"a", "/free"}, exitUsage},
		{"data file", []string{"-d", "@" + filepath.Join(t.TempDir(), "none"), "/free"}, exitRead},
		{"header", []string{"-H", "no colon", "/free"}, exitUsage},
		{"method", []string{"-X", "G E T", "/free"}, exitUsage},
		{"escrow", []string{"--escrow", "0x12", "/free"}, exitUsage},
		{"node", []string{"--rpc-url", "ftp://x", "/free"}, exitUsage},
		{"store", []string{"--store", "/dev/null/store", "/free"}, exitState},
		{"fund above deposit", []string{"--fund", "1", "/free"}, exitUsage},
		{"a day below an hour", []string{"--per-hour", "0.2", "--per-day", "0.1", "/free"}, exitUsage},
		{"URL", []string{"http://[::1"}, exitURL},
		{"host", []string{"http://host.invalid/"}, exitResolve},
		{"refused", []string{"http://" + dead.Addr().String() + "/"}, exitConnect},
		{"cut", []string{"/short"}, exitPartial},
		{"404", []string{"/missing"}, 0},
		{"404 with --fail", []string{"-f", "/missing"}, exitHTTP},
		{"timeout", []string{"-m", "0.1", "/late"}, exitTimeout},
		{"plain for TLS", []string{strings.Replace(s.srv.URL, "http", "https", 1)}, exitTLS},
		{"certificate", []string{tlsServer.URL}, exitCert},
		{"redirect", []string{"/round"}, 0},
		{"redirects", []string{"-L", "/round"}, exitRedirects},
		{"followed and paid", []string{"-L", "/there"}, 0},
		{"empty", []string{"/hang-up"}, exitEmpty},
		{"output", []string{"-o", "/dev/null/x", "/data"}, exitWrite},
	} {
		t.Run(one.name, func(t *testing.T) {
			e := s.run(one.args...)
			assert.Equal(t, one.code, e.code, e.stderr)
			assert.Equal(t, one.code != 0, strings.Contains(e.stderr, "tally: ") && !strings.Contains(e.stderr, "tally: paid"), e.stderr)
		})
	}
	s.books(100)
	s.wrote = func() error { return errors.New("no space") }
	e := s.run("/data")
	assert.Equal(t, exitWrite, e.code, e.stderr)
	e = s.run("-s", "/data")
	assert.Empty(t, e.stderr)
	e = s.run("-sS", "/data")
	assert.Contains(t, e.stderr, "no space")
	s.wrote = nil
	s.books(400) // paid, though nobody could read it
}

// TestExitStatuses: the constants, the table, the help and the manual name the same statuses.
func TestExitStatuses(t *testing.T) {
	source, err := os.ReadFile("exit.go")
	require.NoError(t, err)
	manual, err := os.ReadFile("../../docs/tally.md")
	require.NoError(t, err)
	help := newShell(t, clienttest.Config{}).ok("--help")
	constants := regexp.MustCompile(`(?m)^\texit\w+ += (\d+)$`).FindAllSubmatch(source, -1)
	require.Len(t, constants, len(exits)-1, "and success")
	for i, e := range exits {
		if i > 0 {
			assert.Equal(t, string(constants[i-1][1]), strconv.Itoa(e.code))
			assert.Less(t, exits[i-1].code, e.code)
		}
		assert.Contains(t, help, fmt.Sprintf("\n  %3d  %s\n", e.code, e.text))
		assert.Contains(t, string(manual), fmt.Sprintf("\n| %d | %s |\n", e.code, e.text))
	}
	assert.Len(t, regexp.MustCompile(`(?m)^\| \d+ \| `).FindAll(manual, -1), len(exits))
	assert.Contains(t, help, "250000u")
}

func TestAmount(t *testing.T) {
	var v voucher.Amount
	a := amount{&v}
	assert.Empty(t, a.String())
	for text, units := range map[string]uint64{"0.25": 250_000, "250000u": 250_000, "3": 3_000_000, "0": 0, "0u": 0} {
		require.NoError(t, a.Set(text), text)
		assert.Equal(t, voucher.Units(units), v, text)
	}
	for _, text := range []string{"", "-1", "1e6", "0.0000001", "1,5", "u", "0x10", " 1", "1.5u"} {
		require.ErrorContains(t, a.Set(text), "write tokens (0.25) or base units (250000u)", text)
	}
}

// TestKeyAndCredentialInOneHeader: a key in Authorization gives way to the credential, and a 401 is
// explained.
func TestKeyAndCredentialInOneHeader(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer k" {
			http.Error(w, "no key", http.StatusUnauthorized)
			return
		}
		s.srv.Handler().ServeHTTP(w, r)
	}))
	defer front.Close()
	e := s.run("-H", "Authorization: Bearer k", front.URL+"/data")
	assert.Equal(t, exitRejected, e.code, e.stderr)
	assert.Contains(t, e.stderr, "send that key in another header")
	assert.NotContains(t, e.stderr, "Bearer")
	assert.Equal(t, "no key\n", e.stdout)
}
