package client_test

import (
	"context"
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
		"expiry unreadable":       {[]func(wire.Challenge) string{unreadable}, channel.ErrExpired},
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
			assert.Equal(t, client.OutcomeRefused, e.Outcome)
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
