package client_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/store/journal"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// costly returns a payer on a chain with fees, with a journal and a run.
func costly(t *testing.T, d *diary, change ...func(*client.Config)) (*payer, context.Context) {
	srv := clienttest.New(t, clienttest.Config{BaseFee: realFee})
	own := func(c *client.Config) {
		c.Limits = feeLimits
		c.Route = func(r *http.Request) string { return r.Method + " " + strings.ReplaceAll(r.URL.Path, "/", " ") }
	}
	p := newPayer(t, srv, append([]func(*client.Config){d.kept, own}, change...)...)
	run := client.NewBudget(asset(srv), u(1_000_000)).Named("nightly")
	return p, client.WithBudget(t.Context(), run)
}

// paid makes a request and returns what was paid for it.
func (p *payer) paid(ctx context.Context, path string) *client.Payment {
	p.t.Helper()
	resp, err := p.send(p.request(ctx, http.MethodGet, path, nil))
	p.ok(resp, err)
	return client.PaymentOf(resp)
}

// TestWhatATransactionCostIsTold: the request that it was made for, the journal and the events tell the most that
// it can cost at once, and what it was charged when that is known. Their sums are what left the wallet.
func TestWhatATransactionCostIsTold(t *testing.T) {
	for _, rail := range bothRails {
		var d diary
		g := &gatedReceipts{gate: make(chan struct{})}
		p, ctx := costly(t, &d, func(c *client.Config) { g.Chain, c.Chain = c.Chain, g })
		path, token := rail+"/data", p.srv.Token
		route := "GET " + strings.ReplaceAll(path, "/", " ")
		paid := p.paid(ctx, path)
		fees := paid.Fees()
		require.Len(t, fees, 1)
		most := fees[0].Max
		want := journal.Fee{Token: token, Max: most}
		assert.Equal(t, want, fees[0])
		assert.Equal(t, most, fees[0].Counted())
		opened := d.of(journal.KindOpen)
		require.Len(t, opened, 1)
		assert.Equal(t, want, opened[0].Fee)
		for _, kind := range []client.EventKind{client.EventOpening, client.EventOpened} {
			require.Len(t, p.events.of(kind), 1)
			assert.Equal(t, want, p.events.of(kind)[0].Fee, kind)
		}
		assert.Empty(t, p.events.of(client.EventFee))

		close(g.gate)
		client.AwaitFees(p.session)
		want.Charged, want.Known = p.charged(), true
		assert.Equal(t, []journal.Fee{want}, paid.Fees(), "the same payment knows it now")
		known := d.of(journal.KindFee)
		require.Len(t, known, 1)
		assert.Equal(t, want, known[0].Fee)
		assert.Equal(t, opened[0].Transaction, known[0].Transaction)
		assert.Equal(t, []string{paid.Operation, "nightly", route}, []string{known[0].Operation, known[0].Run, known[0].Route})
		assert.Equal(t, known[0].Route, opened[0].Route)
		told := p.events.of(client.EventFee)
		require.Len(t, told, 1)
		assert.Equal(t, want, told[0].Fee)
		assert.Equal(t, []any{paid.Operation, p.only().ID, client.OutcomeAccepted}, []any{told[0].Operation, told[0].ChannelID, told[0].Outcome})

		p.times(3, path)
		assert.Empty(t, p.paid(ctx, path).Fees(), "no transaction was made for it")
		p.spentFees(&d)
		all, err := p.session.Spending(t.Context(), d.lines())
		require.NoError(t, err)
		assert.Equal(t, map[string]voucher.Amount{route: p.charged()}, all[0].Fees.Routes)
		assert.Equal(t, map[string]voucher.Amount{"nightly": p.charged()}, all[0].Fees.Runs)
		require.NoError(t, p.session.Close(t.Context()))
	}
}

// spentFees says that the fees in the journal's lines are those of the records, and what left the wallet.
func (p *payer) spentFees(d *diary) {
	p.t.Helper()
	all, err := p.session.Spending(p.t.Context(), d.lines())
	require.NoError(p.t, err)
	require.Len(p.t, all, 1)
	addsUp(p.t, all[0])
	assert.Equal(p.t, p.charged(), all[0].Fees.Total)
	assert.Zero(p.t, all[0].Fees.Reserved)
	d.reconciles(p)
}

// TestSponsoredTransactionsAreToldAsSuch, and cost nothing.
func TestSponsoredTransactionsAreToldAsSuch(t *testing.T) {
	var d diary
	p, ctx := costly(t, &d)
	sponsored := journal.Fee{Sponsored: true}
	paid := p.paid(ctx, "/sponsored")
	assert.Equal(t, []journal.Fee{sponsored}, paid.Fees())
	assert.Zero(t, paid.Fees()[0].Counted())
	assert.Equal(t, sponsored, d.of(journal.KindOpen)[0].Fee)
	assert.Equal(t, sponsored, p.events.of(client.EventOpening)[0].Fee)
	client.AwaitFees(p.session)
	assert.Empty(t, d.of(journal.KindFee))
	p.spentFees(&d)
	assert.Zero(t, p.charged())
}

// TestFeesOfTheEnd: what a close request and a withdrawal cost is in their lines, and known when they have ended.
func TestFeesOfTheEnd(t *testing.T) {
	var d diary
	p, ctx := costly(t, &d)
	p.ok(p.send(p.request(ctx, http.MethodGet, "/data", nil)))
	client.AwaitFees(p.session)
	id := p.only().ID
	require.NoError(t, p.session.Channels().RequestClose(t.Context(), id))
	p.srv.Chain.Advance(16 * time.Minute)
	require.NoError(t, p.session.Channels().Withdraw(t.Context(), id))
	for _, kind := range []journal.Kind{journal.KindRequestClose, journal.KindWithdraw} {
		line := d.of(kind)[0]
		assert.False(t, line.Fee.Max.IsZero(), kind)
		known := 0
		for _, e := range d.of(journal.KindFee) {
			if e.Transaction == line.Transaction && e.Fee.Known && e.Fee.Max == line.Fee.Max {
				known++
			}
		}
		assert.Equal(t, 1, known, kind)
	}
	assert.Len(t, p.events.of(client.EventFee), 3)
	all, err := p.session.Spending(t.Context(), d.lines())
	require.NoError(t, err)
	gone := p.began.SubFloor(p.srv.Chain.Balance(p.key.Address)) // the payee took nothing
	assert.Equal(t, gone, all[0].Fees.Total)
	d.reconciles(p)
}

// TestTopUpBesideIsOfTheRequestThatBeganIt: its fee is taken from the budgets of that request, and told with it.
func TestTopUpBesideIsOfTheRequestThatBeganIt(t *testing.T) {
	var d diary
	p, ctx := costly(t, &d, func(c *client.Config) { c.FundAsNeeded, c.Limits.Fund = false, u(2000) })
	var payments []*client.Payment
	for range 18 {
		payments = append(payments, p.paid(ctx, "/data"))
		client.AwaitTopUps(p.session)
	}
	require.NotEmpty(t, d.of(journal.KindTopUp))
	client.AwaitFees(p.session)
	var sum voucher.Amount
	made := 0
	for i, one := range payments {
		for _, fee := range one.Fees() {
			assert.True(t, fee.Known, i)
			sum = sum.AddCapped(fee.Counted())
			made++
		}
	}
	assert.Equal(t, len(d.of(journal.KindOpen))+len(d.of(journal.KindTopUp)), made)
	assert.Equal(t, p.charged(), sum)
	p.spentFees(&d)
}

// TestFeesThatALaterSessionLearns: the line of what was charged has no request then, and the sums are the same.
func TestFeesThatALaterSessionLearns(t *testing.T) {
	var d diary
	g := &gatedReceipts{gate: make(chan struct{})}
	p, ctx := costly(t, &d, func(c *client.Config) { g.Chain, c.Chain = c.Chain, g })
	p.ok(p.send(p.request(ctx, http.MethodGet, "/data", nil)))
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_ = p.session.Close(ended) // it ends at once, and with it what reads the receipt
	assert.Empty(t, d.of(journal.KindFee))
	close(g.gate)
	p.restart()
	_, err := p.session.Channels().Sync(t.Context(), p.only().ID)
	require.NoError(t, err)
	client.AwaitFees(p.session)
	known := d.of(journal.KindFee)
	require.Len(t, known, 1)
	assert.Empty(t, known[0].Run)
	assert.NotEmpty(t, known[0].Operation)
	assert.NotEqual(t, d.of(journal.KindOpen)[0].Operation, known[0].Operation)
	all, err := p.session.Spending(t.Context(), d.lines())
	require.NoError(t, err)
	assert.Equal(t, map[string]voucher.Amount{"nightly": p.charged()}, all[0].Fees.Runs, "it counts for the run that signed it")
	p.spentFees(&d)
}

// feesOf returns what the lines say of the fees of a channel, by token: known and not known.
func feesOf(t *journal.Totals) (charged, reserved map[common.Address]voucher.Amount) {
	for _, f := range t.Fees() {
		of := &reserved
		if f.Known {
			of = &charged
		}
		if f.Counted().IsZero() {
			continue
		}
		if *of == nil {
			*of = map[common.Address]voucher.Amount{}
		}
		(*of)[f.Token] = (*of)[f.Token].AddCapped(f.Counted())
	}
	return charged, reserved
}
