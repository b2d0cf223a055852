package client_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
)

// refusing are what something before a payee may answer to a request that it does not like.
var refusing = []int{400, 401, 403, 404, 405, 406, 409, 411, 413, 415, 422, 451, 500, 501, 502, 503, 504, 520}

// before answers management requests of a method in place of the payee: a status, and for 200 a body.
func before(t *testing.T, payee http.Handler, method string, status int) (url string) {
	t.Helper()
	return serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == method && r.ContentLength == 0 {
			if status == http.StatusUnauthorized {
				w.Header().Set("WWW-Authenticate", "Bearer")
			}
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			if status != http.StatusNoContent {
				_, _ = w.Write([]byte(`{"detail":"field required"}`))
			}
			return
		}
		payee.ServeHTTP(w, r)
	}).URL
}

// TestVouchersByHeadIfTheEmptyPostIsRefused: something before the payee takes no POST without a body.
func TestVouchersByHeadIfTheEmptyPostIsRefused(t *testing.T) {
	for _, status := range append([]int{200, 204}, refusing...) {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			srv := clienttest.New(t, clienttest.Config{})
			p := newPayer(t, srv)
			stream := srv.Metered(piece, func(m *clienttest.Meter, _ *http.Request) error { return send(m, 4) })
			url := before(t, stream, http.MethodPost, status)
			resp, err := p.fetch(t.Context(), http.MethodPost, url+"/v1/chat/completions", strings.NewReader(`{"stream":true}`))
			p.delivered(4, resp, err)
			assert.Equal(t, u(40), p.agree().Claimed)
		})
	}
}

// TestVouchersByPostIfHeadIsRefused: an edge refuses HEAD, or answers it itself. An answer without a
// receipt is not the payee's.
func TestVouchersByPostIfHeadIsRefused(t *testing.T) {
	for _, status := range append([]int{200, 204}, refusing...) {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			srv := clienttest.New(t, clienttest.Config{})
			p := newPayer(t, srv, func(c *client.Config) { c.Stall = 20 * time.Second })
			stream := srv.Metered(piece, func(m *clienttest.Meter, _ *http.Request) error { return send(m, 4) })
			resp, err := p.fetch(t.Context(), http.MethodGet, before(t, stream, http.MethodHead, status), nil)
			p.delivered(4, resp, err)
			assert.Equal(t, u(40), p.agree().Claimed)
		})
	}
}

// TestTopUpsAndClosesByTheOtherMethod: the same for the other management requests.
func TestTopUpsAndClosesByTheOtherMethod(t *testing.T) {
	for _, method := range []string{http.MethodHead, http.MethodPost} {
		for _, status := range append([]int{200, 204}, refusing...) {
			t.Run(fmt.Sprint(method, status), func(t *testing.T) {
				t.Parallel()
				srv := clienttest.New(t, clienttest.Config{})
				p := newPayer(t, srv)
				paid := srv.Paid(clienttest.Terms{Price: u(100), Deposit: u(200)}, http.HandlerFunc(data))
				url := before(t, paid, method, status)
				for range 5 {
					if method == http.MethodPost {
						p.ok(p.fetch(t.Context(), http.MethodPost, url, strings.NewReader("{}")))
					} else {
						p.ok(p.fetch(t.Context(), http.MethodGet, url, nil))
					}
				}
				s := p.agree()
				assert.Equal(t, u(500), s.Claimed)
				assert.Equal(t, u(600), s.Deposit)
				require.NoError(t, p.session.Channels().Close(t.Context(), s.ID))
				p.paidOut(s, 500)
			})
		}
	}
}

// TestTheOtherMethodCarriesTheSameVoucher: no method raises what is signed, and the method that worked
// comes first from then on.
func TestTheOtherMethodCarriesTheSameVoucher(t *testing.T) {
	for _, status := range []int{200, 403, 405, 500} {
		srv := clienttest.New(t, clienttest.Config{})
		p := newPayer(t, srv, func(c *client.Config) { c.Limits.PieceByPiece = true })
		l := p.lied()
		l.answer = func(_ int, s sent) (*http.Response, error) {
			if s.action() == "voucher" && s.Method == http.MethodHead {
				return reply(status, ""), nil
			}
			return nil, nil
		}
		p.get("/stream/6/10")
		vouchers := l.paid("voucher")
		require.Len(t, vouchers, 6, "HEAD once, and POST for each of five")
		assert.Equal(t, vouchers[0].Paid.Payload, vouchers[1].Paid.Payload)
		for i, s := range vouchers {
			assert.Equal(t, i == 0, s.Method == http.MethodHead)
		}
		assert.Equal(t, u(60), p.agree().Signed)
		p.get("/stream/6/10")
		for _, s := range l.paid("voucher")[6:] {
			assert.NotEqual(t, http.MethodHead, s.Method, "it is remembered")
		}
	}
}

// TestNoVoucherByPostToAQuery: it would be taken for content, charged, and its answer read by nobody.
func TestNoVoucherByPostToAQuery(t *testing.T) {
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		for _, status := range []int{200, 403, 404, 405, 500, 501} {
			srv := clienttest.New(t, clienttest.Config{})
			p := newPayer(t, srv, func(c *client.Config) { c.Stall = 200 * time.Millisecond })
			l := p.lied()
			l.answer = func(_ int, s sent) (*http.Response, error) {
				if s.action() == "voucher" && s.Method == http.MethodHead {
					return reply(status, ""), nil
				}
				return nil, nil
			}
			p.broken(p.do(method, "/stream/6/10?q=1", strings.NewReader("x")))
			vouchers := l.paid("voucher")
			assert.Len(t, vouchers, 1)
			assert.Equal(t, http.MethodHead, vouchers[0].Method)
			assert.Equal(t, 1, srv.Served("/stream/6/10"))
			assert.Equal(t, u(20), p.only().Authorized)
		}
	}
}

// TestThePayeesOwnRefusalIsFinal: what the payee says itself is not asked again by another method.
func TestThePayeesOwnRefusalIsFinal(t *testing.T) {
	for name, answer := range map[string]func(p *payer) *http.Response{
		"402":                  func(*payer) *http.Response { return reply(402, "") },
		"410":                  func(*payer) *http.Response { return reply(410, "") },
		"429":                  func(*payer) *http.Response { return reply(429, "") },
		"a redirect":           func(*payer) *http.Response { return reply(302, "", "Location", "/x") },
		"a malformed one":      func(*payer) *http.Response { return reply(400, "", "WWW-Authenticate", `Payment id="x"`) },
		"another's challenge":  func(*payer) *http.Response { return reply(401, "", "WWW-Authenticate", foreignChallenge) },
		"a problem of payment": func(*payer) *http.Response { return problem(500, "internal-payment-error") },
		"a challenge": func(p *payer) *http.Response {
			resp := reply(402, "")
			refuseWith(resp, p.unpaid("/data"), "verification-failed")
			resp.StatusCode = 403
			return resp
		},
	} {
		t.Run(name, func(t *testing.T) {
			srv := clienttest.New(t, clienttest.Config{})
			p := newPayer(t, srv)
			p.get("/data")
			l := p.liedToTheEnd()
			l.answer = func(_ int, s sent) (*http.Response, error) {
				if s.action() == "close" {
					return answer(p), nil
				}
				return nil, nil
			}
			require.ErrorIs(t, p.refused(nil, p.session.Channels().Close(t.Context(), p.only().ID)), client.ErrRejected)
			for _, s := range l.paid("close") {
				assert.Equal(t, http.MethodPost, s.Method)
			}
		})
	}
}

const foreignChallenge = `Payment id="x", realm="r", method="card", intent="charge", request="e30"`

// problem returns an answer with problem details of the protocol.
func problem(status int, name string) *http.Response {
	resp := reply(402, "")
	refuseWith(resp, nil, name)
	resp.StatusCode = status
	return resp
}

// TestPayeesWithoutReceiptsAreAskedOnce: a payee that sends no receipts is asked by both methods at
// first, and once for each voucher from then on. One that takes no voucher twice is served, too.
func TestPayeesWithoutReceiptsAreAskedOnce(t *testing.T) {
	for _, equal := range []bool{false, true} {
		cfg := clienttest.Config{Receipts: clienttest.NoReceipts}
		if equal {
			cfg.EqualVouchers = clienttest.EqualRefused
		}
		srv := clienttest.New(t, cfg)
		p := newPayer(t, srv, func(c *client.Config) { c.Limits.PieceByPiece = true })
		l := p.lied()
		p.get("/stream/6/10")
		want := 6 // both for the first of five
		if equal {
			want = 7 // once more under a fresh challenge
		}
		assert.Len(t, l.paid("voucher"), want)
		assert.Equal(t, u(60), p.agree().Signed)
	}
}

// TestAcceptanceStandsIfTheOtherMethodBreaks: an acceptance without a receipt is one, if nothing
// better comes.
func TestAcceptanceStandsIfTheOtherMethodBreaks(t *testing.T) {
	for name, other := range map[string]func() (*http.Response, error){
		"the line is cut": func() (*http.Response, error) { return nil, errors.New("the line is cut") },
		"refused":         func() (*http.Response, error) { return reply(403, ""), nil },
		"no such method":  func() (*http.Response, error) { return reply(405, ""), nil },
	} {
		t.Run(name, func(t *testing.T) {
			srv := clienttest.New(t, clienttest.Config{Receipts: clienttest.NoReceipts})
			p := newPayer(t, srv)
			l := p.lied()
			l.answer = func(_ int, s sent) (*http.Response, error) {
				if s.action() == "voucher" && s.Method == http.MethodPost {
					return other()
				}
				return nil, nil
			}
			p.get("/stream/3/10")
			assert.Equal(t, u(30), p.agree().Signed)
		})
	}
}
