package client_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/internal/wire"
	"github.com/seed-5fe1f529/tallystick/receipt"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// liar stands between a payer and the honest server. It writes down what leaves the payer, and changes
// the answers as it is told.
type liar struct {
	t    testing.TB
	base http.RoundTripper
	// answer replaces the server where it returns a response or an error. n counts from 1.
	answer func(n int, s sent) (*http.Response, error)
	// after changes the server's answer.
	after func(n int, s sent, resp *http.Response)

	mu     sync.Mutex // guards what follows
	sent   []sent
	forged map[string]wire.Challenge // by id: what the server really asked
}

// sent is one request as it left the payer.
type sent struct {
	Method, URL, Host, Body string
	Header                  http.Header
	Paid                    *wire.Credential // nil where it carried none
}

// String shows no header: there is a credential in it.
func (s sent) String() string { return s.Method + " " + s.URL + " " + s.action() }

func (s sent) action() string {
	switch {
	case s.Paid == nil:
		return ""
	case s.Paid.Payload.Action == "":
		return s.Paid.Payload.Type
	}
	return s.Paid.Payload.Action
}

// lied puts a liar under the payer.
func (p *payer) lied() *liar {
	l := &liar{t: p.t, base: p.base, forged: map[string]wire.Challenge{}}
	p.base = l
	return l
}

// down answers an action with 500 until down is set to false.
func (l *liar) down(action string) *atomic.Bool {
	down := new(atomic.Bool)
	down.Store(true)
	l.answer = func(_ int, s sent) (*http.Response, error) {
		if s.action() == action && down.Load() {
			return reply(http.StatusInternalServerError, ""), nil
		}
		return nil, nil
	}
	return down
}

func (l *liar) RoundTrip(r *http.Request) (*http.Response, error) {
	s := sent{Method: r.Method, URL: r.URL.String(), Host: r.URL.Host, Header: r.Header.Clone()}
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		_ = r.Body.Close()
		if err != nil {
			return nil, err
		}
		s.Body = string(body)
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(strings.NewReader(s.Body))
		r.ContentLength = int64(len(s.Body))
	}
	for _, name := range []string{"Authorization", "Payment-Authorization"} {
		value := r.Header.Get(name)
		if !strings.HasPrefix(value, "Payment ") {
			continue
		}
		c, err := wire.ParseCredential(value)
		require.NoError(l.t, err, "the credential is well-formed")
		s.Paid = &c
		r = l.asked(r, name, c)
	}
	l.mu.Lock()
	l.sent = append(l.sent, s)
	n := len(l.sent)
	l.mu.Unlock()
	if l.answer != nil {
		if resp, err := l.answer(n, s); resp != nil || err != nil {
			return resp, err
		}
	}
	resp, err := l.base.RoundTrip(r)
	if err == nil && l.after != nil {
		l.after(n, s, resp)
	}
	return resp, err
}

// asked puts the challenge that the server really gave back into the credential.
func (l *liar) asked(r *http.Request, name string, c wire.Credential) *http.Request {
	l.mu.Lock()
	original, ok := l.forged[c.Challenge.ID]
	l.mu.Unlock()
	if !ok {
		return r
	}
	c.Challenge = original
	value, err := c.Header()
	require.NoError(l.t, err)
	r = r.Clone(r.Context())
	r.Header.Set(name, value)
	return r
}

// forge changes the session challenge of an answer. The server gets its own back.
func (l *liar) forge(resp *http.Response, change func(c *wire.Challenge, request map[string]any)) {
	if challenges, _ := wire.ParseChallenges(resp.Header); len(challenges) == 1 && challenges[0].Intent == "session" {
		l.forgeAny(resp, change)
	}
}

// forgeAny changes the one challenge of an answer.
func (l *liar) forgeAny(resp *http.Response, change func(c *wire.Challenge, request map[string]any)) {
	challenges, err := wire.ParseChallenges(resp.Header)
	require.NoError(l.t, err)
	require.Len(l.t, challenges, 1)
	c := challenges[0]
	raw, err := base64.RawURLEncoding.DecodeString(c.Request)
	require.NoError(l.t, err)
	request := map[string]any{}
	require.NoError(l.t, json.Unmarshal(raw, &request))
	change(&c, request)
	raw, err = json.Marshal(request)
	require.NoError(l.t, err)
	c.Request = base64.RawURLEncoding.EncodeToString(raw)
	text, err := c.Format()
	require.NoError(l.t, err)
	resp.Header.Set("WWW-Authenticate", text)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forged[c.ID] = challenges[0]
}

// details is the methodDetails of a challenge's request.
func details(request map[string]any) map[string]any { return request["methodDetails"].(map[string]any) }

// misreceipt changes the receipt of an answer.
func (l *liar) misreceipt(resp *http.Response, change func(*receipt.Receipt)) {
	r, err := receipt.Parse(resp.Header.Get("Payment-Receipt"))
	require.NoError(l.t, err)
	change(&r)
	text, err := r.Header()
	require.NoError(l.t, err)
	resp.Header.Set("Payment-Receipt", text)
}

// all is everything that was sent.
func (l *liar) all() []sent {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]sent(nil), l.sent...)
}

// paid is everything that was sent with a credential of the action, or of any where it is empty.
func (l *liar) paid(action string) (out []sent) {
	for _, s := range l.all() {
		if s.Paid != nil && (action == "" || s.action() == action) {
			out = append(out, s)
		}
	}
	return out
}

// reply makes an answer.
func reply(status int, body string, header ...string) *http.Response {
	resp := &http.Response{
		StatusCode: status, Status: http.StatusText(status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{}, Body: io.NopCloser(bytes.NewReader([]byte(body))), ContentLength: int64(len(body)),
	}
	for i := 0; i < len(header); i += 2 {
		resp.Header.Add(header[i], header[i+1])
	}
	return resp
}

// rewrite changes what an answer is, but not its headers.
func rewrite(resp *http.Response, status int, body string) {
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	resp.StatusCode, resp.Body, resp.ContentLength = status, io.NopCloser(strings.NewReader(body)), int64(len(body))
	resp.Header.Del("Content-Length")
}

// refuseWith turns an answer into a 402 of that problem type, with the challenge of another answer.
func refuseWith(resp, asked *http.Response, problem string) {
	rewrite(resp, http.StatusPaymentRequired, `{"type":"`+wire.ProblemBase+problem+`","detail":"`+problem+`"}`)
	resp.Header = http.Header{"Content-Type": {"application/problem+json"}}
	if asked != nil {
		resp.Header["Www-Authenticate"] = asked.Header.Values("WWW-Authenticate")
	}
}

// unpaid asks the server itself for a path, and so gets a fresh challenge, always another one.
func (p *payer) unpaid(path string) *http.Response {
	p.t.Helper()
	base := p.base
	if l, ok := base.(*liar); ok {
		base = l.base
	}
	sep := "?"
	if strings.Contains(path, "?") {
		sep = "&"
	}
	path = fmt.Sprintf("%s%sttl=%d", path, sep, 300+challenges.Add(1)) // the first ttl counts
	resp, err := base.RoundTrip(p.request(context.Background(), http.MethodGet, path, nil))
	require.NoError(p.t, err)
	_ = resp.Body.Close()
	return resp
}

// challenges counts, so that no two of them live equally long and have one id.
var challenges atomic.Int64

func (p *payer) request(ctx context.Context, method, path string, body io.Reader) *http.Request {
	p.t.Helper()
	if !strings.Contains(path, "://") {
		path = p.srv.URL + path
	}
	req, err := http.NewRequestWithContext(ctx, method, path, body)
	require.NoError(p.t, err)
	return req
}

// send sends a request of the caller's own making.
func (p *payer) send(req *http.Request) (*http.Response, error) {
	return (&http.Client{Transport: &client.Transport{Session: p.session, Base: p.base}}).Do(req)
}

// pen counts signatures, and breaks where it is told to.
type pen struct {
	vouchers, transactions, proofs atomic.Int64
	broken                         atomic.Pointer[error]
}

func (n *pen) fail() error {
	if err := n.broken.Load(); err != nil {
		return *err
	}
	return nil
}

// counted lets the pen see every signature.
func (n *pen) counted(c *client.Config) {
	if c.Signer != nil {
		c.Signer = penSigner{c.Signer, n}
	}
	if c.Payer != nil {
		c.Payer = penPayer{c.Payer, n}
	}
}

type penSigner struct {
	voucher.Signer
	n *pen
}

func (s penSigner) SignVoucher(ctx context.Context, d *voucher.Domain, v voucher.Voucher) ([]byte, error) {
	s.n.vouchers.Add(1)
	if err := s.n.fail(); err != nil {
		return nil, err
	}
	return s.Signer.SignVoucher(ctx, d, v)
}

type penPayer struct {
	voucher.TransactionSigner
	n *pen
}

func (s penPayer) SignTransaction(ctx context.Context, tx voucher.Transaction) ([]byte, error) {
	s.n.transactions.Add(1)
	if err := s.n.fail(); err != nil {
		return nil, err
	}
	return s.TransactionSigner.SignTransaction(ctx, tx)
}

func (s penPayer) SignProof(ctx context.Context, proof voucher.Proof) ([]byte, error) {
	s.n.proofs.Add(1)
	if err := s.n.fail(); err != nil {
		return nil, err
	}
	return s.TransactionSigner.(voucher.ProofSigner).SignProof(ctx, proof)
}
