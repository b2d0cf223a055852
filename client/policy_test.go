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

func TestPolicies(t *testing.T) {
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

// TestDenyHostsTakesBareHosts: a host is denied on both schemes and all ports, and the names below
// it are not.
func TestDenyHostsTakesBareHosts(t *testing.T) {
	deny := client.DenyHosts("evil.example.com", "bad.example:8443", "2001:db8::1")
	for origin, denied := range map[string]bool{
		"https://evil.example.com:443": true, "http://evil.example.com:80": true,
		"https://evil.example.com:8443": true, "https://EVIL.example.com.": true,
		"https://a.evil.example.com:443": false, "https://example.com:443": false,
		"https://notevil.example.com:443": false,
		"https://bad.example:8443":        true, "http://bad.example:8443": true,
		"https://bad.example:443":   false,
		"https://[2001:db8::1]:443": true, "https://[2001:db8:0:0::1]:8443": true,
		"https://[2001:db8::2]:443": false,
		"evil.example.com":          true, "": true, "https://*": true, // no origins: nothing to deal with
	} {
		assert.Equal(t, denied, deny(t.Context(), client.Proposal{Origin: origin}) != nil, origin)
	}
}

// TestAllowHostsTakesBareHosts: a host is allowed over https only, and on port 443 unless it names
// another.
func TestAllowHostsTakesBareHosts(t *testing.T) {
	allow := client.AllowHosts("api.example.com", "b.example:8443", "http://localhost:8080")
	for origin, allowed := range map[string]bool{
		"https://api.example.com:443": true, "https://API.example.com.": true,
		"http://api.example.com:80": false, "https://api.example.com:8443": false,
		"http://api.example.com:443": false,
		"https://b.example:8443":     true, "http://b.example:8443": false,
		"https://b.example:443": false, "http://localhost:8080": true,
		"https://localhost:8080": false,
		"api.example.com":        false, "": false,
	} {
		assert.Equal(t, allowed, allow(t.Context(), client.Proposal{Origin: origin}) == nil, origin)
	}
}

// TestListsAreTheirOwn: who made a list of a slice cannot change the list through it.
func TestListsAreTheirOwn(t *testing.T) {
	a, b := common.HexToAddress("0xaa"), common.HexToAddress("0xbb")
	list := []common.Address{a}
	for name, policy := range map[string]client.Policy{
		"payees": client.AllowPayees(list...),
		"tokens": client.AllowTokens(list...),
	} {
		list[0] = b
		assert.Error(t, policy(t.Context(), client.Proposal{Offer: channel.Offer{
			Payee: b,
			Token: b,
		}}), name)
		list[0] = a
	}
	deny := client.DenyPayees(list...)
	list[0] = b
	assert.Error(t, deny(t.Context(), client.Proposal{Offer: channel.Offer{Payee: a}}))
	policies := []client.Policy{client.AllowPayees(a)}
	all := client.AllOf(policies...)
	policies[0] = client.DenyPayees()
	assert.Error(t, all(t.Context(), client.Proposal{Offer: channel.Offer{Payee: b}}))
}

// TestAllowTokensBindsTheFee of a funding transaction, which the payer pays in the token that the
// offer names.
func TestAllowTokensBindsTheFee(t *testing.T) {
	listed, other := common.HexToAddress("0xaa"), common.HexToAddress("0xbb")
	policy := client.AllowTokens(listed)
	for name, c := range map[string]struct {
		offer   channel.Offer
		funding bool
		allowed bool
	}{
		"no fee token":            {channel.Offer{Token: listed}, true, true},
		"the same":                {channel.Offer{Token: listed, FeeToken: listed}, true, true},
		"another":                 {channel.Offer{Token: listed, FeeToken: other}, true, false},
		"another, nothing funded": {channel.Offer{Token: listed, FeeToken: other}, false, true},
		"another, the server pays": {
			channel.Offer{Token: listed, FeeToken: other, FeePayer: true},
			true, true,
		},
		"token not listed": {
			channel.Offer{Token: other, FeeToken: listed, FeePayer: true},
			false, false,
		},
	} {
		err := policy(t.Context(), client.Proposal{Offer: c.offer, Funding: c.funding})
		assert.Equal(t, c.allowed, err == nil, name)
	}
}

// TestFeeTokenIsAllowedBeforeFunding: an opening and a top-up whose fee is paid in a token that is
// not on the list are refused before anything is signed; a channel that needs neither is used.
func TestFeeTokenIsAllowedBeforeFunding(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	ok := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	other := common.HexToAddress("0x20c0000000000000000000000000000000000bad")
	srv.Handle("/plain", srv.Paid(clienttest.Terms{Price: u(100), Deposit: u(150)}, ok))
	srv.Handle("/fee", srv.Paid(clienttest.Terms{Price: u(100), Deposit: u(150), FeeToken: other},
		ok))
	srv.Handle("/small", srv.Paid(clienttest.Terms{Price: u(10), Deposit: u(150), FeeToken: other},
		ok))
	var n pen
	p := newPayer(t, srv, n.counted,
		func(c *client.Config) { c.Policy = client.AllowTokens(srv.Token) })
	e := p.refused(p.do(http.MethodGet, "/fee", nil))
	require.ErrorIs(t, e, client.ErrPolicy)
	assert.ErrorContains(t, e, "fee token "+other.Hex())
	assert.Equal(t, client.OutcomeRefused, e.Outcome)
	assert.Zero(t, n.vouchers.Load()+n.transactions.Load())
	assert.Empty(t, p.channels())

	p.get("/plain") // opens, with fees in a token that is listed
	p.get("/small")
	require.ErrorIs(t, p.refused(p.do(http.MethodGet, "/fee", nil)), client.ErrPolicy)
	assert.EqualValues(t, 1, n.transactions.Load(), "no top-up was signed")
	assert.Equal(t, u(110), p.agree().Signed)
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

// TestPinFirstUse lasts as long as the policy, by origin and rail.
func TestPinFirstUse(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	p.get("/data")
	p.get("/v1/data") // the other rail is pinned on its own
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

// TestTrustedEscrow: the canonical one, or the one of the config.
func TestTrustedEscrow(t *testing.T) {
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
		// A challenge that names none is taken to mean the trusted one.
		l.hinting(func(d map[string]any) { delete(d, "escrowContract") })
		p.restart()
		p.get(rail + "/data")
		assert.Equal(t, srv.Escrow(protocol), p.agree().Escrow)
	}
}

// TestV1WithoutAChain means the one that we are connected to.
func TestV1WithoutAChain(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	l := p.lied()
	l.hinting(func(d map[string]any) { delete(d, "chainId") })
	p.get("/v1/data")
	p.get("/v1/data?price=110")
	assert.Equal(t, srv.ChainID, p.agree().ChainID)
	assert.Equal(t, u(210), p.only().Signed)
}
