package client_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
)

// keyed lets through what has the caller's key in Authorization, and answers 401 to all else.
func keyed(t *testing.T, srv *clienttest.Server, wants func(*http.Request) bool) string {
	t.Helper()
	return gateway(t, srv.Handler(), func(r *http.Request) bool {
		return !wants(r) || r.Header.Get("Authorization") == "Bearer k"
	}).URL
}

// TestKeyAndCredentialInOneHeader: a payee, or a gateway before it, that wants a key in Authorization
// with paid requests too, answers 401 to each, because the credential is there. The reason is told.
func TestKeyAndCredentialInOneHeader(t *testing.T) {
	credentials := func(r *http.Request) bool { return r.Header.Get("Authorization") != "" }
	always := func(*http.Request) bool { return true }
	proofs := func(r *http.Request) bool { return r.URL.Path == "/who" }
	for name, c := range map[string]struct {
		path, credential, authorization string
		wants                           func(*http.Request) bool
		status                          int
		told                            bool
	}{
		"a paid request":              {"/data", "", "Bearer k", always, 401, true},
		"no key":                      {"/data", "", "", credentials, 401, false},
		"a header for the credential": {"/data", "Payment-Authorization", "Bearer k", always, 200, false},
		"who asks for the payer":      {"/who", "", "Bearer k", proofs, 401, true},
		"an unpaid request":           {"/data", "", "Bearer wrong", always, 401, false},
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			t.Run(name+" "+method, func(t *testing.T) {
				srv := clienttest.New(t, clienttest.Config{Header: c.credential})
				p := newPayer(t, srv)
				var body io.Reader
				if method == http.MethodPost {
					body = strings.NewReader("{}")
				}
				req := p.request(t.Context(), method, keyed(t, srv, c.wants)+c.path, body)
				if c.authorization != "" {
					req.Header["authorization"] = []string{c.authorization}
				}
				resp, err := p.send(req)
				require.NoError(t, err)
				text, err := io.ReadAll(resp.Body)
				require.NoError(t, err)
				assert.Equal(t, c.status, resp.StatusCode)
				assert.Equal(t, c.status == 401, strings.Contains(string(text), "no key"), "the answer stays")
				paid := client.PaymentOf(resp)
				require.NotNil(t, paid)
				if !c.told {
					require.NoError(t, paid.Err)
					return
				}
				require.ErrorIs(t, paid.Err, client.ErrAuthorization)
				assert.ErrorContains(t, paid.Err, "header=\"Payment-Authorization\"")
				assert.NotContains(t, paid.Err.Error(), "Bearer")
			})
		}
	}
}

// TestKeyAndCredentialOfManagement: and so are the errors of vouchers, top-ups and closes that the
// gateway refuses. They are not worth another try.
func TestKeyAndCredentialOfManagement(t *testing.T) {
	for name, path := range map[string]string{
		"voucher": "/stream/5/10", "topUp": "/data?deposit=100", "close": "/data",
	} {
		t.Run(name, func(t *testing.T) {
			srv := clienttest.New(t, clienttest.Config{})
			p := newPayer(t, srv)
			front := keyed(t, srv, func(r *http.Request) bool {
				return r.Method == http.MethodHead || r.Method == http.MethodPost
			})
			get := func() error {
				req := p.request(t.Context(), http.MethodGet, front+path, nil)
				req.Header.Set("Authorization", "Bearer k")
				resp, err := p.send(req)
				if err == nil {
					_, err = io.ReadAll(resp.Body)
					resp.Body.Close()
				}
				return err
			}
			err := get()
			switch name {
			case "topUp":
				require.NoError(t, err)
				err = get()
			case "close":
				require.NoError(t, err)
				h := http.Header{"Authorization": {"Bearer k"}}
				err = p.session.Channels().Close(client.WithHeader(t.Context(), front, h), p.only().ID)
			}
			require.ErrorIs(t, err, client.ErrAuthorization)
			require.ErrorIs(t, err, client.ErrRejected)
			var e *client.Error
			require.ErrorAs(t, err, &e)
			assert.False(t, e.Retryable())
			assert.NotContains(t, err.Error(), "Bearer k")
		})
	}
}
