package client_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// together runs n requests at the same time, and expects content from each.
func (p *payer) together(n int, path string) {
	p.t.Helper()
	var group sync.WaitGroup
	start := make(chan struct{})
	for range n {
		group.Go(func() {
			<-start
			resp, err := p.do(http.MethodGet, path, nil)
			if !assert.NoError(p.t, err) {
				return
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			assert.NoError(p.t, err)
			assert.Equal(p.t, http.StatusOK, resp.StatusCode, "%s, problem %q", body, client.PaymentOf(resp).Problem)
		})
	}
	close(start)
	group.Wait()
}

// rising checks that accepted vouchers of a channel never went down on the wire.
func (p *payer) rising() {
	p.t.Helper()
	var last voucher.Amount
	for _, r := range p.srv.Requests() {
		if r.Status == http.StatusOK && (r.Action == "voucher" || r.Action == "open") {
			last = last.Max(r.Cumulative)
		}
	}
	assert.Equal(p.t, p.only().Signed, last)
}

func TestManyFirstRequestsOpenOneChannel(t *testing.T) {
	for _, rail := range rails {
		srv := clienttest.New(t, clienttest.Config{})
		var n pen
		p := newPayer(t, srv, n.counted)
		p.together(32, rail+"/data")
		assert.EqualValues(t, 1, n.transactions.Load())
		assert.Equal(t, u(3200), p.agree().Signed)
		assert.Len(t, srv.Accounts(), 1)
		assert.Len(t, p.events.of(client.EventOpening), 1)
		assert.Len(t, p.events.of(client.EventOpened), 1)
		assert.Len(t, p.events.of(client.EventPaid), 32)
	}
}

// TestManyRequestsOnOneChannel without Ahead: all are served, and all three agree afterwards.
func TestManyRequestsOnOneChannel(t *testing.T) {
	for _, rail := range rails {
		for _, lower := range []clienttest.LowerRule{clienttest.LowerRefused, clienttest.LowerAccepted} {
			srv := clienttest.New(t, clienttest.Config{LowerVouchers: lower})
			p := newPayer(t, srv)
			p.get(rail + "/data")
			p.together(64, rail+"/data")
			s := p.agree()
			assert.Equal(t, u(6500), s.Signed)
			assert.Equal(t, 65, srv.Served(rail+"/data"))
			p.rising()
			require.NoError(t, p.session.Channels().Close(t.Context(), s.ID))
			p.paidOut(s, 6500)
		}
	}
}

// TestManyRequestsThatOutgrowTheDeposit: what is topped up is what is needed.
func TestManyRequestsThatOutgrowTheDeposit(t *testing.T) {
	for _, rail := range rails {
		srv := clienttest.New(t, clienttest.Config{})
		var n pen
		p := newPayer(t, srv, n.counted, func(c *client.Config) { c.Limits.Deposit, c.Limits.Total = u(4000), u(0) }) // one full channel
		p.get(rail + "/data?deposit=1000")
		p.together(32, rail+"/data?deposit=1000")
		s := p.agree()
		assert.Equal(t, u(3300), s.Signed)
		assert.Equal(t, u(4000), s.Deposit)
		assert.EqualValues(t, 4, n.transactions.Load())
		assert.Len(t, p.events.of(client.EventToppedUp), 3)
	}
}

// TestTotalHoldsTogether: requests that race cannot pass it together.
func TestTotalHoldsTogether(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	for n := range 8 {
		srv.Handle(fmt.Sprint("/shop/", n), srv.Paid(clienttest.Terms{Price: u(100), Deposit: u(1000)}, http.NotFoundHandler()))
	}
	p := newPayer(t, srv, func(c *client.Config) {
		c.Limits.Total = u(2500)
		c.Policy = func(context.Context, client.Proposal) error { return nil }
	})
	var group sync.WaitGroup
	for n := range 8 { // each its own origin, so its own channel
		group.Go(func() {
			url := strings.Replace(srv.URL, "127.0.0.1", fmt.Sprint("127.0.0.", n+1), 1)
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/data?deposit=1000", nil)
			if !assert.NoError(t, err) {
				return
			}
			resp, err := (&client.Transport{Session: p.session, Base: elsewhere{p.base, srv.URL}}).RoundTrip(req)
			if err != nil {
				assert.ErrorIs(t, err, channel.ErrLimit)
				return
			}
			resp.Body.Close()
		})
	}
	group.Wait()
	var total voucher.Amount
	for _, a := range srv.Accounts() {
		total = total.AddCapped(srv.Chain.Channel(a.ChannelID).Deposit)
	}
	assert.Equal(t, u(2500), total)
}

// TestTwoSessionsOnOneStore, as two processes are: one channel, and their vouchers never contradict each other.
func TestTwoSessionsOnOneStore(t *testing.T) {
	for _, rail := range rails {
		srv := clienttest.New(t, clienttest.Config{})
		var n pen
		p := newPayer(t, srv, n.counted)
		p.get(rail + "/data")
		q := *p
		q.restart()
		q.get(rail + "/data")
		for range 5 {
			p.get(rail + "/data")
			q.get(rail + "/data")
		}
		assert.Equal(t, u(1200), q.agree().Signed)
		assert.EqualValues(t, 1, n.transactions.Load())
	}
}

// TestTwoBusySessionsOnOneStore pay at the same time, each with many requests.
func TestTwoBusySessionsOnOneStore(t *testing.T) {
	for _, rail := range rails {
		srv := clienttest.New(t, clienttest.Config{})
		p := newPayer(t, srv, func(c *client.Config) { c.Retries = 32 })
		p.get(rail + "/data")
		q := *p
		q.restart()
		q.get(rail + "/data")
		var group sync.WaitGroup
		for _, one := range []*payer{p, &q} {
			group.Go(func() { one.together(16, rail+"/data") })
		}
		group.Wait()
		assert.Equal(t, 34, srv.Served(rail+"/data"))
		require.NoError(t, p.session.Close(t.Context()))
		require.NoError(t, q.session.Close(t.Context()))
		account := srv.Accounts()[0]
		assert.Equal(t, u(3400), account.Spent)
		p.restart()
		s := p.only()
		assert.False(t, s.Authorized.Less(account.Accepted), "nothing that was signed is forgotten")
		assert.Equal(t, u(10_000), s.Deposit)
	}
}

// TestTwoSessionsOpenTogether: both need a channel at the same moment. One is opened, or the other comes from a
// race that was lost and was never sent.
func TestTwoSessionsOpenTogether(t *testing.T) {
	for _, rail := range rails {
		srv := clienttest.New(t, clienttest.Config{})
		p := newPayer(t, srv)
		q := *p
		q.restart()
		var group sync.WaitGroup
		for _, one := range []*payer{p, &q} {
			group.Go(func() {
				resp, err := one.do(http.MethodGet, rail+"/data", nil)
				if err == nil {
					resp.Body.Close()
				}
			})
		}
		group.Wait()
		require.Len(t, srv.Accounts(), 1, "one deposit")
		p.get(rail + "/data")
		q.get(rail + "/data")
		require.Len(t, srv.Accounts(), 1)
		open := 0
		for _, s := range q.channels() {
			if s.HoldsMoney() {
				open++
			}
		}
		assert.Equal(t, 1, open)
	}
}

// TestFirstOneGivesUp: its cancellation does not take the others along.
func TestFirstOneGivesUp(t *testing.T) {
	for _, rail := range rails {
		srv := clienttest.New(t, clienttest.Config{})
		var n pen
		p := newPayer(t, srv, n.counted)
		ctx, cancel := context.WithCancel(t.Context())
		var first atomic.Bool
		entered := make(chan struct{})
		srv.OnRequest(func(r clienttest.Request) clienttest.Fault {
			if r.Action == "open" && first.CompareAndSwap(false, true) {
				close(entered)
				return clienttest.Fault{Hang: true}
			}
			return clienttest.Fault{}
		})
		done := make(chan error, 1)
		go func() {
			resp, err := p.send(p.request(ctx, http.MethodGet, rail+"/data", nil))
			if err == nil {
				resp.Body.Close()
			}
			done <- err
		}()
		<-entered
		others := make(chan struct{})
		go func() {
			defer close(others)
			p.together(4, rail+"/data")
		}()
		time.Sleep(10 * time.Millisecond) // they wait for the first one's flight; sooner or later is the same
		cancel()
		require.ErrorIs(t, <-done, context.Canceled)
		<-others
		assert.EqualValues(t, 1, n.transactions.Load())
		s := p.only()
		assert.Equal(t, channel.Open, s.Phase)
		account, _ := srv.Account(s.ID)
		assert.Equal(t, u(400), account.Spent)
		assert.False(t, u(500).Less(s.Authorized))
	}
}

// TestMixedLoad: requests and streams of one session take from one credit, and a payee does not ask whose it is. All
// are served, and the close is for what was used.
func TestMixedLoad(t *testing.T) {
	for i, rail := range append(rails, rails...) {
		ahead := u(200 * uint64(i/2))
		srv := clienttest.New(t, clienttest.Config{PlainV1: true})
		p := newPayer(t, srv, func(c *client.Config) { c.Limits.Ahead, c.Retries = ahead, 32 })
		p.get(rail + "/data?deposit=50000")
		var group sync.WaitGroup
		for range 4 {
			group.Go(func() { p.together(8, rail+"/data?deposit=50000") })
			group.Go(func() { p.together(2, rail+"/stream/20/10?deposit=50000") })
		}
		group.Wait()
		s := p.only()
		account, _ := srv.Account(s.ID)
		assert.Equal(t, u(100*33+8*200), account.Spent)
		assert.Equal(t, account.Spent, s.Claimed)
		leads := u(8 * (10 + 200/4)) // of eight streams of 200
		assert.False(t, s.Claimed.AddCapped(ahead).AddCapped(leads).Less(s.Authorized))
		assert.Equal(t, srv.Chain.Channel(s.ID).Deposit, s.Deposit)
		require.NoError(t, p.session.Channels().Close(t.Context(), s.ID))
		p.paidOut(s, 100*33+8*200)
	}
}
