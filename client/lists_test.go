package client_test

import (
	"net/http"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
)

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
	other := alphaUSD
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
