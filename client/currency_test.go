package client_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// sellsOther returns a server that is paid in its other token, which is no known dollar token, and
// limits for that.
func sellsOther(t *testing.T) (*clienttest.Server, channel.Limits) {
	srv := clienttest.New(t, clienttest.Config{})
	srv.Token = srv.OtherToken
	own := limits
	own.Currency = channel.Currency{
		Asset: channel.Asset{ChainID: srv.ChainID, Token: srv.OtherToken}, Symbol: "otherUSD", Decimals: 6,
	}
	return srv, own
}

// TestTokenWithoutLimitsIsNotPaidIn, and nothing is signed for it.
func TestTokenWithoutLimitsIsNotPaidIn(t *testing.T) {
	srv, _ := sellsOther(t)
	for _, path := range []string{"/data", "/v1/data", "/sponsored", "/stream/3/10"} {
		var n pen
		p := newPayer(t, srv, n.counted)
		e := p.refused(p.do(http.MethodGet, path, nil))
		require.ErrorIs(t, e, channel.ErrAsset)
		assert.False(t, e.Retryable())
		assert.ErrorContains(t, e, "token "+srv.OtherToken.Hex()+" on chain 42431 is no known dollar token")
		assert.Zero(t, n.vouchers.Load()+n.transactions.Load(), path)
		assert.Empty(t, p.channels())
	}
}

// TestAssetHasLimitsOfItsOwn: those of the dollar tokens do not count for it, however high or low.
func TestAssetHasLimitsOfItsOwn(t *testing.T) {
	srv, own := sellsOther(t)
	p := newPayer(t, srv, func(c *client.Config) {
		c.Limits, c.Assets = channel.Limits{}, []channel.Limits{own}
		c.Origins = map[string]channel.Limits{srv.URL: {Price: u(1)}}
	})
	p.get("/data")
	p.get("/data") // by the challenge that is remembered
	assert.Equal(t, u(200), p.agree().Signed)

	own.Price = u(99)
	p = newPayer(t, srv, func(c *client.Config) { c.Assets = []channel.Limits{own} })
	e := p.refused(p.do(http.MethodGet, "/data", nil))
	var over *channel.LimitError
	require.ErrorAs(t, e, &over)
	assert.Equal(t, own.Currency, over.Currency)
	assert.ErrorContains(t, e, "price 0.0001 otherUSD: channel: limit Price: wanted 0.0001 otherUSD, allowed 0.000099 otherUSD")

	dollars := channel.Limits{Price: u(50)}
	named := channel.Limits{Price: u(50), Currency: own.Currency}
	own.Price = u(100)
	p = newPayer(t, srv, func(c *client.Config) { c.Assets = []channel.Limits{own} })
	resp, err := p.in(client.WithLimits(t.Context(), dollars), "/data")
	require.ErrorIs(t, p.refused(resp, err), channel.ErrAsset, "limits in dollars say nothing about it")
	resp, err = p.in(client.WithLimits(t.Context(), named), "/data")
	require.ErrorIs(t, p.refused(resp, err), channel.ErrLimit)
	named.Price = u(101)
	resp, err = p.in(client.WithLimits(t.Context(), named), "/data")
	require.ErrorIs(t, p.refused(resp, err), channel.ErrLimit, "nobody may raise it")
	named.Price = u(100)
	p.ok(p.in(client.WithLimits(t.Context(), named), "/data"))
	resp, err = p.in(client.WithLimits(client.WithLimits(t.Context(), named), dollars), "/data")
	require.ErrorIs(t, p.refused(resp, err), channel.ErrAsset)
}

// TestLimitsOfAnAssetDoNotPayDollars, nor another asset.
func TestLimitsOfAnAssetDoNotPayDollars(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	_, own := sellsOther(t)
	var n pen
	p := newPayer(t, srv, n.counted, func(c *client.Config) {
		c.Limits, c.Assets = channel.Limits{}, []channel.Limits{own}
	})
	require.ErrorIs(t, p.refused(p.do(http.MethodGet, "/data", nil)), channel.ErrLimit)
	other := own
	other.Currency.Token = common.Address{0x20, 0xc0, 19: 8}
	srv.Token = srv.OtherToken
	p = newPayer(t, srv, n.counted, func(c *client.Config) { c.Assets = []channel.Limits{other} })
	require.ErrorIs(t, p.refused(p.do(http.MethodGet, "/data", nil)), channel.ErrAsset)
	assert.Zero(t, n.vouchers.Load()+n.transactions.Load())
}

// TestLimitsOverTimeAndTotalAreOfOneAsset: what is paid and put in in one token uses up nothing of another
// one's, also after a restart.
func TestLimitsOverTimeAndTotalAreOfOneAsset(t *testing.T) {
	srv, own := sellsOther(t)
	own.Fund, own.Deposit, own.Total, own.All.Day, own.Payee.Day = u(300), u(300), u(500), u(250), u(300)
	p := newPayer(t, srv, func(c *client.Config) {
		c.Limits, c.Assets, c.Policy = own, []channel.Limits{own}, client.AllowPayees(srv.Payee)
		c.Limits.Currency = channel.Currency{}
	})
	left := func(asset channel.Asset) (all []voucher.Amount) {
		rooms, err := p.session.BudgetsIn(t.Context(), asset)
		require.NoError(t, err)
		for _, r := range rooms {
			all = append(all, r.Left())
		}
		return all
	}
	for _, currency := range []channel.Currency{own.Currency, pathUSD} {
		srv.Token = currency.Token
		p.get("/data")
		p.restart()
		p.get("/data")
		_, err := p.do(http.MethodGet, "/data", nil)
		var over *channel.LimitError
		require.ErrorAs(t, err, &over)
		assert.Equal(t, &channel.LimitError{Limit: "All.Day", Wanted: u(300), Allowed: u(250), Left: u(50), Currency: currency}, over)
		assert.Equal(t, []voucher.Amount{u(300), u(50), u(50)}, left(currency.Asset))
	}
	assert.Equal(t, left(pathUSD.Asset), left(channel.Asset{}))
	_, err := p.session.BudgetsIn(t.Context(), channel.Asset{ChainID: 1, Token: srv.OtherToken})
	require.ErrorIs(t, err, channel.ErrAsset)
	require.Len(t, p.channels(), 2)
	for _, c := range p.channels() {
		assert.Equal(t, u(300), c.Deposit, "more than half of Total in each")
	}
}

// renamed is a chain that says of a token what it likes.
type renamed struct {
	client.Chain
	says channel.Currency
	err  error
	n    int
}

func (r *renamed) Currency(context.Context, channel.Asset) (channel.Currency, error) {
	r.n++
	return r.says, r.err
}

// TestAssetIsComparedWithItsChainOnce: what a node says is compared with what the owner wrote, before
// the first payment, and not asked for again in the life of a store.
func TestAssetIsComparedWithItsChainOnce(t *testing.T) {
	srv, own := sellsOther(t)
	wrong, failed := own.Currency, errors.New("the node is away")
	wrong.Decimals = 18
	chain, n := &renamed{says: wrong}, pen{}
	p := newPayer(t, srv, n.counted, func(c *client.Config) {
		chain.Chain, c.Chain, c.Assets = c.Chain, chain, []channel.Limits{own}
	})
	e := p.refused(p.do(http.MethodGet, "/data", nil))
	require.ErrorIs(t, e, channel.ErrAsset)
	assert.ErrorContains(t, e, "with 6 decimals, and its chain says otherUSD (token "+srv.OtherToken.Hex()+" on chain 42431) with 18 decimals")
	chain.err = failed
	require.ErrorIs(t, p.refused(p.do(http.MethodGet, "/data", nil)), failed)
	assert.Zero(t, n.vouchers.Load()+n.transactions.Load())
	assert.Equal(t, 2, chain.n)

	chain.says, chain.err = own.Currency, nil
	p.get("/data")
	chain.says, chain.err = wrong, failed
	p.get("/data")
	p.get("/data?price=101")
	again, err := client.New(p.cfg) // a session of another day
	require.NoError(t, err)
	p.session = again
	p.get("/data")
	assert.Equal(t, 3, chain.n, "nobody was asked again")

	cfg := p.cfg
	own.Currency.Decimals = 18 // the owner changes the policy, not the token
	cfg.Assets = []channel.Limits{own}
	p.session, err = client.New(cfg)
	require.NoError(t, err)
	e = p.refused(p.do(http.MethodGet, "/data?price=102", nil))
	require.ErrorIs(t, e, channel.ErrAsset)
	assert.ErrorContains(t, e, "it is stored as otherUSD")
}

func TestAssetsThatAreNotNamedRight(t *testing.T) {
	srv, own := sellsOther(t)
	p := newPayer(t, srv)
	for says, change := range map[string]func(*client.Config){
		"is no symbol":              func(c *client.Config) { c.Assets[0].Currency.Symbol = "" },
		"is a known dollar token":   func(c *client.Config) { c.Assets[0].Currency = pathUSD },
		"twice":                     func(c *client.Config) { c.Assets = append(c.Assets, c.Assets[0]) },
		"above Limits.Deposit":      func(c *client.Config) { c.Assets[0].Fund = c.Assets[0].Deposit.AddCapped(u(1)) },
		"Config.Limits names":       func(c *client.Config) { c.Limits.Currency = own.Currency },
		"Config.Raise names":        func(c *client.Config) { c.Raise.Currency = own.Currency },
		"Config.Origins[\"https://": func(c *client.Config) { c.Origins = map[string]channel.Limits{"https://a.example": own} },
	} {
		cfg := p.cfg
		cfg.Assets = []channel.Limits{own}
		change(&cfg)
		_, err := client.New(cfg)
		assert.ErrorContains(t, err, says)
	}
}
