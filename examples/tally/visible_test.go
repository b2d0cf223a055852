package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// steering are texts that change what is on a terminal, or that look like other text.
var steering = map[string]string{
	"title":             "\x1b]0;a\x07",
	"clear":             "\x1b[2J",
	"8-bit CSI":         "\u009b2J",
	"8-bit CSI, a byte": "\x9b2J",
	"carriage return":   "\rtally: done",
	"backspace":         "\b\b\b",
	"delete":            "\x7f",
	"right to left":     "\u202egpj",
	"isolate":           "\u2066x\u2069",
	"mark":              "\u200f\u061c",
	"joiners":           "a\u200b\u200c\u200d\u2060b\ufeff",
	"line separators":   "\u2028\u2029\u0085",
	"tag characters":    "\U000e0041\U000e0042",
	"soft hyphen":       "a\u00adb",
	"annotation":        "\ufff9x\ufffb",
	"no-break space":    "\u00a0",
	"private use":       "\ue000",
	"overlong":          "\xc0\x9b",
	"surrogate":         "\xed\xa0\x80",
	"cut short":         "\xe2\x80",
}

// tame fails the test if a text has something in it that steers a terminal.
func tame(t *testing.T, text string) {
	t.Helper()
	assert.True(t, utf8.ValidString(text), "%q", text)
	for i, r := range text {
		lineEnd := r == '\n' || (r == '\r' && strings.HasPrefix(text[i+1:], "\n"))
		if !lineEnd && r != '\t' && !unicode.IsPrint(r) {
			t.Errorf("%q is on the terminal: %q", r, text)
			return
		}
	}
}

func TestVisible(t *testing.T) {
	for name, text := range steering {
		for _, messages := range []bool{false, true} {
			var b bytes.Buffer
			v := &visible{w: &b, messages: messages}
			n, err := io.WriteString(v, "before "+text+" after\n")
			require.NoError(t, err)
			assert.Equal(t, len(text)+14, n, name)
			require.NoError(t, v.end())
			tame(t, b.String())
			assert.True(t, strings.HasPrefix(b.String(), "before ") && strings.HasSuffix(b.String(), " after\n"), b.String())
			assert.Contains(t, b.String(), `\`, name)
		}
		tame(t, inline(text))
	}
	for _, plain := range []string{"", "ASCII ~!@ 0x12", "naïve Ωμέγα 東京 שלום 😀 é", "two\nlines\tand a tab\r\n"} {
		assert.Equal(t, plain, escaped(plain))
	}
	assert.Equal(t, `\u001b[2J\u202e\x9b\udb40\udc41\u000a\u0009`, inline("\x1b[2J\u202e\x9b\U000e0041\n\t"))
}

// TestMessagesAreOneEach: what a server writes on a line of its own does not look like a message.
func TestMessagesAreOneEach(t *testing.T) {
	var b bytes.Buffer
	v := &visible{w: &b, messages: true}
	fmt.Fprintln(v, "tally:", errors.Join(errors.New("first"), errors.New("a detail\ntally: all is well\r\n* paid\n\n")))
	fmt.Fprint(v, "tally: really? [y/N] ")
	assert.Equal(t, "tally: first\n  a detail\n  tally: all is well\r\n  * paid\n  \n  \ntally: really? [y/N] ", b.String())
}

// TestVisibleTakesPieces: it does not matter where one Write ends and the next begins.
func TestVisibleTakesPieces(t *testing.T) {
	text := "é\r\n東京\u202e\xff\r😀\U000e0041\xe2\x80"
	for size := 1; size < len(text); size++ {
		var b bytes.Buffer
		v := &visible{w: &b}
		for at := 0; at < len(text); at += size {
			n, err := io.WriteString(v, text[at:min(at+size, len(text))])
			require.NoError(t, err)
			assert.Equal(t, min(size, len(text)-at), n)
		}
		require.NoError(t, v.end())
		assert.Equal(t, escaped(text), b.String(), "%d", size)
	}
	v := &visible{w: &terminal{wrote: func() error { return errors.New("no space") }}}
	_, err := io.WriteString(v, "x")
	require.ErrorContains(t, err, "no space")
}

func FuzzVisible(f *testing.F) {
	for _, text := range steering {
		f.Add([]byte("a"+text), uint(3), false)
		f.Add([]byte(text+"\n"+text), uint(1), true)
	}
	f.Fuzz(func(t *testing.T, text []byte, cut uint, messages bool) {
		var whole, pieces bytes.Buffer
		v := &visible{w: &whole, messages: messages}
		n, err := v.Write(text)
		require.NoError(t, err)
		require.NoError(t, v.end())
		assert.Equal(t, len(text), n)
		tame(t, whole.String())
		tame(t, inline(string(text)))
		assert.NotContains(t, inline(string(text)), "\n")
		if messages {
			for i, line := range strings.Split(whole.String(), "\n") {
				assert.True(t, i == 0 || line == "" || line[0] == ' ', "%q", line)
			}
			return
		}
		at := int(cut % uint(len(text)+1))
		v = &visible{w: &pieces}
		_, _ = v.Write(text[:at])
		_, _ = v.Write(text[at:])
		require.NoError(t, v.end())
		assert.Equal(t, whole.String(), pieces.String())

		var b bytes.Buffer
		v = &visible{w: &b}
		require.NoError(t, json.NewEncoder(v).Encode(string(text)))
		var back string
		require.NoError(t, json.Unmarshal(b.Bytes(), &back), "%s", b.String())
		if utf8.Valid(text) {
			assert.Equal(t, string(text), back)
		}
	})
}

// TestNothingOfAServerSteersTheTerminal: reason phrases, headers and problem details, with each text.
func TestNothingOfAServerSteersTheTerminal(t *testing.T) {
	for name, text := range steering {
		t.Run(name, func(t *testing.T) {
			s := newShell(t, clienttest.Config{})
			paid := s.srv.Paid(clienttest.Terms{Price: voucher.Units(100), Deposit: voucher.Units(1000)}, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
			front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Authorization") == "" {
					paid.ServeHTTP(w, r)
					return
				}
				r.Header.Del("Authorization")
				rec := httptest.NewRecorder()
				paid.ServeHTTP(rec, r)
				w.Header()["Www-Authenticate"] = rec.Header()["Www-Authenticate"]
				w.Header().Set("Content-Type", "application/problem+json")
				w.WriteHeader(http.StatusPaymentRequired)
				body, _ := json.Marshal(map[string]string{"type": "https://paymentauth.org/problems/x" + text, "detail": text})
				_, _ = w.Write(body)
			}))
			defer front.Close()
			e := s.run("-v", front.URL)
			assert.Equal(t, exitRejected, e.code)
			tame(t, e.stderr)

			raw := rawServer(t, "HTTP/1.1 200 OK"+text+"\r\nX-A: x"+text+"y\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
			e = s.run("-v", "-i", raw)
			tame(t, e.stderr)
			tame(t, e.stdout)
			tame(t, s.run("-v", rawServer(t, "HTTP/1.1 "+text+" x\r\n\r\n")).stderr)
		})
	}
}

// rawServer answers one request with bytes.
func rawServer(t *testing.T, answer string) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		_, _ = c.Read(make([]byte, 4096))
		_, _ = io.WriteString(c, answer)
		_ = c.Close()
	}()
	return "http://" + l.Addr().String() + "/"
}

// TestNothingOfANodeSteersTheTerminal: a node's own words are in the errors of closes and openings.
func TestNothingOfANodeSteersTheTerminal(t *testing.T) {
	var all strings.Builder
	for _, name := range slices.Sorted(maps.Keys(steering)) {
		all.WriteString(steering[name])
	}
	s := newShell(t, clienttest.Config{})
	s.ok("/data")
	node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var raw json.RawMessage
		if !assert.NoError(t, json.NewDecoder(r.Body).Decode(&raw)) {
			return
		}
		refuse := func(call map[string]any) map[string]any {
			return map[string]any{
				"jsonrpc": "2.0", "id": call["id"], "error": map[string]any{"code": -32000, "message": all.String()},
			}
		}
		var calls []map[string]any
		if json.Unmarshal(raw, &calls) != nil { // not a batch
			var call map[string]any
			assert.NoError(t, json.Unmarshal(raw, &call))
			assert.NoError(t, json.NewEncoder(w).Encode(refuse(call)))
			return
		}
		for i, call := range calls {
			calls[i] = refuse(call)
		}
		assert.NoError(t, json.NewEncoder(w).Encode(calls))
	}))
	defer node.Close()
	s.env["TALLY_RPC_URL"] = node.URL
	for _, args := range [][]string{{"close", "-v"}, {"close", "--force"}, {"keep", "--once", "-v"}, {"find"}, {"/data?deposit=10"}} {
		e := s.run(args...)
		tame(t, e.stderr)
		tame(t, e.stdout)
		assert.Contains(t, e.stderr, "tally: done", "%v: what the node said is shown", args)
	}
}

// TestNoCertificateSteersTheTerminal: an error of TLS shows the names that a certificate is for.
func TestNoCertificateSteersTheTerminal(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	const name = "a\x1b]0;x\x07\r\ntally: paid"
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	s := newShell(t, clienttest.Config{})
	e := s.run("-v", strings.Replace(server.URL, "127.0.0.1", "localhost", 1))
	assert.NotZero(t, e.code)
	tame(t, e.stderr)
	assert.Equal(t, 1, strings.Count("\n"+e.stderr, "\ntally:"), e.stderr)
}

// TestBodyIsNotEscaped: the body is the server's, whatever is in it.
func TestBodyIsNotEscaped(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	var all strings.Builder
	for _, text := range steering {
		all.WriteString(text)
	}
	s.srv.Handle("/raw", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, all.String()) }))
	assert.Equal(t, all.String(), s.ok("/raw"))
	e := s.run("-i", "/raw")
	assert.True(t, strings.HasSuffix(e.stdout, "\r\n\r\n"+all.String()), "%q", e.stdout)
}

// asTally makes the test's program run as tally; see TestMain.
const asTally = "TALLY_TEST_RUN_AS_TALLY"

// process runs the program itself, without a terminal unless stdin is one. asked is called when it asks a question on
// stderr; nil stdin is empty. A program that does not end within a minute fails the test.
func (s *shell) process(stdin *os.File, asked func(), args ...string) ended {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Env = append(os.Environ(), asTally+"=1")
	for name, value := range s.env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	stdout, stderr := &terminal{}, &terminal{asked: asked}
	cmd.Stdout, cmd.Stderr = stdout, struct{ io.Writer }{stderr} // only that: Write notices a question
	if stdin != nil {
		cmd.Stdin = stdin
	}
	session(cmd)
	err := cmd.Run()
	require.NoError(s.t, ctx.Err(), "it does not end: %s", stderr)
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		require.NoError(s.t, err)
	}
	return ended{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// TestProcess runs the program itself, with pipes: what is written without the writers of run would be
// seen here.
func TestProcess(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	url := rawServer(t, "HTTP/1.1 200 OK\x1b]0;a\x07\u202e\r\nContent-Length: 2\r\nX-A: \x9b2J\r\nConnection: close\r\n\r\n\x1bk")
	e := s.process(nil, nil, "-v", "-i", url)
	require.Zero(t, e.code, e.stderr)
	head, ok := strings.CutSuffix(e.stdout, "\x1bk")
	assert.True(t, ok, "the body is as it was: %q", e.stdout)
	tame(t, head)
	assert.Contains(t, head, `OK\u001b]0;a\u0007\u202e`)
	tame(t, e.stderr)
	assert.Contains(t, e.stderr, `< HTTP/1.1 200 OK\u001b]0;a`)
}
