package interop

import (
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

func flowOpen(t *testing.T, w *world) {
	p := w.newPayer(t)
	since := w.since(t)
	paid, _ := p.get("/data")
	s := p.only()
	p.agree(s.ID, books{accepted: 100, spent: 100, deposit: 10_000, units: 1})
	p.audit(moved{deposited: 10_000}, false)
	assert.Equal(t, []string{"GET open 200"}, actions(since()))
	require.NotNil(t, paid.Receipt())
	assert.Equal(t, "0x1", w.chain.mined(t, paid.Receipt().TxHash)["status"])
	assert.Equal(t, p.address, w.record(t, s.ID).Payer)
}

func flowRequests(t *testing.T, w *world) {
	p := w.newPayer(t)
	since := w.since(t)
	for i := range uint64(5) {
		paid, _ := p.get("/data")
		require.NotNil(t, paid.Receipt())
		assert.Equal(t, voucher.Units(100*(i+1)), paid.Receipt().Spent)
	}
	p.agree(p.only().ID, books{accepted: 500, spent: 500, deposit: 10_000, units: 5})
	want := []string{"GET open 200", "GET voucher 200", "GET voucher 200", "GET voucher 200", "GET voucher 200"}
	assert.Equal(t, want, actions(since()))
	assert.Len(t, since(), 6, "one challenge serves them all")
	q := w.newPayer(t)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { q.get("/data") })
	}
	all.Wait()
	q.agree(q.only().ID, books{accepted: 800, spent: 800, deposit: 10_000, units: 8})
	q.audit(moved{deposited: 10_000}, false)
}

// flowPrices: a voucher for a price that is not asked any more is out, and pays for what is asked next.
func flowPrices(t *testing.T, w *world) {
	p := w.newPayer(t)
	p.get("/data")
	since := w.since(t)
	p.get("/data?price=30")
	id := p.only().ID
	p.agree(id, books{accepted: 200, spent: 130, deposit: 10_000, units: 2})
	assert.Equal(t, []string{"GET voucher 402", "GET voucher 200"}, actions(since()))
	p.get("/data?price=70")
	p.agree(id, books{accepted: 200, spent: 200, deposit: 10_000, units: 3})
	_, err := p.send(http.MethodGet, "/data?price=1001", "")
	require.ErrorIs(t, err, channel.ErrLimit)
	assert.Equal(t, voucher.Units(200), w.record(t, id).Accepted)
	p.get("/data?price=70")
	p.agree(id, books{accepted: 270, spent: 270, deposit: 10_000, units: 4})
}

func flowBodies(t *testing.T, w *world) {
	p := w.newPayer(t)
	text := `{"question":"six times seven","pad":"äöü€"}`
	_, body := p.paid(p.send(http.MethodPost, "/data", text, "Content-Type", "application/json"))
	assert.Contains(t, body, `six times seven`)
	_, body = p.paid(p.send(http.MethodPost, "/data", text, "Content-Type", "application/json"))
	assert.Contains(t, body, `äöü€`)
	p.agree(p.only().ID, books{accepted: 200, spent: 200, deposit: 10_000, units: 2})
}

func flowStream(t *testing.T, w *world) {
	p := w.newPayer(t)
	since := w.since(t)
	require.Equal(t, 6, p.stream("/stream/6/25"))
	p.agree(p.only().ID, books{accepted: 150, spent: 150, deposit: 10_000, units: 6})
	assert.Len(t, actions(since()), 5, "the open and four vouchers, the last for two pieces")
	p.get("/data")
	require.Equal(t, 4, p.stream("/stream/4/10"))
	p.agree(p.only().ID, books{accepted: 290, spent: 290, deposit: 10_000, units: 11})
}

// flowStreamQuery: mppx takes a voucher by POST for paid content where the URL has a query.
func flowStreamQuery(t *testing.T, w *world) {
	p := w.newPayer(t)
	require.Equal(t, 3, p.stream("/stream/3/50?delay=30"))
	p.agree(p.only().ID, books{accepted: 150, spent: 150, deposit: 10_000, units: 3})
}

// flowStreamAccept: mppx 0.8 takes a voucher that comes with this Accept for management, and charges for it.
func flowStreamAccept(t *testing.T, w *world) {
	p := w.newPayer(t)
	since := w.since(t)
	accept := []string{"Accept", "text/event-stream"}
	require.Equal(t, 3, p.stream("/stream/3/50", accept...))
	require.Equal(t, 3, p.stream("/stream/3/50", accept...))
	for _, r := range since() {
		want := accept[1]
		if w.rail == voucher.V1 && r.Action == "voucher" {
			want = "*/*"
		}
		if r.Method == http.MethodGet {
			assert.Equal(t, want, r.Accept, r.Action)
		}
	}
	p.agree(p.only().ID, books{accepted: 300, spent: 300, deposit: 10_000, units: 6})
}

func flowTopUp(t *testing.T, w *world) {
	p := w.newPayer(t)
	since := w.since(t)
	for range 4 {
		p.get("/data?deposit=250")
	}
	p.agree(p.only().ID, books{accepted: 400, spent: 400, deposit: 500, units: 4})
	p.audit(moved{deposited: 500}, false)
	n := 0
	for _, r := range since() {
		if r.Action == "topUp" {
			n++
			assert.Equal(t, "250", r.AdditionalDeposit)
		}
	}
	assert.Equal(t, 1, n)
}

func flowTopUpInStream(t *testing.T, w *world) {
	p := w.newPayer(t)
	require.Equal(t, 8, p.stream("/stream/8/60?deposit=200"))
	p.agree(p.only().ID, books{accepted: 480, spent: 480, deposit: 600, units: 8})
	p.audit(moved{deposited: 600}, false)
}

func flowSponsored(t *testing.T, w *world) {
	p := w.newPayer(t)
	since := w.since(t)
	for range 3 {
		p.get("/sponsored?deposit=150")
	}
	require.Equal(t, 3, p.stream("/sponsored/stream/3/10?deposit=150"))
	s := p.only()
	deposit := w.chain.channel(t, w.rail, s.ID).deposit
	p.agree(s.ID, books{accepted: 330, spent: 330, deposit: deposit, units: 6})
	for _, r := range since() {
		if r.Transaction != "" {
			assert.Equal(t, "0x78", r.Transaction[:4], "the hand-off form")
		}
	}
	p.close(s.ID)
	p.audit(moved{deposited: deposit, captured: 330, refunded: deposit - 330}, true)
	assert.EqualValues(t, start-330, w.chain.balance(t, p.address), "poorer by what was used and nothing else")
}
