package client_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/internal/wire"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// in sends a GET under a context.
func (p *payer) in(ctx context.Context, path string) (*http.Response, error) {
	p.t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.srv.URL+path, nil)
	require.NoError(p.t, err)
	return (&http.Client{Transport: &client.Transport{Session: p.session, Base: p.base}}).Do(req)
}

func (p *payer) over(resp *http.Response, err error) channel.LimitError {
	p.t.Helper()
	var over *channel.LimitError
	require.ErrorAs(p.t, p.refused(resp, err), &over)
	plain := *over
	plain.Currency = channel.Currency{}
	assert.Equal(p.t, pathUSD, over.Currency)
	return plain
}

// pathUSD is what a test server is paid in, as the limits know it.
var pathUSD, _ = channel.Dollar(channel.Asset{ChainID: escrow.Moderato, Token: escrow.PathUSD})

// asset is what a test server is paid in.
func asset(srv *clienttest.Server) channel.Asset {
	return channel.Asset{ChainID: srv.ChainID, Token: srv.Token}
}

// TestWithBudget: a run spends its budget and no more, on both rails, by remembered challenges too.
func TestWithBudget(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	for _, rail := range rails {
		p := newPayer(t, srv)
		budget := client.NewBudget(asset(srv), u(350))
		ctx := client.WithBudget(t.Context(), budget)
		for range 3 {
			p.ok(p.in(ctx, rail+"/data"))
		}
		assert.Equal(t, u(50), budget.Left())
		signed := p.only().Signed
		assert.Equal(t, channel.LimitError{Limit: channel.LimitBudget, Wanted: u(400), Allowed: u(350), Left: u(50)}, p.over(p.in(ctx, rail+"/data")))
		assert.Equal(t, signed, p.agree().Signed)
		p.ok(p.in(t.Context(), rail+"/data")) // others go on
		p.ok(p.in(ctx, "/free"))
	}
}

// TestBudgetOfAStream ends it where the budget does; what came is paid.
func TestBudgetOfAStream(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	ctx := client.WithBudget(t.Context(), client.NewBudget(asset(srv), u(25)))
	resp, err := p.in(ctx, "/stream?n=5&price=10")
	require.NoError(t, err)
	defer resp.Body.Close()
	_, err = io.ReadAll(resp.Body)
	require.ErrorIs(t, err, channel.ErrLimit)
	assert.ErrorContains(t, err, "the budget of this run")
	assert.Equal(t, u(20), p.only().Signed)
}

// TestNothingIsDepositedForWhatMayNotBePaid.
func TestNothingIsDepositedForWhatMayNotBePaid(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv, func(c *client.Config) { c.Limits.Origin.Hour = u(99) })
	assert.Equal(t, channel.LimitError{Limit: "Origin.Hour", Wanted: u(100), Allowed: u(99), Left: u(99)}, p.over(p.do(http.MethodGet, "/data", nil)))
	assert.Empty(t, p.channels())
}

// TestWindowsOutliveASession: budgets are counted from the store.
func TestWindowsOutliveASession(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	for _, rail := range rails {
		p := newPayer(t, srv, func(c *client.Config) { c.Limits.Payee.Day = u(250) })
		p.get(rail + "/data")
		p.restart()
		p.get(rail + "/data")
		p.restart()
		assert.Equal(t, u(50), p.over(p.do(http.MethodGet, rail+"/data", nil)).Left)
		rooms, err := p.session.Budgets(t.Context())
		require.NoError(t, err)
		require.Len(t, rooms, 3)
		assert.Equal(t, channel.Room{Rule: channel.BudgetRule{Name: "All.Month", Length: 30 * 24 * time.Hour, Allowed: limits.Total}, Used: u(200)}, rooms[0])
	}
}

// TestBudgetEvent is told once when a budget is nearly used up.
func TestBudgetEvent(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv, func(c *client.Config) { c.Limits.All.Hour = u(500) })
	for range 5 {
		p.get("/data")
	}
	told := p.events.of(client.EventBudget)
	require.Len(t, told, 1)
	assert.Equal(t, &channel.Decision{Verdict: channel.Allow, Rule: "All.Hour", Wanted: u(400), Allowed: u(500), Left: u(200), Currency: pathUSD}, told[0].Decision)
	assert.Equal(t, srv.URL, told[0].Origin)
}

// TestWithLimits: a context lowers what it likes, and raises what the owner allows.
func TestWithLimits(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv, func(c *client.Config) {
		c.Limits.Price = u(100)
		c.Raise.Price = u(200)
	})
	lower := client.WithLimits(t.Context(), channel.Limits{Price: u(99)})
	assert.Equal(t, channel.LimitError{Limit: "Price", Wanted: u(100), Allowed: u(99), Left: u(99)}, p.over(p.in(lower, "/data")))
	assert.Empty(t, p.channels())
	p.get("/data") // remembers the challenge
	p.over(p.in(lower, "/data"))

	higher := client.WithLimits(t.Context(), channel.Limits{Price: u(200)})
	p.ok(p.in(higher, "/data?price=200"))
	p.over(p.in(t.Context(), "/data?price=101"))
	p.over(p.in(higher, "/data?price=201"))

	tooHigh := client.WithLimits(t.Context(), channel.Limits{Price: u(201)})
	assert.Equal(t, u(200), p.over(p.in(tooHigh, "/data")).Allowed)
	p.ok(p.in(tooHigh, "/free"))
	noLeave := client.WithLimits(t.Context(), channel.Limits{Ahead: u(1)})
	assert.Equal(t, "Ahead", p.over(p.in(noLeave, "/data")).Limit)

	// Whoever is called with a context can only lower it further.
	inner := client.WithLimits(client.WithLimits(t.Context(), channel.Limits{Price: u(150)}), channel.Limits{Price: u(151)})
	assert.Equal(t, channel.LimitError{Limit: "Price", Wanted: u(151), Allowed: u(150), Left: u(150)}, p.over(p.in(inner, "/data")))
	inner = client.WithLimits(client.WithLimits(t.Context(), channel.Limits{Price: u(150)}), channel.Limits{Price: u(149)})
	p.over(p.in(inner, "/data?price=150"))
	p.ok(p.in(inner, "/data?price=149"))
	p.agree()
}

// TestLimitsOfAnOrigin take the place of the general ones, higher or lower.
func TestLimitsOfAnOrigin(t *testing.T) {
	srv, other := clienttest.New(t, clienttest.Config{}), clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv, func(c *client.Config) {
		c.Limits.Price = u(100)
		c.Origins = map[string]channel.Limits{srv.URL: {Price: u(300), Origin: channel.Windows{Day: u(350)}}, other.URL: {Price: u(1)}}
	})
	p.get("/data?price=300")
	assert.Equal(t, channel.LimitError{Limit: "Origin.Day", Wanted: u(360), Allowed: u(350), Left: u(50)}, p.over(p.do(http.MethodGet, "/data?price=60", nil)))
	p.get("/data?price=50")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, other.URL+"/data?price=2", nil)
	require.NoError(t, err)
	assert.Equal(t, "Price", p.over(p.session.Client().Do(req)).Limit)

	for says, bad := range map[string]map[string]channel.Limits{
		"is not an origin":         {"example.com": {}},
		"which are for all":        {srv.URL: {Total: u(1)}},
		"for all origins together": {srv.URL: {All: channel.Windows{Day: u(1)}}},
	} {
		cfg := p.cfg
		cfg.Origins = bad
		_, err := client.New(cfg)
		require.ErrorContains(t, err, says)
	}
}

// TestWindowsThatContradict are refused: a day that is larger than its month would never be reached.
func TestWindowsThatContradict(t *testing.T) {
	p := newPayer(t, clienttest.New(t, clienttest.Config{}))
	for _, w := range []channel.Windows{{Day: limits.Total.AddCapped(u(1))}, {Hour: u(2), Day: u(1)}, {Day: u(2), Month: u(1)}} {
		cfg := p.cfg
		cfg.Limits.All = w
		_, err := client.New(cfg)
		require.ErrorContains(t, err, "a longer window must allow at least as much")
	}
}

// TestApprove: the owner is asked about high prices, once a request, with what there is to know.
func TestApprove(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	var asked []client.Quote
	var answer error
	p := newPayer(t, srv, func(c *client.Config) {
		c.Limits.Ask, c.Limits.All.Day = u(100), u(1000)
		c.Approve = func(_ context.Context, a client.Quote) error {
			asked = append(asked, a)
			return answer
		}
	})
	p.get("/data")
	assert.Empty(t, asked, "not above")
	p.get("/data?price=101")
	require.Len(t, asked, 1)
	assert.Equal(t, channel.Decision{Verdict: channel.Ask, Rule: "Ask", Wanted: u(101), Allowed: u(100), Left: u(800), Currency: pathUSD}, asked[0].Decision)
	assert.Equal(t, "GET /data", asked[0].Route)
	assert.Equal(t, srv.Payee, asked[0].Offer.Payee)
	p.get("/data?price=101") // the remembered challenge does not go round it
	require.Len(t, asked, 2)

	answer = errors.New("the owner says no")
	before := p.only()
	e := p.refused(p.do(http.MethodGet, "/data?price=101", nil))
	require.ErrorIs(t, e, client.ErrPolicy)
	require.ErrorIs(t, e, answer)
	assert.Equal(t, client.OutcomeRefused, e.Outcome)
	assert.Equal(t, before.Signed, p.agree().Signed)

	cfg := p.cfg
	cfg.Approve = nil
	_, err := client.New(cfg)
	require.ErrorContains(t, err, "Config.Approve is nil")
}

// TestApproveIsCancelled: an owner who does not answer is not waited for longer than the caller waits, and one who
// answers too late is too late.
func TestApproveIsCancelled(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	for name, obeys := range map[string]bool{"it obeys the context": true, "it answers too late": false} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			p := newPayer(t, srv, func(c *client.Config) {
				c.Limits.Ask = u(1)
				c.Approve = func(ctx context.Context, _ client.Quote) error {
					cancel()
					<-ctx.Done()
					if obeys {
						return context.Cause(ctx)
					}
					return nil
				}
			})
			e := p.refused(p.in(ctx, "/data"))
			require.ErrorIs(t, e, context.Canceled)
			assert.Empty(t, p.channels())
		})
	}
}

// TestApprovalIsForAPrice: a higher price on the retry is another question.
func TestApprovalIsForAPrice(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	var asked []voucher.Amount
	p := newPayer(t, srv, func(c *client.Config) {
		c.Limits.Ask = u(1)
		c.Approve = func(_ context.Context, a client.Quote) error {
			asked = append(asked, a.Offer.Price)
			return nil
		}
	})
	p.get("/data")
	asked = nil
	l, lied := p.lied(), false
	l.after = func(_ int, _ sent, resp *http.Response) {
		if !lied {
			lied = true
			l.forge(resp, func(_ *wire.Challenge, request map[string]any) { request["amount"] = "90" })
		}
	}
	p.get("/hinted")
	assert.Equal(t, []voucher.Amount{u(90), u(100)}, asked)
}

// TestQuote says what would be paid, and pays nothing.
func TestQuote(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv, func(c *client.Config) { c.Limits.All.Day = u(150) })
	quote := func(path string) (*client.Quote, int) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL+path, nil)
		require.NoError(t, err)
		q, status, err := p.session.Quote(req)
		require.NoError(t, err)
		return q, status
	}
	q, status := quote("/data")
	assert.Equal(t, http.StatusPaymentRequired, status)
	assert.Equal(t, u(100), q.Offer.Price)
	assert.Equal(t, "GET /data", q.Route)
	assert.Equal(t, q.Offer.Terms(), q.Terms)
	assert.True(t, q.Funding, "a channel would be opened")
	assert.Equal(t, channel.Decision{Verdict: channel.Allow, Rule: "All.Day", Wanted: u(100), Allowed: u(150), Left: u(150), Currency: pathUSD}, q.Decision)
	assert.Empty(t, p.channels())
	p.get("/data")
	q, _ = quote("/data")
	assert.Equal(t, channel.Decision{Verdict: channel.Deny, Rule: "All.Day", Wanted: u(200), Allowed: u(150), Left: u(50), Currency: pathUSD}, q.Decision)
	assert.False(t, q.Funding, "the deposit covers it")
	q, status = quote("/free")
	assert.Nil(t, q)
	assert.Equal(t, http.StatusOK, status)
	assert.Equal(t, u(100), p.agree().Signed)
}

// TestQuoteOfATopUp tells the policy that the channel would be funded, as a request would.
func TestQuoteOfATopUp(t *testing.T) {
	p := newPayer(t, clienttest.New(t, clienttest.Config{}))
	p.get("/data?deposit=150")
	q, _, err := p.session.Quote(p.request(t.Context(), http.MethodGet, "/data?deposit=150", nil))
	require.NoError(t, err)
	assert.True(t, q.Funding)
	q, _, err = p.session.Quote(p.request(t.Context(), http.MethodGet, "/data?price=50&deposit=150", nil))
	require.NoError(t, err)
	assert.False(t, q.Funding)
}

// TestSlowApproval: other requests go on while the owner thinks.
func TestSlowApproval(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	thinking, decided := make(chan struct{}), make(chan struct{})
	p := newPayer(t, srv, func(c *client.Config) {
		c.Limits.Ask = u(100)
		c.Approve = func(context.Context, client.Quote) error {
			close(thinking)
			<-decided
			return nil
		}
	})
	p.get("/data")
	done := make(chan string)
	go func() { done <- p.get("/data?price=101") }()
	<-thinking
	p.get("/data")
	close(decided)
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatal("it was approved and is not paid")
	}
	assert.Equal(t, u(301), p.agree().Signed)
}
