package client_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/internal/wire"
	"github.com/seed-5fe1f529/tallystick/store"
)

func termsError(t testing.TB, err error) *client.TermsError {
	t.Helper()
	var e *client.TermsError
	require.ErrorAs(t, err, &e)
	return e
}

// TestTermsThatChange: whichever of them it is, after a restart too, the request stops with both shown, and
// accepting takes what was shown.
func TestTermsThatChange(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	stranger := common.HexToAddress("0xaa")
	for name, change := range map[string]func(request map[string]any){
		"payee":    func(r map[string]any) { r["recipient"] = stranger.Hex() },
		"token":    func(r map[string]any) { r["currency"] = "0x20c00000000000000000000000000000000000aa" },
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
			assert.Equal(t, client.Refused, e.Outcome)
			terms := termsError(t, e)
			assert.ErrorContains(t, e, "accept it")
			assert.ErrorContains(t, e, p.srv.URL)
			if name == "unit" {
				assert.ErrorContains(t, e, `by the "request" and now by the "byte"`)
			} else {
				assert.ErrorContains(t, e, terms.Pinned.Terms.String())
				assert.ErrorContains(t, e, terms.Offered.String())
				assert.NotEqual(t, terms.Pinned.Terms, terms.Offered)
			}
			assert.Equal(t, before.Signed, p.only().Signed)

			require.NoError(t, client.Accept(t.Context(), p.store, terms))
			_, err := p.do(http.MethodGet, "/data", nil)
			assert.NotErrorIs(t, err, client.ErrPolicy, "whatever the server makes of it, the owner has accepted")
			for pin, err := range client.Pins(t.Context(), p.store) {
				require.NoError(t, err)
				assert.Equal(t, terms.Offered, pin.Terms)
				assert.Equal(t, terms.Unit, pin.Units["GET /data"])
			}
		})
	}
}

// TestAcceptIsExact: what was accepted is what was shown, not what the origin asks for by then.
func TestAcceptIsExact(t *testing.T) {
	s := store.NewMem()
	policy := client.PinFirstUse(s)
	ask := func(payee byte) error {
		return policy(t.Context(), client.Proposal{Origin: "https://a.example:443", Route: "GET /", Offer: channel.Offer{Payee: common.Address{payee}}})
	}
	require.NoError(t, ask(1))
	shown := termsError(t, ask(2))
	require.NoError(t, client.Accept(t.Context(), s, shown))
	require.NoError(t, ask(2))
	termsError(t, ask(3))
	termsError(t, ask(1))
}

// TestPinsAreOfARoute: what a unit is may differ between routes, and is bounded in number.
func TestPinsAreOfARoute(t *testing.T) {
	s := store.NewMem()
	policy := client.PinFirstUse(s)
	ask := func(route, unit string) error {
		return policy(t.Context(), client.Proposal{Origin: "https://a.example:443", Route: route, Offer: channel.Offer{UnitType: unit}})
	}
	require.NoError(t, ask("GET /data", "request"))
	require.NoError(t, ask("GET /stream", "chunk"))
	require.NoError(t, ask("GET /data", "request"))
	termsError(t, ask("GET /data", "chunk"))
	for i := range 1000 {
		require.NoError(t, ask(fmt.Sprintf("GET /%d", i), "request"))
	}
	for pin, err := range client.Pins(t.Context(), s) {
		require.NoError(t, err)
		assert.Len(t, pin.Units, 256)
	}
	termsError(t, ask("GET /data", "chunk"))
}

// TestPinThatCannotBeRead stops the origin, and no other.
func TestPinThatCannotBeRead(t *testing.T) {
	srv, other := clienttest.New(t, clienttest.Config{}), clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	p.get("/data")
	for e, err := range p.store.List(t.Context(), "pin/") {
		require.NoError(t, err)
		_, err = p.store.Put(t.Context(), e.Key, []byte(`{"version":2}`), e.Rev)
		require.NoError(t, err)
	}
	p.restart()
	e := p.refused(p.do(http.MethodGet, "/data", nil))
	require.ErrorIs(t, e, channel.ErrRecord)
	for _, err := range client.Pins(t.Context(), p.store) {
		require.ErrorIs(t, err, channel.ErrRecord)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, other.URL+"/free", nil)
	require.NoError(t, err)
	p.ok(p.session.Client().Do(req))
}

// TestDenyLists deal with everybody else.
func TestDenyLists(t *testing.T) {
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
