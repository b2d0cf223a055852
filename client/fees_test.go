package client_test

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// feeLimits have room for fees of the test chain.
var feeLimits = channel.Limits{Price: u(1000), Deposit: u(1_000_000), Total: u(10_000_000), Stream: u(1000)}

// charged returns what left the wallet of the payer beside what is in channels, or was.
func (p *payer) charged() voucher.Amount {
	p.t.Helper()
	gone := p.began.SubFloor(p.srv.Chain.Balance(p.key.Address))
	for info, err := range p.session.Channels().All(p.t.Context()) {
		require.NoError(p.t, err)
		if info.HoldsMoney() {
			gone = gone.SubFloor(p.srv.Chain.Channel(info.ID).Deposit)
		}
	}
	return gone
}

// used returns what is counted in a month: of all payments, and of fees.
func (p *payer) used() (all, fees voucher.Amount) {
	p.t.Helper()
	rooms, err := p.session.Budgets(p.t.Context())
	require.NoError(p.t, err)
	own, err := p.session.FeeBudgetsIn(p.t.Context(), channel.Asset{})
	require.NoError(p.t, err)
	return rooms[0].Used, own[0].Used
}

// TestFeesCountInWhatMayBeSpent: a day limit of 2,000 base units let 55,682 leave the wallet, 53,682 of it
// fees, for 20 requests of 100. Now what leaves stays within the limit, whatever the channels are.
func TestFeesCountInWhatMayBeSpent(t *testing.T) {
	for name, c := range map[string]struct {
		day, fees uint64
		served    int
		limit     string
	}{
		"the day of all":      {2000, 100_000, 0, "All.Day"},
		"the day of fees":     {100_000, 10_000, 0, "Fees.Day"},
		"enough for one":      {20_000, 100_000, 3, "All.Day"},
		"enough for the fees": {100_000, 100_000, 20, ""},
	} {
		srv := clienttest.New(t, clienttest.Config{BaseFee: realFee})
		p := newPayer(t, srv, func(cfg *client.Config) { // each request needs a transaction
			cfg.Limits = channel.Limits{
				Price: u(1000), Deposit: u(1_000_000), Total: u(10_000_000), All: channel.Windows{Day: u(c.day)},
				Fees: channel.FeeLimits{Transaction: u(20_000), Day: u(c.fees)}, Fund: u(100),
			}
		})
		var err error
		served := 0
		for range 20 {
			var resp *http.Response
			if resp, err = p.do(http.MethodGet, "/data", nil); err != nil {
				break
			}
			resp.Body.Close()
			served++
			client.AwaitFees(p.session)
		}
		assert.Equal(t, c.served, served, name)
		gone := p.charged().AddCapped(u(uint64(100 * served)))
		assert.False(t, u(c.day).Less(gone), "%s: %s left under a limit of %d a day", name, gone, c.day)
		all, fees := p.used()
		assert.Equal(t, p.charged(), fees, name)
		assert.Equal(t, gone, all, name)
		if c.limit == "" {
			require.NoError(t, err, name)
			continue
		}
		over := limitOf(t, err)
		assert.Equal(t, c.limit, over.Limit, name)
		assert.False(t, over.Fee.IsZero(), name)
		assert.ErrorContains(t, err, "this transaction can cost a fee of ", name)
	}
}

func limitOf(t *testing.T, err error) channel.LimitError {
	t.Helper()
	var over *channel.LimitError
	require.ErrorAs(t, err, &over)
	return *over
}

// TestFeesAreCorrected: what a transaction was charged is in its channel's record, and takes the place of the
// most that it could be in all that it counts in; in Total, in the budget of a run, over time. That it is
// read keeps no request waiting. Afterwards the same limits hold as if it had been known before.
func TestFeesAreCorrected(t *testing.T) {
	for _, rail := range bothRails {
		srv := clienttest.New(t, clienttest.Config{BaseFee: realFee})
		g := &gatedReceipts{gate: make(chan struct{})}
		p := newPayer(t, srv, func(c *client.Config) {
			c.Limits = feeLimits
			g.Chain = c.Chain
			c.Chain = g
		})
		token := srv.Token
		run := client.NewBudget(channel.Asset{ChainID: srv.ChainID, Token: token}, u(1_000_000))
		ctx := client.WithBudget(t.Context(), run)
		resp, err := p.send(p.request(ctx, http.MethodGet, rail+"/data", nil))
		require.NoError(t, err)
		resp.Body.Close()
		info := p.only()
		most := info.FeesReserved[token]
		assert.Empty(t, info.Fees)
		assert.Equal(t, most, info.Opening.MaxFee)
		assert.True(t, p.charged().Less(most), "there is something to correct")
		all, fees := p.used()
		assert.Equal(t, []voucher.Amount{most.AddCapped(u(100)), most}, []voucher.Amount{all, fees})
		assert.Equal(t, u(1_000_000-100).SubFloor(most), run.Left())

		close(g.gate)
		client.AwaitFees(p.session)
		info = p.only()
		assert.Equal(t, p.charged(), info.Fees[token], rail)
		assert.Empty(t, info.FeesReserved)
		all, fees = p.used()
		assert.Equal(t, []voucher.Amount{p.charged().AddCapped(u(100)), p.charged()}, []voucher.Amount{all, fees})
		assert.Equal(t, u(1_000_000-100).SubFloor(p.charged()), run.Left())
		require.NoError(t, p.session.Close(t.Context()))
	}
}

// gatedReceipts shows no receipt until the gate opens.
type gatedReceipts struct {
	client.Chain
	gate chan struct{}
}

func (g *gatedReceipts) Confirm(ctx context.Context, tx common.Hash) (escrow.Receipt, bool, error) {
	select {
	case <-g.gate:
		return g.Chain.Confirm(ctx, tx)
	case <-ctx.Done():
		return escrow.Receipt{}, false, ctx.Err()
	}
}

// lyingReceipts changes receipts.
type lyingReceipts struct {
	client.Chain
	lie func(*escrow.Receipt) (found bool)
}

func (l *lyingReceipts) Confirm(ctx context.Context, tx common.Hash) (escrow.Receipt, bool, error) {
	r, found, err := l.Chain.Confirm(ctx, tx)
	if found {
		found = l.lie(&r)
	}
	return r, found, err
}

// TestNodesThatLieAboutFees: nothing that a node says makes a fee count for more than the most that it can be,
// and what is no answer leaves that most counting.
func TestNodesThatLieAboutFees(t *testing.T) {
	for name, c := range map[string]struct {
		lie   func(*escrow.Receipt) bool
		known bool
	}{
		"more than it can be": {func(r *escrow.Receipt) bool { r.Fee = voucher.MaxAmount; return true }, true},
		"another payer":       {func(r *escrow.Receipt) bool { r.FeePayer = common.Address{7}; return true }, false},
		"no fee":              {func(r *escrow.Receipt) bool { r.Fee, r.FeeKnown = voucher.Amount{}, false; return true }, false},
		"no receipt":          {func(*escrow.Receipt) bool { return false }, false},
		"no receipt, late": {func(r *escrow.Receipt) bool {
			r.Time = uint64(time.Now().Add(time.Minute).Unix()) // a node that lags
			return false
		}, false},
	} {
		srv := clienttest.New(t, clienttest.Config{BaseFee: realFee, WallClock: true})
		p := newPayer(t, srv, func(cfg *client.Config) {
			cfg.Limits = feeLimits
			cfg.Chain = &lyingReceipts{cfg.Chain, c.lie}
		})
		p.get("/data")
		id := p.only().ID
		_, err := p.session.Channels().Sync(t.Context(), id)
		require.NoError(t, err, name)
		if c.known {
			client.AwaitFees(p.session)
		}
		info := p.only()
		most := info.FeesReserved[srv.Token]
		assert.Equal(t, !c.known, !most.IsZero(), name)
		if c.known {
			most = info.Fees[srv.Token]
		}
		_, fees := p.used()
		assert.Equal(t, most, fees, name)
		assert.False(t, fees.Less(p.charged()), name)
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		_ = p.session.Close(ended) // the reader is not waited for
	}
}

// TestFeesAfterACrash: a session that ends before it knows what was charged leaves the most counting, and the
// next one that reads the channel corrects it, for all sessions.
func TestFeesAfterACrash(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{BaseFee: realFee})
	var blind atomic.Bool
	blind.Store(true)
	p := newPayer(t, srv, func(cfg *client.Config) {
		cfg.Limits = feeLimits
		cfg.Chain = &lyingReceipts{cfg.Chain, func(*escrow.Receipt) bool { return !blind.Load() }}
	})
	p.get("/data")
	most := p.only().FeesReserved[srv.Token]
	require.False(t, most.IsZero())
	p.restart()
	_, fees := p.used()
	assert.Equal(t, most, fees)
	blind.Store(false)
	_, err := p.session.Channels().Sync(t.Context(), p.only().ID)
	require.NoError(t, err)
	client.AwaitFees(p.session)
	assert.Equal(t, p.charged(), p.only().Fees[srv.Token])
	for range 2 {
		all, fees := p.used()
		assert.Equal(t, p.charged(), fees)
		assert.Equal(t, p.charged().AddCapped(u(200)), all, "the session that ended took that much in advance")
		p.restart()
	}
}

// TestWithdrawingCountsItsFees: a close request and a withdrawal count, and are refused by no limit if they
// bring back more than they cost.
func TestWithdrawingCountsItsFees(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{BaseFee: realFee})
	p := newPayer(t, srv, func(cfg *client.Config) { cfg.Limits = feeLimits })
	p.get("/data?deposit=100000")
	client.AwaitFees(p.session)
	id := p.only().ID
	p.cfg.Limits = channel.Limits{} // pays nothing any more
	p.restart()
	require.NoError(t, p.session.Channels().RequestClose(t.Context(), id))
	srv.Chain.Advance(escrow.GracePeriod)
	require.NoError(t, p.session.Channels().Withdraw(t.Context(), id))
	info, err := p.session.Channels().Get(t.Context(), id)
	require.NoError(t, err)
	assert.Equal(t, channel.Closed, info.Phase)
	assert.Equal(t, p.charged(), info.Fees[srv.Token])
	assert.Empty(t, info.FeesReserved)
	p.cfg.Limits = feeLimits
	p.restart()
	_, fees := p.used()
	assert.Equal(t, p.charged(), fees)
}

// TestWithdrawalsThatCostMoreThanTheyBring are refused by the limits on fees, before anything is signed.
func TestWithdrawalsThatCostMoreThanTheyBring(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{BaseFee: realFee})
	var n pen
	p := newPayer(t, srv, n.counted, func(cfg *client.Config) { cfg.Limits = feeLimits; cfg.Limits.Fund = u(200) })
	p.get("/data")
	client.AwaitFees(p.session)
	id, signed := p.only().ID, n.transactions.Load()
	p.cfg.Limits.Fees.Transaction = u(10)
	p.restart()
	err := p.session.Channels().RequestClose(t.Context(), id)
	assert.Equal(t, "Fees.Transaction", limitOf(t, err).Limit)
	assert.Equal(t, signed, n.transactions.Load())
	assert.Empty(t, p.only().FeesReserved)
}

// TestSponsoredFeesCountNothing: they are the payee's.
func TestSponsoredFeesCountNothing(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{BaseFee: realFee})
	p := newPayer(t, srv, func(cfg *client.Config) { cfg.Limits = feeLimits; cfg.Limits.Fees.Transaction = u(1) })
	p.get("/sponsored")
	info := p.only()
	assert.Empty(t, info.Fees)
	assert.Empty(t, info.FeesReserved)
	assert.True(t, info.Opening.MaxFee.IsZero())
	all, fees := p.used()
	assert.Equal(t, []voucher.Amount{u(100), {}}, []voucher.Amount{all, fees})
}

// TestFeesOfARun: the budget of a run pays for the transactions that are made for it, and one that cannot
// gets none.
func TestFeesOfARun(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{BaseFee: realFee})
	var n pen
	p := newPayer(t, srv, n.counted, func(cfg *client.Config) { cfg.Limits = feeLimits })
	for name, c := range map[string]struct {
		token common.Address
		says  string
	}{
		"too little":         {srv.Token, "the budget of this run: this transaction can cost a fee of "},
		"in another of them": {alphaUSD, "the budget is in "},
	} {
		run := client.NewBudget(channel.Asset{ChainID: srv.ChainID, Token: c.token}, u(10_000))
		_, err := p.send(p.request(client.WithBudget(t.Context(), run), http.MethodGet, "/data", nil))
		require.ErrorContains(t, err, c.says, name)
		assert.Equal(t, u(10_000), run.Left(), name)
	}
	assert.Zero(t, n.transactions.Load())
	all, fees := p.used()
	assert.True(t, all.IsZero() && fees.IsZero(), "%s, %s", all, fees)
}

// TestDepositsLeaveRoomForTheFee within Total, which both count in.
func TestDepositsLeaveRoomForTheFee(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{BaseFee: realFee})
	p := newPayer(t, srv, func(cfg *client.Config) {
		cfg.Limits = channel.Limits{Price: u(1000), Deposit: u(300_000), Fees: channel.FeeLimits{Transaction: u(20_000)}}
	})
	p.get("/data?deposit=300000")
	info := p.only()
	gone := p.began.SubFloor(srv.Chain.Balance(p.key.Address))
	assert.False(t, u(300_000).Less(gone), "%s left", gone)
	assert.Equal(t, u(300_000).SubFloor(info.Opening.MaxFee.Max(info.FeesReserved[srv.Token])), info.Deposit.Max(u(1)))
	client.AwaitFees(p.session)
}

// TestFeesThatNeverWere: a transaction that was not mined in its time was charged nothing; that counts when the
// chain is past it for long.
func TestFeesThatNeverWere(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{BaseFee: realFee})
	p := newPayer(t, srv, func(cfg *client.Config) { cfg.Limits = feeLimits })
	once(srv, "open", clienttest.Fault{Refuse: http.StatusServiceUnavailable})
	if resp, err := p.do(http.MethodGet, "/data", nil); err == nil {
		resp.Body.Close()
	}
	id := p.only().ID
	sync := func() voucher.Amount {
		_, err := p.session.Channels().Sync(t.Context(), id)
		require.NoError(t, err)
		p.restart()
		_, fees := p.used()
		return fees
	}
	most := p.only().FeesReserved[srv.Token]
	assert.Equal(t, most, sync())
	srv.Chain.Advance(time.Minute)
	assert.Equal(t, most, sync(), "a replica may lag")
	srv.Chain.Advance(5 * time.Minute)
	_, err := p.session.Channels().Sync(t.Context(), id)
	require.NoError(t, err)
	client.AwaitFees(p.session)
	info := p.only()
	assert.Empty(t, info.Fees)
	assert.Empty(t, info.FeesReserved)
	_, fees := p.used()
	assert.True(t, fees.IsZero(), fees)
}

// TestFeesAreRecordedBeforeTheyLeave: what the payee is shown is on record with the most that it can cost, and
// that counts in the store.
func TestFeesAreRecordedBeforeTheyLeave(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{BaseFee: realFee})
	p := newPayer(t, srv, func(cfg *client.Config) { cfg.Limits = feeLimits })
	var seen atomic.Int32
	srv.OnRequest(func(r clienttest.Request) clienttest.Fault {
		if r.Action == "open" {
			data, _, err := p.store.Get(context.Background(), rule.StateKey(r.ChannelID))
			s, decodeErr := rule.Decode(data)
			budgets, _, budgetErr := p.store.Get(context.Background(), "budget/fees/all")
			if err == nil && decodeErr == nil && budgetErr == nil && len(s.FeesDue()) == 1 &&
				assert.Contains(t, string(budgets), s.FeesDue()[0].Part) {
				seen.Add(1)
			}
		}
		return clienttest.Fault{}
	})
	p.get("/data")
	assert.Equal(t, int32(1), seen.Load())
	client.AwaitFees(p.session)
}

// TestTheKeeperLearnsFees of channels that are open, and of those that have ended.
func TestTheKeeperLearnsFees(t *testing.T) {
	for _, ended := range []bool{false, true} {
		srv := clienttest.New(t, clienttest.Config{BaseFee: realFee})
		var blind atomic.Bool
		blind.Store(true)
		p := newPayer(t, srv, func(cfg *client.Config) {
			cfg.Limits = feeLimits
			cfg.Chain = &lyingReceipts{cfg.Chain, func(*escrow.Receipt) bool { return !blind.Load() }}
		})
		p.get("/data")
		id := p.only().ID
		if ended {
			require.NoError(t, p.session.Channels().Close(t.Context(), id))
		}
		p.restart()
		blind.Store(false)
		_, _, err := p.session.Channels().Sweep(t.Context())
		require.NoError(t, err)
		client.AwaitFees(p.session)
		info, err := p.session.Channels().Get(t.Context(), id)
		require.NoError(t, err)
		want := p.charged()
		if ended {
			want = want.SubFloor(u(100)) // the payee took that
		}
		assert.Equal(t, want, info.Fees[srv.Token], "ended: %t", ended)
		assert.Empty(t, info.FeesReserved)
	}
}

// TestChainsThatPanic beside requests end the reading of fees and nothing else.
func TestChainsThatPanic(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{BaseFee: realFee})
	p := newPayer(t, srv, func(cfg *client.Config) {
		cfg.Limits = feeLimits
		cfg.Chain = &lyingReceipts{cfg.Chain, func(*escrow.Receipt) bool { panic("no receipt") }}
	})
	p.get("/data")
	client.AwaitFees(p.session)
	p.get("/data")
	assert.False(t, p.only().FeesReserved[srv.Token].IsZero())
	require.NoError(t, p.session.Close(t.Context()))
}

// TestReceiptsThatANodeForgot: the chain showed what the transactions were for, so that they were charged. A
// node that has no receipt of them any more does not make them free.
func TestReceiptsThatANodeForgot(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{BaseFee: realFee})
	p := newPayer(t, srv, func(cfg *client.Config) {
		cfg.Limits = feeLimits
		cfg.Limits.Fund = u(300)
		cfg.Chain = &lyingReceipts{cfg.Chain, func(r *escrow.Receipt) bool {
			r.Time = uint64(srv.Chain.Now().Unix())
			return false
		}}
	})
	for range 4 {
		p.get("/data")
	}
	id := p.only().ID
	_, err := p.session.Channels().Sync(t.Context(), id)
	require.NoError(t, err)
	srv.Chain.Advance(10 * time.Minute)
	_, err = p.session.Channels().Sync(t.Context(), id)
	require.NoError(t, err)
	client.AwaitFees(p.session)
	info := p.only()
	assert.True(t, u(300).Less(info.Deposit), "it was topped up")
	assert.Empty(t, info.FeesReserved)
	_, fees := p.used()
	assert.Equal(t, info.Fees[srv.Token], fees)
	assert.False(t, fees.Less(p.charged()), "%s of %s count", fees, p.charged())
}

// strangeChain is a Chain of somebody else, that treats Agree and Record as it likes.
type strangeChain struct {
	client.Chain
	agree  func(context.Context, escrow.Fee, func(context.Context, escrow.Fee) error) error
	record bool
}

func (c *strangeChain) asks(agree func(context.Context, escrow.Fee) error) func(context.Context, escrow.Fee) error {
	return func(ctx context.Context, f escrow.Fee) error { return c.agree(ctx, f, agree) }
}

func (c *strangeChain) PrepareOpen(ctx context.Context, p escrow.OpenParams) (*escrow.Opening, error) {
	p.Agree = c.asks(p.Agree)
	return c.Chain.PrepareOpen(ctx, p)
}

func (c *strangeChain) RequestClose(ctx context.Context, p escrow.CloseParams) (escrow.Receipt, error) {
	p.Agree = c.asks(p.Agree)
	if !c.record {
		p.Record = nil
	}
	return c.Chain.RequestClose(ctx, p)
}

// TestChainsThatDoNotAsk: what another Chain signs without having asked for all of its fee is dropped, and
// nothing counts for it. One that asks twice reserves once.
func TestChainsThatDoNotAsk(t *testing.T) {
	type ask = func(context.Context, escrow.Fee) error
	for name, c := range map[string]struct {
		agree   func(context.Context, escrow.Fee, ask) error
		refused bool
	}{
		"never": {func(context.Context, escrow.Fee, ask) error { return nil }, true},
		"for less": {func(ctx context.Context, f escrow.Fee, agree ask) error {
			f.Max = u(1)
			return agree(ctx, f)
		}, true},
		"and ignores the answer": {func(ctx context.Context, f escrow.Fee, agree ask) error {
			f.Max = u(1_000_000)
			_ = agree(ctx, f)
			return nil
		}, true},
		"twice": {func(ctx context.Context, f escrow.Fee, agree ask) error {
			return errors.Join(agree(ctx, f), agree(ctx, f))
		}, false},
	} {
		srv := clienttest.New(t, clienttest.Config{BaseFee: realFee})
		p := newPayer(t, srv, func(cfg *client.Config) {
			cfg.Limits = feeLimits
			cfg.Chain = &strangeChain{cfg.Chain, c.agree, true}
		})
		resp, err := p.do(http.MethodGet, "/data", nil)
		if !c.refused {
			require.NoError(t, err, name)
			resp.Body.Close()
			client.AwaitFees(p.session)
			_, fees := p.used()
			assert.Equal(t, p.charged(), fees, name)
			assert.Equal(t, p.charged(), p.only().Fees[srv.Token], name)
			continue
		}
		require.ErrorContains(t, err, "(Agree)", name)
		assert.Equal(t, p.began, srv.Chain.Balance(p.key.Address), name)
		all, fees := p.used()
		assert.True(t, all.IsZero() && fees.IsZero(), "%s: %s, %s", name, all, fees)
	}
}

// TestChainsThatDoNotRecord: the fee of a close request counts although another Chain sent it without Record.
func TestChainsThatDoNotRecord(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{BaseFee: realFee})
	asks := func(ctx context.Context, f escrow.Fee, agree func(context.Context, escrow.Fee) error) error {
		return agree(ctx, f)
	}
	p := newPayer(t, srv, func(cfg *client.Config) {
		cfg.Limits = feeLimits
		cfg.Chain = &strangeChain{cfg.Chain, asks, false}
	})
	p.get("/data")
	client.AwaitFees(p.session)
	require.NoError(t, p.session.Channels().RequestClose(t.Context(), p.only().ID))
	_, fees := p.used()
	assert.Equal(t, p.charged(), fees)
	assert.Equal(t, p.charged(), p.only().Fees[srv.Token])
}
