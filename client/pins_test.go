package client_test

import (
	"fmt"
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
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/store/records"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

func termsError(t testing.TB, err error) *client.TermsError {
	t.Helper()
	var e *client.TermsError
	require.ErrorAs(t, err, &e)
	return e
}

// TestChangedTermsAreRefusedUntilAccepted, after a restart too. The error shows both, and accepting
// takes what it shows.
func TestChangedTermsAreRefusedUntilAccepted(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	stranger := common.HexToAddress("0xaa")
	for name, change := range map[string]func(request map[string]any){
		"payee":    func(r map[string]any) { r["recipient"] = stranger.Hex() },
		"token":    func(r map[string]any) { r["currency"] = alphaUSD.Hex() },
		"operator": func(r map[string]any) { r["methodDetails"].(map[string]any)["operator"] = stranger.Hex() },
		"unit":     func(r map[string]any) { r["unitType"] = "byte" },
	} {
		t.Run(name, func(t *testing.T) {
			p := newPayer(t, srv)
			p.get("/data")
			p.restart()
			before := p.agree()
			l := p.lied()
			l.after = func(_ int, _ sent, resp *http.Response) {
				l.forge(resp, func(_ *wire.Challenge, request map[string]any) { change(request) })
			}
			e := p.refused(p.do(http.MethodGet, "/data", nil))
			require.ErrorIs(t, e, client.ErrPolicy)
			assert.Equal(t, client.OutcomeRefused, e.Outcome)
			terms := termsError(t, e)
			assert.ErrorContains(t, e, "accept it")
			assert.Equal(t, p.srv.URL, terms.Origin)
			assert.Equal(t, "GET /data", terms.Route)
			require.Len(t, terms.Pinned, 1)
			if name == "unit" {
				assert.ErrorContains(t, e,
					`GET /data of `+p.srv.URL+` is charged by the "byte"; accepted there: ["request"]`)
			} else {
				assert.ErrorContains(t, e,
					p.srv.URL+" names "+terms.Offered.String()+"; accepted there: "+terms.Pinned[0].String())
			}
			assert.Equal(t, before.Signed, p.only().Signed)

			require.NoError(t, terms.Accept(t.Context(), p.store))
			_, err := p.do(http.MethodGet, "/data", nil)
			assert.NotErrorIs(t, err, client.ErrPolicy,
				"whatever the server makes of it, the owner has accepted")
			offered := terms.Offered
			offered.Unit = ""
			var accepted []channel.Terms
			for pin, err := range records.Pins(t.Context(), p.store) {
				require.NoError(t, err)
				accepted = append(accepted, pin.Terms)
			}
			assert.Contains(t, accepted, offered)
			assert.Contains(t, accepted, terms.Pinned[0].Terms,
				"what was accepted before stays accepted")
		})
	}
}

// TestTwoPayeesOfOneOrigin can both be accepted, and the error for a third names both.
func TestTwoPayeesOfOneOrigin(t *testing.T) {
	s := store.NewMem()
	policy := client.PinFirstUse(s)
	offer := func(payee byte) error {
		return policy(t.Context(), client.Proposal{
			Origin: "https://a.example:443", Route: "GET /",
			Offer: channel.Offer{Protocol: voucher.V2, Payee: common.Address{payee}},
		})
	}
	require.NoError(t, offer(1))
	shown := termsError(t, offer(2))
	require.NoError(t, shown.Accept(t.Context(), s))
	for range 2 {
		require.NoError(t, offer(1))
		require.NoError(t, offer(2))
	}
	third := termsError(t, offer(3))
	assert.Len(t, third.Pinned, 2)
	for payee := range byte(3) {
		assert.ErrorContains(t, third, common.Address{payee + 1}.Hex())
	}
	assert.NotContains(t, third.Error(), "first")
	for payee := byte(3); payee < 9; payee++ {
		require.NoError(t, termsError(t, offer(payee)).Accept(t.Context(), s))
	}
	many := termsError(t, offer(9))
	assert.ErrorContains(t, many, "; and 4 more; if that is right")
}

// TestPinHoldsForTheOtherProtocol: another payee is not paid because the server names version 1 in
// place of version 2.
func TestPinHoldsForTheOtherProtocol(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	other := common.HexToAddress("0x00000000000000000000000000000000000bad02")
	for _, first := range rails {
		second := map[string]string{"": "/v1", "/v1": ""}[first]
		p := newPayer(t, srv)
		p.get(first + "/data")
		l := p.lied()
		l.answer = func(int, sent) (*http.Response, error) {
			resp := p.unpaid(second + "/data")
			l.forge(resp, func(_ *wire.Challenge,
				r map[string]any,
			) {
				r["recipient"] = other.Hex()
			})
			return resp, nil
		}
		if resp, err := p.do(http.MethodGet, first+"/data", nil); err == nil {
			resp.Body.Close()
		}
		e := p.refused(p.do(http.MethodGet, first+"/hinted", nil))
		require.ErrorIs(t, e, client.ErrPolicy)
		assert.Equal(t, other, termsError(t, e).Offered.Payee)
		for _, s := range p.channels() {
			assert.NotEqual(t, other, s.Descriptor.Payee)
		}
		l.answer = nil
		p.get(second + "/data") // the same payee is paid over the other protocol
		assert.Len(t, p.channels(), 2)
	}
}

// TestManyLongPaths: an origin is not refused for the number or the length of its paths.
func TestManyLongPaths(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	srv.Handle("/item/", srv.Paid(clienttest.Terms{Price: u(1), Deposit: u(10_000)},
		http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
	p := newPayer(t, srv)
	for i := range 300 {
		p.get(fmt.Sprintf("/item/%s%d", strings.Repeat("x", 300), i))
	}
}

// TestPinOfAnotherSpelling: an origin is pinned in its canonical spelling, whoever asks, and what
// has none is refused.
func TestPinOfAnotherSpelling(t *testing.T) {
	s := store.NewMem()
	policy := client.PinFirstUse(s)
	offer := func(origin string, payee byte) error {
		return policy(t.Context(), client.Proposal{
			Origin: origin,
			Offer:  channel.Offer{Payee: common.Address{payee}},
		})
	}
	require.NoError(t, offer("https://PAY.example.", 1))
	require.NoError(t, offer("https://pay.example:443", 1))
	e := termsError(t, offer("https://pay.example:0443", 2))
	assert.Equal(t, "https://pay.example:443", e.Origin)
	e.Origin = "https://pay.example."
	require.NoError(t, e.Accept(t.Context(), s))
	require.NoError(t, offer("https://pay.example", 2))
	require.Error(t, offer("pay.example", 1))
	e.Origin = "pay.example"
	require.Error(t, e.Accept(t.Context(), s))
}

// TestPinThatCannotBeRead stops its origin and no other one.
func TestPinThatCannotBeRead(t *testing.T) {
	srv, other := clienttest.New(t, clienttest.Config{}), clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	p.get("/data")
	for e, err := range p.store.List(t.Context(), "pin/") {
		require.NoError(t, err)
		_, err = p.store.Put(t.Context(), e.Key, []byte(`{"version":3}`), e.Rev)
		require.NoError(t, err)
	}
	p.restart()
	e := p.refused(p.do(http.MethodGet, "/data", nil))
	require.ErrorIs(t, e, channel.ErrRecord)
	for _, err := range records.Pins(t.Context(), p.store) {
		require.ErrorIs(t, err, channel.ErrRecord)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, other.URL+"/free", nil)
	require.NoError(t, err)
	p.ok(p.session.Client().Do(req))
}

func TestDenyListsDealWithEverybodyElse(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	stranger := common.HexToAddress("0xaa")
	for name, c := range map[string]struct {
		policy client.Policy
		paid   bool
	}{
		"host":          {client.DenyHosts(srv.URL), false},
		"another host":  {client.DenyHosts("https://a.example"), true},
		"payee":         {client.DenyPayees(stranger, srv.Payee), false},
		"another payee": {client.DenyPayees(stranger), true},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPayer(t, srv, func(cfg *client.Config) { cfg.Policy = c.policy })
			if c.paid {
				p.get("/data")
				return
			}
			e := p.refused(p.do(http.MethodGet, "/data", nil))
			require.ErrorIs(t, e, client.ErrPolicy)
			assert.ErrorContains(t, e, "denied")
			assert.Empty(t, p.channels())
		})
	}
}
