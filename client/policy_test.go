package client_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/internal/wire"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

func TestPolicyDecidesWhoIsPaid(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	other := common.HexToAddress("0xaa")
	no := errors.New("not today")
	refuse := func(context.Context, client.Proposal) error { return no }
	for name, c := range map[string]struct {
		policy client.Policy
		ok     bool
		says   string
	}{
		"host":             {client.AllowHosts(srv.URL), true, ""},
		"host with a path": {client.AllowHosts("https://x.example", srv.URL+"/any"), true, ""},
		"another host":     {client.AllowHosts("https://x.example"), false, "not on the list"},
		"another port":     {client.AllowHosts("http://127.0.0.1"), false, "not on the list"},
		"another scheme": {
			client.AllowHosts(strings.Replace(srv.URL, "http:", "https:", 1)),
			false, "not on the list",
		},
		"no host":       {client.AllowHosts(), false, "not on the list"},
		"a host":        {client.AllowHosts("127.0.0.1"), false, "not on the list"}, // https on 443
		"payee":         {client.AllowPayees(other, srv.Payee), true, ""},
		"another payee": {client.AllowPayees(other), false, "payee"},
		"no payee":      {client.AllowPayees(), false, "payee"},
		"token":         {client.AllowTokens(srv.Token), true, ""},
		"another token": {client.AllowTokens(other), false, "token"},
		"all": {
			client.AllOf(client.AllowHosts(srv.URL),
				client.AllowPayees(srv.Payee), client.AllowTokens(srv.Token), client.PinFirstUse(nil)),
			true, "",
		},
		"one of all": {client.AllOf(client.AllowHosts(srv.URL), refuse,
			client.AllowTokens(srv.Token)), false, "not today"},
		"all of none": {client.AllOf(), false, "AllOf has no policies"},
		"nil among all": {
			client.AllOf(client.AllowHosts(srv.URL), nil), false,
			"AllOf: policy 2 is nil",
		},
		"unreadable allowed": {
			client.AllowHosts(srv.URL, "*.example"), false,
			`AllowHosts: entry 2: "*.example" is not a host`,
		},
		"unreadable denied": {
			client.DenyHosts("a.example", "*.example"), false,
			`DenyHosts: entry 2: "*.example" is not a host`,
		},
		"empty denied": {
			client.DenyHosts(""), false,
			`DenyHosts: entry 1: "" is not a host`,
		},
		"host denied": {client.DenyHosts("127.0.0.1"), false, "is denied"},
		"another host denied": {client.DenyHosts("127.0.0.2", "localhost", "https://127.0.0.1",
			"127.0.0.1:1"), true, ""},
		"nobody denied":        {client.DenyHosts(), true, ""},
		"an own one":           {refuse, false, "not today"},
		"the default":          {nil, true, ""},
		"default, spelled out": {client.PinFirstUse(nil), true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var n pen
			p := newPayer(t, srv, n.counted, func(cfg *client.Config) { cfg.Policy = c.policy })
			resp, err := p.do(http.MethodGet, "/data", nil)
			if c.ok {
				p.ok(resp, err)
				return
			}
			e := p.refused(resp, err)
			require.ErrorIs(t, e, client.ErrPolicy)
			assert.ErrorContains(t, e, c.says)
			assert.Equal(t, client.OutcomeRefused, e.Outcome)
			assert.Zero(t, n.vouchers.Load()+n.transactions.Load())
			assert.Empty(t, p.channels())
			p.get("/free")
		})
	}
}

// TestPolicyIsAskedAboutEveryChallenge, with what it needs to decide, and not for a price that no
// limit allows.
func TestPolicyIsAskedAboutEveryChallenge(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	var asked []client.Proposal
	p := newPayer(t, srv, func(c *client.Config) {
		c.Limits.Price = u(150)
		c.Policy = func(_ context.Context, proposal client.Proposal) error {
			asked = append(asked, proposal)
			return nil
		}
	})
	p.get("/data")
	p.get("/data") // the known challenge
	require.Len(t, asked, 1)
	assert.Equal(t, srv.URL, asked[0].Origin)
	o := asked[0].Offer
	assert.Equal(t, u(100), o.Price)
	assert.Equal(t, "request", o.UnitType)
	assert.Equal(t, u(10_000), o.Suggested)
	assert.Equal(t, srv.Payee, o.Payee)
	assert.Equal(t, srv.Token, o.Token)
	assert.Equal(t, srv.ChainID, o.ChainID)
	assert.Equal(t, srv.Escrow(voucher.V2), o.Escrow)
	assert.Equal(t, o.Terms(), asked[0].Terms)
	assert.True(t, asked[0].Funding, "there is no channel yet")
	p.get("/data?price=120")
	assert.False(t, asked[1].Funding)
	assert.Len(t, asked, 2, "another price is another decision")
	assert.Equal(t, u(120), asked[1].Offer.Price)
	require.ErrorIs(t, p.refused(p.do(http.MethodGet, "/v1/data?price=151", nil)), channel.ErrLimit)
	assert.Len(t, asked, 2)
}

// TestPinHoldsForBothProtocols: the same payee is paid over both, and another one over neither.
func TestPinHoldsForBothProtocols(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	p.get("/data")
	p.get("/v1/data")
	l := p.lied()
	l.after = func(_ int, _ sent, resp *http.Response) {
		l.forge(resp, func(_ *wire.Challenge, request map[string]any) {
			request["recipient"] = common.HexToAddress("0xaa").Hex()
		})
	}
	for _, rail := range rails {
		e := p.refused(p.do(http.MethodGet, rail+"/hinted", nil))
		require.ErrorIs(t, e, client.ErrPolicy)
		assert.ErrorContains(t, e, srv.Payee.Hex())
	}
	assert.Len(t, p.channels(), 2)
}

// TestEscrowIsCanonicalOrThatOfTheConfig, and one that a challenge does not name is that one.
func TestEscrowIsCanonicalOrThatOfTheConfig(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	for _, rail := range rails {
		p := newPayer(t, srv, func(c *client.Config) { c.Escrow = common.HexToAddress("0xaa") })
		l := p.lied()
		e := p.refused(p.do(http.MethodGet, rail+"/data", nil))
		require.ErrorIs(t, e, client.ErrEscrow)
		assert.Empty(t, l.paid(""))
		protocol := map[string]voucher.Protocol{"": voucher.V2, "/v1": voucher.V1}[rail]
		p.cfg.Escrow = srv.Escrow(protocol)
		p.restart()
		p.get(rail + "/data")
		l.hinting(func(d map[string]any) { delete(d, "escrowContract") })
		p.restart()
		p.get(rail + "/data")
		assert.Equal(t, srv.Escrow(protocol), p.agree().Escrow)
	}
}

// TestV1ChallengeWithoutAChain is on the chain of the config.
func TestV1ChallengeWithoutAChain(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	l := p.lied()
	l.hinting(func(d map[string]any) { delete(d, "chainId") })
	p.get("/v1/data")
	p.get("/v1/data?price=110")
	assert.Equal(t, srv.ChainID, p.agree().ChainID)
	assert.Equal(t, u(210), p.only().Signed)
}
