package client_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
)

// TestRetriesThatDiffer: what a library above changes from one try to the next does not make another
// purchase of it, and what it has to leave alone does.
func TestRetriesThatDiffer(t *testing.T) {
	for name, c := range map[string]struct {
		method, body string
		change       func(*http.Request)
		prices       uint64
	}{
		"a fresh token": {change: func(r *http.Request) { r.Header.Set("X-Token", "b") }, prices: 1},
		"a span of its own": {change: func(r *http.Request) {
			r.Header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
		}, prices: 1},
		"a count of tries": {change: func(r *http.Request) {
			r.Header.Set("X-Stainless-Retry-Count", "1")
		}, prices: 1},
		"the method left out": {change: func(r *http.Request) { r.Method = "" }, prices: 1},
		"a fragment":          {change: func(r *http.Request) { r.URL.Fragment = "top" }, prices: 1},
		"a key in lower case": {change: func(r *http.Request) { lowered(r, "Idempotency-Key") }, prices: 1},
		"a body read anew": {method: http.MethodPost, body: "order", change: func(r *http.Request) {
			r.Body, r.GetBody = io.NopCloser(bytes.NewReader([]byte("order"))), nil
		}, prices: 1},
		"a body of unknown length": {method: http.MethodPost, body: "order", change: func(r *http.Request) {
			r.Body, r.GetBody, r.ContentLength = io.NopCloser(strings.NewReader("order")), nil, -1
		}, prices: 1},
		"another query": {change: func(r *http.Request) { r.URL.RawQuery = "page=2" }, prices: 2},
		"another method": {method: http.MethodPost, body: "order", change: func(r *http.Request) {
			r.Method = http.MethodPut
		}, prices: 2},
		"another key": {change: func(r *http.Request) { r.Header.Set("Idempotency-Key", "other") }, prices: 2},
	} {
		t.Run(name, func(t *testing.T) {
			srv := clienttest.New(t, clienttest.Config{})
			s := sells(srv, "/shop")
			p := newPayer(t, srv)
			try := func(change func(*http.Request)) int {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				var body io.Reader
				if c.body != "" {
					body = strings.NewReader(c.body)
				}
				method := c.method
				if method == "" {
					method = http.MethodGet
				}
				req := p.request(ctx, method, "/shop", body)
				req.Header.Set("Idempotency-Key", "k")
				req.Header.Set("X-Token", "a")
				if change != nil {
					change(req)
				}
				status, _ := p.ended(p.send(req))
				return status
			}
			s.says("k", http.StatusBadGateway)
			require.Equal(t, http.StatusBadGateway, try(nil))
			s.says("k", 0)
			require.Equal(t, http.StatusOK, try(c.change))
			assert.Equal(t, u(100*c.prices), p.only().Authorized)
		})
	}
}

// lowered spells the name of a header in lower case.
func lowered(r *http.Request, name string) {
	values := r.Header.Values(name)
	r.Header.Del(name)
	r.Header[strings.ToLower(name)] = values
}

// TestHedgedRequest: a caller that does not wait for a slow answer sends the same request again, and
// cancels the first when the second is served. Both together cost one price.
func TestHedgedRequest(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	s := sells(srv, "/shop")
	p := newPayer(t, srv)
	p.get("/data")
	arrived := make(chan struct{}, 1)
	base := p.base
	first, cancel := context.WithCancel(t.Context())
	defer cancel()
	p.base = tripper(func(r *http.Request) (*http.Response, error) {
		resp, err := base.RoundTrip(r)
		if err == nil && r.Context().Value(slow{}) != nil && resp.StatusCode == http.StatusOK {
			arrived <- struct{}{}
			<-r.Context().Done() // the answer is on its way until the caller gives up
			resp.Body.Close()
			return nil, r.Context().Err()
		}
		return resp, err
	})
	ended := make(chan error, 1)
	go func() {
		resp, err := p.keyed(context.WithValue(first, slow{}, true), "k", "/shop", nil)
		if err == nil {
			resp.Body.Close()
		}
		ended <- err
	}()
	<-arrived
	second := make(chan int, 1)
	go func() {
		status, _ := p.ended(p.keyed(t.Context(), "k", "/shop", nil))
		second <- status
	}()
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
	assert.Equal(t, http.StatusOK, <-second)
	assert.Equal(t, 1, s.charged["k"])
	assert.Equal(t, u(200), p.only().Authorized)
}

type slow struct{}

// TestRetryByAnotherSession: a key is known to the session that it was used in. A new process pays
// anew, within the limits, and a limit that has room for one price holds for both.
func TestRetryByAnotherSession(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	s := sells(srv, "/shop")
	p := newPayer(t, srv, func(c *client.Config) { c.Limits.All.Hour = u(150) })
	s.says("k", http.StatusBadGateway)
	status, _ := p.ended(p.keyed(t.Context(), "k", "/shop", nil))
	require.Equal(t, http.StatusBadGateway, status)
	p.restart()
	_, err := p.keyed(t.Context(), "k", "/shop", nil)
	require.ErrorIs(t, err, channel.ErrLimit)
	assert.Equal(t, u(100), p.only().Authorized)
}
