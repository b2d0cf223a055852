package client_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
)

// TestRoundTrippersThatBreakTheContract end the request with an error, or with the response that there
// is; net/http forgives the same.
func TestRoundTrippersThatBreakTheContract(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	for name, c := range map[string]struct {
		change func(*http.Response) *http.Response
		err    bool
		status int
	}{
		"no response and no error": {func(*http.Response) *http.Response { return nil }, true, 0},
		"no body": {func(resp *http.Response) *http.Response {
			resp.Body.Close()
			resp.Body, resp.ContentLength = nil, 0
			return resp
		}, false, http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPayer(t, srv, func(c *client.Config) { c.Bootstrap = true })
			base := p.base
			p.base = answers(func(r *http.Request) (*http.Response, error) {
				resp, err := base.RoundTrip(r)
				if err != nil {
					return nil, err
				}
				return c.change(resp), nil
			})
			for _, path := range []string{"/free", "/boot", "/data"} {
				resp, err := p.do(http.MethodGet, path, nil)
				if c.err {
					require.Error(t, err, path)
					continue
				}
				require.NoError(t, err, path)
				resp.Body.Close()
				assert.Equal(t, c.status, resp.StatusCode)
			}
		})
	}
}
