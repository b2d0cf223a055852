package client_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
)

// slowConn is a connection whose Write passes everything on and then returns late, once it is told.
type slowConn struct {
	net.Conn
	late *atomic.Bool
	told <-chan struct{}
}

func (c slowConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	if c.late.Load() {
		<-c.told
	}
	return n, err
}

// impatient is a round tripper that gives up by itself.
type impatient struct {
	base     http.RoundTripper
	patience context.Context //nolint:containedctx // until when it waits
}

func (i impatient) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(r.Context())
	context.AfterFunc(i.patience, cancel)
	resp, err := i.base.RoundTrip(r.WithContext(ctx))
	if err != nil {
		err = errors.New("the base gave up")
	}
	return resp, err
}

// TestCancelWhileTheStreamIsWritten: over HTTP/2 a request may have arrived although net/http does
// not know yet that it was written. It may have been taken, whoever ends it: the context,
// Request.Cancel, which http.Client closes at its Timeout, or a base with a time-out of its own.
func TestCancelWhileTheStreamIsWritten(t *testing.T) {
	for _, how := range []string{"context", "Request.Cancel", "base"} {
		t.Run(how, func(t *testing.T) {
			srv := clienttest.New(t, clienttest.Config{})
			paid := srv.Paid(hundred, http.HandlerFunc(sayOK))
			var late atomic.Bool
			came, end := make(chan struct{}, 8), make(chan struct{})
			s := overTLS(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if late.Load() {
					came <- struct{}{}
					<-end
				}
				paid.ServeHTTP(w, r)
			}))
			defer close(end)
			base := s.Client().Transport.(*http.Transport)
			base.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
				conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
				return slowConn{conn, &late, end}, err
			}
			p := newPayer(t, srv)
			patience, giveUp := context.WithCancel(t.Context())
			defer giveUp()
			p.base = base
			if how == "base" {
				p.base = impatient{base, patience}
			}
			p.ok(p.fetch(t.Context(), http.MethodGet, s.URL, nil))

			budget := client.NewBudget(asset(srv), u(1000))
			ctx, stop := context.WithCancel(client.WithBudget(t.Context(), budget))
			defer stop()
			req := p.request(ctx, http.MethodGet, s.URL, nil)
			cancel := make(chan struct{})
			if how == "Request.Cancel" {
				req.Cancel = cancel //nolint:staticcheck // http.Client sets it
			}
			late.Store(true)
			go func() {
				<-came
				switch how {
				case "context":
					stop()
				case "base":
					giveUp()
				default:
					close(cancel)
				}
			}()
			resp, err := (&client.Transport{Session: p.session, Base: p.base}).RoundTrip(req)
			var e *client.Error
			require.ErrorAs(t, err, &e)
			require.Nil(t, resp)
			assert.Equal(t, client.OutcomeUnknown, e.Outcome)
			assert.Equal(t, u(200), p.only().Claimed)
			assert.Equal(t, u(900), budget.Left())
			assert.Empty(t, came, "it is sent once")
		})
	}
}
