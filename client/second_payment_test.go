package client_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/internal/bubble"
)

// takeBacks are ways in which a payee takes back what it asked to be paid by. The payer has a
// channel of each protocol, and its policy accepts all payees of the server.
func takeBacks() map[string]turn {
	return map[string]turn{
		"410":               unknown(""),
		"channel not found": unknown("session/channel-not-found"),
		"channel finalized": unknown("session/channel-finalized"),
		"another protocol":  wants("payment-required", "/v1/data"),
		"no reason":         wants("", "/v1/data"),
		"another payee":     wants("invalid-challenge", "/data", payeeIs(stranger(1))),
		"another operator":  wants("payment-expired", "/data", operatorIs(stranger(2))),
	}
}

// wary returns a payer with a channel of each protocol.
func wary(t testing.TB, change ...func(*client.Config)) *payer {
	t.Helper()
	srv := clienttest.New(t, clienttest.Config{})
	open := func(c *client.Config) { c.Policy = client.AllowHosts(srv.URL, twin(srv)) }
	p := newPayer(t, srv, append([]func(*client.Config){open}, change...)...)
	p.get("/data")
	p.get("/v1/data")
	return p
}

// once answers the first credential of each request by do, and lets the server answer the others.
// The result begins a request.
func (l *liar) once(p *payer, do turn) (begin func()) {
	var first atomic.Bool
	l.answer = func(_ int, s sent) (*http.Response, error) {
		if s.Paid == nil || !first.CompareAndSwap(true, false) {
			return nil, nil
		}
		return do(p, l, s), nil
	}
	return func() { first.Store(true) }
}

// TestServiceAfterEachTakeBack: ten requests that are each served, but not before the payee took
// back what it had asked to be paid by, lock one more deposit, and are paid one more price, in all.
func TestServiceAfterEachTakeBack(t *testing.T) {
	for name, do := range takeBacks() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := wary(t)
			before := p.signed()
			l := p.lied()
			begin := l.once(p, do)
			for range 10 {
				begin()
				resp, err := p.do(http.MethodGet, "/data", nil)
				_, _, _ = finish(t, resp, err)
			}
			assert.LessOrEqual(t, len(l.openings()), 1, "deposits beside the one of before")
			assert.False(t, u(1100).Less(p.signedAbove(before)), "signed %s", p.signedAbove(before))
		})
	}
}

// TestConcurrentRequestsArePaidTwiceOnce: requests whose payments are taken back at the same moment
// are paid once more in all, not once more each.
func TestConcurrentRequestsArePaidTwiceOnce(t *testing.T) {
	for name, do := range takeBacks() {
		for _, n := range []int{2, 7} {
			for _, origins := range []string{"one origin", "two origins"} {
				t.Run(fmt.Sprintf("%s, %d requests, %s", name, n, origins), func(t *testing.T) {
					t.Parallel()
					p := wary(t)
					urls := []string{p.srv.URL + "/data", p.srv.URL + "/data"}
					if origins == "two origins" { // of one payee
						urls[1] = twin(p.srv) + "/data"
						p.ok(p.send(p.request(t.Context(), http.MethodGet, urls[1], nil)))
					}
					before := p.signed()
					l := p.lied()
					var here atomic.Int64
					all := make(chan struct{})
					l.answer = func(_ int, s sent) (*http.Response, error) {
						if s.Paid == nil {
							return nil, nil
						}
						switch at := here.Add(1); {
						case at == int64(n):
							close(all)
						case at > int64(n):
							return nil, nil // what comes after is served
						}
						<-all
						return do(p, l, s), nil
					}
					opened := len(p.channels())
					var wg sync.WaitGroup
					for i := range n {
						wg.Go(func() {
							ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
							defer cancel()
							resp, err := p.send(p.request(ctx, http.MethodGet, urls[i%2], nil))
							_, _, _ = finish(t, resp, err)
						})
					}
					wg.Wait()
					most := u(100 * uint64(n+1))
					assert.False(
						t, most.Less(p.signedAbove(before)), "signed %s", p.signedAbove(before),
					)
					assert.LessOrEqual(t, len(p.channels())-opened, 1, "channels opened")
				})
			}
		}
	}
}

// TestSecondPaymentOnceAnHour: until the payee served a request that was paid once, or an hour
// passed, a payment that is taken back is not followed by another, and the owner is not asked about
// one.
func TestSecondPaymentOnceAnHour(t *testing.T) {
	for name, c := range map[string]struct {
		wait    time.Duration
		service bool // an honest request between the two
		second  bool
	}{
		"at once":               {},
		"after 59 minutes":      {wait: 59 * time.Minute},
		"after an hour":         {wait: time.Hour, second: true},
		"after a service":       {service: true, second: true},
		"a service an hour ago": {wait: 2 * time.Hour, service: true, second: true},
	} {
		for _, rail := range rails {
			t.Run(name+rail, func(t *testing.T) {
				bubble.Run(t, func(t *testing.T) {
					var o owner
					p := inMemory(t, o.asks(1))
					p.get(rail + "/data")
					l := p.lied()
					begin := l.once(p, unknown(""))
					begin()
					p.get(rail + "/data")
					require.Len(t, p.channels(), 2, "paid a second time")
					if c.service {
						p.get(rail + "/data")
					}
					time.Sleep(c.wait)

					before, opened := p.signed(), len(l.openings())
					o.quotes = nil
					begin()
					resp, err := p.do(http.MethodGet, rail+"/data", nil)
					outcome, _, err := finish(t, resp, err)
					if c.second {
						assert.Equal(t, client.OutcomeAccepted, outcome, "%v", err)
						assert.Equal(t, u(200), p.signedAbove(before))
						return
					}
					assert.Equal(t, client.OutcomeRejected, outcome)
					assert.Equal(t, u(100), p.signedAbove(before))
					assert.Len(t, o.quotes, 1, "about the first payment")
					assert.Len(t, l.openings(), opened)
				})
			})
		}
	}
}

// TestBudgetsAreChargedForBothPayments of one request.
func TestBudgetsAreChargedForBothPayments(t *testing.T) {
	for name, do := range takeBacks() {
		for _, c := range []struct{ budget, left, signed uint64 }{
			{budget: 100, left: 0, signed: 100},
			{budget: 199, left: 99, signed: 100},
			{budget: 200, left: 0, signed: 200},
			{budget: 250, left: 50, signed: 200},
		} {
			t.Run(fmt.Sprintf("%s, a budget of %d", name, c.budget), func(t *testing.T) {
				t.Parallel()
				p := wary(t)
				before := p.signed()
				budget := client.NewBudget(asset(p.srv), u(c.budget))
				p.lied().once(p, do)()
				resp, err := p.in(client.WithBudget(t.Context(), budget), "/data")
				_, _, _ = finish(t, resp, err)
				assert.Equal(t, u(c.signed), p.signedAbove(before))
				assert.Equal(t, u(c.left), budget.Left())
			})
			t.Run(fmt.Sprintf("%s, an hour of %d", name, c.budget), func(t *testing.T) {
				t.Parallel()
				p := wary(t, func(cfg *client.Config) {
					hour := u(200 + c.budget) // 200 are spent before
					cfg.Limits.All = channel.Windows{Hour: hour, Day: hour, Month: hour}
				})
				before := p.signed()
				p.lied().once(p, do)()
				resp, err := p.do(http.MethodGet, "/data", nil)
				_, _, _ = finish(t, resp, err)
				assert.Equal(t, u(c.signed), p.signedAbove(before))
				rooms, err := p.session.Budgets(t.Context())
				require.NoError(t, err)
				assert.Equal(t, u(c.left), rooms[2].Left())
			})
		}
	}
}
