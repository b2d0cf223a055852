package client_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client/clienttest"
)

// TestProofOfAPostThatIsServed: a 204 that answers the proof of a POST is its answer, whatever
// cookies came with it. The request is not made twice.
func TestProofOfAPostThatIsServed(t *testing.T) {
	for method, sendings := range map[string]int{http.MethodPost: 2, http.MethodGet: 3} {
		p := newPayer(t, clienttest.New(t, clienttest.Config{}))
		l := p.lied()
		l.answer = func(_ int, s sent) (*http.Response, error) {
			if s.action() == "proof" {
				return reply(http.StatusNoContent, "", "Set-Cookie", "a=b"), nil
			}
			return nil, nil
		}
		req := p.request(t.Context(), method, "/who", strings.NewReader("hello"))
		resp, err := p.send(req)
		require.NoError(t, err)
		resp.Body.Close()
		assert.Len(t, l.all(), sendings, method)
		assert.Equal(t, []string{"a=b"}, resp.Header.Values("Set-Cookie"))
	}
}
