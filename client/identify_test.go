package client_test

import (
	"context"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/internal/bubble"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// exchanges returns what came to the server since the call before: "GET 402, GET proof 402".
func (p *payer) exchanges() string {
	all := p.srv.Requests()
	var lines []string
	for _, r := range all[p.seen:] {
		line := r.Method
		if r.Action != "" {
			line += " " + r.Action
		}
		lines = append(lines, line+" "+http.StatusText(r.Status))
	}
	p.seen = len(all)
	return strings.NewReplacer("Payment Required", "402", "No Content", "204", "OK", "200", "Gone", "410").
		Replace(strings.Join(lines, ", "))
}

// TestPayerProvesWhoItIs before the price is named: the proof goes with the request itself, and
// then the channel is opened or, with an empty store, found.
func TestPayerProvesWhoItIs(t *testing.T) {
	const opened = "GET 402, GET proof 402, GET open 200"
	const found = "GET 402, GET proof 402, GET voucher 200"
	for path, again := range map[string]string{
		"/who":               found,
		"/who?hints=none":    opened,
		"/who?hints=flat":    opened, // nothing proves what was accepted
		"/who?cookie":        found,
		"/v1/who?hints=none": opened,
		"/v1/who?hints=flat": opened,
		"/v1/who?hints=full": found,
	} {
		t.Run(path, func(t *testing.T) {
			var n pen
			p := newPayer(t, clienttest.New(t, clienttest.Config{}), n.counted)
			p.get(path)
			assert.Equal(t, opened, p.exchanges())
			id := p.only().ID
			p.get(path)
			assert.Equal(t, "GET voucher 200", p.exchanges(), "the challenge is remembered")
			assert.EqualValues(t, 1, n.proofs.Load())

			p.cold(n.counted)
			p.get(path)
			assert.Equal(t, again, p.exchanges())
			assert.EqualValues(t, 2, n.proofs.Load())
			if again == found {
				assert.Equal(t, id, p.agree().ID)
				assert.Equal(t, u(300), p.only().Signed)
				assert.EqualValues(t, 1, n.transactions.Load(), "no second deposit")
			}
		})
	}
}

// TestSettledChannelIsFoundByItsID: flat hints, an id alone, and a Payment-Session header on the
// 204 that answers the proof. On v1 the chain shows the rest.
func TestSettledChannelIsFoundByItsID(t *testing.T) {
	for path, want := range map[string]string{
		"/v1/who?hints=flat":       "GET 402, GET proof 402, GET voucher 200",
		"/v1/who":                  "GET 402, GET proof 402, GET voucher 200",
		"/v1/who?apart&hints=none": "GET 402, GET proof 204, GET 402, GET voucher 200",
		"/who?apart":               "GET 402, GET proof 204, GET 402, GET voucher 200",
	} {
		t.Run(path, func(t *testing.T) {
			var n pen
			p := newPayer(t, clienttest.New(t, clienttest.Config{}), n.counted)
			data, _, _ := strings.Cut(strings.Replace(path, "who", "data", 1), "?")
			p.get(data)
			p.get(data)
			id := p.only().ID
			_, err := p.srv.Settle(id)
			require.NoError(t, err)
			p.cold(n.counted)
			p.exchanges()
			p.get(path)
			assert.Equal(t, want, p.exchanges())
			assert.Equal(t, id, p.agree().ID)
			assert.Equal(t, u(300), p.only().Signed, "one price above what is settled")
			assert.EqualValues(t, 1, n.transactions.Load(), "no second deposit")
		})
	}
}

// TestWarmStoreIsNotAsked: a new process over the same store names its channel at once, and is
// served in two round trips, without a proof. If the channel is closed, it is not named.
func TestWarmStoreIsNotAsked(t *testing.T) {
	for _, path := range []string{"/who", "/v1/who", "/who?apart&hints=none", "/v1/who?hints=flat"} {
		var n pen
		p := newPayer(t, clienttest.New(t, clienttest.Config{}), n.counted)
		p.get(path)
		p.exchanges()
		for range 2 {
			p.restart()
			p.get(path)
			assert.Equal(t, "GET 402, GET voucher 200", p.exchanges(), path)
		}
		assert.EqualValues(t, 1, n.proofs.Load())
		assert.EqualValues(t, 1, n.transactions.Load())
		id := p.only().ID
		require.NoError(t, p.session.Channels().Close(t.Context(), id))
		p.restart()
		p.exchanges()
		p.get(path)
		assert.Contains(t, p.exchanges(), "GET open 200", path)
		p.restart()
		p.exchanges()
		p.get(path)
		assert.Equal(t, "GET 402, GET voucher 200", p.exchanges(), path)
	}
}

// TestProofOfABody: a POST is sent again with its body, if it can be; otherwise no proof is given.
func TestProofOfABody(t *testing.T) {
	var n pen
	p := newPayer(t, clienttest.New(t, clienttest.Config{}), n.counted)
	resp, err := p.send(p.request(t.Context(), http.MethodPost, "/who", strings.NewReader("hello")))
	assert.Contains(t, p.ok(resp, err), "hello")
	assert.Equal(t, "POST 402, POST proof 402, POST open 200", p.exchanges())

	p = newPayer(t, p.srv, n.counted, func(c *client.Config) { c.Spool = -1 })
	p.exchanges()
	resp, err = p.send(
		p.request(t.Context(), http.MethodPost, "/who", onlyReader{strings.NewReader("hello")}),
	)
	require.NoError(t, err)
	resp.Body.Close()
	assert.Equal(t, http.StatusPaymentRequired, resp.StatusCode)
	require.ErrorIs(t, client.PaymentOf(resp).Err, client.ErrProof)
	require.ErrorIs(t, client.PaymentOf(resp).Err, client.ErrBody)
	assert.Equal(t, client.OutcomeNone, client.PaymentOf(resp).Outcome)
	assert.Equal(t, "POST 402", p.exchanges())
	assert.EqualValues(t, 1, n.proofs.Load())
}

type onlyReader struct{ *strings.Reader }

// TestNoProof is given where nothing may be paid, to whom the policy does not deal with, without a
// key for it, or over a plain connection. The caller gets the 402, and why.
func TestNoProof(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*client.Config)
		why    error
	}{
		"zero limits":     {func(c *client.Config) { c.Limits.Price = voucher.Amount{} }, nil},
		"a denied host":   {func(c *client.Config) { c.Policy = client.AllowHosts("other.example") }, client.ErrPolicy},
		"a denied payee":  {func(c *client.Config) { c.Policy = client.AllowPayees() }, client.ErrPolicy},
		"no proof signer": {func(c *client.Config) { c.Payer = onlyTransactions{c.Payer} }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var n pen
			p := newPayer(t, clienttest.New(t, clienttest.Config{}), n.counted, c.change)
			resp, err := p.do(http.MethodGet, "/who", nil)
			require.NoError(t, err)
			resp.Body.Close()
			assert.Equal(t, http.StatusPaymentRequired, resp.StatusCode)
			require.ErrorIs(t, client.PaymentOf(resp).Err, client.ErrProof)
			if c.why != nil {
				require.ErrorIs(t, client.PaymentOf(resp).Err, c.why)
			}
			assert.Zero(t, n.proofs.Load())
			assert.Equal(t, "GET 402", p.exchanges())
		})
	}
}

// TestProofOnceInAWhile: an origin that did not serve gets no second proof; one that served does,
// for each request that it asks.
func TestProofOnceInAWhile(t *testing.T) {
	var n pen
	p := newPayer(
		t,
		clienttest.New(t, clienttest.Config{}),
		n.counted,
		func(c *client.Config) { c.Limits.Price = u(50) },
	)
	for _, want := range []string{"GET 402, GET proof 402", "GET 402"} { // too dear
		if resp, err := p.do(http.MethodGet, "/who", nil); err == nil {
			resp.Body.Close()
		}
		assert.Equal(t, want, p.exchanges())
	}
	assert.EqualValues(t, 1, n.proofs.Load())

	p = newPayer(t, p.srv, n.counted)
	p.exchanges()
	for _, path := range []string{"/who?price=1", "/who/stream/2/10", "/v1/who"} {
		req := p.request(t.Context(), http.MethodGet, path, nil)
		req.Header.Set("Payment-Session", "none") // the channel in use is not named
		resp, err := p.send(req)
		p.ok(resp, err)
	}
	assert.Equal(t, 3, strings.Count(p.exchanges(), "proof"))
}

// TestOneProofAtATime: requests that are asked at once wait until the first is served; all are.
func TestOneProofAtATime(t *testing.T) {
	var n pen
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv, n.counted)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			resp, err := p.do(http.MethodGet, "/who", nil)
			p.ok(resp, err)
		})
	}
	all.Wait()
	assert.Len(t, p.channels(), 1)
	assert.LessOrEqual(t, n.proofs.Load(), int64(8))
	assert.EqualValues(t, 8, srv.Served("/who"))
}

// TestCookieOfTheProof goes with the request from then on, beside the caller's own, and reaches the
// caller's jar with the last answer.
func TestCookieOfTheProof(t *testing.T) {
	for _, path := range []string{"/who?cookie", "/who?cookie&apart", "/v1/who?cookie&hints=none"} {
		p := newPayer(t, clienttest.New(t, clienttest.Config{}))
		l := p.lied()
		jar, err := cookiejar.New(nil)
		require.NoError(t, err)
		hc := &http.Client{Jar: jar, Transport: &client.Transport{Session: p.session, Base: p.base}}
		req := p.request(t.Context(), http.MethodGet, path, nil)
		req.Header.Set("Cookie", "own=1; payer=old")
		resp, err := hc.Do(req)
		p.ok(resp, err)
		last := l.all()[len(l.all())-1]
		require.Len(t, resp.Cookies(), 1)
		assert.Equal(t, "own=1; payer="+resp.Cookies()[0].Value, last.Header.Get("Cookie"))
		assert.Equal(
			t,
			"own=1; payer=old",
			req.Header.Get("Cookie"),
			"the caller's request is not changed",
		)
		require.Len(t, jar.Cookies(req.URL), 1)

		p.exchanges()
		other := p.request(
			t.Context(),
			http.MethodGet,
			strings.Replace(path, "?", "?price=50&", 1),
			nil,
		)
		other.Header.Set("Accept-Payment", "tempo/session;q=0.9") // not remembered for another
		p.restart()
		hc.Transport = &client.Transport{Session: p.session, Base: p.base}
		resp, err = hc.Do(other)
		p.ok(resp, err)
		assert.Equal(
			t,
			"GET 402, GET voucher 200",
			p.exchanges(),
			"the payer is known by its cookie",
		)
	}
}

// TestProofThatAnswersAlone: a route that costs nothing and wants to know who asks is served.
func TestProofThatAnswersAlone(t *testing.T) {
	var n pen
	p := newPayer(t, clienttest.New(t, clienttest.Config{}), n.counted)
	l := p.lied()
	l.answer = func(_ int, s sent) (*http.Response, error) {
		if s.action() == "proof" {
			return reply(http.StatusOK, "hello"), nil
		}
		return nil, nil
	}
	for range 3 {
		resp, err := p.do(http.MethodGet, "/who", nil)
		require.NoError(t, err)
		resp.Body.Close()
		assert.Equal(t, http.StatusOK, resp.StatusCode)
		assert.Equal(t, client.OutcomeNone, client.PaymentOf(resp).Outcome)
	}
	assert.EqualValues(t, 3, n.proofs.Load())
	assert.Zero(t, n.vouchers.Load())
}

// deafProver ignores its context.
type deafProver struct {
	voucher.TransactionSigner
	block chan struct{}
}

func (k deafProver) SignProof(context.Context, voucher.Proof) ([]byte, error) {
	<-k.block
	return nil, context.Canceled
}

// TestProverThatIgnoresItsContext does not hold up the request longer than its context.
func TestProverThatIgnoresItsContext(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		key := deafProver{block: make(chan struct{})}
		defer close(key.block)
		p := inMemory(t, func(c *client.Config) {
			key.TransactionSigner = c.Payer
			c.Payer = key
		})
		ctx, cancel := context.WithTimeout(t.Context(), brief)
		defer cancel()
		resp, err := p.send(p.request(ctx, http.MethodGet, "/who", nil))
		if err == nil {
			resp.Body.Close()
			require.ErrorIs(t, client.PaymentOf(resp).Err, context.DeadlineExceeded)
		}
		assert.Equal(t, "GET 402", p.exchanges())
	})
}

// TestProofWaitIsBounded: a payee that never answers a proof holds up the request until its context
// ends.
func TestProofWaitIsBounded(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		p := inMemory(t)
		p.srv.OnRequest(
			func(r clienttest.Request) clienttest.Fault { return clienttest.Fault{Hang: r.Action == "proof"} },
		)
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), brief)
		defer cancel()
		_, err := p.send(p.request(ctx, http.MethodGet, "/who", nil))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, brief, time.Since(began))
	})
}
