package client_test

import (
	"context"
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
	"github.com/seed-5fe1f529/tallystick/internal/wire"
)

// TestPriceChanges between the challenge and the request.
func TestPriceChanges(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	for _, rail := range []string{"", "/v1"} {
		p := newPayer(t, srv, func(c *client.Config) { c.Limits.Price = u(200) })
		p.get(rail + "/data")
		p.get(rail + "/data?price=150") // the known challenge is for 100
		assert.Equal(t, u(250), p.agree().Signed)
		// The known challenge is for 150 now, and a voucher for it is out before the price of 40 is known. The
		// difference is credit: it pays for what comes next.
		p.get(rail + "/data?price=40")
		s := p.only()
		assert.Equal(t, u(290), s.Claimed)
		assert.Equal(t, u(400), s.Signed)
		account, _ := srv.Account(s.ID)
		assert.Equal(t, u(290), account.Spent)

		e := p.refused(p.do(http.MethodGet, rail+"/data?price=201", nil))
		require.ErrorIs(t, e, channel.ErrLimit)
		assert.ErrorContains(t, e, "set Limits.Price to at least 201")
		assert.Equal(t, client.OutcomeRejected, e.Outcome, "a voucher was presented for the price of before")
		assert.Equal(t, u(290), p.only().Claimed)
		p.get(rail + "/data")
		s = p.only()
		assert.Equal(t, u(390), s.Claimed)
		assert.Equal(t, u(400), s.Authorized, "the credit was used, and nothing more was signed")
	}
}

// TestTermsChange: somebody else wants the money, or in another way. The voucher that is out is not followed by
// one for them.
func TestTermsChange(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	other := common.HexToAddress("0x00000000000000000000000000000000000000aa").Hex()
	for name, c := range map[string]struct {
		change func(request map[string]any)
		err    error
	}{
		"payee":        {func(r map[string]any) { r["recipient"] = other }, client.ErrPolicy},
		"token":        {func(r map[string]any) { r["currency"] = alphaUSD.Hex() }, client.ErrPolicy},
		"asset":        {func(r map[string]any) { r["currency"] = other }, channel.ErrAsset},
		"escrow":       {func(r map[string]any) { details(r)["escrowContract"] = other }, client.ErrEscrow},
		"chain":        {func(r map[string]any) { details(r)["chainId"] = 4217 }, escrow.ErrChainID},
		"operator":     {func(r map[string]any) { details(r)["operator"] = other }, client.ErrPolicy},
		"no chain":     {func(r map[string]any) { delete(details(r), "chainId") }, channel.ErrOffer},
		"unknown rail": {func(r map[string]any) { details(r)["sessionProtocol"] = "v3" }, channel.ErrOffer},
	} {
		t.Run(name, func(t *testing.T) {
			var n pen
			p := newPayer(t, srv, n.counted)
			p.get("/data")
			l := p.lied()
			l.after = func(_ int, _ sent, resp *http.Response) {
				l.forge(resp, func(_ *wire.Challenge, request map[string]any) { c.change(request) })
			}
			resp, err := p.do(http.MethodGet, "/data?price=150", nil) // a voucher is out when the terms change
			if err != nil {
				assert.Equal(t, client.OutcomeRejected, p.refused(resp, err).Outcome)
			} else {
				resp.Body.Close()
				assert.Equal(t, 402, resp.StatusCode)
			}
			e := p.refused(p.do(http.MethodGet, "/hinted", nil))
			require.ErrorIs(t, e, c.err)
			assert.Equal(t, client.OutcomeRefused, e.Outcome)
			assert.Len(t, l.paid(""), 1, "the known challenge was answered, none of the others")
			assert.False(t, u(200).Less(p.only().Authorized))
			assert.EqualValues(t, 1, n.transactions.Load())
			l.after = nil
			p.get("/data")
			assert.Equal(t, u(200), p.agree().Signed)
		})
	}
}

// TestAllowedPayeeChange opens another channel for the other payee, and the first stays as it is.
func TestAllowedPayeeChange(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	other := common.HexToAddress("0x00000000000000000000000000000000000000aa")
	p := newPayer(t, srv, func(c *client.Config) {
		c.Policy = func(context.Context, client.Proposal) error { return nil }
	})
	p.get("/data")
	first := p.only()
	l := p.lied()
	l.after = func(_ int, _ sent, resp *http.Response) {
		l.forge(resp, func(_ *wire.Challenge, request map[string]any) { request["recipient"] = other.Hex() })
	}
	resp, err := p.do(http.MethodGet, "/hinted", nil) // the honest server takes no such opening
	require.NoError(t, err)
	resp.Body.Close()
	all := p.channels()
	require.Len(t, all, 2)
	for _, s := range all {
		if s.ID == first.ID {
			assert.Equal(t, first, s)
			continue
		}
		assert.Equal(t, other, s.Descriptor.Payee)
		assert.Equal(t, channel.Opening, s.Phase, "it is listed")
		assert.Equal(t, u(100), s.Authorized)
		srv.Chain.Advance(time.Minute)
		after, err := p.session.Channels().Sync(t.Context(), s.ID)
		require.NoError(t, err)
		assert.Equal(t, channel.NotSeen, after.Phase)
	}
}

// TestPayeeThatRefusesEqualVouchers (mpp-rs) and lower ones.
func TestPayeeThatRefusesEqualVouchers(t *testing.T) {
	for _, rail := range []string{"", "/v1"} {
		srv := clienttest.New(t, clienttest.Config{EqualVouchers: clienttest.EqualRefused, LowerVouchers: clienttest.LowerRefused, Receipts: clienttest.BaseReceipts})
		p := newPayer(t, srv)
		for range 5 {
			p.get(rail + "/data")
		}
		assert.Equal(t, u(500), p.agree().Signed)
		for _, r := range srv.Requests() {
			assert.NotEqual(t, "session/delta-too-small", r.Problem)
		}
		// A voucher that was taken without content is not presented as it is for the next request.
		lose := atomic.Bool{}
		lose.Store(true)
		srv.OnRequest(func(r clienttest.Request) clienttest.Fault {
			return clienttest.Fault{LoseAnswer: r.Action == "voucher" && lose.CompareAndSwap(true, false)}
		})
		p.refused(p.do(http.MethodGet, rail+"/data", nil))
		p.get(rail + "/data")
		assert.Equal(t, u(700), p.agree().Signed)
	}
}

// TestMinimumDelta: growth that the payee insists on is given as far as Ahead allows, and not otherwise.
func TestMinimumDelta(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	p.get("/min-delta")
	e := p.refused(p.do(http.MethodGet, "/min-delta", nil))
	require.ErrorIs(t, e, channel.ErrLimit)
	assert.ErrorContains(t, e, "set Limits.Ahead to at least 400")
	assert.Equal(t, u(100), p.only().Authorized)

	p = newPayer(t, srv, func(c *client.Config) { c.Limits.Ahead = u(400) })
	for range 12 {
		p.get("/min-delta")
	}
	s := p.only()
	assert.Equal(t, u(1200), s.Claimed)
	assert.False(t, u(1600).Less(s.Authorized))
	for _, r := range srv.Requests() {
		assert.NotEqual(t, "session/delta-too-small", r.Problem)
	}
}
