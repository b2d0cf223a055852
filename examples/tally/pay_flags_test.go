package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// TestPaidBodies: what was sent before the 402 is sent again after it, from a file, a form and stdin, and paid once.
func TestPaidBodies(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	var got bytes.Buffer
	s.srv.Handle("/up", s.srv.Paid(clienttest.Terms{Price: voucher.Units(10), Deposit: voucher.Units(1000)},
		http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			got.Reset()
			_, _ = io.Copy(&got, r.Body)
		})))
	big := strings.Repeat("0123456789abcdef", 200_000) // more than is asked about, and more than the client keeps
	file := filepath.Join(t.TempDir(), "big")
	require.NoError(t, os.WriteFile(file, []byte(big), 0o600))
	s.in = big
	for i, args := range [][]string{{"-T", file}, {"-T", "-"}, {"--data-binary", "@" + file}, {"--data-binary", "@-"}, {"-T", "."}} {
		s.ok(append(args, "/up")...)
		assert.Equal(t, big, got.String(), args)
		s.books(uint64(10 * (i + 1)))
	}
	s.ok("-F", "f=@"+file, "/up")
	assert.Greater(t, got.Len(), len(big))
	s.books(60)
}

// TestStdinThatIsTooLong for its temporary file is sent once: a second reader is refused what was not kept.
func TestStdinThatIsTooLong(t *testing.T) {
	r := &request{}
	defer r.end()
	kept, err := r.temporary()
	require.NoError(t, err)
	l := &live{from: strings.NewReader("0123456789"), kept: kept, most: 6}
	first, err := l.open()
	require.NoError(t, err)
	buf := make([]byte, 4)
	_, err = io.ReadFull(first, buf)
	require.NoError(t, err)
	second, err := l.open()
	require.NoError(t, err)
	_, err = io.ReadFull(second, buf)
	require.NoError(t, err)
	assert.Equal(t, "0123", string(buf), "what was kept")
	rest, err := io.ReadAll(first)
	require.NoError(t, err)
	assert.Equal(t, "456789", string(rest))
	_, err = io.ReadAll(second)
	require.ErrorIs(t, err, errSentOnce)
}

// TestNobodyVouchesForThePayee: without a check of the certificate, and over plain HTTP that leads to another machine,
// nothing is paid. Free requests go through.
func TestNobodyVouchesForThePayee(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	secure := httptest.NewUnstartedServer(s.srv.Handler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	defer secure.Close()
	address := strings.TrimPrefix(secure.URL, "https://")
	_, port, err := net.SplitHostPort(address)
	require.NoError(t, err)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect { // as if the names were this machine's
			r.URL.Host, r.Host = strings.TrimPrefix(s.srv.URL, "http://"), strings.TrimPrefix(s.srv.URL, "http://")
			s.srv.Handler().ServeHTTP(w, r)
			return
		}
		tunnel(w, address)
	}))
	defer proxy.Close()
	socket := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", socket)
	require.NoError(t, err)
	local := &http.Server{Handler: s.srv.Handler()} //nolint:gosec // of this test only
	defer local.Close()
	go func() { _ = local.Serve(listener) }()

	resolve := "a.example:" + port + ":127.0.0.1"
	for _, one := range []struct {
		name string
		args []string
		base string
		code int
	}{
		{"no check, this machine", []string{"-k"}, secure.URL, 0},
		{"a check", nil, secure.URL, exitCert},
		{"no check, a name", []string{"-k", "--resolve", resolve}, "https://a.example:" + port, exitRefused},
		{"no check, a proxy", []string{"-k", "-x", proxy.URL}, secure.URL, exitRefused},
		{"plain, a proxy", []string{"-x", proxy.URL}, s.srv.URL, exitRefused},
		{"plain, another machine", []string{"--resolve", "localhost:9:192.0.2.1", "-x", ""}, s.srv.URL, exitRefused},
		{"a socket", []string{"--unix-socket", socket}, "http://localhost", 0},
		{"a socket and a name", []string{"--unix-socket", socket}, "http://a.example", exitRefused},
	} {
		t.Run(one.name, func(t *testing.T) {
			s.t = t
			s.env["TALLY_STORE"] = filepath.Join(t.TempDir(), "store")
			before := len(s.srv.Accounts())
			e := s.run(append(one.args, one.base+"/data")...)
			assert.Equal(t, one.code, e.code, e.stderr)
			if one.code == 0 {
				assert.Contains(t, e.stdout, `"ok":true`)
				return
			}
			assert.Len(t, s.srv.Accounts(), before, "nothing was paid")
			if one.code == exitRefused {
				e = s.run(append([]string{"trust", "accept", "--yes"}, append(one.args, one.base+"/data")...)...)
				assert.Equal(t, exitRefused, e.code, "its terms are not accepted: %s", e.stderr)
				assert.NotContains(t, s.ok("trust"), "0x")
				s.ok(append(one.args, one.base+"/free")...)
				if one.name != "a socket and a name" {
					assert.Contains(t, e.stderr, errUnproven.Error())
				}
				e = s.run(append([]string{"quote"}, append(one.args, one.base+"/data")...)...)
				assert.Equal(t, exitRefused, e.code, "a quote says so: %s", e.stderr)
			}
		})
	}
}

// TestRetriesAreOnePayment: every try has the same key, so the price is authorized once.
func TestRetriesAreOnePayment(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	failures := 0
	flaky := func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if failures--; failures >= 0 {
			http.Error(w, "busy", http.StatusServiceUnavailable)
			return
		}
		next.ServeHTTP(w, r)
	}
	terms := clienttest.Terms{Price: voucher.Units(100), Deposit: voucher.Units(10_000)}
	nothing := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	paid := s.srv.Paid(terms, nothing)
	s.srv.Handle("/flaky", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { flaky(w, r, paid) }))
	s.srv.Handle("/charges", s.srv.Paid(terms, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { flaky(w, r, nothing) })))
	failures = 2
	e := s.run("--retry", "3", "--retry-delay", "0.001", "-w", "%{num_retries} %{payment_amount}", "-d", "x", "/flaky")
	assert.Equal(t, 0, e.code, e.stderr)
	assert.Equal(t, "2 0.0001", e.stdout)
	assert.Equal(t, 2, strings.Count(e.stderr, "503 Service Unavailable; try "), e.stderr)
	assert.Equal(t, voucher.Units(100), s.srv.Accounts()[0].Accepted)
	failures = 9
	e = s.run("--retry", "1", "--retry-delay", "0.001", "-sf", "-w", "%{payment_amount}", "/charges")
	assert.Equal(t, ended{exitNoContent, "0.0001", ""}, e, "it charged for an error, and is not paid again")
	assert.Equal(t, voucher.Units(200), s.srv.Accounts()[0].Accepted)
	failures = 0
	lost := 1
	s.srv.OnRequest(func(r clienttest.Request) clienttest.Fault {
		if r.Action == "" {
			return clienttest.Fault{}
		}
		lost--
		return clienttest.Fault{LoseAnswer: lost >= 0}
	})
	e = s.run("--retry", "1", "--retry-delay", "0.001", "/data")
	assert.Equal(t, exitNoContent, e.code, e.stderr)
	assert.Equal(t, voucher.Units(300), s.srv.Accounts()[0].Accepted, "it charges for what nobody saw, and is not paid again")
	assert.Equal(t, exitUsage, s.run("--retry", "-1", "/data").code)
}

// TestWhatWasPaid: --write-out and --json-report say what became of the money.
func TestWhatWasPaid(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	report := filepath.Join(t.TempDir(), "report.json")
	read := func() (m map[string]any) {
		text, err := os.ReadFile(report)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(text, &m), string(text))
		return m
	}
	names := []string{"amount", "base_units", "currency", "outcome", "deposited", "authorized", "used", "left", "chain", "token", "channel"}
	format := "%{http_code}"
	for _, name := range names {
		format += " %{payment_" + name + "}"
	}
	run := func(args ...string) ended {
		return s.run(append([]string{"-o", os.DevNull, "-w", format, "--json-report", report}, args...)...)
	}
	e := run("/data")
	require.Equal(t, 0, e.code, e.stderr)
	id := s.books(100).ChannelID.Hex()
	assert.Equal(t, fmt.Sprintf("200 0.0001 100 pathUSD accepted 0.01 0.0001 0.0001 0.0099 %d %s %s",
		s.srv.ChainID, s.srv.Token.Hex(), id), e.stdout)
	m := read()
	for key, want := range map[string]any{
		"amount": "100", "deposited": "10000", "outcome": "accepted", "exit": 0.0, "status": 200.0, "symbol": "pathUSD",
		"method": "GET", "origin": s.srv.URL, "decimals": 6.0, "attempts": 1.0,
	} {
		assert.Equal(t, want, m[key], key)
	}
	assert.Len(t, m["operations"], 2, "an opening and a payment")
	assert.Equal(t, "9900", m["channel"].(map[string]any)["left"])

	e = run("/stream/50/10")
	require.Equal(t, 0, e.code, e.stderr)
	assert.True(t, strings.HasPrefix(e.stdout, "200 0.0005 500 pathUSD accepted 0 "), e.stdout)
	assert.Equal(t, "500", read()["amount"], "the whole stream")

	e = run("/free")
	assert.True(t, strings.HasPrefix(e.stdout, "200 0 0  none 0 0"), e.stdout)
	assert.Equal(t, "none", read()["outcome"])

	e = run("--max-price", "1u", "/data")
	assert.Equal(t, exitRefused, e.code)
	m = read()
	assert.Equal(t, "refused", m["outcome"])
	assert.Equal(t, 110.0, m["exit"])
	assert.Equal(t, "0", m["amount"])
	failed := m["error"].(map[string]any)
	assert.Equal(t, []any{"Price", "--max-price", "100", "1"}, []any{failed["limit"], failed["flag"], failed["wanted"], failed["allowed"]})

	s.srv.OnRequest(func(r clienttest.Request) clienttest.Fault { return clienttest.Fault{LoseAnswer: r.Action != ""} })
	e = run("/data")
	assert.Equal(t, exitUnknown, e.code)
	m = read()
	assert.Equal(t, []any{"unknown", "0", "10"}, []any{m["outcome"], m["amount"], m["authorized"]}, "it may be taken; the rest was signed ahead of the stream")
	s.srv.OnRequest(nil)

	out := filepath.Join(t.TempDir(), "body")
	var object map[string]any
	require.NoError(t, json.Unmarshal([]byte(s.ok("-o", out, "--json-report", "-", "/free")), &object))
	assert.Equal(t, exitUsage, s.run("--json-report", "-", "/free").code)
	assert.Equal(t, exitWrite, s.run("--json-report", "/dev/null/x", "/data").code)
	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(out, link))
	gone := filepath.Join(t.TempDir(), "none")
	t.Chdir(filepath.Dir(gone))
	for _, same := range [][]string{
		{"-o", out, "--json-report", link},
		{"-o", gone, "--json-report", "./none"},
		{"-O", "--json-report", "data"},
		{"-D", gone, "--json-report", "none"},
	} {
		e = s.run(append(same, "/data")...)
		assert.Equal(t, exitUsage, e.code, "%v: a paid body is not overwritten", same)
	}
	assert.NoFileExists(t, gone)
	e = s.run("-w", "%{nonsense}|%{stderr}%{http_code}%{stdout}|", "-o", out, "/free")
	assert.Equal(t, "||", e.stdout)
	assert.Contains(t, e.stderr, `no variable "nonsense"`)
	assert.Contains(t, e.stderr, "200")
	s.in = "from stdin %{method}"
	assert.Equal(t, "from stdin GET", s.ok("-o", out, "-w", "@-", "/free"))
	require.NoError(t, json.Unmarshal([]byte(s.ok("-o", out, "-w", "%{json}", "/free")), &object))
	s.wrote = func() error { return errors.New("no space") }
	assert.Equal(t, exitWrite, s.run("-o", out, "-w", "x", "/free").code)
}

// TestDryRun sends the real request unpaid and says what it would cost.
func TestDryRun(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	var seen []string
	paid := s.srv.Paid(clienttest.Terms{Price: voucher.Units(10), Deposit: voucher.Units(1000)}, http.NotFoundHandler())
	s.srv.Handle("/priced", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		seen = append(seen, r.Method+" "+r.Header.Get("Content-Type")+" "+string(body))
		paid.ServeHTTP(w, r)
	}))
	out := s.ok("--dry-run", "-X", "PUT", "--json", `{"a":1}`, "/priced")
	assert.Contains(t, out, "price     0.00001")
	assert.Contains(t, out, "decision  allow: ")
	assert.Equal(t, []string{`PUT application/json {"a":1}`}, seen)
	assert.Empty(t, s.srv.Accounts())
	e := s.run("--dry-run", "--max-price", "1u", "/priced")
	assert.Equal(t, exitRefused, e.code)
	delete(s.env, "TALLY_MAX_PRICE")
	for _, args := range [][]string{{"quote"}, {"--dry-run"}} {
		out = s.ok(append(args, "/priced")...)
		assert.Contains(t, out, "decision  none: no limit is set; --max-price 0.00001 --max-deposit ")
	}
	delete(s.env, "TALLY_KEY_FILE")
	assert.Contains(t, s.ok("--dry-run", "/free"), "nothing: the answer has status 200")
}

// TestManual names each flag of tally URL that curl has, and each variable of --write-out.
func TestManual(t *testing.T) {
	manual, err := os.ReadFile("../../docs/tally.md")
	require.NoError(t, err)
	for name := range variables {
		assert.Contains(t, string(manual), "`"+name+"`")
	}
	f := &fetch{world: &world{}}
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	f.requestFlags(flags)
	f.flags(flags)
	f.wallet.connection.flags(flags)
	flags.VisitAll(func(flag *pflag.Flag) {
		if flag.Shorthand != "" && strings.Contains(string(manual), "-"+flag.Shorthand) {
			return
		}
		assert.Contains(t, string(manual), "--"+flag.Name)
	})
}

// tunnel answers a CONNECT request with a connection to an address.
func tunnel(w http.ResponseWriter, address string) {
	to, err := net.Dial("tcp", address)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	from, buffered, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	_, _ = io.WriteString(from, "HTTP/1.1 200 OK\r\n\r\n")
	go func() { _, _ = io.Copy(to, buffered); _ = to.Close() }()
	_, _ = io.Copy(from, to)
	_ = from.Close()
}
