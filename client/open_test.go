package client_test

import (
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/internal/wire"
	"github.com/seed-5fe1f529/tallystick/receipt"
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

// TestLostAnswerToAnOpening: the next request goes on with the same channel.
func TestLostAnswerToAnOpening(t *testing.T) {
	for _, rail := range rails {
		for _, restart := range []bool{false, true} {
			srv := clienttest.New(t, clienttest.Config{})
			var n pen
			p := newPayer(t, srv, n.counted)
			once(srv, "open", clienttest.Fault{LoseAnswer: true})
			e := p.refused(p.do(http.MethodGet, rail+"/data", nil))
			assert.Equal(t, client.Unknown, e.Outcome)
			assert.Equal(t, "open", e.Op)
			s := p.only()
			assert.Equal(t, channel.Opening, s.Phase())
			assert.Equal(t, s.ID, e.ChannelID)
			assert.Equal(t, u(100), s.Claimed, "it may have been charged")
			if restart {
				p.restart()
			}
			p.get(rail + "/data")
			s = p.agree()
			assert.Equal(t, u(200), s.Signed)
			assert.Equal(t, channel.Open, s.Phase())
			assert.EqualValues(t, 1, n.transactions.Load(), "no second deposit")
		}
	}
}

// TestOpeningThatNeverArrived: the same transaction is presented again while it can be mined, and another one
// only when it cannot.
func TestOpeningThatNeverArrived(t *testing.T) {
	for _, rail := range rails {
		for _, expired := range []bool{false, true} {
			srv := clienttest.New(t, clienttest.Config{})
			var n pen
			p := newPayer(t, srv, n.counted)
			once(srv, "open", clienttest.Fault{Refuse: http.StatusServiceUnavailable})
			resp, err := p.do(http.MethodGet, rail+"/data", nil)
			require.NoError(t, err)
			resp.Body.Close()
			assert.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)
			assert.Equal(t, client.Unknown, client.PaymentOf(resp).Outcome)
			first := p.only()
			require.Equal(t, channel.Opening, first.Phase())
			p.restart()
			if expired {
				srv.Chain.Advance(time.Minute)
			}
			p.get(rail + "/data")
			if !expired {
				assert.EqualValues(t, 1, n.transactions.Load())
				s := p.only()
				assert.Equal(t, channel.Open, s.Phase())
				assert.False(t, u(200).Less(s.Authorized()))
				continue
			}
			assert.EqualValues(t, 2, n.transactions.Load())
			all := p.channels()
			require.Len(t, all, 2)
			for _, s := range all {
				if s.ID == first.ID {
					assert.Equal(t, channel.Closed, s.Phase(), "it can never be opened, so nothing is in it")
					assert.True(t, s.Deposit.IsZero())
				} else {
					assert.Equal(t, channel.Open, s.Phase())
					assert.Equal(t, u(100), s.Signed)
				}
			}
		}
	}
}

// TestOpeningInDoubtThatIsUsedUp: what it opens with may be spent by the request that was lost, so another one waits
// for the chain's decision, and says so.
func TestOpeningInDoubtThatIsUsedUp(t *testing.T) {
	for _, rail := range rails {
		srv := clienttest.New(t, clienttest.Config{})
		p := newPayer(t, srv)
		once(srv, "open", clienttest.Fault{Refuse: http.StatusServiceUnavailable})
		resp, err := p.do(http.MethodGet, rail+"/data?deposit=0", nil)
		require.NoError(t, err)
		resp.Body.Close()
		e := p.refused(p.do(http.MethodGet, rail+"/data?deposit=0", nil))
		require.ErrorIs(t, e, client.ErrPending)
		require.ErrorIs(t, e, channel.ErrDeposit)
		assert.Equal(t, u(100), p.only().Authorized())
		srv.Chain.Advance(time.Minute)
		p.get(rail + "/data?deposit=0")
		assert.Len(t, srv.Accounts(), 1)
		assert.Equal(t, u(100), srv.Accounts()[0].Deposit)
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
		assert.False(t, account.Spent.AddCapped(u(100)).Less(s.Authorized()), "signed %s for %s", s.Authorized(), account.Spent)
		require.NoError(t, p.session.CloseChannel(t.Context(), s.ID))
		assert.False(t, srv.Chain.Channel(s.ID).Exists)
	}
}

// TestRefusedOpening: nothing is vouchered on it, and another request opens with the same transaction.
func TestRefusedOpening(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	for _, rail := range rails {
		for _, problem := range []string{"verification-failed", "session/invalid-signature", "malformed-credential"} {
			var n pen
			p := newPayer(t, srv, n.counted)
			l := p.lied()
			l.answer = func(_ int, s sent) (*http.Response, error) {
				if s.Paid == nil {
					return nil, nil
				}
				resp := reply(402, "")
				refuseWith(resp, p.unpaid(rail+"/data"), problem)
				return resp, nil
			}
			resp, err := p.do(http.MethodGet, rail+"/data", nil)
			require.NoError(t, err)
			resp.Body.Close()
			assert.Equal(t, 402, resp.StatusCode)
			assert.Len(t, l.paid("open"), 1)
			assert.Empty(t, l.paid("voucher"))
			l.answer = nil
			p.get(rail + "/data")
			assert.Equal(t, u(100), p.agree().Signed, "one price for the refused request and this one")
			assert.EqualValues(t, 1, n.transactions.Load())
			assert.EqualValues(t, 1, n.vouchers.Load())
		}
	}
}

// TestOpeningRefusedAfterItWasMined: the chain says that the channel is there, and it is used.
func TestOpeningRefusedAfterItWasMined(t *testing.T) {
	for _, rail := range rails {
		srv := clienttest.New(t, clienttest.Config{})
		var n pen
		p := newPayer(t, srv, n.counted)
		l := p.lied()
		l.after = func(_ int, s sent, resp *http.Response) {
			if s.action() == "open" {
				refuseWith(resp, p.unpaid(rail+"/data"), "verification-failed")
			}
		}
		resp, err := p.do(http.MethodGet, rail+"/data", nil)
		require.NoError(t, err)
		resp.Body.Close()
		p.get(rail + "/data")
		s := p.only()
		assert.Equal(t, channel.Open, s.Phase())
		account, _ := srv.Account(s.ID)
		assert.Equal(t, account.Spent, account.Accepted)
		assert.False(t, u(200).Less(s.Authorized()))
		assert.EqualValues(t, 1, n.transactions.Load())
	}
}

// TestOpeningAcknowledgedBySnapshot in the challenge that refuses it.
func TestOpeningAcknowledgedBySnapshot(t *testing.T) {
	for name, lie := range map[string]func(snapshot map[string]any){
		"acknowledged":     func(map[string]any) {},
		"another amount":   func(s map[string]any) { s["acceptedCumulative"] = "99" },
		"another channel":  func(s map[string]any) { s["channelId"] = "0x" + string(make([]byte, 0)) + "11" + zeros(62) },
		"more than signed": func(s map[string]any) { s["acceptedCumulative"], s["spent"] = "10000", "10000" },
	} {
		t.Run(name, func(t *testing.T) {
			srv := clienttest.New(t, clienttest.Config{})
			var n pen
			p := newPayer(t, srv, n.counted)
			l := p.lied()
			l.after = func(_ int, s sent, resp *http.Response) {
				if s.action() != "open" {
					return
				}
				asked := p.unpaid("/data")
				id := s.Paid.Payload.ChannelID
				account, _ := srv.Account(id)
				l.forge(asked, func(_ *wire.Challenge, request map[string]any) {
					d := s.Paid.Payload.Descriptor
					snapshot := map[string]any{
						"chainId": srv.ChainID, "channelId": id.Hex(), "escrow": srv.Escrow(voucher.V2).Hex(), "units": 1,
						"acceptedCumulative": account.Accepted.String(), "spent": account.Spent.String(), "requiredCumulative": "200", "deposit": "10000", "settled": "0",
						"descriptor": map[string]any{
							"payer": d.Payer.Hex(), "payee": d.Payee.Hex(), "operator": d.Operator.Hex(), "token": d.Token.Hex(), "salt": d.Salt.Hex(),
							"authorizedSigner": d.AuthorizedSigner.Hex(), "expiringNonceHash": d.ExpiringNonceHash.Hex(),
						},
					}
					lie(snapshot)
					details(request)["sessionSnapshot"] = snapshot
				})
				refuseWith(resp, asked, "session/insufficient-balance")
			}
			resp, err := p.do(http.MethodGet, "/data", nil)
			require.NoError(t, err)
			resp.Body.Close()
			s := p.only()
			assert.Equal(t, channel.Open, s.Phase())
			assert.False(t, u(200).Less(s.Authorized()))
			l.after = nil
			p.get("/data")
			assert.Equal(t, u(10_000), p.only().Deposit)
			assert.False(t, u(300).Less(p.only().Authorized()))
			assert.EqualValues(t, 1, n.transactions.Load())
		})
	}
}

func zeros(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = '0'
	}
	return string(b)
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
			assert.False(t, u(300).Less(s.Authorized()), "the opening's price, and the two requests'")
			assert.Equal(t, account.Accepted, s.Signed)
			if style == clienttest.FullReceipts {
				assert.Equal(t, u(200), s.Authorized(), "the receipt says that the opening was not charged")
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
				assert.Equal(t, client.Accepted, client.PaymentOf(resp).Outcome)
				if style == clienttest.NoReceipts {
					assert.Nil(t, client.PaymentOf(resp).Receipt())
				} else {
					assert.False(t, client.PaymentOf(resp).Receipt().Session)
				}
			}
			s := p.agree()
			assert.Equal(t, channel.Open, s.Phase())
			assert.True(t, s.Accepted.IsZero(), "nothing was said of it")
			require.NoError(t, p.session.CloseChannel(t.Context(), s.ID))
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
				assert.Equal(t, client.Refused, e.Outcome)
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
		assert.Equal(t, client.Refused, e.Outcome)
		n.broken.Store(nil)
		p.get(rail + "/data")
		assert.Equal(t, u(200), p.agree().Authorized())
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

// TestOpeningReceipt comes with the transaction, and a violation in it does not cost the content.
func TestOpeningReceipt(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	l := p.lied()
	l.after = func(_ int, s sent, resp *http.Response) {
		if s.action() == "open" {
			l.misreceipt(resp, func(r *receipt.Receipt) { r.ChallengeID = "another" })
		}
	}
	p.get("/data")
	assert.Len(t, p.events.of(client.EventViolation), 1)
	assert.Equal(t, channel.Opening, p.only().Phase(), "a receipt for something else acknowledges nothing")
	p.get("/data")
	s := p.agree()
	assert.Equal(t, channel.Open, s.Phase(), "the chain does")
	assert.Equal(t, u(200), s.Signed)
}
