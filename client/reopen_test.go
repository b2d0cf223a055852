package client_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/internal/wire"
	"github.com/seed-5fe1f529/tallystick/receipt"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// TestLostAnswerToAnOpening: the next request goes on with the same channel.
func TestLostAnswerToAnOpening(t *testing.T) {
	for _, rail := range rails {
		for _, restart := range []bool{false, true} {
			srv := clienttest.New(t, clienttest.Config{})
			var n pen
			p := newPayer(t, srv, n.counted)
			once(srv, "open", clienttest.Fault{LoseAnswer: true})
			e := p.refused(p.do(http.MethodGet, rail+"/data", nil))
			assert.Equal(t, client.OutcomeUnknown, e.Outcome)
			assert.Equal(t, "open", e.Op)
			s := p.only()
			assert.Equal(t, channel.Opening, s.Phase)
			assert.Equal(t, s.ID, e.ChannelID)
			assert.Equal(t, u(100), s.Claimed, "it may have been charged")
			if restart {
				p.restart()
			}
			p.get(rail + "/data")
			s = p.agree()
			assert.Equal(t, u(200), s.Signed)
			assert.Equal(t, channel.Open, s.Phase)
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
			assert.Equal(t, client.OutcomeUnknown, client.PaymentOf(resp).Outcome)
			first := p.only()
			require.Equal(t, channel.Opening, first.Phase)
			p.restart()
			if expired {
				srv.Chain.Advance(time.Minute)
			}
			p.get(rail + "/data")
			if !expired {
				assert.EqualValues(t, 1, n.transactions.Load())
				s := p.only()
				assert.Equal(t, channel.Open, s.Phase)
				assert.False(t, u(200).Less(s.Authorized))
				continue
			}
			assert.EqualValues(t, 2, n.transactions.Load())
			all := p.channels()
			require.Len(t, all, 2)
			for _, s := range all {
				if s.ID == first.ID {
					assert.Equal(t, channel.NotSeen, s.Phase, "it stays listed, and is read again")
					assert.Equal(t, first.Deposit, s.Deposit)
				} else {
					assert.Equal(t, channel.Open, s.Phase)
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
		assert.Equal(t, u(100), p.only().Authorized)
		srv.Chain.Advance(time.Minute)
		p.get(rail + "/data?deposit=0")
		assert.Len(t, srv.Accounts(), 1)
		assert.Equal(t, u(100), srv.Accounts()[0].Deposit)
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
		assert.Equal(t, channel.Open, s.Phase)
		account, _ := srv.Account(s.ID)
		assert.Equal(t, account.Spent, account.Accepted)
		assert.False(t, u(200).Less(s.Authorized))
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
			assert.Equal(t, channel.Open, s.Phase)
			assert.False(t, u(200).Less(s.Authorized))
			l.after = nil
			p.get("/data")
			assert.Equal(t, u(10_000), p.only().Deposit)
			assert.False(t, u(300).Less(p.only().Authorized))
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
	assert.Equal(t, channel.Opening, p.only().Phase, "a receipt for something else acknowledges nothing")
	p.get("/data")
	s := p.agree()
	assert.Equal(t, channel.Open, s.Phase, "the chain does")
	assert.Equal(t, u(200), s.Signed)
}
