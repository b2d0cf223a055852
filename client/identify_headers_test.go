package client_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client/clienttest"
)

// inAnyCase returns the values of a header in all spellings of its name.
func inAnyCase(h http.Header, name string) (values []string) {
	for key, v := range h {
		if strings.EqualFold(key, name) {
			values = append(values, v...)
		}
	}
	return values
}

// TestProofReplacesTheCallersHeader: the proof and the payee's cookies take the place of the
// caller's headers, however the caller spelled their names.
func TestProofReplacesTheCallersHeader(t *testing.T) {
	p := newPayer(t, clienttest.New(t, clienttest.Config{}))
	l := p.lied()
	req := p.request(t.Context(), http.MethodGet, "/who?cookie", nil)
	req.Header["authorization"] = []string{"Bearer of-the-caller"}
	req.Header["cookie"] = []string{"own=1; payer=old"}
	resp, err := p.send(req)
	p.ok(resp, err)
	proofs := l.paid("proof")
	require.Len(t, proofs, 1)
	assert.Len(t, inAnyCase(proofs[0].Header, "Authorization"), 1)
	last := l.all()[len(l.all())-1]
	require.Len(t, resp.Cookies(), 1)
	assert.Equal(
		t,
		[]string{"own=1; payer=" + resp.Cookies()[0].Value},
		inAnyCase(last.Header, "Cookie"),
	)
}

// TestNoProofToWhoWantsSessionsOnly: an Accept-Payment that leaves out charges holds in any case.
func TestNoProofToWhoWantsSessionsOnly(t *testing.T) {
	for _, name := range []string{"Accept-Payment", "accept-payment"} {
		var n pen
		p := newPayer(t, clienttest.New(t, clienttest.Config{}), n.counted)
		req := p.request(t.Context(), http.MethodGet, "/who", nil)
		req.Header[name] = []string{"tempo/session, tempo/charge;q=0"}
		resp, err := p.send(req)
		require.NoError(t, err)
		resp.Body.Close()
		assert.Equal(t, http.StatusPaymentRequired, resp.StatusCode)
		assert.Zero(t, n.proofs.Load(), name)
	}
}
