package client_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
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
		"host":                 {client.AllowHosts(srv.URL), true, ""},
		"host with a path":     {client.AllowHosts("https://x.example", srv.URL+"/any"), true, ""},
		"another host":         {client.AllowHosts("https://x.example"), false, "not on the list"},
		"another port":         {client.AllowHosts("http://127.0.0.1"), false, "not on the list"},
		"another scheme":       {client.AllowHosts(strings.Replace(srv.URL, "http:", "https:", 1)), false, "not on the list"},
		"no host":              {client.AllowHosts(), false, "not on the list"},
		"no origin":            {client.AllowHosts("127.0.0.1"), false, "not on the list"},
		"payee":                {client.AllowPayees(other, srv.Payee), true, ""},
		"another payee":        {client.AllowPayees(other), false, "payee"},
		"no payee":             {client.AllowPayees(), false, "payee"},
		"token":                {client.AllowTokens(srv.Token), true, ""},
		"another token":        {client.AllowTokens(other), false, "token"},
		"all":                  {client.All(client.AllowHosts(srv.URL), client.AllowPayees(srv.Payee), client.AllowTokens(srv.Token), client.PinFirstUse()), true, ""},
		"one of all":           {client.All(client.AllowHosts(srv.URL), refuse, client.AllowTokens(srv.Token)), false, "not today"},
		"all of none":          {client.All(), true, ""},
		"an own one":           {refuse, false, "not today"},
		"the default":          {nil, true, ""},
		"default, spelled out": {client.PinFirstUse(), true, ""},
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
			assert.Equal(t, client.Refused, e.Outcome)
			assert.Zero(t, n.vouchers.Load()+n.transactions.Load())
			assert.Empty(t, p.channels())
			p.get("/free")
		})
	}
}

// TestPolicyIsAskedAboutEveryChallenge, with what it needs to decide, and not for a price that no limit allows.
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
	p.get("/data?price=120")
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

// TestWithChannel pays from the channel that the caller names, and from no other.
func TestWithChannel(t *testing.T) {
	for _, rail := range rails {
		srv := clienttest.New(t, clienttest.Config{})
		p := newPayer(t, srv)
		p.get(rail + "/data")
		first := p.only()
		p.cold() // another store, so another channel
		p.get(rail + "/data")
		second := p.only()
		d := first.Descriptor
		require.NoError(t, p.session.Adopt(t.Context(), "http://elsewhere.example", first.Protocol, first.ChainID, first.Escrow, first.ID, d))
		named := func(id common.Hash) (*http.Response, error) {
			return p.send(p.request(client.WithChannel(t.Context(), id), http.MethodGet, rail+"/data", nil))
		}
		_, err := srv.Settle(first.ID)
		require.NoError(t, err)
		_, err = p.session.Refresh(t.Context(), first.ID)
		require.NoError(t, err)
		for range 2 {
			resp, err := named(first.ID)
			p.ok(resp, err)
			assert.Equal(t, first.ID, client.PaymentOf(resp).ChannelID)
			p.get(rail + "/data")
		}
		one, two := p.by(first.ID)
		assert.Equal(t, u(300), one.Signed)
		assert.Equal(t, u(300), two.Signed)
		assert.Equal(t, second.ID, two.ID)

		resp, err := named(common.Hash{9})
		require.ErrorIs(t, p.refused(resp, err), channel.ErrNotOurs)
		require.NoError(t, p.session.CloseChannel(t.Context(), second.ID))
		resp, err = named(second.ID)
		require.ErrorIs(t, p.refused(resp, err), channel.ErrNotOurs)
		one, two = p.by(first.ID)
		assert.Equal(t, u(300), one.Authorized())
		assert.Equal(t, u(300), two.Authorized())
	}
}

// TestWithChannelOnAColdClient: on v1 the chain knows enough of it; v2 needs its descriptor first.
func TestWithChannelOnAColdClient(t *testing.T) {
	for _, rail := range rails {
		srv := clienttest.New(t, clienttest.Config{})
		p := newPayer(t, srv)
		p.get(rail + "/data")
		s := p.only()
		_, err := srv.Settle(s.ID)
		require.NoError(t, err)
		var n pen
		p.cold(n.counted)
		resp, err := p.send(p.request(client.WithChannel(t.Context(), s.ID), http.MethodGet, rail+"/data", nil))
		if rail == "" {
			e := p.refused(resp, err)
			require.ErrorIs(t, e, channel.ErrNotOurs)
			assert.ErrorContains(t, e, "Session.Adopt")
			assert.Zero(t, n.vouchers.Load())
			continue
		}
		p.ok(resp, err)
		assert.Equal(t, s.ID, p.agree().ID)
		assert.Equal(t, u(200), p.only().Signed)
		assert.Zero(t, n.transactions.Load())
	}
}

// TestAdopt takes a channel over that another program opened, and uses it.
func TestAdopt(t *testing.T) {
	for _, rail := range rails {
		srv := clienttest.New(t, clienttest.Config{})
		p := newPayer(t, srv)
		p.get(rail + "/data")
		p.get(rail + "/data")
		old := p.only()
		_, err := srv.Settle(old.ID)
		require.NoError(t, err)
		for _, own := range []bool{false, true} { // with and without a channel of our own at the origin
			var n pen
			p.cold(n.counted)
			if own {
				p.get(rail + "/data")
			}
			transactions := n.transactions.Load()
			d := old.Descriptor
			if rail == "/v1" {
				d = channel.Descriptor{} // its id is enough
			}
			require.NoError(t, p.session.Adopt(t.Context(), srv.URL+rail+"/data?x=1", old.Protocol, old.ChainID, old.Escrow, old.ID, d))
			settled := srv.Chain.Channel(old.ID).Settled
			resp, err := p.do(http.MethodGet, rail+"/data", nil)
			p.ok(resp, err)
			assert.Equal(t, old.ID, client.PaymentOf(resp).ChannelID)
			assert.Equal(t, transactions, n.transactions.Load())
			want, err := settled.Add(u(100))
			require.NoError(t, err)
			assert.Equal(t, want, client.PaymentOf(resp).Cumulative)
			_, err = srv.Settle(old.ID)
			require.NoError(t, err)
		}
	}
}

// TestAdoptRefuses what is not ours, and changes nothing.
func TestAdoptRefuses(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p, stranger := newPayer(t, srv), newPayer(t, srv)
	p.get("/data")
	stranger.get("/data")
	mine, theirs := p.only(), stranger.only()
	p.cold()
	tampered := mine.Descriptor
	tampered.Payee[0] ^= 1
	hot, err := voucher.ParseKey(stranger.key.Hex)
	require.NoError(t, err)
	for name, c := range map[string]struct {
		url string
		s   channel.State
		d   channel.Descriptor
	}{
		"of a stranger":   {srv.URL, theirs, theirs.Descriptor},
		"tampered":        {srv.URL, mine, tampered},
		"no descriptor":   {srv.URL, mine, channel.Descriptor{}},
		"not on chain":    {srv.URL, channel.State{ID: common.Hash{9}, Protocol: mine.Protocol, ChainID: mine.ChainID, Escrow: mine.Escrow}, mine.Descriptor},
		"another chain":   {srv.URL, channel.State{ID: mine.ID, Protocol: mine.Protocol, ChainID: 4217, Escrow: mine.Escrow}, mine.Descriptor},
		"not an origin":   {"data", mine, mine.Descriptor},
		"another escrow":  {srv.URL, channel.State{ID: mine.ID, Protocol: mine.Protocol, ChainID: mine.ChainID, Escrow: common.HexToAddress("0xaa")}, mine.Descriptor},
		"the other rails": {srv.URL, channel.State{ID: mine.ID, Protocol: voucher.V1, ChainID: mine.ChainID, Escrow: mine.Escrow}, mine.Descriptor},
	} {
		require.Error(t, p.session.Adopt(t.Context(), c.url, c.s.Protocol, c.s.ChainID, c.s.Escrow, c.s.ID, c.d), name)
		assert.Empty(t, p.channels(), name)
	}
	p.cfg.Signer = hot
	p.restart()
	require.ErrorIs(t, p.session.Adopt(t.Context(), srv.URL, mine.Protocol, mine.ChainID, mine.Escrow, mine.ID, mine.Descriptor), channel.ErrNotOurs, "another voucher key")
	p.cfg.Chain = nil
	p.restart()
	require.ErrorIs(t, p.session.Adopt(t.Context(), srv.URL, mine.Protocol, mine.ChainID, mine.Escrow, mine.ID, mine.Descriptor), client.ErrNoChain)
}

// TestScopes: payers, keys and origins that share a store do not share channels.
func TestScopes(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	p.get("/data")
	p.ok(p.send(p.request(t.Context(), http.MethodGet, twin(srv)+"/data", nil)))
	q := newPayer(t, srv)
	k, err := voucher.ParseKey(q.key.Hex)
	require.NoError(t, err)
	q.store, q.cfg.Store, q.cfg.Signer = p.store, p.store, judge{k, t, p.store}
	q.restart()
	q.get("/data")
	p.restart()
	p.get("/data")
	assert.Len(t, q.channels(), 3)
	assert.Len(t, srv.Accounts(), 3)
	assert.Equal(t, u(200), srv.Accounts()[0].Spent)
	// The case of letters in a host or a hex digit makes no other scope.
	p.ok(p.send(p.request(t.Context(), http.MethodGet, strings.Replace(twin(srv), "localhost", "LOCALhost", 1)+"/data", nil)))
	assert.Len(t, srv.Accounts(), 3)
}

// TestEvents are told once each, in order, and a hook that panics stops nothing.
func TestEvents(t *testing.T) {
	for _, rail := range rails {
		srv := clienttest.New(t, clienttest.Config{})
		told := 0
		p := newPayer(t, srv)
		hook := p.cfg.OnEvent
		p.cfg.OnEvent = func(e client.Event) {
			hook(e)
			told++
			panic("the hook is broken")
		}
		p.restart()
		p.get(rail + "/data?deposit=150")
		p.get(rail + "/data?deposit=150")
		require.NoError(t, p.session.CloseChannel(t.Context(), p.only().ID))
		var kinds []client.EventKind
		for _, e := range p.events.all {
			kinds = append(kinds, e.Kind)
		}
		assert.Equal(t, []client.EventKind{
			client.EventChallenge, client.EventOpening, client.EventOpened, client.EventPaid,
			client.EventChallenge, client.EventToppedUp, client.EventPaid, client.EventClosed,
		}, kinds)
		assert.Equal(t, len(kinds), told)
		paid := p.events.of(client.EventPaid)
		assert.Equal(t, client.Accepted, paid[1].Outcome)
		assert.Equal(t, u(100), paid[1].Price)
		assert.Equal(t, u(200), paid[1].Cumulative)
		assert.Equal(t, u(300), paid[1].Deposit)
		assert.Equal(t, 200, paid[1].Status)
		require.NotNil(t, paid[1].Receipt)
		assert.Equal(t, u(200), paid[1].Receipt.Spent)
		assert.Equal(t, srv.URL, paid[1].Origin)
	}
}

// TestSecretsStayHome: what is in a query or in a credential is in no error, event or log line of ours.
func TestSecretsStayHome(t *testing.T) {
	const secret = "hunter2"
	srv := clienttest.New(t, clienttest.Config{})
	var log bytes.Buffer
	p := newPayer(t, srv, func(c *client.Config) {
		c.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	l := p.liedToTheEnd()
	var errs []error
	note := func(resp *http.Response, err error) {
		if err == nil {
			resp.Body.Close()
			return
		}
		errs = append(errs, err)
	}
	send := func(path string) {
		note((&client.Transport{Session: p.session, Base: p.base}).RoundTrip(p.request(t.Context(), http.MethodGet, path+"?token="+secret+"&deposit=150", nil)))
	}
	send("/data")
	send("/data")
	send("/v1/data")
	for _, broken := range []func(n int, s sent) (*http.Response, error){
		func(_ int, s sent) (*http.Response, error) {
			return nil, &url.Error{Op: "Get", URL: s.URL, Err: errors.New("no route")}
		},
		func(_ int, s sent) (*http.Response, error) {
			if s.action() == "topUp" || s.action() == "close" {
				return nil, &url.Error{Op: "Head", URL: s.URL, Err: errors.New("no route")}
			}
			return nil, nil
		},
		func(_ int, s sent) (*http.Response, error) {
			if s.Paid == nil {
				return nil, nil
			}
			return reply(500, "", "Payment-Receipt", "%"), nil
		},
		func(_ int, s sent) (*http.Response, error) {
			return reply(402, "", "WWW-Authenticate", `Payment id="`), nil
		},
	} {
		l.answer = broken
		send("/data")
		send("/data")
		for _, s := range p.channels() {
			note(nil, p.session.CloseChannel(t.Context(), s.ID))
			p.restart()
		}
	}
	l.answer = nil
	send("/data?price=5000")
	require.NotEmpty(t, errs)
	text := log.String()
	for _, err := range errs {
		if err != nil {
			text += err.Error()
		}
	}
	for _, e := range p.events.all {
		if e.Err != nil {
			text += e.Err.Error()
		}
		text += e.Origin
	}
	for _, s := range p.channels() {
		text += s.URL
	}
	for line := range strings.Lines(text) {
		assert.NotContains(t, line, secret)
	}
	assert.NotContains(t, text, p.key.Hex[2:])
	for _, s := range l.paid("") {
		value := s.Header.Get("Authorization")
		assert.NotContains(t, text, value[len("Payment "):][:40])
		if signature := common.Bytes2Hex(s.Paid.Payload.Signature); signature != "" {
			assert.NotContains(t, text, signature)
		}
	}
	assert.NotEmpty(t, log.String())
}

// TestNewSaysWhatIsWrong with a config.
func TestNewSaysWhatIsWrong(t *testing.T) {
	p := newPayer(t, clienttest.New(t, clienttest.Config{}))
	for field, change := range map[string]func(*client.Config){
		"Config.Signer":  func(c *client.Config) { c.Signer = nil },
		"Config.Retries": func(c *client.Config) { c.Retries = -1 },
		"Config.Stall":   func(c *client.Config) { c.Stall = -1 },
		"Limits.Fund":    func(c *client.Config) { c.Limits.Fund = u(1 << 60) },
	} {
		cfg := p.cfg
		change(&cfg)
		_, err := client.New(cfg)
		assert.ErrorContains(t, err, field)
	}
	_, err := (&client.Transport{}).RoundTrip(p.request(t.Context(), http.MethodPost, "/free", strings.NewReader("x")))
	assert.ErrorContains(t, err, "Transport.Session")
	_, err = (&client.Transport{Session: p.session}).RoundTrip(&http.Request{Body: http.NoBody})
	assert.ErrorContains(t, err, "no URL")
}

// TestWarmRequestsReadNothing of the chain, and the store only where a number rises.
func TestWarmRequestsReadNothing(t *testing.T) {
	for _, rail := range rails {
		srv := clienttest.New(t, clienttest.Config{})
		p := newPayer(t, srv)
		calls := 0
		chain, err := escrow.Dial(t.Context(), srv.RPCURL, escrow.WithTransport(counting{http.DefaultTransport, &calls}))
		require.NoError(t, err)
		defer chain.Close()
		p.cfg.Chain = chain
		f := p.faulty()
		p.get(rail + "/data")
		before, puts := calls, f.Puts()
		for range 5 {
			p.get(rail + "/data")
		}
		assert.Equal(t, before, calls)
		assert.Equal(t, puts+5, f.Puts())
	}
}

type counting struct {
	http.RoundTripper
	n *int
}

func (c counting) RoundTrip(r *http.Request) (*http.Response, error) {
	*c.n++
	return c.RoundTripper.RoundTrip(r)
}
