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
	assert.Equal(t, "0x1", h.chain.mined(t, s.Receipt.TxHash)["status"])
	g.agree(s, books{accepted: 100, spent: 100, deposit: 10_000, units: 1})
	g.audit(moved{deposited: 10_000}, false)
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
	mine := all[len(all)-1]
	g.agree(said{ChannelID: mine.ChannelID, Cumulative: mine.Accepted}, books{accepted: 110, spent: 110, deposit: 10_000, units: 2})
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
	g.audit(moved{deposited: 570}, false)
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
	s.Cumulative = voucher.Units(200) // it says what it signed last, which nobody took
	g.agree(s, books{accepted: 200, spent: 200, deposit: 250, units: 2})
	g.audit(moved{deposited: 250}, false)
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
	g.audit(moved{deposited: 600}, false)
}

func theyAreSponsored(t *testing.T, h *house) {
	g := h.guest(t)
	var s said
	for range 3 {
		s = g.get("/sponsored")
	}
	g.agree(s, books{accepted: 300, spent: 300, deposit: 10_000, units: 3})
	s = g.close()
	assert.Equal(t, voucher.Units(300), s.Receipt.Spent)
	g.closed(s)
	g.audit(moved{deposited: 10_000, captured: 300, refunded: 9_700}, true)
	assert.Equal(t, g.purses.money-300, h.chain.balance(t, g.key.Address), "poorer by what was used and nothing else")
}
