package client_test

import (
	"iter"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/store/journal"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// lines yields what a diary has, as journal.Read does.
func (d *diary) lines() iter.Seq2[journal.Entry, error] {
	return func(yield func(journal.Entry, error) bool) {
		for _, e := range d.of("") {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// addsUp says that each map of a Spending adds up to its total.
func addsUp(t testing.TB, s channel.Spending) {
	t.Helper()
	sum := func(amounts iter.Seq[voucher.Amount]) (all voucher.Amount) {
		for a := range amounts {
			all = all.AddCapped(a)
		}
		return all
	}
	assert.Equal(t, s.Total, sum(maps.Values(s.Payees)))
	for _, by := range []map[string]voucher.Amount{s.Origins, s.Routes, s.Runs, s.Days} {
		assert.Equal(t, s.Total, sum(maps.Values(by)))
	}
	if s.Fees != nil {
		addsUp(t, *s.Fees)
	}
}

// TestSpending: what was spent, by everything that has a name, is what the records authorize, closed channels included.
func TestSpending(t *testing.T) {
	for _, ahead := range []uint64{0, 450} {
		var d diary
		srv := clienttest.New(t, clienttest.Config{})
		p := newPayer(t, srv, d.kept, func(c *client.Config) {
			c.Limits.Ahead, c.Limits.PieceByPiece = u(ahead), true
			c.Policy = client.AllowHosts(srv.URL, twin(srv))
			c.Route = func(r *http.Request) string { return r.Method + " " + strings.Trim(r.URL.Path, "0123456789/") }
		})
		nightly := client.WithBudget(t.Context(), client.NewBudget(asset(p.srv), u(100_000)).Named("nightly"))
		for _, path := range []string{"/data", "/v1/data", "/data", twin(srv) + "/data", "/stream/3/10", "/stream/7/10"} {
			p.ok(p.send(p.request(nightly, http.MethodGet, path, nil)))
		}
		p.ok(p.do(http.MethodPost, "/data", strings.NewReader("x")))
		require.NoError(t, p.session.Channels().Close(t.Context(), p.channels()[0].ID))
		p.get("/free")
		got, err := p.session.Spending(t.Context(), d.lines())
		require.NoError(t, err)
		require.Len(t, got, 1)
		all := got[0]
		addsUp(t, all)
		var authorized voucher.Amount
		payees := map[common.Address]voucher.Amount{}
		origins := map[string]voucher.Amount{}
		for _, c := range p.channels() {
			authorized = authorized.AddCapped(c.Authorized)
			payees[c.Descriptor.Payee] = payees[c.Descriptor.Payee].AddCapped(c.Authorized)
			origins[c.Scope.Origin] = origins[c.Scope.Origin].AddCapped(c.Authorized)
		}
		assert.Equal(t, authorized, all.Total)
		assert.Equal(t, payees, all.Payees)
		assert.Equal(t, origins, all.Origins)
		c := p.channels()[0]
		assert.Equal(t, channel.Asset{ChainID: c.ChainID, Token: c.Descriptor.Token}, all.Asset)
		if ahead > 0 {
			continue
		}
		assert.Equal(t, map[string]voucher.Amount{"nightly": u(500), "": u(100)}, all.Runs)
		assert.Equal(t, map[string]voucher.Amount{"GET data": u(300), "GET v1/data": u(100), "GET stream": u(100), "POST data": u(100)}, all.Routes)
		assert.NotContains(t, all.Days, "")
	}
}

// TestSpendingOfUnreadableLines: what cannot be read is an error, and hides nothing else; what has no record has no asset.
func TestSpendingOfUnreadableLines(t *testing.T) {
	p := newPayer(t, clienttest.New(t, clienttest.Config{}))
	day := func(n int, zone *time.Location) time.Time { return time.Date(2026, 1, n, 23, 30, 0, 0, zone) }
	west := time.FixedZone("west", -3600)
	all := []journal.Entry{
		{Kind: journal.KindPay, Origin: "a", ChannelID: common.Hash{1}, Raised: u(1), End: day(1, time.UTC)},
		{Kind: journal.KindPay, Origin: "b", ChannelID: common.Hash{2}, Raised: u(2), End: day(2, west)},
		{Kind: journal.KindPay, Origin: "a", ChannelID: common.Hash{2}, End: day(3, time.UTC)},
	}
	got, err := p.session.Spending(t.Context(), func(yield func(journal.Entry, error) bool) {
		for i, e := range all {
			if !yield(e, nil) || !yield(journal.Entry{}, &journal.LineError{Path: "x", Line: i, Err: journal.ErrFragment}) {
				return
			}
		}
		for range 100 {
			if !yield(journal.Entry{}, journal.ErrVersion) {
				return
			}
		}
	})
	require.ErrorIs(t, err, journal.ErrFragment)
	require.ErrorIs(t, err, journal.ErrVersion)
	assert.Less(t, len(err.Error()), 2000)
	require.Len(t, got, 1)
	addsUp(t, got[0])
	assert.Equal(t, channel.Asset{}, got[0].Asset)
	assert.Equal(t, map[string]voucher.Amount{"2026-01-01": u(1), "2026-01-02": u(2)}, got[0].Days)
	assert.Equal(t, map[common.Address]voucher.Amount{{}: u(3)}, got[0].Payees)
	assert.Equal(t, []string{"a", "b"}, slices.Sorted(maps.Keys(got[0].Origins)))
	none, err := p.session.Spending(t.Context(), func(func(journal.Entry, error) bool) {})
	require.NoError(t, err)
	assert.Empty(t, none)
}

// TestSpendingOfFees: a fee is spent once, in the token that it is paid in, on the day on which it was signed.
func TestSpendingOfFees(t *testing.T) {
	p := newPayer(t, clienttest.New(t, clienttest.Config{}))
	p.get("/data")
	c := p.channels()[0]
	token, other := c.Descriptor.Token, common.Address{0xfe, 0xe}
	line := func(kind journal.Kind, day int, tx byte, f journal.Fee) journal.Entry {
		return journal.Entry{
			Kind: kind, Origin: "a", ChannelID: c.ID, Run: "nightly", Route: "GET /",
			Transaction: common.Hash{tx}, Fee: f, End: time.Date(2026, 1, day, 12, 0, 0, 0, time.UTC),
		}
	}
	of := func(token common.Address, charged uint64) journal.Fee {
		f := journal.Fee{Token: token, Max: u(90)}
		if charged > 0 {
			f.Charged, f.Known = u(charged), true
		}
		return f
	}
	corrected := line(journal.KindFee, 3, 1, of(token, 60))
	corrected.Run, corrected.Route = "", "" // it became known beside any request
	lines := []journal.Entry{
		line(journal.KindOpen, 1, 1, of(token, 0)), line(journal.KindTopUp, 2, 2, of(token, 0)), corrected,
		line(journal.KindOpen, 3, 1, of(token, 0)),  // another session knows less
		line(journal.KindFee, 4, 1, of(token, 70)),  // and another one other things
		line(journal.KindTopUp, 4, 3, of(other, 8)), // in another token
		line(journal.KindTopUp, 4, 4, journal.Fee{Sponsored: true}),
		line(journal.KindFee, 5, 5, journal.Fee{Token: token, Max: u(90), Known: true}), // never mined
		line(journal.KindFee, 5, 6, of(token, 7)),                                       // of a line before these
	}
	got, err := p.session.Spending(t.Context(), func(yield func(journal.Entry, error) bool) {
		for _, e := range lines {
			if !yield(e, nil) {
				return
			}
		}
	})
	require.NoError(t, err)
	require.Len(t, got, 2)
	for _, s := range got {
		addsUp(t, s)
		assert.Zero(t, s.Total, "fees are apart")
		f := s.Fees
		assert.Nil(t, f.Fees)
		if s.Asset.Token == other {
			assert.Equal(t, u(8), f.Total)
			assert.Zero(t, f.Reserved)
			continue
		}
		assert.Equal(t, channel.Asset{ChainID: c.ChainID, Token: token}, s.Asset)
		assert.Equal(t, u(60+90+7), f.Total)
		assert.Equal(t, u(90), f.Reserved)
		assert.Equal(t, map[string]voucher.Amount{"2026-01-01": u(60), "2026-01-02": u(90), "2026-01-05": u(7)}, f.Days)
		assert.Equal(t, map[string]voucher.Amount{"nightly": u(157)}, f.Runs)
		assert.Equal(t, map[string]voucher.Amount{"GET /": u(157)}, f.Routes)
		assert.Equal(t, map[common.Address]voucher.Amount{c.Descriptor.Payee: u(157)}, f.Payees)
	}
}

// TestNamesOfRoutesAndRuns are bounded, and one that cannot be had stops no payment.
func TestNamesOfRoutesAndRuns(t *testing.T) {
	var d diary
	route := func(*http.Request) string { panic("broken") }
	p := newPayer(t, clienttest.New(t, clienttest.Config{}), d.kept, func(c *client.Config) {
		c.Route = func(r *http.Request) string { return route(r) }
	})
	long := client.WithBudget(t.Context(), client.NewBudget(asset(p.srv), u(1000)).Named(strings.Repeat("é", 1000)+"\xff"))
	p.ok(p.send(p.request(long, http.MethodGet, "/data", nil)))
	route = func(*http.Request) string { return "x\xff" + strings.Repeat("y", 1000) }
	p.get("/data")
	paid := d.of(journal.KindPay)
	assert.Equal(t, []string{"", "x" + strings.Repeat("y", 254)}, []string{paid[0].Route, paid[1].Route})
	assert.Equal(t, []string{strings.Repeat("é", 128), ""}, []string{paid[0].Run, paid[1].Run})
	assert.Equal(t, paid[0].Run, d.of(journal.KindOpen)[0].Run, "an opening belongs to the run of its request")
}

// TestNamedBudgets: a named budget is the same amount, and the innermost name of a request's budgets is its run.
func TestNamedBudgets(t *testing.T) {
	var d diary
	p := newPayer(t, clienttest.New(t, clienttest.Config{}), d.kept)
	outer := client.NewBudget(asset(p.srv), u(1000))
	named, inner := outer.Named("outer"), client.NewBudget(asset(p.srv), u(1000))
	around := client.WithBudget(t.Context(), named)
	for _, b := range []*client.Budget{nil, inner, inner.Named("inner")} {
		p.ok(p.send(p.request(client.WithBudget(around, b), http.MethodGet, "/data", nil)))
	}
	p.ok(p.send(p.request(client.WithBudget(t.Context(), outer), http.MethodGet, "/data", nil)))
	runs := []string{}
	for _, e := range d.of(journal.KindPay) {
		runs = append(runs, e.Run)
	}
	assert.Equal(t, []string{"outer", "outer", "inner", ""}, runs)
	assert.Equal(t, u(600), outer.Left())
	assert.Equal(t, outer.Left(), named.Left())
	assert.Equal(t, u(800), inner.Left())
}
