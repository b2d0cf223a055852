package client_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/client/clienttest/lies"
)

// twin is the same server under another origin.
func twin(srv *clienttest.Server) string {
	return strings.Replace(srv.URL, "127.0.0.1", "localhost", 1)
}

func TestRedirectWithinTheOrigin(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	srv.Handle("/moved", http.RedirectHandler("/data", http.StatusTemporaryRedirect))
	p := newPayer(t, srv)
	l := p.lied()
	resp, err := p.do(http.MethodPost, "/moved", strings.NewReader("hello"))
	assert.Contains(t, p.ok(resp, err), "hello")
	assert.Equal(t, "/data", resp.Request.URL.Path, "the answer is that of the final URL")
	assert.Equal(t, client.OutcomeAccepted, client.PaymentOf(resp).Outcome)
	require.Len(t, l.paid(""), 1)
	assert.Equal(t, srv.URL+"/data", l.paid("")[0].URL)
	assert.Equal(t, u(100), p.agree().Signed)
	p.get("/moved")
	assert.Equal(t, u(200), p.agree().Signed)
}

// TestRedirectToAnotherOrigin: the caller asked one origin, and another one wants the money.
func TestRedirectToAnotherOrigin(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	srv.Handle("/away", http.RedirectHandler(twin(srv)+"/data", http.StatusFound))
	srv.Handle("/far", http.RedirectHandler("/away", http.StatusFound))
	srv.Handle("/gift", http.RedirectHandler(twin(srv)+"/free", http.StatusFound))
	srv.Handle("/back", http.RedirectHandler(twin(srv)+"/returning", http.StatusFound))
	srv.Handle("/returning", http.RedirectHandler(srv.URL+"/data", http.StatusFound))
	for _, path := range []string{"/away", "/far"} {
		t.Run(path, func(t *testing.T) {
			var n pen
			p := newPayer(t, srv, n.counted)
			l := p.lied()
			e := p.refused(p.do(http.MethodGet, path, nil))
			require.ErrorIs(t, e, client.ErrRedirect)
			assert.Equal(t, client.OutcomeRefused, e.Outcome)
			assert.Zero(t, n.vouchers.Load()+n.transactions.Load(), "nothing was signed")
			assert.Empty(t, l.paid(""))
			assert.Empty(t, p.channels())
			p.get("/gift")
		})
	}
	t.Run("there and back", func(t *testing.T) {
		p := newPayer(t, srv)
		p.get("/back")
		assert.Equal(t, u(100), p.agree().Signed)
	})
	t.Run("a known route", func(t *testing.T) {
		p := newPayer(t, srv)
		l := p.lied()
		p.ok(p.send(p.request(t.Context(), http.MethodGet, twin(srv)+"/data", nil)))
		signed := p.only().Authorized
		require.ErrorIs(t, p.refused(p.do(http.MethodGet, "/away", nil)), client.ErrRedirect)
		assert.Len(t, l.paid(""), 1)
		assert.Equal(t, signed, p.only().Authorized)
	})
	t.Run("a round tripper that forgets its request", func(t *testing.T) {
		p := newPayer(t, srv)
		p.base = forgetful{p.base}
		require.ErrorIs(t, p.refused(p.do(http.MethodGet, "/away", nil)), client.ErrRedirect)
		resp, err := p.do(http.MethodGet, "/data", nil)
		p.ok(resp, err)
		require.NotNil(t, client.PaymentOf(resp))
	})
}

// forgetful leaves Response.Request empty.
type forgetful struct{ base http.RoundTripper }

func (f forgetful) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := f.base.RoundTrip(r)
	if resp != nil {
		resp.Request = nil
	}
	return resp, err
}

// TestRedirectOfAPaidRequest: the credential stays behind, and so does the money, unless the same origin
// asks for more.
func TestRedirectOfAPaidRequest(t *testing.T) {
	var foreign []http.Header
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		foreign = append(foreign, r.Header)
	}))
	t.Cleanup(other.Close)
	for _, header := range []string{"", "Payment-Authorization"} {
		srv := clienttest.New(t, clienttest.Config{Header: header})
		srv.Handle("/toll", srv.Paid(clienttest.Terms{Price: u(30), Deposit: u(10_000)}, http.RedirectHandler(other.URL+"/x", http.StatusFound)))
		srv.Handle("/hop", srv.Paid(clienttest.Terms{Price: u(30), Deposit: u(10_000)}, http.RedirectHandler("/data", http.StatusFound)))
		p := newPayer(t, srv)
		for range 2 {
			foreign = nil
			p.ok(p.do(http.MethodGet, "/toll", nil))
			require.Len(t, foreign, 1)
			for name, values := range foreign[0] {
				assert.NotContains(t, strings.Join(values, " "), "Payment ", name)
			}
			assert.Empty(t, foreign[0].Get("Payment-Session"), "the other origin learns of no channel")
		}
		assert.Equal(t, u(60), p.agree().Signed)
		p.get("/hop")
		assert.Equal(t, u(190), p.agree().Signed, "the toll and the data")
	}
}

// TestRedirectWithoutCharge: a redirect without a receipt was not charged, and its price goes where it leads.
func TestRedirectWithoutCharge(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	p.get("/data")
	l := p.lied()
	l.answer = func(_ int, s sent) (*http.Response, error) {
		if strings.HasSuffix(s.URL, "/old") && s.Paid == nil {
			return p.unpaid("/data"), nil
		}
		if strings.HasSuffix(s.URL, "/old") {
			return reply(http.StatusFound, "", "Location", srv.URL+"/data"), nil
		}
		return nil, nil
	}
	p.get("/old")
	assert.Equal(t, u(200), p.agree().Signed, "one price for both")
}

// TestRedirectTolls: what the redirects of one request cost is one price to the limits, also where every hop is
// known.
func TestRedirectTolls(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv, func(c *client.Config) { c.Limits.Price = u(350) })
	srv.Lie(lies.RedirectToll)
	for range 2 {
		before := len(srv.Requests())
		_, err := p.do(http.MethodGet, "/data", nil)
		e := p.refused(nil, err)
		require.ErrorIs(t, e, channel.ErrLimit)
		assert.ErrorContains(t, e, "set Limits.Price to at least 400")
		assert.Less(t, len(srv.Requests())-before, 10, "and the rest was not asked for")
	}
	assert.Equal(t, u(600), p.agree().Signed, "three hops each")
	srv.Lie()
	p.get("/data")
}
