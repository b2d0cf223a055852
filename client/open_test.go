package client_test

import (
	"errors"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// once makes one request of the action go wrong.
func once(srv *clienttest.Server, action string, f clienttest.Fault) {
	var done atomic.Bool
	srv.OnRequest(func(r clienttest.Request) clienttest.Fault {
		if r.Action == action && done.CompareAndSwap(false, true) {
			return f
		}
		return clienttest.Fault{}
	})
}

var rails = []string{"", "/v1"}

// gone is what has left the payer's wallet for channels and fees.
func (p *payer) gone() voucher.Amount {
	p.t.Helper()
	return p.began.SubFloor(p.srv.Chain.Balance(p.key.Address))
}

// TestHowMuchIsDeposited: our own figure, else the server's suggestion, else the need; never above a limit.
func TestHowMuchIsDeposited(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	for name, c := range map[string]struct {
		limits channel.Limits
		path   string
		want   uint64
		limit  string
	}{
		"suggestion below the limit": {channel.Limits{Price: u(1000), Deposit: u(100_000)}, "/data", 10_000, ""},
		"suggestion above the limit": {channel.Limits{Price: u(1000), Deposit: u(5000)}, "/data", 5000, ""},
		"no suggestion":              {channel.Limits{Price: u(1000), Deposit: u(5000)}, "/data?deposit=0", 100, ""},
		"suggestion below the price": {channel.Limits{Price: u(1000), Deposit: u(5000)}, "/data?deposit=7", 100, ""},
		"our own figure":             {channel.Limits{Price: u(1000), Deposit: u(5000), Fund: u(700)}, "/data", 700, ""},
		"our own below the price":    {channel.Limits{Price: u(1000), Deposit: u(5000), Fund: u(7)}, "/data", 100, ""},
		"what the total leaves":      {channel.Limits{Price: u(1000), Deposit: u(5000), Total: u(300)}, "/data", 300, ""},
		"price above the deposit":    {channel.Limits{Price: u(1000), Deposit: u(99)}, "/data", 0, "Deposit"},
		"total below the price":      {channel.Limits{Price: u(1000), Deposit: u(5000), Total: u(99)}, "/data", 0, "Total"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, rail := range rails {
				p := newPayer(t, srv, func(cfg *client.Config) { cfg.Limits = c.limits })
				if c.limit == "" {
					p.get(rail + c.path)
					assert.Equal(t, u(c.want), p.agree().Deposit)
					continue
				}
				var e *channel.LimitError
				require.ErrorAs(t, p.refused(p.do(http.MethodGet, rail+c.path, nil)), &e)
				assert.Equal(t, c.limit, e.Limit)
				assert.True(t, p.gone().IsZero())
			}
		})
	}
}

// TestPayeeLikeMppRs: short openings, receipts without figures, no voucher twice and none lower. One price more than
// what is charged may be signed for an opening, no more.
func TestPayeeLikeMppRs(t *testing.T) {
	for _, rail := range rails {
		srv := clienttest.New(t, clienttest.Config{
			ShortOpens: true, Receipts: clienttest.BaseReceipts, EqualVouchers: clienttest.EqualRefused, LowerVouchers: clienttest.LowerRefused,
		})
		p := newPayer(t, srv)
		served := 0
		for n := range 6 {
			resp, err := p.do(http.MethodGet, rail+"/data?deposit=300", nil)
			require.NoError(t, err)
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				served++
			} else {
				assert.Zero(t, n, "only the opening takes two tries: status %d", resp.StatusCode)
			}
		}
		s := p.only()
		account, _ := srv.Account(s.ID)
		assert.Equal(t, u(100*uint64(served)), account.Spent)
		assert.GreaterOrEqual(t, served, 5)
		assert.False(t, account.Spent.AddCapped(u(100)).Less(s.Authorized), "signed %s for %s", s.Authorized, account.Spent)
		require.NoError(t, p.session.Channels().Close(t.Context(), s.ID))
		assert.False(t, srv.Chain.Channel(s.ID).Exists)
	}
}

// TestShortOpenings: a server that opens with 204 and charges nothing is asked once more for the content.
func TestShortOpenings(t *testing.T) {
	for _, style := range []clienttest.ReceiptStyle{clienttest.FullReceipts, clienttest.BaseReceipts, clienttest.NoReceipts} {
		for _, rail := range rails {
			srv := clienttest.New(t, clienttest.Config{ShortOpens: true, Receipts: style})
			p := newPayer(t, srv)
			assert.Contains(t, p.get(rail+"/data"), `"ok":true`, "style %d", style)
			p.get(rail + "/data")
			s := p.only()
			account, _ := srv.Account(s.ID)
			assert.Equal(t, u(200), account.Spent)
			assert.False(t, u(300).Less(s.Authorized), "the opening's price, and the two requests'")
			assert.Equal(t, account.Accepted, s.Signed)
			if style == clienttest.FullReceipts {
				assert.Equal(t, u(200), s.Authorized, "the receipt says that the opening was not charged")
			}
		}
	}
}

// TestReceiptStyles: without figures the channel works all the same.
func TestReceiptStyles(t *testing.T) {
	for _, style := range []clienttest.ReceiptStyle{clienttest.BaseReceipts, clienttest.NoReceipts} {
		for _, rail := range rails {
			srv := clienttest.New(t, clienttest.Config{Receipts: style})
			p := newPayer(t, srv)
			for range 3 {
				resp, err := p.do(http.MethodGet, rail+"/data", nil)
				p.ok(resp, err)
				assert.Equal(t, client.OutcomeAccepted, client.PaymentOf(resp).Outcome)
				if style == clienttest.NoReceipts {
					assert.Nil(t, client.PaymentOf(resp).Receipt())
				} else {
					assert.False(t, client.PaymentOf(resp).Receipt().Session)
				}
			}
			s := p.agree()
			assert.Equal(t, channel.Open, s.Phase)
			assert.True(t, s.Accepted.IsZero(), "nothing was said of it")
			require.NoError(t, p.session.Channels().Close(t.Context(), s.ID))
		}
	}
}

// TestWhatOpeningNeeds is said before anything is signed.
func TestWhatOpeningNeeds(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	dead, err := escrow.Dial(t.Context(), "http://127.0.0.1:1")
	require.NoError(t, err)
	poor := clienttest.New(t, clienttest.Config{Funds: u(50)})
	for name, c := range map[string]struct {
		srv    *clienttest.Server
		change func(*client.Config)
		err    error
	}{
		"no chain":         {srv, func(c *client.Config) { c.Chain = nil }, client.ErrNoChain},
		"no payer":         {srv, func(c *client.Config) { c.Payer = nil }, client.ErrNoPayer},
		"no node":          {srv, func(c *client.Config) { c.Chain = dead }, escrow.ErrRPC},
		"no money":         {poor, func(*client.Config) {}, escrow.ErrInsufficientBalance},
		"no deposit limit": {srv, func(c *client.Config) { c.Limits.Deposit = voucher.Amount{} }, channel.ErrLimit},
	} {
		t.Run(name, func(t *testing.T) {
			for _, rail := range rails {
				var n pen
				p := newPayer(t, c.srv, c.change, n.counted)
				l := p.lied()
				e := p.refused(p.do(http.MethodGet, rail+"/data", nil))
				require.ErrorIs(t, e, c.err)
				assert.Equal(t, client.OutcomeRefused, e.Outcome)
				assert.Zero(t, n.vouchers.Load()+n.transactions.Load())
				assert.Empty(t, l.paid(""))
				assert.Empty(t, p.channels())
			}
		})
	}
}

// TestSignerFails: what was decided for it is used by the next request.
func TestSignerFails(t *testing.T) {
	for _, rail := range rails {
		srv := clienttest.New(t, clienttest.Config{})
		var n pen
		p := newPayer(t, srv, n.counted)
		locked := errors.New("the key is locked")
		n.broken.Store(&locked)
		require.ErrorIs(t, p.refused(p.do(http.MethodGet, rail+"/data", nil)), locked)
		assert.Empty(t, p.channels(), "the transaction was not signed, so there is none")
		n.broken.Store(nil)
		p.get(rail + "/data")

		n.broken.Store(&locked)
		e := p.refused(p.do(http.MethodGet, rail+"/data", nil))
		require.ErrorIs(t, e, locked)
		assert.Equal(t, client.OutcomeRefused, e.Outcome)
		n.broken.Store(nil)
		p.get(rail + "/data")
		assert.Equal(t, u(200), p.agree().Authorized)
		assert.EqualValues(t, 2, n.transactions.Load())
	}
}

// TestTotalHoldsOverChannels: opens and top-ups of all channels together.
func TestTotalHoldsOverChannels(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv, func(c *client.Config) { c.Limits.Total = u(1000) })
	p.get("/data?deposit=600")
	p.get("/v1/data?deposit=600") // 400 are left
	for range 5 {
		p.get("/data?deposit=600")
	}
	e := p.refused(p.do(http.MethodGet, "/data?deposit=600", nil))
	var limit *channel.LimitError
	require.ErrorAs(t, e, &limit)
	assert.Equal(t, "Total", limit.Limit)
	assert.Equal(t, u(1100), limit.Wanted)
	var deposits voucher.Amount
	for _, s := range p.channels() {
		deposits = deposits.AddCapped(srv.Chain.Channel(s.ID).Deposit)
	}
	assert.Equal(t, u(1000), deposits)
	p.get("/v1/data") // what is deposited can be spent
}
