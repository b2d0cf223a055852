package clienttest_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/client/clienttest/lies"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// A test of a client makes the server lie.
func ExampleServer_Lie() {
	srv, err := clienttest.Start(clienttest.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer srv.Close()
	get := func() {
		res, err := http.Get(srv.URL + "/data")
		if err != nil {
			fmt.Println(err)
			return
		}
		defer res.Body.Close()
		fmt.Println(
			res.StatusCode, strings.Contains(res.Header.Get("WWW-Authenticate"), "tomorrow"),
		)
	}
	get()
	srv.Lie(lies.ExpiryWords)
	get()
	fmt.Println(srv.Lied(lies.ExpiryWords))
	srv.Lie()
	get()
	// Output:
	// 402 false
	// 402 true
	// 1
	// 402 false
}

func TestLieReplacesAndCounts(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	srv.Lie(lies.PriceZero, lies.ReceiptNone)
	assert.Equal(t, "0", newPayer(t, srv).ask("/data").request(t)["amount"])
	assert.Equal(t, 1, srv.Lied(lies.PriceZero))
	assert.Zero(t, srv.Lied(lies.ReceiptNone), "no receipt was due")
	assert.Zero(t, srv.Lied(lies.PriceHuge), "not told")
	srv.Lie()
	assert.Equal(t, "100", newPayer(t, srv).ask("/data").request(t)["amount"])
	assert.Zero(t, srv.Lied(lies.PriceZero), "counted anew")
	assert.PanicsWithValue(
		t,
		"clienttest: package lies has no lie named no-such-lie",
		func() { srv.Lie("no-such-lie") },
	)
}

// TestLiesCostTrustingPayer plays a payer that believes every answer, and checks what it loses.
func TestLiesCostTrustingPayer(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	c := p.opened(voucher.V2, "/data")

	srv.Lie(lies.SnapshotRequired)
	r := p.do("GET", "/data", nil, map[string]string{"Payment-Session": c.id.Hex()})
	snapshot, _ := r.fresh.details(t)["sessionSnapshot"].(map[string]any)
	require.NotNil(t, snapshot)
	assert.Equal(t, srv.Chain.Channel(c.id).Deposit.String(), snapshot["requiredCumulative"])

	srv.Lie(lies.ReceiptAll)
	r = p.pay("GET", "/data", p.ask("/data"), p.voucher(c, "voucher", 200))
	assert.Equal(t, "401", r.receipt["spent"])
	got, _ := srv.Account(c.id)
	assert.Equal(t, voucher.Units(200), got.Spent, "its own books are honest")

	srv.Lie(lies.RedirectPaid)
	assert.Equal(t, 200, p.pay("GET", "/data", p.ask("/data"), p.voucher(c, "voucher", 300)).status)
	requests := srv.Requests()
	last := requests[len(requests)-1]
	assert.True(t, last.Strayed)
	assert.Equal(t, "/free", last.Path)

	srv.Lie(lies.OpenNotMined)
	payload, never := p.opening(voucher.V2, open{deposit: 1000, amount: 100})
	assert.Equal(t, 200, p.pay("GET", "/data", p.ask("/data"), payload).status)
	assert.False(t, srv.Chain.Channel(never.id).Exists)
	srv.Lie()
	assert.Equal(
		t, 200, p.pay("GET", "/data", p.ask("/data"), p.voucher(never, "voucher", 200)).status,
		"and goes on as if it were",
	)
}

// TestServerSurvivesEveryLie sends all kinds of requests to a server that tells each lie. The
// server must stay up, and the balances on its chain must add up.
func TestServerSurvivesEveryLie(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	for _, l := range lies.All() {
		srv.Lie()
		p := newPayer(t, srv)
		c := p.opened(voucher.V2, "/data")
		opening, _ := p.opening(voucher.V2, open{deposit: 1000, amount: 100})
		data, stream, boot := p.ask("/data"), p.ask("/stream/3/10"), p.ask("/boot")
		proof := parseAsk(p.do("HEAD", "/boot", nil, nil).header.Get("WWW-Authenticate"))
		srv.Lie(l)
		for _, one := range []struct {
			method, path string
			ask          ask
			payload      map[string]any
		}{
			{"GET", "/data", nil, nil},
			{"GET", "/free", nil, nil},
			{"HEAD", "/boot", nil, nil},
			{"HEAD", "/boot", proof, map[string]any{"type": "proof", "signature": "0x00"}},
			{"GET", "/data?payer=" + p.addr.Hex(), data, opening},
			{"GET", "/boot", boot, p.voucher(c, "voucher", 200)},
			{"HEAD", "/data", data, p.voucher(c, "voucher", 300)},
			{"GET", "/stream/3/10", stream, p.voucher(c, "voucher", 310)},
			{"POST", "/data", data, p.voucher(c, "voucher", 400)},
			{"POST", "/data", data, p.topUp(c, 50, tx{})},
			{"POST", "/data", data, p.voucher(c, "close", 400)},
		} {
			ctx, cancel := context.WithTimeout(t.Context(), 25*time.Millisecond)
			req, err := http.NewRequestWithContext(ctx, one.method, srv.URL+one.path, nil)
			require.NoError(t, err)
			req.Header.Set("Payment-Session", c.id.Hex())
			if one.ask != nil {
				req.Header.Set("Authorization", p.credential(one.ask, one.payload, p.source()))
			}
			if res, err := http.DefaultTransport.RoundTrip(req); err == nil {
				_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20))
				res.Body.Close()
			}
			cancel()
		}
		require.NoError(t, srv.Chain.Check(), l)
	}
}
