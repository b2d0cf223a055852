//go:build unix

package gateways

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/internal/testrun"
)

// TestMain runs the tests.
func TestMain(m *testing.M) {
	testrun.OnlyPeers()
	os.Exit(m.Run())
}

// TestGateways is everything that needs a gateway. It is one test so that there is one line when
// the programs are missing.
func TestGateways(t *testing.T) {
	testrun.NeedPeer(t, missing())
	for name, one := range map[string]struct {
		kind  kind
		http2 bool
	}{
		"nginx h2":         {nginx(grace, "", ""), true},
		"nginx h1":         {nginx(grace, "", ""), false},
		"haproxy h2 to h1": {haproxy(grace, "", ""), true},
		"haproxy h2 to h2": {haproxy(grace, "", "proto h2"), true},
		"haproxy h1 to h1": {haproxy(grace, "", ""), false},
		"haproxy h1 to h2": {haproxy(grace, "", "proto h2"), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Run("whole life", func(t *testing.T) { wholeLife(t, one.kind, one.http2) })
			t.Run("reload", func(t *testing.T) { reload(t, one.kind, one.http2) })
		})
	}
	t.Run("header of 8 KB", headerLimit)
	t.Run("buffered stream", bufferedStream)
	t.Run("stream that is cut", cutStream)
	t.Run("header too long", headerTooLong)
	t.Run("answers of the gateway", ownAnswers)
	t.Run("repeated request", repeatedRequest)
	t.Run("many repeated requests", manyRepeatedRequests)
}

// missing returns what the tests cannot do without.
func missing() error {
	for _, name := range []string{"nginx", "haproxy"} {
		if program(name) == "" {
			return fmt.Errorf("%s is missing: run internal/gateways/install.sh", name)
		}
	}
	return nil
}

// wholeLife opens a channel, pays by GET and POST, streams, tops up while a stream runs, and
// closes.
func wholeLife(t *testing.T, k kind, http2 bool) {
	srv := clienttest.New(t, clienttest.Config{})
	g := k(t, cleartext(t, bodyFirst(srv.Handler())).addr)
	for _, rail := range []string{"", "/v1"} {
		p := newPayer(t, srv, g, http2)
		began := srv.Chain.Balance(srv.Payee)

		p.get(rail + "/data")
		p.get(rail + "/data?x=1")
		resp, _, err := p.do(http.MethodGet, rail+"/data", "")
		require.NoError(t, err)
		assert.Equal(t, http2, resp.ProtoMajor == 2)
		assert.True(t, resp.Uncompressed, "the gateway compressed the answer")
		assert.Equal(t, u(3*price), p.agree())

		for _, body := range []string{strings.Repeat("x", 100_000), "short"} {
			assert.Contains(t, p.ok(http.MethodPost, rail+"/data", body), body)
		}
		assert.Equal(t, u(5*price), p.agree())

		assert.Equal(t, 20, events(p.get(rail+"/stream/20/10")))
		assert.Equal(t, 20, events(p.ok(http.MethodPost, rail+"/stream/20/10", "{}")))
		assert.Equal(t, u(5*price+40*chunk), p.agree())

		assert.Equal(t, 100, events(p.get(rail+"/stream/100/200")))
		assert.Positive(t, p.seen(client.EventToppedUp))
		spent := p.agree()
		assert.Equal(t, u(5*price+40*chunk+100*200), spent)

		require.NoError(t, p.session.Channels().Close(t.Context(), p.only().ID))
		assert.Equal(t, channel.Closed, p.only().Phase)
		gained, err := srv.Chain.Balance(srv.Payee).Sub(began)
		require.NoError(t, err)
		assert.Equal(t, spent, gained, "the payee has exactly what was bought")
	}
}

// bodyFirst answers only after it has the whole body, as docs/recipes.md recommends: HAProxy ends a
// connection of HTTP/1, without a word, on which the server answered before that. A payment that is
// being written on it then has an unknown outcome.
func bodyFirst(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		h.ServeHTTP(w, r)
	})
}

// events counts the events of a stream.
func events(body string) int { return strings.Count(body, "\n\n") }
