package client_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
)

// secretKey is what a gateway wants, and what nobody else may see.
const secretKey = "gateway-secret-7f3a"

// TestClosesPassAGateway with the headers of the context: a close, a question for what was signed, and
// the closes of Session.Close. They are neither stored nor logged.
func TestClosesPassAGateway(t *testing.T) {
	for _, name := range []string{"X-Api-Key", "x-api-key", "Cookie", "User-Agent"} {
		for _, way := range []string{"Close", "RecoverFromPayee", "Session.Close"} {
			t.Run(name+" "+way, func(t *testing.T) {
				srv := clienttest.New(t, clienttest.Config{})
				var log bytes.Buffer
				p := newPayer(t, srv, func(c *client.Config) {
					c.CloseChannels = true
					c.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
				})
				paid := srv.Paid(clienttest.Terms{Price: u(100), Deposit: u(1000)}, http.HandlerFunc(data))
				front := gateway(t, paid, func(r *http.Request) bool { return r.Header.Get(name) == secretKey })
				p.ok(p.fetch(t.Context(), http.MethodGet, front.URL+"/x", nil, name, secretKey))
				id := p.only().ID
				require.Error(t, p.session.Channels().Close(t.Context(), id), "without the key")

				ctx := client.WithHeader(t.Context(), front.URL, http.Header{name: {secretKey}})
				var err error
				switch way {
				case "Close":
					err = p.session.Channels().Close(ctx, id)
				case "RecoverFromPayee":
					_, err = p.session.Channels().RecoverFromPayee(ctx, id)
				default:
					err = p.session.Close(ctx)
				}
				require.NoError(t, err)
				assert.Equal(t, way != "RecoverFromPayee", p.only().Phase == channel.Closed)
				assert.NotContains(t, log.String(), secretKey)
				for e, err := range p.store.List(t.Context(), "") {
					require.NoError(t, err)
					assert.NotContains(t, string(e.Data), secretKey)
				}
			})
		}
	}
}

// TestCloseErrorsShowNoHeader: neither one that the payee refused, nor one that cannot be sent.
func TestCloseErrorsShowNoHeader(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	for _, value := range []string{secretKey, secretKey + "\n"} {
		p := newPayer(t, srv)
		p.get("/data")
		srv.OnRequest(func(clienttest.Request) clienttest.Fault { return clienttest.Fault{Refuse: 403} })
		ctx := client.WithHeader(t.Context(), srv.URL, http.Header{"X-Api-Key": {value}})
		err := p.session.Channels().Close(ctx, p.only().ID)
		srv.OnRequest(nil)
		require.Error(t, err)
		assert.NotContains(t, err.Error(), secretKey)
		assert.Equal(t, channel.Open, p.only().Phase)
	}
}

// TestHeadersOfAClose: they go to the origin that they were given for, each name once, without those of
// a message. The credential takes the place of an Authorization; a Host is the request's; the inner
// context counts; an origin that is none refuses the close.
func TestHeadersOfAClose(t *testing.T) {
	for _, credential := range []string{"", "Payment-Authorization"} {
		srv := clienttest.New(t, clienttest.Config{Header: credential})
		p := newPayer(t, srv)
		p.get("/data")
		l := p.liedToTheEnd()
		var host atomic.Value
		base := l.base
		l.base = tripper(func(r *http.Request) (*http.Response, error) {
			host.Store(r.Host)
			return base.RoundTrip(r)
		})
		id := p.only().ID
		require.ErrorIs(t, p.session.Channels().Close(client.WithHeader(t.Context(), "not an origin", nil), id), client.ErrPolicy)
		assert.Empty(t, l.all())

		ctx := client.WithHeader(t.Context(), "https://elsewhere.example", http.Header{"X-Other": {secretKey}})
		ctx = client.WithHeader(ctx, srv.URL, http.Header{"X-Api-Key": {"outer"}, "X-Outer": {"1"}})
		given := http.Header{
			"x-api-key": {"inner"}, "authorization": {"Bearer x"}, "Content-Type": {"text/plain"}, "Host": {"api.example"},
			"X-Two": {"a", "b"}, "Idempotency-Key": {"k"},
		}
		ctx = client.WithHeader(ctx, srv.URL+"/some/path?q=1", given)
		given.Set("X-Api-Key", "changed later")
		require.NoError(t, p.session.Channels().Close(ctx, id))
		require.NotEmpty(t, l.paid("close"))
		assert.Equal(t, "api.example", host.Load())
		for _, s := range l.all() {
			for name, want := range map[string][]string{
				"X-Other": nil, "X-Outer": {"1"}, "X-Api-Key": {"inner"}, "Content-Type": nil, "X-Two": {"a", "b"}, "Host": nil, "Idempotency-Key": nil,
			} {
				assert.Equal(t, want, spelledAnyhow(s, name), "%s %s", s, name)
			}
			own := spelledAnyhow(s, "Authorization")
			require.Len(t, own, 1, "%s", s)
			assert.Equal(t, credential == "" && s.Paid != nil, own[0] != "Bearer x", "%s", s)
		}
		p.paidOut(p.only(), 100)
	}
}

// TestCloseKeepsAnEncodedPath: the path of the record goes as it is, and is not decoded on the way.
func TestCloseKeepsAnEncodedPath(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	paid := srv.Paid(clienttest.Terms{Price: u(100), Deposit: u(1000)}, http.HandlerFunc(data))
	const path = "/v1/models/org%2Fmodel%3Fx/a%20b"
	front := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.EscapedPath() != path {
			http.NotFound(w, r)
			return
		}
		paid.ServeHTTP(w, r)
	})
	p.ok(p.fetch(t.Context(), http.MethodGet, front.URL+path, nil))
	require.NoError(t, p.session.Channels().Close(t.Context(), p.only().ID))
	p.paidOut(p.only(), 100)
}

// TestCloseAtARouteOfOneMethod: where neither HEAD nor GET brings a challenge, an empty POST does.
func TestCloseAtARouteOfOneMethod(t *testing.T) {
	for _, method := range []string{http.MethodHead, http.MethodGet, http.MethodPost} {
		for _, status := range []int{http.StatusOK, http.StatusUnauthorized, http.StatusNotFound, http.StatusMethodNotAllowed} {
			srv := clienttest.New(t, clienttest.Config{})
			p := newPayer(t, srv)
			paid := srv.Paid(clienttest.Terms{Price: u(100), Deposit: u(1000)}, http.HandlerFunc(data))
			var closing atomic.Bool
			front := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if closing.Load() && r.Method != method {
					w.WriteHeader(status)
					return
				}
				paid.ServeHTTP(w, r)
			})
			p.ok(p.fetch(t.Context(), http.MethodPost, front.URL, strings.NewReader("{}")))
			closing.Store(true)
			err := p.session.Channels().Close(t.Context(), p.only().ID)
			if method == http.MethodGet {
				require.Error(t, err, "no credential of a close goes by GET")
				continue
			}
			require.NoError(t, err, "%s %d", method, status)
			p.paidOut(p.only(), 100)
		}
	}
}

// TestRequestsDoNotCarryHeadersOfCloses: the headers of the context are for requests that belong to
// none of the caller's.
func TestRequestsDoNotCarryHeadersOfCloses(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	l := p.lied()
	ctx := client.WithHeader(context.Background(), srv.URL, http.Header{"X-Api-Key": {secretKey}})
	resp, err := p.fetch(ctx, http.MethodGet, srv.URL+"/stream/5/10", nil)
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, resp.Body)
	require.NoError(t, errors.Join(err, resp.Body.Close()))
	for _, s := range l.all() {
		assert.Empty(t, spelledAnyhow(s, "X-Api-Key"))
	}
}
