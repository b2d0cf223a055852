package clienttest_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// once applies the fault to the next request with the action.
func once(srv *clienttest.Server, action string, f clienttest.Fault) {
	var one sync.Once
	srv.OnRequest(func(r clienttest.Request) (out clienttest.Fault) {
		if r.Action == action {
			one.Do(func() { out = f })
		}
		return out
	})
}

// lost sends a request that must get no response. It uses a new connection, because net/http
// repeats a GET on a reused one.
func (p *payer) lost(ctx context.Context, method, path string, payload map[string]any) error {
	p.t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, p.srv.URL+path, nil)
	require.NoError(p.t, err)
	req.Header.Set("Authorization", p.credential(p.ask(path), payload, p.source()))
	req.Close = true
	http.DefaultClient.CloseIdleConnections()
	res, err := http.DefaultClient.Do(req)
	if err == nil {
		_ = res.Body.Close()
	}
	return err
}

func TestLoseAnswer(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	once(srv, "open", clienttest.Fault{LoseAnswer: true})
	payload, c := p.opening(voucher.V2, open{deposit: 1000, amount: 100})
	require.Error(t, p.lost(t.Context(), "GET", "/data", payload))
	got, ok := srv.Account(c.id)
	require.True(t, ok, "the server has done its work")
	assert.Equal(t, voucher.Units(100), got.Spent)
	assert.Equal(t, 1, srv.Served("/data"))
	requests := srv.Requests()
	assert.Zero(t, requests[len(requests)-1].Status)

	once(srv, "topUp", clienttest.Fault{LoseAnswer: true})
	require.Error(t, p.lost(t.Context(), "POST", "/data", p.topUp(c, 50, tx{})))
	assert.Equal(t, voucher.Units(1050), srv.Chain.Channel(c.id).Deposit)

	once(srv, "voucher", clienttest.Fault{LoseAnswer: true})
	require.Error(t, p.lost(t.Context(), "GET", "/stream/2/10", p.voucher(c, "voucher", 110)))
	got, _ = srv.Account(c.id)
	assert.Equal(t, voucher.Units(110), got.Spent, "the first unit of the stream")
}

func TestFailAfter(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	once(srv, "open", clienttest.Fault{FailAfter: 503})
	payload, c := p.opening(voucher.V2, open{deposit: 1000, amount: 100})
	r := p.pay("GET", "/data", p.ask("/data"), payload)
	assert.Equal(t, 503, r.status)
	assert.Nil(t, r.receipt)
	got, _ := srv.Account(c.id)
	assert.Equal(t, voucher.Units(100), got.Spent)
	assert.Zero(t, srv.Served("/data"))
	once(srv, "topUp", clienttest.Fault{FailAfter: 500})
	r = p.pay("POST", "/data", p.ask("/data"), p.topUp(c, 50, tx{}))
	assert.Equal(t, 500, r.status)
	assert.Nil(t, r.receipt)
	assert.Equal(t, voucher.Units(1050), srv.Chain.Channel(c.id).Deposit)
}

// TestRepeatedTopUp: a top-up whose answer was lost is presented again, and refused by a problem that
// says why. It raises the deposit once.
func TestRepeatedTopUp(t *testing.T) {
	for sponsored, path := range map[string]string{"": "/data", "0x78": "/sponsored"} {
		srv := clienttest.New(t, clienttest.Config{})
		p := newPayer(t, srv)
		payload, c := p.opening(
			voucher.V2, open{deposit: 300, amount: 100, tx: tx{sponsored: sponsored}},
		)
		require.Equal(t, 200, p.pay("GET", path, p.ask(path), payload).status)
		before := srv.Chain.Channel(c.id).Deposit
		payload = p.topUp(c, 50, tx{sponsored: sponsored})
		once(srv, "topUp", clienttest.Fault{LoseAnswer: true})
		require.Error(t, p.lost(t.Context(), "POST", path, payload))
		for range 2 {
			r := p.pay("POST", path, p.ask(path), payload)
			assert.Equal(t, 402, r.status)
			assert.Equal(t, "verification-failed", r.problem)
		}
		assert.Equal(t, before.AddCapped(voucher.Units(50)), srv.Chain.Channel(c.id).Deposit)
	}
}

func TestRefuse(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	c := p.opened(voucher.V2, "/data")
	srv.OnRequest(func(r clienttest.Request) clienttest.Fault {
		if r.Method == http.MethodHead {
			return clienttest.Fault{Refuse: http.StatusMethodNotAllowed}
		}
		return clienttest.Fault{}
	})
	assert.Equal(
		t, 405, p.pay("HEAD", "/data", p.ask("/data"), p.voucher(c, "voucher", 200)).status,
	)
	got, _ := srv.Account(c.id)
	assert.Equal(t, voucher.Units(100), got.Accepted)
	srv.OnRequest(nil)
	assert.Equal(
		t, 204, p.pay("HEAD", "/data", p.ask("/data"), p.voucher(c, "voucher", 200)).status,
	)
}

func TestHangAndDelay(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	c := p.opened(voucher.V2, "/data")
	for _, f := range []clienttest.Fault{{Hang: true}, {Delay: time.Hour}} {
		once(srv, "voucher", f)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		require.ErrorIs(
			t, p.lost(ctx, "GET", "/data", p.voucher(c, "voucher", 200)), context.DeadlineExceeded,
		)
		cancel()
		got, _ := srv.Account(c.id)
		assert.Equal(t, voucher.Units(100), got.Accepted, "nothing was done")
	}
	once(srv, "voucher", clienttest.Fault{Delay: time.Millisecond})
	assert.Equal(t, 200, p.pay("GET", "/data", p.ask("/data"), p.voucher(c, "voucher", 200)).status)
	// A request that hangs does not keep the server from closing.
	once(srv, "voucher", clienttest.Fault{Hang: true})
	done := make(chan error, 1)
	a := p.ask("/data")
	go func() {
		req, _ := http.NewRequestWithContext(
			context.Background(), "POST", srv.URL+"/data", strings.NewReader("body"),
		)
		req.Header.Set("Authorization", p.credential(a, p.voucher(c, "voucher", 300), p.source()))
		res, err := http.DefaultClient.Do(req)
		if err == nil {
			_ = res.Body.Close()
		}
		done <- err
	}()
	require.Eventually(
		t,
		func() bool {
			reqs := srv.Requests()
			return len(reqs) > 0 && reqs[len(reqs)-1].Method == "POST"
		},
		time.Second,
		time.Millisecond,
	)
	srv.Close()
	require.Error(t, <-done)
}

func TestCutStream(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	once(srv, "open", clienttest.Fault{CutAfter: 2})
	payload, c := p.opening(voucher.V2, open{deposit: 1000, amount: 100})
	l := p.stream("GET", "/stream/4/10", p.ask("/stream/4/10"), payload, nil)
	l.want("message")
	l.want("message")
	l.end()
	got, _ := srv.Account(c.id)
	assert.Equal(t, voucher.Units(20), got.Spent)
}

func TestSwallowNeedVoucher(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{VoucherWait: 20 * time.Millisecond})
	p := newPayer(t, srv)
	once(srv, "open", clienttest.Fault{SwallowNeedVoucher: true})
	payload, _ := p.opening(voucher.V2, open{deposit: 1000, amount: 10})
	l := p.stream("GET", "/stream/4/10", p.ask("/stream/4/10"), payload, nil)
	l.want("message")
	l.want("payment-receipt")
	l.end()
}

// TestConcurrentEqualVouchersBuyOnce sends one voucher many times at once. It has credit for one
// request and must buy one.
func TestConcurrentEqualVouchersBuyOnce(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	c := p.opened(voucher.V2, "/data")
	a, payload := p.ask("/data"), p.voucher(c, "voucher", 200)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() { p.pay("GET", "/data", a, payload) })
	}
	wg.Wait()
	assert.Equal(t, 2, srv.Served("/data"))
	got, _ := srv.Account(c.id)
	assert.Equal(t, voucher.Units(200), got.Spent)
}

// TestConcurrentPayers checks the accounts after many payers have paid at the same time.
func TestConcurrentPayers(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{LowerVouchers: clienttest.LowerAccepted})
	var wg sync.WaitGroup
	before := srv.Chain.Balance(srv.Payee)
	for range 4 {
		p := newPayer(t, srv)
		wg.Go(func() {
			c := p.opened(voucher.V2, "/data")
			a := p.ask("/data")
			var inner sync.WaitGroup
			for i := range 8 {
				inner.Go(func() {
					r := p.pay("GET", "/data", a, p.voucher(c, "voucher", uint64(200+100*i)))
					assert.Contains(t, []int{200, 402}, r.status)
				})
			}
			inner.Wait()
			got, _ := srv.Account(c.id)
			assert.Equal(t, voucher.Units(900), got.Accepted)
			assert.Equal(t, voucher.Units(100*got.Units), got.Spent)
			assert.Equal(t, 204, p.pay("POST", "/data", a, p.voucher(c, "close", 900)).status)
		})
	}
	wg.Wait()
	var spent voucher.Amount
	for _, a := range srv.Accounts() {
		spent = spent.AddCapped(a.Spent)
	}
	assert.Equal(t, spent, srv.Chain.Balance(srv.Payee).SubFloor(before))
	assert.Equal(t, spent, voucher.Units(100*uint64(srv.Served("/data"))))
}
