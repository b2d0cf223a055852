package interop

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// theyAreTold: a challenge that names a channel of the payer is enough for a client that remembers nothing. On v1
// it tells the id alone, and mppx goes on from what is settled.
func theyAreTold(t *testing.T, h *house) {
	g := h.guest(t)
	path := "/hinted?deposit=250&payer=" + g.key.Address.Hex()
	want := books{accepted: 300, spent: 300, deposit: 500, units: 3}
	if h.rail == voucher.V1 {
		path, want.deposit = "/hinted?deposit=600&payer="+g.key.Address.Hex(), 600
	}
	first := g.get(path)
	g.get(path)
	s := g.get(path)
	g.agree(s, want)
	if h.rail == voucher.V1 {
		_, err := h.Settle(s.ChannelID)
		require.NoError(t, err)
		want.settled = 300
	}
	g.again(nil)
	s = g.get(path)
	assert.Equal(t, first.ChannelID, s.ChannelID)
	want.accepted, want.spent, want.units = 400, 400, 4
	g.agree(s, want)
	g.close()
	g.audit(moved{deposited: want.deposit, captured: 400, refunded: want.deposit - 400}, false)
}

func theyBootstrap(t *testing.T, h *house) {
	g := h.guest(t)
	first := g.get("/boot?deposit=1000")
	g.again(args{"bootstrap": true})
	s := g.get("/boot?deposit=1000")
	assert.Equal(t, first.ChannelID, s.ChannelID)
	assert.Contains(t, g.seen(), "HEAD proof 204")
	g.agree(s, books{accepted: 200, spent: 200, deposit: 1000, units: 2})
	g.audit(moved{deposited: 1000}, false)
}

func theyAreSettled(t *testing.T, h *house) {
	g := h.guest(t)
	g.get("/data")
	s := g.get("/data")
	_, err := h.Settle(s.ChannelID)
	require.NoError(t, err)
	g.agree(s, books{accepted: 200, spent: 200, deposit: 10_000, settled: 200, units: 2})
	s = g.get("/data")
	g.agree(s, books{accepted: 300, spent: 300, deposit: 10_000, settled: 200, units: 3})
	g.close()
	g.audit(moved{deposited: 10_000, captured: 300, refunded: 9_700}, false)
}

// theyResume: mppx's v2 client keeps its channels where it is told to. The v1 client keeps none.
func theyResume(t *testing.T, h *house) {
	kept := args{"file": filepath.Join(t.TempDir(), "channels.json")}
	g := h.guest(t)
	g.enter(kept)
	first := g.get("/data")
	for range 2 {
		g.again(kept)
		assert.Equal(t, first.ChannelID, g.get("/data").ChannelID)
	}
	s := g.get("/data")
	assert.Equal(t, []string{"GET open 200", "GET voucher 200", "GET voucher 200", "GET voucher 200"}, g.seen())
	g.agree(s, books{accepted: 400, spent: 400, deposit: 10_000, units: 4})
	g.close()
	g.audit(moved{deposited: 10_000, captured: 400, refunded: 9_600}, false)
}

// theyGrow: after a refusal mppx's client signs more and more until its voucher is taken.
func theyGrow(t *testing.T, h *house) {
	g := h.guest(t)
	s := g.get("/min-delta")
	g.do(t, "fetch", args{"url": h.URL + h.prefix + "/min-delta"}, &s)
	assert.Equal(t, 402, s.Status)
	assert.Contains(t, s.Body, "session/delta-too-small")
	var presented []voucher.Amount
	for _, r := range h.Requests()[g.asked:] {
		if r.Action == "voucher" {
			presented = append(presented, r.Cumulative)
		}
	}
	assert.Equal(t, []voucher.Amount{voucher.Units(200), voucher.Units(300), voucher.Units(400)}, presented)
	s.Receipt, s.Cumulative = nil, voucher.Units(100) // what it says of itself is what it signed last
	g.agree(s, books{accepted: 100, spent: 100, deposit: 10_000, units: 1})
}

func theyAreForgotten(t *testing.T, h *house) {
	g := h.guest(t)
	s := g.get("/data")
	h.Forget(s.ChannelID)
	var gone said
	g.do(t, "fetch", args{"url": h.URL + h.prefix + "/data"}, &gone)
	assert.Equal(t, 410, gone.Status)
	assert.Contains(t, gone.Body, "session/channel-not-found")
	assert.Equal(t, []string{"GET open 200", "GET voucher 410"}, g.seen())
	_, known := h.Account(s.ChannelID)
	assert.False(t, known)
	assert.Equal(t, onChain{deposit: 10_000}, h.chain.channel(t, h.rail, s.ChannelID))
	g.audit(moved{deposited: 10_000}, false)
}

func theyClose(t *testing.T, h *house) {
	g := h.guest(t)
	for range 3 {
		g.get("/data")
	}
	s := g.close()
	assert.Equal(t, voucher.Units(300), s.Receipt.Spent)
	assert.Equal(t, "0x1", h.chain.mined(t, s.Receipt.TxHash)["status"])
	g.closed(s)
	g.audit(moved{deposited: 10_000, captured: 300, refunded: 9_700}, false)
}

// theyLeave: the payer gets its money back with mppx's own calls and without the server, which settles in time.
func theyLeave(t *testing.T, h *house) {
	g := h.guest(t)
	for range 3 {
		g.get("/data")
	}
	s := g.get("/data")
	escrow := h.Escrow(h.rail)
	var hash common.Hash
	g.do(t, "alone", args{"name": "requestClose", "escrow": escrow}, &hash)
	require.Equal(t, "0x1", h.chain.mined(t, hash)["status"])
	assert.NotZero(t, h.chain.channel(t, h.rail, s.ChannelID).closeRequestedAt)
	require.ErrorContains(t, g.try("alone", args{"name": "withdraw", "escrow": escrow}, nil), "CloseNotReady", "too early")
	_, err := h.Settle(s.ChannelID)
	require.NoError(t, err)
	a, _ := h.Account(s.ChannelID)
	assert.Equal(t, voucher.Units(400), a.Settled)
	later := 15*time.Minute + time.Second
	h.Chain.Advance(later)
	g.do(t, "advance", args{"seconds": later.Seconds()}, nil)
	g.do(t, "alone", args{"name": "withdraw", "escrow": escrow}, &hash)
	require.Equal(t, "0x1", h.chain.mined(t, hash)["status"])
	assert.Equal(t, onChain{}, h.chain.channel(t, h.rail, s.ChannelID))
	g.audit(moved{deposited: 10_000, captured: 400, refunded: 9_600}, false)
}
