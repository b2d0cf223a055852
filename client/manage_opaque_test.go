package client_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client/clienttest"
)

// TestOpaqueURL: some clients put the path, as it is to be sent, into URL.Opaque. What names a host
// there is not dialed, so vouchers and proofs go where the request goes, and nowhere else.
func TestOpaqueURL(t *testing.T) {
	for _, host := range []string{"//127.0.0.1:1", ""} {
		p := newPayer(t, clienttest.New(t, clienttest.Config{}), bootstrapping)
		l := p.lied()
		own, err := url.Parse(p.srv.URL)
		require.NoError(t, err)
		for _, path := range []string{"/boot", "/stream/3/10"} {
			req := p.request(t.Context(), http.MethodGet, path, nil)
			req.URL.Opaque = host + req.URL.Path
			resp, err := p.send(req)
			p.ok(resp, err)
		}
		for _, s := range l.all() {
			assert.Equal(t, own.Host, s.Host, s)
		}
		assert.Len(t, l.paid("proof"), 1)
		assert.NotEmpty(t, l.paid("voucher"))
		p.agree()
	}
}
