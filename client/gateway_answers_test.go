package client_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
)

// rewriting lets a gateway change the header of each answer before it is written.
func rewriting(change func(status int, h http.Header)) func(http.Handler) http.Handler {
	return func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h.ServeHTTP(&rewritten{ResponseWriter: w, change: change}, r)
		})
	}
}

type rewritten struct {
	http.ResponseWriter
	change func(status int, h http.Header)
	done   bool
}

func (w *rewritten) WriteHeader(status int) {
	if !w.done {
		w.done = true
		w.change(status, w.Header())
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *rewritten) Write(b []byte) (int, error) {
	if !w.done {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriter.Write(b)
}

func (w *rewritten) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *rewritten) Flush() { _ = http.NewResponseController(w.ResponseWriter).Flush() }

// TestGatewaysThatChangeAnswers: the whole life of a channel through gateways that do what real ones
// do to requests and answers.
func TestGatewaysThatChangeAnswers(t *testing.T) {
	own := func(line string) func(int, http.Header) {
		return func(status int, h http.Header) {
			if status == http.StatusPaymentRequired {
				h["Www-Authenticate"] = append([]string{line}, h["Www-Authenticate"]...)
			}
		}
	}
	for name, front := range map[string]func(http.Handler) http.Handler{
		"a challenge of its own": rewriting(own(`Bearer realm="gateway", error="invalid_token"`)),
		"one line of challenges": rewriting(func(status int, h http.Header) {
			own(`Basic realm="a, b", charset="UTF-8"`)(status, h)
			if all := h["Www-Authenticate"]; len(all) > 1 {
				h["Www-Authenticate"] = []string{strings.Join(all, ", ")}
			}
		}),
		"no Date":     rewriting(func(_ int, h http.Header) { h["Date"] = nil }),
		"no receipts": rewriting(func(_ int, h http.Header) { h.Del("Payment-Receipt") }),
		"HTML for a 402": rewriting(func(status int, h http.Header) {
			if status == http.StatusPaymentRequired {
				h.Set("Content-Type", "text/html; charset=iso-8859-1")
			}
		}),
		"another server's headers": rewriting(func(_ int, h http.Header) {
			h.Set("Via", "1.1 varnish")
			h.Set("Age", "30")
			h.Set("Vary", "*")
			h.Set("Alt-Svc", `h3=":443"`)
			h.Set("Cache-Control", "public, max-age=600")
		}),
		"a prefix of the path": func(h http.Handler) http.Handler {
			return http.StripPrefix("/api", h)
		},
		"early hints": func(h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Link", "</style.css>; rel=preload")
				w.WriteHeader(http.StatusEarlyHints)
				h.ServeHTTP(w, r)
			})
		},
		"a connection each": func(h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Connection", "close")
				h.ServeHTTP(w, r)
			})
		},
		"headers of its own": func(h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				r.Header.Set("X-Forwarded-For", "192.0.2.1")
				r.Header.Del("User-Agent")
				r.Header.Del("Accept-Payment")
				r.Header.Del("Idempotency-Key")
				h.ServeHTTP(w, r)
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			srv := clienttest.New(t, clienttest.Config{})
			p := newPayer(t, srv)
			srv.Handle("/x", srv.Paid(clienttest.Terms{Price: u(100), Deposit: u(300)}, http.HandlerFunc(sayOK)))
			h := srv.Handler()
			url := overTCP(t, front(h)).URL
			if name == "a prefix of the path" {
				url += "/api"
			}
			for range 5 {
				assert.Equal(t, "ok", p.ok(p.fetch(t.Context(), http.MethodGet, url+"/x", nil)))
				srv.Chain.Advance(time.Minute)
			}
			resp, err := p.fetch(t.Context(), http.MethodPost, url+"/stream/9/10?deposit=300", strings.NewReader("{}"))
			p.delivered(9, resp, err)
			s := p.only()
			assert.Equal(t, u(590), s.Claimed)
			assert.Equal(t, srv.Chain.Channel(s.ID).Deposit, s.Deposit)
			require.NoError(t, p.session.Channels().Close(t.Context(), s.ID))
			assert.Equal(t, channel.Closed, p.only().Phase)
			assert.Len(t, srv.Accounts(), 1)
		})
	}
}
