package interop

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

func theyOpen(t *testing.T, h *house) {
	g := h.guest(t)
	s := g.get("/data")
	assert.NotZero(t, s.Receipt.TxHash)
	g.agree(s, books{accepted: 100, spent: 100, deposit: 10_000, units: 1})
	assert.Equal(t, []string{"GET open 200"}, g.seen())
}

func theyRequest(t *testing.T, h *house) {
	g := h.guest(t)
	var s said
	for range 5 {
		s = g.get("/data")
	}
	g.agree(s, books{accepted: 500, spent: 500, deposit: 10_000, units: 5})
	s = g.get("/data?price=7")
	g.agree(s, books{accepted: 507, spent: 507, deposit: 10_000, units: 6})
}

func theyPost(t *testing.T, h *house) {
	g := h.guest(t)
	text := `{"question":"six times seven","pad":"äöü€"}`
	s := g.fetch("/data", args{"method": "POST", "body": text, "headers": args{"content-type": "application/json"}})
	assert.Contains(t, s.Body, "six times seven")
	g.agree(s, books{accepted: 100, spent: 100, deposit: 10_000, units: 1})
}

func theyStream(t *testing.T, h *house) {
	g := h.guest(t)
	s := g.stream("/stream/6/25")
	assert.Equal(t, 6, s.Chunks)
	g.agree(s, books{accepted: 150, spent: 150, deposit: 10_000, units: 6})
	if h.rail == voucher.V2 {
		g.get("/data")
		s = g.stream("/stream/4/10")
		assert.Equal(t, 4, s.Chunks)
		g.agree(s, books{accepted: 290, spent: 290, deposit: 10_000, units: 11})
	}
}

// theyStreamLater: mppx's v1 client asks for a stream in a way that its own server takes for management, and
// charges for. Ours does as that server does.
func theyStreamLater(t *testing.T, h *house) {
	g := h.guest(t)
	g.get("/data")
	require.Error(t, g.try("stream", args{"url": h.URL + h.prefix + "/stream/4/10"}, nil), "there is nothing to stream")
	assert.Equal(t, []string{"GET open 200", "GET voucher 204"}, g.seen())
	all := h.Accounts()
	assert.Equal(t, voucher.Units(110), all[len(all)-1].Spent)
}

func theyTopUp(t *testing.T, h *house) {
	g := h.guest(t)
	var s said
	for range 4 {
		s = g.get("/data?deposit=250")
	}
	g.agree(s, books{accepted: 400, spent: 400, deposit: 500, units: 4})
	g.do(t, "topUp", args{"amount": "70"}, nil)
	s = g.get("/data?deposit=250")
	g.agree(s, books{accepted: 500, spent: 500, deposit: 570, units: 5})
}

// theyRunDry: mppx's v1 client never tops up.
func theyRunDry(t *testing.T, h *house) {
	g := h.guest(t)
	g.get("/data?deposit=250")
	s := g.get("/data?deposit=250")
	g.agree(s, books{accepted: 200, spent: 200, deposit: 250, units: 2})
	require.NoError(t, g.try("fetch", args{"url": h.URL + h.prefix + "/data?deposit=250"}, &s))
	assert.Equal(t, 402, s.Status)
	assert.Contains(t, s.Body, "session/amount-exceeds-deposit")
	a, _ := h.Account(s.ChannelID)
	assert.Equal(t, voucher.Units(200), a.Accepted)
	assert.Equal(t, voucher.Units(250), h.Chain.Channel(s.ChannelID).Deposit)
}

// theyTopUpInStream is on a route of its own: mppx's client sends its vouchers by POST, and where the URL has a
// query mppx's server, and so ours, charges for those.
func theyTopUpInStream(t *testing.T, h *house) {
	terms := clienttest.Terms{Price: voucher.Units(60), Deposit: voucher.Units(200)}
	h.Handle("/short", h.Metered(terms, func(m *clienttest.Meter, _ *http.Request) error {
		for i := range 8 {
			if err := m.Charge(1); err != nil {
				return err
			}
			if err := m.Send(units(uint64(i))); err != nil {
				return err
			}
		}
		return nil
	}))
	g := h.guest(t)
	s := g.stream("/short")
	assert.Equal(t, 8, s.Chunks)
	g.agree(s, books{accepted: 480, spent: 480, deposit: 600, units: 8})
}

func theyAreSponsored(t *testing.T, h *house) {
	g := h.guest(t)
	for range 3 {
		g.get("/sponsored")
	}
	s := g.close()
	assert.Equal(t, voucher.Units(300), s.Receipt.Spent)
	assert.Equal(t, g.began.SubFloor(voucher.Units(300)), h.Chain.Balance(g.key.Address), "poorer by what was used and nothing else")
}

// theyAreTold: a challenge that names a channel of the payer is enough for a client that remembers nothing.
func theyAreTold(t *testing.T, h *house) {
	g := h.guest(t)
	path := "/hinted?deposit=250&payer=" + g.key.Address.Hex()
	first := g.get(path)
	g.get(path)
	s := g.get(path)
	g.agree(s, books{accepted: 300, spent: 300, deposit: 500, units: 3})
	g.peer = startPeer(t, "client.mjs") // nothing is remembered
	g.enter(false)
	s = g.get(path)
	assert.Equal(t, first.ChannelID, s.ChannelID)
	g.agree(s, books{accepted: 400, spent: 400, deposit: 500, units: 4})
	g.close()
	assert.Equal(t, must(g.payees.Add(voucher.Units(400))), h.Chain.Balance(h.Payee))
}

func theyBootstrap(t *testing.T, h *house) {
	g := h.guest(t)
	first := g.get("/boot?deposit=1000")
	g.peer = startPeer(t, "client.mjs") // nothing is remembered
	g.enter(true)
	s := g.get("/boot?deposit=1000")
	assert.Equal(t, first.ChannelID, s.ChannelID)
	assert.Contains(t, g.seen(), "HEAD proof 204")
	g.agree(s, books{accepted: 200, spent: 200, deposit: 1000, units: 2})
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
	assert.Equal(t, must(g.payees.Add(voucher.Units(300))), h.Chain.Balance(h.Payee))
}

// theyGrow: after a refusal mppx's client signs more and more until its voucher is taken.
func theyGrow(t *testing.T, h *house) {
	g := h.guest(t)
	s := g.get("/min-delta")
	g.do(t, "fetch", args{"url": h.URL + "/min-delta"}, &s)
	assert.Equal(t, 402, s.Status)
	assert.Contains(t, s.Body, "session/delta-too-small")
	asked := h.Requests()[g.asked:]
	var presented []voucher.Amount
	for _, r := range asked {
		if r.Action == "voucher" {
			presented = append(presented, r.Cumulative)
		}
	}
	assert.Equal(t, []voucher.Amount{voucher.Units(200), voucher.Units(300), voucher.Units(400)}, presented)
	a, _ := h.Account(s.ChannelID)
	assert.Equal(t, voucher.Units(100), a.Accepted)
}

func theyAreForgotten(t *testing.T, h *house) {
	g := h.guest(t)
	s := g.get("/data")
	h.Forget(s.ChannelID)
	g.do(t, "fetch", args{"url": h.URL + h.prefix + "/data"}, &s)
	assert.Equal(t, 410, s.Status)
	assert.Contains(t, s.Body, "session/channel-not-found")
	assert.Equal(t, []string{"GET open 200", "GET voucher 410"}, g.seen())
}

func theyClose(t *testing.T, h *house) {
	g := h.guest(t)
	for range 3 {
		g.get("/data")
	}
	s := g.close()
	assert.Equal(t, voucher.Units(300), s.Receipt.Spent)
	assert.NotZero(t, s.Receipt.TxHash)
	a, ok := h.Account(s.ChannelID)
	require.True(t, ok)
	assert.True(t, a.Finalized)
	assert.Equal(t, must(g.payees.Add(voucher.Units(300))), h.Chain.Balance(h.Payee))
	c := h.Chain.Channel(s.ChannelID)
	assert.True(t, c.Finalized || !c.Exists)
}

func must(a voucher.Amount, err error) voucher.Amount {
	if err != nil {
		panic(err)
	}
	return a
}
