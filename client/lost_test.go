package client_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
)

// TestLostAnswerToAVoucher: the request is not sent twice, its price stays counted, and nothing drifts.
func TestLostAnswerToAVoucher(t *testing.T) {
	for _, rail := range rails {
		srv := clienttest.New(t, clienttest.Config{})
		p := newPayer(t, srv)
		p.get(rail + "/data")
		once(srv, "voucher", clienttest.Fault{LoseAnswer: true})
		before := srv.Served(rail + "/data")
		e := p.refused(p.do(http.MethodPost, rail+"/data", strings.NewReader("pay me")))
		assert.Equal(t, client.OutcomeUnknown, e.Outcome)
		assert.Equal(t, u(200), e.Cumulative)
		assert.Equal(t, u(100), e.Price)
		assert.Equal(t, before+1, srv.Served(rail+"/data"))
		assert.Equal(t, u(200), p.agree().Claimed)
		paid := p.events.of(client.EventPaid)
		require.Len(t, paid, 2)
		assert.Equal(t, client.OutcomeUnknown, paid[1].Outcome)
		require.Error(t, paid[1].Err)
		p.get(rail + "/data")
		assert.Equal(t, u(300), p.agree().Signed)
	}
}

// TestUncharged: what was counted for a request that was not charged pays for a later one, as soon as a receipt
// says so.
func TestUncharged(t *testing.T) {
	for _, rail := range rails {
		srv := clienttest.New(t, clienttest.Config{})
		p := newPayer(t, srv)
		p.get(rail + "/data")
		once(srv, "voucher", clienttest.Fault{Refuse: http.StatusInternalServerError})
		resp, err := p.do(http.MethodGet, rail+"/data", nil)
		require.NoError(t, err)
		resp.Body.Close()
		assert.Equal(t, 500, resp.StatusCode)
		assert.Equal(t, client.OutcomeUnknown, client.PaymentOf(resp).Outcome)
		assert.Equal(t, u(200), p.only().Claimed)
		p.get(rail + "/data")
		s := p.only()
		assert.Equal(t, u(300), s.Signed)
		assert.Equal(t, u(200), s.Claimed, "the receipt says what was charged")
		p.get(rail + "/data")
		assert.Equal(t, u(300), p.agree().Signed, "the credit was used, nothing was signed")
	}
}

// TestFailureAfterPayment: charged, and an error for an answer.
func TestFailureAfterPayment(t *testing.T) {
	for _, rail := range rails {
		for _, action := range []string{"open", "voucher"} {
			srv := clienttest.New(t, clienttest.Config{})
			p := newPayer(t, srv)
			if action == "voucher" {
				p.get(rail + "/data")
			}
			once(srv, action, clienttest.Fault{FailAfter: http.StatusInternalServerError})
			resp, err := p.do(http.MethodGet, rail+"/data", nil)
			require.NoError(t, err)
			resp.Body.Close()
			assert.Equal(t, 500, resp.StatusCode)
			assert.Equal(t, client.OutcomeUnknown, client.PaymentOf(resp).Outcome)
			p.get(rail + "/data")
			s := p.agree()
			assert.Equal(t, s.Signed, s.Claimed)
		}
	}
}

// TestReceiptOnAnError is counted: it answers our credential.
func TestReceiptOnAnError(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	srv.Handle("/teapot", srv.Paid(clienttest.Terms{Price: u(70), Deposit: u(10_000)}, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusTeapot)
	})))
	p := newPayer(t, srv)
	for range 2 {
		resp, err := p.do(http.MethodGet, "/teapot", nil)
		require.NoError(t, err)
		resp.Body.Close()
		assert.Equal(t, http.StatusTeapot, resp.StatusCode)
		assert.Equal(t, client.OutcomeAcceptedNoContent, client.PaymentOf(resp).Outcome)
		require.NotNil(t, client.PaymentOf(resp).Receipt())
	}
	assert.Equal(t, u(140), p.agree().Signed)
}

// TestDeadConnection: a kept-alive connection that breaks under a paid request is not used again in silence, as
// net/http does for requests that it takes for repeatable.
func TestDeadConnection(t *testing.T) {
	for name, req := range map[string]struct{ method, body, key string }{
		"GET":                  {http.MethodGet, "", ""},
		"HEAD":                 {http.MethodHead, "", ""},
		"POST with a key":      {http.MethodPost, "", "k"},
		"POST, body and a key": {http.MethodPost, "x", "k"},
	} {
		t.Run(name, func(t *testing.T) {
			srv := clienttest.New(t, clienttest.Config{})
			target, err := url.Parse(srv.URL)
			require.NoError(t, err)
			var breaking atomic.Bool
			var seen atomic.Int64
			proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
			front := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Authorization") != "" && breaking.Load() {
					seen.Add(1)
					conn, _, err := w.(http.Hijacker).Hijack()
					if assert.NoError(t, err) {
						conn.Close()
					}
					return
				}
				proxy.ServeHTTP(w, r)
			})}
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			go front.Serve(listener)
			t.Cleanup(func() { front.Close() })
			at := "http://" + listener.Addr().String() + "/data"

			p := newPayer(t, srv)
			p.ok(p.send(p.request(t.Context(), http.MethodGet, at, nil))) // leaves a connection behind
			resp, err := p.send(p.request(t.Context(), req.method, at, nil))
			require.NoError(t, err)
			resp.Body.Close()
			claimed := p.only().Claimed
			breaking.Store(true)
			r := p.request(t.Context(), req.method, at, strings.NewReader(req.body))
			if req.key != "" {
				r.Header.Set("Idempotency-Key", req.key)
			}
			e := p.refused(p.send(r))
			assert.Equal(t, client.OutcomeUnknown, e.Outcome)
			assert.EqualValues(t, 1, seen.Load(), "sent once")
			more, err := claimed.Add(u(100))
			require.NoError(t, err)
			assert.Equal(t, more, p.only().Claimed)
		})
	}
}

// TestUnreachable: nothing left, so nothing is counted.
func TestUnreachable(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	p.get("/data")
	p.base.(*http.Transport).CloseIdleConnections()
	refuse := errUnreachable{}
	p.base.(*http.Transport).DialContext = func(context.Context, string, string) (net.Conn, error) { return nil, refuse }
	e := p.refused(p.do(http.MethodGet, "/data", nil))
	require.ErrorIs(t, e, refuse)
	assert.Equal(t, client.OutcomeNotSent, e.Outcome)
	assert.Equal(t, u(100), p.only().Claimed)
	p.base.(*http.Transport).DialContext = nil
	p.get("/data")
	assert.Equal(t, u(200), p.agree().Signed)
}

type errUnreachable struct{}

func (errUnreachable) Error() string { return "unreachable" }

// TestConnectionThatDiedBeforeTheRequest is nobody's answer: the request goes out on another one, once.
func TestConnectionThatDiedBeforeTheRequest(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	p.get("/data")
	l := p.lied()
	dead := 1
	p.base = trace{l, func(ctx context.Context) error {
		if dead == 0 {
			return nil
		}
		dead--
		httptrace.ContextClientTrace(ctx).GetConn("")
		return errUnreachable{}
	}}
	p.ok(p.do(http.MethodPost, "/data", strings.NewReader("x")))
	assert.Equal(t, u(200), p.agree().Signed)
	dead = 2
	e := p.refused(p.do(http.MethodPost, "/data", strings.NewReader("x")))
	assert.Equal(t, client.OutcomeNotSent, e.Outcome)
	assert.Equal(t, u(200), p.only().Claimed)
	p.get("/data")
	assert.Equal(t, u(300), p.agree().Signed)
}

// trace fails paid requests before anything is written, where it is told to.
type trace struct {
	base http.RoundTripper
	fail func(ctx context.Context) error
}

func (b trace) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Header.Get("Authorization") != "" {
		if err := b.fail(r.Context()); err != nil {
			return nil, err
		}
	}
	return b.base.RoundTrip(r)
}

// TestCancellationWhileTheRequestIsWritten: what is on a connection may arrive, whether the transport
// has reported it or not.
func TestCancellationWhileTheRequestIsWritten(t *testing.T) {
	for connected, want := range map[bool]client.Outcome{true: client.OutcomeUnknown, false: client.OutcomeNotSent} {
		srv := clienttest.New(t, clienttest.Config{})
		p := newPayer(t, srv)
		p.get("/data")
		ctx, cancel := context.WithCancel(t.Context())
		p.base = trace{p.base, func(ctx context.Context) error {
			httptrace.ContextClientTrace(ctx).GetConn("")
			if connected {
				httptrace.ContextClientTrace(ctx).GotConn(httptrace.GotConnInfo{})
			}
			cancel()
			return context.Cause(ctx)
		}}
		e := p.refused(p.send(p.request(ctx, http.MethodGet, "/data", nil)))
		assert.Equal(t, want, e.Outcome)
	}
}
