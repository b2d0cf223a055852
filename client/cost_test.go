package client_test

import (
	"bufio"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// TestCost: what a request costs, whatever way it goes, and that all of it together is what the channel counts.
func TestCost(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	srv.Handle("/moved", http.RedirectHandler("/data", http.StatusFound))
	toll := clienttest.Terms{Price: u(30), Deposit: u(10_000)}
	for name, to := range map[string]string{"/toll": "/data", "/toll/free": "/free", "/toll/toll": "/toll", "/toll/stream": "/stream/3/10"} {
		srv.Handle(name, srv.Paid(toll, http.RedirectHandler(to, http.StatusFound)))
	}
	for _, ahead := range []voucher.Amount{{}, u(1000)} {
		p := newPayer(t, srv, func(c *client.Config) { c.Limits.Ahead = ahead })
		var sum voucher.Amount
		for _, c := range []struct {
			path string
			want uint64
		}{
			{"/free", 0},
			{"/data", 100},
			{"/data", 100},
			{"/data?price=70", 70},
			{"/moved", 100},
			{"/toll", 130},
			{"/toll/free", 30},
			{"/toll/toll", 160},
			{"/stream/5/10", 50},
			{"/stream/6/10?unit=request", 10},
			{"/toll/stream", 60},
		} {
			resp, err := p.do(http.MethodGet, c.path, nil)
			p.ok(resp, err)
			got := client.PaymentOf(resp).Cost()
			assert.Equal(t, u(c.want), got, "%s with %s ahead", c.path, ahead)
			sum = sum.AddCapped(got)
		}
		assert.Equal(t, p.only().Claimed, sum)
	}
}

// TestCostOfARedirect that is not followed: what it charged, or what it may have.
func TestCostOfARedirect(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	srv.Handle("/toll", srv.Paid(clienttest.Terms{Price: u(30), Deposit: u(10_000)}, http.RedirectHandler("/free", http.StatusFound)))
	p := newPayer(t, srv)
	for _, silent := range []bool{false, true} {
		l := p.lied()
		if silent {
			l.after = func(_ int, _ sent, resp *http.Response) { resp.Header.Del("Payment-Receipt") }
		}
		resp, err := (&client.Transport{Session: p.session, Base: p.base}).RoundTrip(p.request(t.Context(), http.MethodGet, "/toll", nil))
		require.NoError(t, err)
		resp.Body.Close()
		require.Equal(t, http.StatusFound, resp.StatusCode)
		assert.Equal(t, u(30), client.PaymentOf(resp).Cost(), "without a receipt: %v", silent)
		followed, err := p.do(http.MethodGet, "/toll", nil)
		require.NoError(t, err)
		followed.Body.Close()
		assert.Equal(t, u(30), client.PaymentOf(followed).Cost(), "without a receipt: %v", silent)
	}
}

// TestCostOfWhatWasNotServed: a refusal costs nothing, what may have been charged costs its price.
func TestCostOfWhatWasNotServed(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	for status, want := range map[int]uint64{http.StatusPaymentRequired: 0, http.StatusInternalServerError: 100, http.StatusNoContent: 100} {
		p := newPayer(t, srv)
		p.get("/data")
		l := p.lied()
		l.answer = func(_ int, s sent) (*http.Response, error) {
			if s.Paid == nil {
				return nil, nil
			}
			return reply(status, ""), nil
		}
		resp, err := p.do(http.MethodGet, "/data", nil)
		require.NoError(t, err)
		resp.Body.Close()
		require.Equal(t, status, resp.StatusCode)
		assert.Equal(t, u(want), client.PaymentOf(resp).Cost(), "%d", status)
	}
	assert.Zero(t, (&client.Payment{}).Cost())
}

// TestCostOfTwoPayments: a payee that takes back what it asked to be paid by is paid twice, and both count.
func TestCostOfTwoPayments(t *testing.T) {
	for _, name := range []string{"410", "another protocol"} {
		p := wary(t)
		begin := p.lied().once(p, takeBacks()[name])
		begin()
		resp, err := p.do(http.MethodGet, "/data", nil)
		p.ok(resp, err)
		assert.Equal(t, u(200), client.PaymentOf(resp).Cost(), name)
	}
}

// TestCostOfARetry: a request with the same key is one purchase, which costs once.
func TestCostOfARetry(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	l := p.lied()
	broken := true
	l.answer = func(_ int, s sent) (*http.Response, error) {
		if s.Paid != nil && broken {
			broken = false
			return reply(http.StatusBadGateway, ""), nil
		}
		return nil, nil
	}
	for range 2 {
		req := p.request(t.Context(), http.MethodGet, "/data", nil)
		req.Header.Set("Idempotency-Key", "mine")
		resp, err := p.send(req)
		require.NoError(t, err)
		resp.Body.Close()
		assert.Equal(t, u(100), client.PaymentOf(resp).Cost(), "%d", resp.StatusCode)
	}
	assert.Equal(t, u(100), p.agree().Signed)
}

// TestCostOfAStreamGrows, and stays when it is closed in the middle.
func TestCostOfAStreamGrows(t *testing.T) {
	p := newPayer(t, clienttest.New(t, clienttest.Config{}), func(c *client.Config) { c.Limits.PieceByPiece = true })
	resp, err := p.do(http.MethodGet, "/stream/20/10", nil)
	require.NoError(t, err)
	paid := client.PaymentOf(resp)
	assert.Equal(t, u(10), paid.Cost(), "its first piece")
	lines, last := bufio.NewReader(resp.Body), voucher.Amount{}
	for pieces := 0; pieces < 5; {
		line, err := lines.ReadString('\n')
		require.NoError(t, err)
		if strings.HasPrefix(line, "data:") {
			pieces++
		}
		assert.False(t, paid.Cost().Less(last))
		last = paid.Cost()
	}
	require.NoError(t, resp.Body.Close())
	last = paid.Cost()
	assert.False(t, last.Less(u(50)))
	assert.True(t, last.Less(u(200)))
	assert.Equal(t, last, p.only().Claimed)
	p.get("/data")
	assert.Equal(t, last, paid.Cost(), "others change nothing")
}
