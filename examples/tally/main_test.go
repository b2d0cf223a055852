package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

func TestMain(m *testing.M) {
	if os.Getenv(asTally) != "" {
		main() // ends the process
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
		os.Exit(code)
	}))
}

// shell runs tally as a shell would, with one environment.
type shell struct {
	t   *testing.T
	srv *clienttest.Server
	key clienttest.Key
	env map[string]string
	in  string
	// stdin is what in is not: a terminal.
	stdin io.Reader
	// tty is the terminal, if stdin is not it.
	tty *os.File
	ctx context.Context
	// wrote is called for each write to stdout, where it is set; its error is the writer's.
	wrote func() error
	// asked is called for each question on stderr, and for each password, where it is set.
	asked func()
}

// newShell is a user with money, an empty store and generous limits.
func newShell(t *testing.T, cfg clienttest.Config) *shell {
	t.Helper()
	srv := clienttest.New(t, cfg)
	key := srv.Payer()
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o700)) // whatever the umask is
	file := filepath.Join(dir, "key.hex")
	require.NoError(t, os.WriteFile(file, []byte(key.Hex+"\n"), 0o600))
	return &shell{t: t, srv: srv, key: key, ctx: t.Context(), env: map[string]string{
		"TALLY_KEY_FILE": file, "TALLY_RPC_URL": srv.RPCURL, "TALLY_STORE": filepath.Join(t.TempDir(), "store"),
		"TALLY_MAX_PRICE": "0.001", "TALLY_MAX_DEPOSIT": "0.1", "TALLY_MAX_STREAM": "0.01",
		"TALLY_FUND_AS_NEEDED": "true",
	}}
}

// ended is what a command left behind.
type ended struct {
	code           int
	stdout, stderr string
}

// run runs a command. A last word that begins with a slash is a path of the server.
func (s *shell) run(args ...string) ended {
	s.t.Helper()
	if last := len(args) - 1; s.srv != nil && last >= 0 && strings.HasPrefix(args[last], "/") {
		args = append(args[:last:last], s.srv.URL+args[last])
	}
	stdout, stderr := &terminal{wrote: s.wrote}, &terminal{asked: s.asked}
	stdin := s.stdin
	if stdin == nil {
		stdin = strings.NewReader(s.in)
	}
	w := &world{env: func(name string) string { return s.env[name] }, stdin: stdin, console: func() (*console, error) {
		f, ok := stdin.(*os.File)
		if s.tty != nil {
			f, ok = s.tty, true
		}
		if ok {
			return &console{in: f, out: stderr, close: func() {}}, nil
		}
		return nil, errNoTerminal
	}}
	code := w.run(s.ctx, args, stdout, stderr)
	assert.NotRegexp(s.t, "[0-9] base units", stderr.String(), "amounts are in tokens")
	return ended{code, stdout.String(), stderr.String()}
}

type terminal struct {
	bytes.Buffer
	wrote func() error
	asked func()
}

func (w *terminal) Write(b []byte) (int, error) {
	if w.wrote != nil {
		if err := w.wrote(); err != nil {
			return 0, err
		}
	}
	n, err := w.Buffer.Write(b)
	if w.asked != nil && (bytes.Contains(b, []byte("[y/N] ")) || bytes.HasPrefix(b, []byte("Password for "))) {
		w.asked()
	}
	return n, err
}

// ok runs a command that has to go well, and returns its stdout.
func (s *shell) ok(args ...string) string {
	s.t.Helper()
	e := s.run(args...)
	require.Equal(s.t, 0, e.code, e.stderr)
	return e.stdout
}

// books checks that the only channel of the server stands at spent, and that all accepted vouchers
// cover nothing more.
func (s *shell) books(spent uint64) clienttest.Account {
	s.t.Helper()
	return s.booksAhead(spent, 0)
}

// booksAhead is like books after a stream whose last voucher covers ahead more than it used.
func (s *shell) booksAhead(spent, ahead uint64) clienttest.Account {
	s.t.Helper()
	accounts := s.srv.Accounts()
	require.Len(s.t, accounts, 1)
	assert.Equal(s.t, voucher.Units(spent), accounts[0].Spent)
	assert.Equal(s.t, voucher.Units(spent+ahead), accounts[0].Accepted)
	return accounts[0]
}

// TestStory is the life of a channel over several runs of the program.
func TestStory(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	payer, payee := s.srv.Chain.Balance(s.key.Address), s.srv.Chain.Balance(s.srv.Payee)
	assert.Equal(t, `{"method":"GET","ok":true,"path":"/data"}`+"\n", s.ok("/data"), "open")
	for range 5 {
		s.ok("/data")
	}
	assert.Equal(t, `{"echo":"hello","method":"POST","ok":true,"path":"/data"}`+"\n", s.ok("-d", "hello", "/data"))
	s.books(700)
	assert.Equal(t, frames(50), s.ok("/stream/50/10"))
	account := s.booksAhead(1200, 90)
	afterOpen := s.srv.Chain.Balance(s.key.Address)

	table := s.ok("channels")
	assert.Contains(t, table, account.ChannelID.Hex()[:10])
	assert.Contains(t, table, "0.0012")

	assert.Equal(t, fmt.Sprintf("%s closed: 0.0012 pathUSD paid, 0.0088 pathUSD back\n", account.ChannelID.Hex()[:10]), s.ok("close"))
	assert.Equal(t, voucher.Units(1200), s.srv.Chain.Balance(s.srv.Payee).SubFloor(payee), "the payee has what was used")
	assert.Equal(t, voucher.Units(8800), s.srv.Chain.Balance(s.key.Address).SubFloor(afterOpen), "the rest is back")
	fees := payer.SubFloor(voucher.Units(1200)).SubFloor(s.srv.Chain.Balance(s.key.Address))
	assert.Equal(t, payer.SubFloor(voucher.Units(10_000)).SubFloor(afterOpen), fees, "one fee was paid, for the open")
	assert.NotContains(t, s.ok("channels"), "0x")
	assert.Contains(t, s.ok("channels", "--all"), "closed")
}

// TestPayeeThatAsksWhoPays before it names a price: a proof at first, and the channel's name from then on. With a
// store that is lost, the proof finds the channel.
func TestPayeeThatAsksWhoPays(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	proofs := func() (n int) {
		for _, r := range s.srv.Requests() {
			if r.Action == "proof" {
				n++
			}
		}
		return n
	}
	e := s.run("quote", "/who")
	assert.NotZero(t, e.code)
	assert.Contains(t, e.stderr, "proves who it is")
	s.ok("/who")
	s.ok("-d", "hello", "/who")
	assert.Equal(t, 1, proofs())
	assert.Contains(t, s.ok("quote", "/who"), "0.0001")
	s.books(200)
	s.env["TALLY_STORE"] = filepath.Join(t.TempDir(), "another")
	s.ok("/who")
	assert.Equal(t, 2, proofs())
	s.books(300)

	s.env["TALLY_MAX_PRICE"] = "0"
	s.env["TALLY_STORE"] = filepath.Join(t.TempDir(), "third")
	e = s.run("/who")
	assert.NotZero(t, e.code)
	assert.Equal(t, 2, proofs(), "nothing may be paid, so nobody is shown who would")
}

// frames is what /stream/n/… brings, payment frames left out.
func frames(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "event: message\ndata: {\"i\":%d,\"of\":%d}\n\n", i, n)
	}
	return b.String()
}

func TestStreamOutgrowsItsDeposit(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	e := s.run("-v", "--fund", "120u", "/stream/50/10")
	require.Equal(t, 0, e.code, e.stderr)
	assert.Equal(t, frames(50), e.stdout)
	assert.Equal(t, 4, strings.Count(e.stderr, "* topped_up"), e.stderr)
	assert.Equal(t, voucher.Units(600), s.booksAhead(500, 100).Deposit)
}

func TestSponsored(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	before := s.srv.Chain.Balance(s.key.Address)
	s.ok("/sponsored")
	assert.Equal(t, voucher.Units(10_000), before.SubFloor(s.srv.Chain.Balance(s.key.Address)), "the deposit and no fee")
	s.ok("close", s.books(100).ChannelID.Hex())
	assert.Equal(t, voucher.Units(100), before.SubFloor(s.srv.Chain.Balance(s.key.Address)))
}

func TestColdResume(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	s.ok("/boot")
	id := s.books(100).ChannelID
	s.env["TALLY_STORE"] = filepath.Join(t.TempDir(), "empty")
	e := s.run("-v", "--bootstrap", "/boot")
	require.Equal(t, 0, e.code, e.stderr)
	assert.Contains(t, e.stderr, "* found "+id.Hex()[:10])
	s.books(200)
	s.ok("close")
	assert.True(t, s.srv.Accounts()[0].Finalized)
}

// TestBodyIsTheServersBytes: nothing of ours gets into stdout, or out of it.
func TestBodyIsTheServersBytes(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	body := make([]byte, 300<<10)
	for i := range body {
		body[i] = byte(i * i >> 3)
	}
	s.srv.Handle("/bytes", s.srv.Paid(clienttest.Terms{Price: voucher.Units(10), Deposit: voucher.Units(1000)}, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(body)
	})))
	for _, flags := range [][]string{{"-v"}, {"-s"}, {}} {
		e := s.run(append(flags, "/bytes")...)
		require.Equal(t, 0, e.code, e.stderr)
		assert.Equal(t, body, []byte(e.stdout))
		assert.Equal(t, len(flags) == 1 && flags[0] == "-s", e.stderr == "", e.stderr)
	}
	file := filepath.Join(t.TempDir(), "out")
	require.NoError(t, os.WriteFile(file, bytes.Repeat([]byte("x"), 1<<20), 0o600))
	assert.Empty(t, s.ok("-o", file, "/bytes"))
	got, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, body, got)
}

func TestHeadersBeforeTheBody(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	e := s.run("-i", "-d", "x", "/data")
	require.Equal(t, 0, e.code, e.stderr)
	assert.True(t, strings.HasPrefix(e.stdout, "HTTP/1.1 200 OK\r\n"), e.stdout)
	assert.Contains(t, e.stdout, "Payment-Receipt: (not shown)\r\n")
	assert.Contains(t, e.stdout, "\r\n\r\n{")
}

// TestNothingSecretIsPrinted looks for keys and credentials in everything that a verbose run writes.
func TestNothingSecretIsPrinted(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	var all strings.Builder
	for _, args := range [][]string{{"-v", "-i", "--fund", "200u", "/data"}, {"-v", "-i", "/stream/40/10"}, {"-w", "%header{payment-receipt}", "/data"}, {"channels"}, {"channels", "--json"}, {"close", "-v"}} {
		e := s.run(args...)
		require.Equal(t, 0, e.code, e.stderr)
		all.WriteString(e.stdout + e.stderr)
	}
	text := strings.ToLower(all.String())
	assert.NotContains(t, text, strings.ToLower(s.key.Hex[2:]))
	for _, word := range []string{"signature", "authorization:", "eyj"} {
		assert.NotContains(t, text, word)
	}
}

func TestInterrupt(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	s.srv.Handle("/slow", s.srv.Metered(clienttest.Terms{Price: voucher.Units(10), Deposit: voucher.Units(1000)}, func(m *clienttest.Meter, r *http.Request) error {
		if err := m.Charge(1); err != nil {
			return err
		}
		if err := m.Send("one"); err != nil {
			return err
		}
		<-r.Context().Done()
		return r.Context().Err()
	}))
	var cancel context.CancelFunc
	s.ctx, cancel = context.WithCancel(t.Context())
	s.wrote = func() error { cancel(); return nil } // Ctrl-C as soon as something is there
	e := s.run("/slow")
	assert.Equal(t, exitInterrupted, e.code, e.stderr)
	assert.Equal(t, "event: message\ndata: one\n\n", e.stdout)
	s.ctx, s.wrote = t.Context(), nil
	assert.Contains(t, s.ok("channels"), "0.00001", "the channel stays recorded, with what was used")
	e = s.run("-m", "0.2", "/slow")
	assert.Equal(t, exitTimeout, e.code, e.stderr)
}
