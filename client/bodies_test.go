package client_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
)

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
			assert.Equal(t, client.OutcomeRefused, e.Outcome)
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
	assert.Equal(t, signed, p.only().Authorized)
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
	assert.Equal(t, client.OutcomeNotSent, e.Outcome)
	p.get("/data")
	assert.Equal(t, u(200), p.agree().Signed)
}
