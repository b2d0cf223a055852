package client_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/internal/wire"
)

// TestUnpayableAnswersPassThrough: what is not a session challenge is the caller's, body untouched.
func TestUnpayableAnswersPassThrough(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	for name, c := range map[string]struct {
		status int
		header []string
	}{
		"200":                     {200, nil},
		"204":                     {204, nil},
		"401 for somebody else":   {401, []string{"WWW-Authenticate", "Bearer realm=x"}},
		"404":                     {404, nil},
		"410":                     {410, nil},
		"500":                     {500, nil},
		"503":                     {503, []string{"Retry-After", "1"}},
		"402 without a challenge": {402, nil},
		"402 of another scheme":   {402, []string{"WWW-Authenticate", "Bearer realm=x"}},
		"402 of another method":   {402, []string{"WWW-Authenticate", `Payment id="1", realm="r", method="card", intent="charge", request="e30"`}},
		"402 that is malformed":   {402, []string{"WWW-Authenticate", `Payment id="1", realm="r", method="tempo"`}},
		"a challenge on a 200":    {200, []string{"WWW-Authenticate", `Payment id="1", realm="r", method="tempo", intent="session", request="e30"`}},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPayer(t, srv)
			l := p.lied()
			l.answer = func(int, sent) (*http.Response, error) { return reply(c.status, "as it was", c.header...), nil }
			resp, err := p.do(http.MethodGet, "/data", nil)
			require.NoError(t, err)
			body, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			assert.Equal(t, "as it was", string(body))
			assert.Equal(t, c.status, resp.StatusCode)
			require.Len(t, l.all(), 1)
			assert.Empty(t, l.paid(""))
			assert.Empty(t, p.channels())
		})
	}
}

func TestCallersRequestIsUntouched(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	l := p.lied()
	for _, path := range []string{"/free", "/data", "/data"} { // free, opening, and known already
		req := p.request(t.Context(), http.MethodPost, path, strings.NewReader("hello"))
		req.Header = http.Header{"X-Own": {"a", "b"}, "Content-Type": {"text/plain"}, "Accept-Encoding": {"br, gzip"}}
		header, body, url, length := req.Header.Clone(), req.Body, req.URL.String(), req.ContentLength
		resp, err := (&client.Transport{Session: p.session, Base: p.base}).RoundTrip(req)
		p.ok(resp, err)
		assert.Equal(t, header, req.Header)
		assert.Equal(t, body, req.Body)
		assert.Equal(t, url, req.URL.String())
		assert.Equal(t, length, req.ContentLength)
		assert.Equal(t, http.MethodPost, req.Method)
		for _, s := range l.all() {
			assert.Equal(t, []string{"a", "b"}, s.Header["X-Own"])
			assert.Equal(t, []string{"text/plain"}, s.Header["Content-Type"])
			assert.Equal(t, http.MethodPost, s.Method)
			assert.Equal(t, "hello", s.Body)
		}
	}
	assert.Len(t, l.all(), 4, "free, 402 and paid, paid at once")
	assert.Equal(t, u(200), p.agree().Signed)
}

// oneShot is a body that can be read once.
func oneShot(n int) io.Reader { return io.MultiReader(bytes.NewReader(bytes.Repeat([]byte("x"), n))) }

func TestBodies(t *testing.T) {
	const spool = 1000
	srv := clienttest.New(t, clienttest.Config{})
	for name, c := range map[string]struct {
		body  io.Reader
		n     int
		spool int64
		ok    bool
	}{
		"with GetBody":                {bytes.NewReader(bytes.Repeat([]byte("x"), 5000)), 5000, spool, true},
		"one shot, shorter":           {oneShot(999), 999, spool, true},
		"one shot, exactly the spool": {oneShot(1000), 1000, spool, true},
		"one shot, longer":            {oneShot(1001), 1001, spool, false},
		"one shot, no spool":          {oneShot(1), 1, -1, false},
	} {
		t.Run(name, func(t *testing.T) {
			var n pen
			p := newPayer(t, srv, n.counted, func(c2 *client.Config) { c2.Spool = c.spool })
			l := p.lied()
			resp, err := p.do(http.MethodPost, "/data", c.body)
			if c.ok {
				assert.Contains(t, p.ok(resp, err), `"`+strings.Repeat("x", c.n)+`"`)
				assert.Equal(t, u(100), p.agree().Signed)
				return
			}
			e := p.refused(resp, err)
			require.ErrorIs(t, e, client.ErrBody)
			assert.Equal(t, client.Refused, e.Outcome)
			assert.Zero(t, n.vouchers.Load()+n.transactions.Load(), "nothing was signed")
			assert.Empty(t, p.channels())
			require.Len(t, l.all(), 1)
			assert.Len(t, l.all()[0].Body, c.n, "and yet the server had all of it")
		})
	}
}

// TestBodyThatCannotBeRepeated on a known route does not spend the one reading on a guess.
func TestBodyThatCannotBeRepeated(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv, func(c *client.Config) { c.Spool = -1 })
	p.ok(p.do(http.MethodPost, "/data", strings.NewReader("a")))
	signed := p.only().Signed
	e := p.refused(p.do(http.MethodPost, "/data", oneShot(3)))
	require.ErrorIs(t, e, client.ErrBody)
	assert.Equal(t, signed, p.only().Authorized())
	p.ok(p.do(http.MethodPost, "/free", oneShot(3)))
	p.ok(p.do(http.MethodPost, "/data", strings.NewReader("a")))
	assert.Equal(t, u(200), p.agree().Signed)
}

// TestGetBodyFails: what was signed for it pays for the next request.
func TestGetBodyFails(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	p.get("/data")
	lost := errors.New("the file is gone")
	req := p.request(t.Context(), http.MethodPut, "/data", strings.NewReader("a"))
	req.GetBody = func() (io.ReadCloser, error) { return nil, lost }
	e := p.refused(p.send(req))
	require.ErrorIs(t, e, lost)
	assert.Equal(t, client.NotSent, e.Outcome)
	p.get("/data")
	assert.Equal(t, u(200), p.agree().Signed)
}

// TestPickingAChallenge: one that cannot be used does not hide the others.
func TestPickingAChallenge(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	other := `Payment id="1", realm="r", method="card", intent="charge", request="e30"`
	with := func(change func(c *wire.Challenge)) func(wire.Challenge) string {
		return func(c wire.Challenge) string {
			change(&c)
			text, err := c.Format()
			require.NoError(t, err)
			return text
		}
	}
	past := with(func(c *wire.Challenge) { c.Expires = time.Now().Add(-time.Second).UTC().Format(time.RFC3339) })
	unreadable := with(func(c *wire.Challenge) { c.Expires = "tomorrow" })
	good := with(func(*wire.Challenge) {})
	plain := func(text string) func(wire.Challenge) string { return func(wire.Challenge) string { return text } }
	for name, c := range map[string]struct {
		values []func(wire.Challenge) string
		err    error
	}{
		"malformed, then good":    {[]func(wire.Challenge) string{plain(`Payment id="1"`), good}, nil},
		"other schemes around it": {[]func(wire.Challenge) string{plain("Bearer realm=x"), good, plain(`Basic realm="Payment"`)}, nil},
		"other method first":      {[]func(wire.Challenge) string{plain(other), good}, nil},
		"expired, then good":      {[]func(wire.Challenge) string{past, good}, nil},
		"unreadable, then good":   {[]func(wire.Challenge) string{unreadable, good}, nil},
		"expired":                 {[]func(wire.Challenge) string{past}, channel.ErrExpired},
		"expiry unreadable":       {[]func(wire.Challenge) string{plain(other), unreadable}, channel.ErrExpired},
	} {
		t.Run(name, func(t *testing.T) {
			asked := 0
			var n pen
			p := newPayer(t, srv, n.counted, func(c *client.Config) {
				c.Policy = func(context.Context, client.Proposal) error { asked++; return nil }
			})
			l := p.lied()
			l.after = func(_ int, s sent, resp *http.Response) {
				challenges, err := wire.ParseChallenges(resp.Header)
				require.NoError(t, err)
				if len(challenges) != 1 {
					return
				}
				resp.Header.Del("WWW-Authenticate")
				for _, v := range c.values {
					resp.Header.Add("WWW-Authenticate", v(challenges[0]))
				}
			}
			resp, err := p.do(http.MethodGet, "/data", nil)
			if c.err == nil {
				p.ok(resp, err)
				assert.Equal(t, u(100), p.agree().Signed)
				assert.Equal(t, 1, asked)
				return
			}
			e := p.refused(resp, err)
			require.ErrorIs(t, e, c.err)
			assert.Equal(t, client.Refused, e.Outcome)
			assert.Zero(t, asked, "no policy was asked")
			assert.Zero(t, n.vouchers.Load()+n.transactions.Load())
			assert.Empty(t, p.channels())
			assert.Len(t, l.all(), 1)
		})
	}
}

// TestChallengesThatAreNotKept: one that binds a body, and one that is about to expire, answer one request.
func TestChallengesThatAreNotKept(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	for name, c := range map[string]struct {
		path   string
		change func(c *wire.Challenge)
	}{
		"bound to a body":  {"/data", func(c *wire.Challenge) { c.Digest = "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:" }},
		"about to expire":  {"/data?ttl=4", func(*wire.Challenge) {}},
		"without a margin": {"/data?ttl=100", func(c *wire.Challenge) { c.Expires = time.Now().Add(4 * time.Second).UTC().Format(time.RFC3339Nano) }},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPayer(t, srv)
			l := p.lied()
			l.after = func(_ int, _ sent, resp *http.Response) {
				l.forge(resp, func(ch *wire.Challenge, _ map[string]any) { c.change(ch) })
			}
			for range 3 {
				p.get(c.path)
			}
			assert.Len(t, l.all(), 6, "every request asks first")
			assert.Equal(t, u(300), p.agree().Signed)
		})
	}
	t.Run("without an expiry", func(t *testing.T) {
		p := newPayer(t, srv)
		l := p.lied()
		l.after = func(_ int, _ sent, resp *http.Response) {
			l.forge(resp, func(ch *wire.Challenge, _ map[string]any) { ch.Expires = "" })
		}
		for range 3 {
			p.get("/data")
		}
		assert.Len(t, l.all(), 4)
	})
}

// TestAcceptPayment: the caller's own header stays, and is obeyed.
func TestAcceptPayment(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	for value, paid := range map[string]bool{
		"":                                     true,
		"tempo/session;q=0.5":                  true,
		"tempo/charge, */session;q=0.1":        true,
		"this is no preference":                true,
		"tempo/session;q=0":                    false,
		"tempo/charge":                         false,
		"*/*, tempo/session;q=0, tempo/charge": false,
	} {
		t.Run(value, func(t *testing.T) {
			p := newPayer(t, srv)
			l := p.lied()
			req := p.request(t.Context(), http.MethodGet, "/data", nil)
			want := []string{"tempo/session"}
			if value != "" {
				want = []string{value}
				req.Header["Accept-Payment"] = want
			}
			resp, err := p.send(req)
			require.NoError(t, err)
			defer resp.Body.Close()
			for _, s := range l.all() {
				assert.Equal(t, want, s.Header["Accept-Payment"])
			}
			if paid {
				assert.Equal(t, 200, resp.StatusCode)
				assert.Len(t, l.all(), 2)
				return
			}
			assert.Equal(t, 402, resp.StatusCode, "a caller who wants no session gets the 402")
			assert.Empty(t, l.paid(""))
			assert.Empty(t, p.channels())
		})
	}
}

// TestCredentialHeader: a challenge can name the header that it wants the credential in.
func TestCredentialHeader(t *testing.T) {
	own := "Bearer of-the-caller"
	for header, kept := range map[string]bool{"": false, "Payment-Authorization": true} {
		t.Run(header, func(t *testing.T) {
			srv := clienttest.New(t, clienttest.Config{Header: header})
			p := newPayer(t, srv, func(c *client.Config) { c.Limits.Deposit = u(100_000) })
			l := p.lied()
			for range 4 { // 402, open; voucher; voucher; top-up and voucher
				req := p.request(t.Context(), http.MethodGet, "/data?deposit=300", nil)
				req.Header.Set("Authorization", own)
				p.ok(p.send(req))
			}
			require.Len(t, l.paid("topUp"), 1)
			for _, s := range l.all() {
				if s.Paid == nil || kept {
					assert.Equal(t, own, s.Header.Get("Authorization"), "%s %s", s.Method, s.action())
				} else {
					assert.NotEqual(t, own, s.Header.Get("Authorization"))
				}
			}
			assert.Equal(t, u(400), p.agree().Signed)
		})
	}
}

func TestIdempotencyKey(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	l := p.lied()
	keys := func(s sent) (values []string) {
		for name, v := range s.Header {
			if strings.EqualFold(name, "Idempotency-Key") { // in whatever spelling
				values = append(values, v...)
			}
		}
		return values
	}
	stale := 0
	l.answer = func(_ int, s sent) (*http.Response, error) {
		if stale == 0 || s.Paid == nil {
			return nil, nil
		}
		stale--
		resp := reply(402, "")
		refuseWith(resp, p.unpaid("/data"), "payment-expired")
		return resp, nil
	}
	p.get("/data")
	require.Len(t, l.all(), 2)
	assert.Empty(t, l.all()[0].Header["Idempotency-Key"], "what costs nothing needs none")
	first := keys(l.all()[1])
	require.Len(t, first, 1)
	assert.Len(t, first[0], 32)

	stale = 2
	p.get("/data")
	again := l.paid("voucher")
	require.Len(t, again, 3)
	assert.Equal(t, keys(again[0]), keys(again[1]))
	assert.Equal(t, keys(again[0]), keys(again[2]))
	assert.NotEqual(t, first, keys(again[0]), "another request has another key")

	stale = 1
	req := p.request(t.Context(), http.MethodGet, "/data", nil)
	req.Header.Set("Idempotency-Key", "of the caller")
	p.ok(p.send(req))
	for _, s := range l.paid("voucher")[3:] {
		assert.Equal(t, []string{"of the caller"}, keys(s))
	}
	assert.Len(t, l.paid("voucher"), 5)
	assert.Equal(t, u(300), p.agree().Signed)
}

// TestInsecureHosts: over plain HTTP only this machine is paid.
func TestInsecureHosts(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	for where, ok := range map[string]bool{
		"http://api.example.com": false, "http://127.0.0.1.example.com": false, "http://10.0.0.1": false,
		"http://localhost": true, "http://127.0.0.2:99": true, "http://[::1]": true, "https://api.example.com": true,
	} {
		t.Run(where, func(t *testing.T) {
			var n pen
			p := newPayer(t, srv, n.counted)
			l := p.lied()
			l.base = elsewhere{l.base, srv.URL}
			resp, err := p.send(p.request(t.Context(), http.MethodGet, where+"/data", nil))
			if ok {
				p.ok(resp, err)
				assert.Equal(t, u(100), p.agree().Signed)
				return
			}
			e := p.refused(resp, err)
			require.ErrorIs(t, e, client.ErrInsecure)
			assert.Empty(t, l.paid(""))
			assert.Zero(t, n.vouchers.Load()+n.transactions.Load())
			p.ok(p.send(p.request(t.Context(), http.MethodGet, where+"/free", nil)))
		})
	}
}

// elsewhere sends every request to one server, whatever host it names.
type elsewhere struct {
	base http.RoundTripper
	url  string
}

func (e elsewhere) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.URL.Scheme, r.URL.Host, _ = strings.Cut(e.url, "://")
	return e.base.RoundTrip(r)
}

// TestWithoutATraceNothingIsSure: a round tripper that does not say what it wrote may have sent all of it. The
// request is not sent twice, and the price stays counted.
func TestWithoutATraceNothingIsSure(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	p.get("/data")
	cut := errors.New("the tunnel broke")
	l := p.lied()
	l.answer = func(_ int, s sent) (*http.Response, error) { return nil, cut }
	e := p.refused(p.do(http.MethodGet, "/data", nil))
	require.ErrorIs(t, e, cut)
	assert.Equal(t, client.Unknown, e.Outcome)
	assert.Len(t, l.all(), 1)
	assert.Equal(t, u(200), p.only().Claimed)
}
