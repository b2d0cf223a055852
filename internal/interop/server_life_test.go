package interop

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/store/filestore"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// flowSnapshot: a hint with what we know already changes nothing, and a store that is lost is made good.
func flowSnapshot(t *testing.T, w *world) {
	p := w.newPayer(t)
	since := w.since(t)
	for range 3 {
		p.get("/hinted?deposit=250")
	}
	s := p.only()
	p.agree(s.ID, books{accepted: 300, spent: 300, deposit: 500, units: 3})
	assert.True(t, slices.ContainsFunc(since(), func(r seen) bool { return r.Hint == s.ID.Hex() }), "Payment-Session")

	p.cfg.Store = store.NewMem()
	p.restart()
	require.NoError(t, p.session.Channels().Import(t.Context(), w.url, channel.Identity{Protocol: w.rail, ChainID: s.ChainID, Escrow: s.Escrow, ID: s.ID, Descriptor: s.Descriptor}))
	assert.Zero(t, p.only().Signed.Big().Sign(), "the chain proves nothing yet")
	if w.rail == voucher.V2 {
		p.get("/hinted?deposit=250")
		p.agree(s.ID, books{accepted: 400, spent: 400, deposit: 500, units: 4})
		return
	}
	// A v1 challenge has no snapshot: what the server has accepted is only known when it has settled.
	resp, err := p.send(http.MethodGet, "/hinted?deposit=250", "")
	require.NoError(t, err)
	resp.Body.Close()
	assert.Equal(t, http.StatusPaymentRequired, resp.StatusCode)
	assert.Equal(t, "session/insufficient-balance", client.PaymentOf(resp).Problem)
	w.server.do(t, "settle", args{"channelId": s.ID}, nil)
	p.cfg.Store = store.NewMem()
	p.cfg.Chain.Forget(s.ID)
	p.restart()
	require.NoError(t, p.session.Channels().Import(t.Context(), w.url, channel.Identity{Protocol: w.rail, ChainID: s.ChainID, Escrow: s.Escrow, ID: s.ID, Descriptor: s.Descriptor}))
	p.get("/hinted?deposit=250")
	p.agree(s.ID, books{accepted: 400, spent: 400, deposit: 500, settled: 300, units: 4})
}

func flowBootstrap(t *testing.T, w *world) {
	p := w.newPayer(t)
	p.get("/boot")
	p.get("/boot")
	id := p.only().ID
	since := w.since(t)
	r := p.fresh("/boot", "", true)
	assert.Equal(t, report{Status: 200, ChannelID: id, Signed: voucher.Units(300)}, r, "no store, and no second deposit")
	assert.Contains(t, actions(since()), "HEAD proof 204")

	p.cfg.Store, p.cfg.Bootstrap = store.NewMem(), true
	p.restart()
	p.get("/boot")
	assert.True(t, p.told(client.EventFound))
	p.agree(id, books{accepted: 400, spent: 400, deposit: 10_000, units: 4})

	q := w.newPayer(t, func(c *client.Config) { c.Bootstrap = true })
	q.get("/boot")
	assert.False(t, q.told(client.EventFound), "nobody has a channel of this payer")
	q.agree(q.only().ID, books{accepted: 100, spent: 100, deposit: 10_000, units: 1})
}

// flowWho: the server asks who the payer is before it names a price. The proof goes with the request; a store that is
// lost is made good by what the server shows for it, or by what it has settled.
func flowWho(t *testing.T, w *world) {
	p := w.newPayer(t)
	since := w.since(t)
	p.get("/who")
	assert.Equal(t, []string{"GET proof 402", "GET open 200"}, actions(since()))
	since = w.since(t)
	p.get("/who")
	resp, err := p.send(http.MethodPost, "/who", "hello")
	require.NoError(t, err)
	resp.Body.Close()
	assert.Equal(t, []string{"GET voucher 200", "POST voucher 200"}, actions(since()), "the channel is named")
	id := p.only().ID
	if w.rail == voucher.V1 {
		w.server.do(t, "settle", args{"channelId": id}, nil)
		p.cfg.Chain.Forget(id)
	}
	p.cfg.Store = store.NewMem()
	p.restart()
	since = w.since(t)
	p.get("/who")
	assert.Equal(t, []string{"GET proof 402", "GET voucher 200"}, actions(since()), "no second deposit")
	if w.rail == voucher.V1 { // its salt is not known, so the descriptor does not hash to the id
		assert.Equal(t, id, p.only().ID)
		assert.Equal(t, voucher.Units(400), p.only().Signed)
		return
	}
	p.agree(id, books{accepted: 400, spent: 400, deposit: 10_000, units: 4})
}

func flowSettle(t *testing.T, w *world) {
	p := w.newPayer(t)
	for range 3 {
		p.get("/data")
	}
	id := p.only().ID
	var hash common.Hash
	w.server.do(t, "settle", args{"channelId": id}, &hash)
	w.chain.mined(t, hash)
	p.agree(id, books{accepted: 300, spent: 300, deposit: 10_000, settled: 300, units: 3})
	p.get("/data")
	require.Equal(t, 3, p.stream("/stream/3/10"))
	p.agree(id, books{accepted: 430, spent: 430, deposit: 10_000, settled: 300, units: 7})
	p.close(id)
	p.audit(moved{deposited: 10_000, captured: 430, refunded: 9_570}, false)
}

func flowResume(t *testing.T, w *world) {
	dir := t.TempDir()
	files, err := filestore.Open(dir)
	require.NoError(t, err)
	p := w.newPayer(t, func(c *client.Config) { c.Store = files })
	p.get("/data")
	id := p.only().ID
	require.NoError(t, p.session.Close(t.Context()))
	assert.Equal(t, report{Status: 200, ChannelID: id, Signed: voucher.Units(200)}, p.fresh("/data", dir, false))
	assert.Equal(t, report{Status: 200, ChannelID: id, Signed: voucher.Units(300)}, p.fresh("/data", dir, false))
	p.restart()
	p.get("/data")
	p.agree(id, books{accepted: 400, spent: 400, deposit: 10_000, units: 4})
	p.close(id)
	p.audit(moved{deposited: 10_000, captured: 400, refunded: 9_600}, false)
	require.NoError(t, files.Close())
}

// flowMinDelta: mppx wants vouchers to grow by 500 here, and says so in the challenge on v2 alone. Nothing is
// signed for what was not asked for, unless the caller allows it.
func flowMinDelta(t *testing.T, w *world) {
	p := w.newPayer(t)
	p.get("/min-delta?price=500")
	p.get("/min-delta?price=500")
	p.agree(p.only().ID, books{accepted: 1000, spent: 1000, deposit: 10_000, units: 2})

	q := w.newPayer(t)
	q.get("/min-delta")
	since := w.since(t)
	resp, err := q.send(http.MethodGet, "/min-delta", "")
	if w.rail == voucher.V2 {
		require.ErrorIs(t, err, channel.ErrLimit)
		assert.Empty(t, actions(since()))
	} else {
		require.NoError(t, err)
		resp.Body.Close()
		assert.Equal(t, http.StatusPaymentRequired, resp.StatusCode)
		assert.Equal(t, "session/delta-too-small", client.PaymentOf(resp).Problem)
	}
	id := q.only().ID
	if w.rail == voucher.V2 {
		q.agree(id, books{accepted: 100, spent: 100, deposit: 10_000, units: 1})
	} else {
		assert.Equal(t, voucher.Units(100), w.record(t, id).Accepted)
		assert.Equal(t, voucher.Units(200), q.only().Signed, "the voucher that was refused is out")
		assert.Equal(t, onChain{deposit: 10_000}, w.chain.channel(t, w.rail, id))
	}

	ahead := w.newPayer(t, func(c *client.Config) { c.Limits.Ahead = voucher.Units(1000) })
	for range 3 {
		ahead.get("/min-delta")
	}
	// One voucher for the price and as much as was allowed serves them all.
	ahead.agree(ahead.only().ID, books{accepted: 1100, spent: 300, deposit: 10_000, units: 3})
}

func flowForgotten(t *testing.T, w *world) {
	p := w.newPayer(t)
	p.get("/data")
	p.get("/data")
	first := p.only().ID
	w.server.do(t, "forget", args{"channelId": first}, nil)
	since := w.since(t)
	p.get("/data")
	second := p.only().ID
	assert.NotEqual(t, first, second)
	assert.True(t, p.told(client.EventGone))
	assert.Equal(t, []string{"GET voucher 410", "GET open 200"}, actions(since()))
	p.agree(second, books{accepted: 100, spent: 100, deposit: 10_000, units: 1})
	old := p.by(first)
	assert.True(t, old.Gone)
	assert.True(t, old.HoldsMoney(), "listed until its money is back")
	assert.Equal(t, [2]voucher.Amount{voucher.Units(10_000), voucher.Units(300)}, [2]voucher.Amount{old.Deposit, old.Signed})
	assert.Equal(t, onChain{deposit: 10_000}, w.chain.channel(t, w.rail, first))
	p.audit(moved{deposited: 20_000}, false)
}

// flowClose: what was signed and not used is not paid.
func flowClose(t *testing.T, w *world) {
	p := w.newPayer(t)
	p.get("/data")
	p.get("/data?price=30")
	id := p.only().ID
	p.agree(id, books{accepted: 200, spent: 130, deposit: 10_000, units: 2})
	since := w.since(t)
	p.close(id)
	said := since()
	assert.Equal(t, []string{"close", "130"}, []string{said[len(said)-1].Action, said[len(said)-1].CumulativeAmount})
	r := w.record(t, id)
	require.NotNil(t, r)
	assert.True(t, r.Finalized)
	assert.Equal(t, voucher.Units(130), r.Spent)
	p.closed(id, 200)
	p.audit(moved{deposited: 10_000, captured: 130, refunded: 9_870}, false)
	p.get("/data")
	assert.NotEqual(t, id, p.only().ID, "a closed channel is not used again")
	p.agree(p.only().ID, books{accepted: 100, spent: 100, deposit: 10_000, units: 1})
}

// flowForcedClose: the payer gets its money back although the server does not help, and the server gets what
// it settles in time.
func flowForcedClose(t *testing.T, w *world) {
	p := w.newPayer(t)
	for range 3 {
		p.get("/data")
	}
	id := p.only().ID
	require.NoError(t, p.session.Channels().RequestClose(t.Context(), id))
	assert.NotZero(t, w.chain.channel(t, w.rail, id).closeRequestedAt)
	require.Error(t, p.session.Channels().Withdraw(t.Context(), id), "too early")
	assert.NotZero(t, w.chain.channel(t, w.rail, id).deposit)
	w.server.do(t, "settle", args{"channelId": id}, nil)
	s, err := p.session.Channels().Sync(t.Context(), id)
	require.NoError(t, err)
	assert.Equal(t, voucher.Units(300), s.Settled)
	r := w.record(t, id)
	assert.Equal(t, [2]voucher.Amount{voucher.Units(300), voucher.Units(300)}, [2]voucher.Amount{r.Accepted, r.Settled})
	w.advance(t, 15*time.Minute+time.Second)
	require.NoError(t, p.session.Channels().Withdraw(t.Context(), id))
	p.closed(id, 300)
	p.audit(moved{deposited: 10_000, captured: 300, refunded: 9_700}, false)
}
