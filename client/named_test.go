package client_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

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
		require.NoError(t, p.session.Channels().Import(t.Context(), "http://elsewhere.example", channel.Identity{Protocol: first.Protocol, ChainID: first.ChainID, Escrow: first.Escrow, ID: first.ID, Descriptor: d}))
		named := func(id common.Hash) (*http.Response, error) {
			return p.send(p.request(client.WithChannel(t.Context(), id), http.MethodGet, rail+"/data", nil))
		}
		_, err := srv.Settle(first.ID)
		require.NoError(t, err)
		_, err = p.session.Channels().Sync(t.Context(), first.ID)
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
		require.NoError(t, p.session.Channels().Close(t.Context(), second.ID))
		resp, err = named(second.ID)
		require.ErrorIs(t, p.refused(resp, err), channel.ErrNotOurs)
		one, two = p.by(first.ID)
		assert.Equal(t, u(300), one.Authorized)
		assert.Equal(t, u(300), two.Authorized)
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
			assert.ErrorContains(t, e, "Channels.Import")
			assert.Zero(t, n.vouchers.Load())
			continue
		}
		p.ok(resp, err)
		assert.Equal(t, s.ID, p.agree().ID)
		assert.Equal(t, u(200), p.only().Signed)
		assert.Zero(t, n.transactions.Load())
	}
}

// TestWithChannelThatThePayeeShows: a channel that nothing has settled is paid from at the first call if the
// 402 shows our voucher of it. The channel is named to the payee for that.
func TestWithChannelThatThePayeeShows(t *testing.T) {
	for path, want := range map[string]string{
		"/hinted":             "GET 402, GET voucher 200",
		"/v1/data?hints=full": "GET 402, GET voucher 200",
		"/who":                "GET 402, GET voucher 200", // it says who the payer is, too
	} {
		var n pen
		p := newPayer(t, clienttest.New(t, clienttest.Config{}))
		p.get(path)
		p.get(path)
		id := p.only().ID
		p.cold(n.counted)
		p.exchanges()
		resp, err := p.send(p.request(client.WithChannel(t.Context(), id), http.MethodGet, path, nil))
		p.ok(resp, err)
		assert.Equal(t, want, p.exchanges())
		assert.Equal(t, id, p.agree().ID)
		assert.Equal(t, u(300), p.only().Signed)
		assert.Zero(t, n.transactions.Load())
	}
}

// TestWithChannelBesideAnother: the channel that the scope uses stays the one that it uses.
func TestWithChannelBesideAnother(t *testing.T) {
	for _, path := range []string{"/hinted", "/v1/data?hints=full", "/v1/flat"} {
		p := newPayer(t, clienttest.New(t, clienttest.Config{}))
		p.get(path)
		id := p.only().ID
		_, err := p.srv.Settle(id)
		require.NoError(t, err)
		p.cold()
		p.get(path)
		other := p.only().ID
		resp, err := p.send(p.request(client.WithChannel(t.Context(), id), http.MethodGet, path, nil))
		p.ok(resp, err)
		assert.Equal(t, id, client.PaymentOf(resp).ChannelID, path)
		p.restart()
		resp, err = p.do(http.MethodGet, path, nil)
		p.ok(resp, err)
		assert.Equal(t, other, client.PaymentOf(resp).ChannelID, path)
	}
}

// TestWithChannelThatNothingProves: each call signs one price more than what is proved, or what Limits.Ahead
// allows, until the payee is content. A payee's hint is not signed.
func TestWithChannelThatNothingProves(t *testing.T) {
	for _, ahead := range []uint64{0, 500} {
		p := newPayer(t, clienttest.New(t, clienttest.Config{}))
		p.get("/v1/flat")
		p.get("/v1/flat")
		id := p.only().ID
		p.cold(func(c *client.Config) { c.Limits.Ahead = u(ahead) })
		calls := 0
		for served := false; !served; calls++ {
			require.Less(t, calls, 4)
			resp, err := p.send(p.request(client.WithChannel(t.Context(), id), http.MethodGet, "/v1/flat", nil))
			require.NoError(t, err)
			resp.Body.Close()
			if served = resp.StatusCode == http.StatusOK; !served {
				require.ErrorIs(t, client.PaymentOf(resp).Err, client.ErrBehind)
			}
			assert.False(t, u(100*uint64(calls+1)+ahead).Less(p.only().Authorized))
		}
		assert.Equal(t, map[uint64]int{0: 3, 500: 1}[ahead], calls)
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
			require.NoError(t, p.session.Channels().Import(t.Context(), srv.URL+rail+"/data?x=1", channel.Identity{Protocol: old.Protocol, ChainID: old.ChainID, Escrow: old.Escrow, ID: old.ID, Descriptor: d}))
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
		s   channel.Info
		d   channel.Descriptor
	}{
		"of a stranger":   {srv.URL, theirs, theirs.Descriptor},
		"tampered":        {srv.URL, mine, tampered},
		"no descriptor":   {srv.URL, mine, channel.Descriptor{}},
		"not on chain":    {srv.URL, channel.Info{ID: common.Hash{9}, Protocol: mine.Protocol, ChainID: mine.ChainID, Escrow: mine.Escrow}, mine.Descriptor},
		"another chain":   {srv.URL, channel.Info{ID: mine.ID, Protocol: mine.Protocol, ChainID: 4217, Escrow: mine.Escrow}, mine.Descriptor},
		"not an origin":   {"data", mine, mine.Descriptor},
		"another escrow":  {srv.URL, channel.Info{ID: mine.ID, Protocol: mine.Protocol, ChainID: mine.ChainID, Escrow: common.HexToAddress("0xaa")}, mine.Descriptor},
		"the other rails": {srv.URL, channel.Info{ID: mine.ID, Protocol: voucher.V1, ChainID: mine.ChainID, Escrow: mine.Escrow}, mine.Descriptor},
	} {
		require.Error(t, p.session.Channels().Import(t.Context(), c.url, channel.Identity{Protocol: c.s.Protocol, ChainID: c.s.ChainID, Escrow: c.s.Escrow, ID: c.s.ID, Descriptor: c.d}), name)
		assert.Empty(t, p.channels(), name)
	}
	p.cfg.Signer = hot
	p.restart()
	require.ErrorIs(t, p.session.Channels().Import(t.Context(), srv.URL, channel.Identity{Protocol: mine.Protocol, ChainID: mine.ChainID, Escrow: mine.Escrow, ID: mine.ID, Descriptor: mine.Descriptor}), channel.ErrNotOurs, "another voucher key")
	p.cfg.Chain = nil
	p.restart()
	require.ErrorIs(t, p.session.Channels().Import(t.Context(), srv.URL, channel.Identity{Protocol: mine.Protocol, ChainID: mine.ChainID, Escrow: mine.Escrow, ID: mine.ID, Descriptor: mine.Descriptor}), client.ErrNoChain)
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

// TestChannelIsNotNamedToAnotherOrigin: a channel that the caller names is for the origin that the
// caller chose, and not for where a redirect leads.
func TestChannelIsNotNamedToAnotherOrigin(t *testing.T) {
	p := newPayer(t, clienttest.New(t, clienttest.Config{}))
	p.get("/data")
	id := p.only().ID
	l := p.lied()
	l.answer = func(_ int, s sent) (*http.Response, error) {
		if strings.HasPrefix(s.URL, "https://evil.example") {
			return reply(http.StatusOK, "evil"), nil
		}
		return reply(http.StatusFound, "", "Location", "https://evil.example/x"), nil
	}
	resp, err := p.send(p.request(client.WithChannel(t.Context(), id), http.MethodGet, "/free", nil))
	require.NoError(t, err)
	resp.Body.Close()
	sent := l.all()
	require.Len(t, sent, 2)
	assert.Equal(t, id.Hex(), sent[0].Header.Get("Payment-Session"))
	assert.Empty(t, sent[1].Header.Get("Payment-Session"))
}
