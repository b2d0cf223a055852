package client_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// These servers are honest and awkward. They are served, and what was spent is exactly what was bought.

// bought checks what the server charged, and that we know no other number.
func (p *payer) bought(amount uint64) {
	p.t.Helper()
	s := p.only()
	account, ok := p.srv.Account(s.ID)
	require.True(p.t, ok)
	assert.Equal(p.t, u(amount), account.Spent)
	assert.Equal(p.t, u(amount), s.Claimed)
	assert.False(p.t, s.Authorized.Less(account.Accepted))
}

// TestLargerStreamCharges: a stream that charges three units for an event is served under Limits.Step, and without it the error
// names the option.
func TestLargerStreamCharges(t *testing.T) {
	for _, p := range []voucher.Protocol{voucher.V1, voucher.V2} {
		srv := clienttest.New(t, clienttest.Config{PlainV1: true})
		srv.Handle("/thrice", srv.Metered(clienttest.Terms{Protocol: p, Price: u(10), Deposit: u(1000)}, func(m *clienttest.Meter, _ *http.Request) error {
			for range 4 {
				if err := m.Charge(3); err != nil {
					return err
				}
				if err := m.Send("three units"); err != nil {
					return err
				}
			}
			return nil
		}))
		strict := newPayer(t, srv)
		_, e := strict.broken(strict.do(http.MethodGet, "/thrice", nil))
		assert.ErrorIs(t, e, channel.ErrServerReport)
		assert.ErrorContains(t, e, "Limits.Step")

		wide := newPayer(t, srv, func(c *client.Config) { c.Limits.Step = u(30) })
		assert.Equal(t, 4, strings.Count(wide.get("/thrice"), "three units"))
		account, ok := srv.Account(wide.only().ID)
		require.True(t, ok)
		assert.Equal(t, u(120), account.Spent)
		assert.False(t, u(130).Less(wide.only().Authorized), "the first unit, and a step for each event")
	}
}

// TestClockSkew: the server's clock is off by minutes, in either direction. Its challenges expire by its own clock, which
// its answers tell.
func TestClockSkew(t *testing.T) {
	for _, off := range []time.Duration{-14 * time.Minute, -6 * time.Minute, 6 * time.Minute, 14 * time.Minute} {
		srv := clienttest.New(t, clienttest.Config{Now: func() time.Time { return time.Now().Add(off) }})
		p := newPayer(t, srv, func(c *client.Config) { c.Bootstrap = true })
		p.get("/data")
		before := len(srv.Requests())
		p.get("/data")
		assert.Len(t, srv.Requests(), before+1, "%s: the challenge is remembered", off)
		p.get("/data?ttl=1")
		p.get("/stream/3/10")
		p.bought(330)
		cold := p.forgetful()
		cold.get("/boot")
		assert.Equal(t, p.only().ID, cold.only().ID, "%s: a proof finds the channel", off)
	}
	for _, off := range []time.Duration{-time.Hour, -24 * time.Hour} {
		srv := clienttest.New(t, clienttest.Config{Now: func() time.Time { return time.Now().Add(off) }})
		p := newPayer(t, srv)
		assert.ErrorIs(t, p.refused(p.do(http.MethodGet, "/data", nil)), channel.ErrExpired, "%s is no skew", off)
	}
}

// TestBaseReceipts: receipts without numbers, and none at all, cost nothing.
func TestBaseReceipts(t *testing.T) {
	for _, style := range []clienttest.ReceiptStyle{clienttest.BaseReceipts, clienttest.NoReceipts} {
		for _, rail := range bothRails {
			srv := clienttest.New(t, clienttest.Config{Receipts: style})
			p := newPayer(t, srv)
			for range 3 {
				p.get(rail + "/data")
			}
			p.get(rail + "/stream/5/10")
			p.get(rail + "/data")
			p.bought(450)
			p.restart()
			p.get(rail + "/data")
			p.bought(550)
		}
	}
}

// TestEqualVouchersRefused: a server that takes no voucher twice and charges nothing for an opening is served, also where a
// voucher that it has is what we would present first.
func TestEqualVouchersRefused(t *testing.T) {
	for _, rail := range bothRails {
		srv := clienttest.New(t, clienttest.Config{EqualVouchers: clienttest.EqualRefused})
		p := newPayer(t, srv)
		for range 3 {
			p.get(rail + "/data")
		}
		p.get(rail + "/stream/5/10")
		p.restart()
		p.get(rail + "/data")
		p.bought(450)

		ahead := newPayer(t, srv, func(c *client.Config) { c.Limits.Ahead = u(300) })
		for range 3 {
			ahead.get(rail + "/data")
		}
		s := ahead.only()
		assert.False(t, u(300+300).Less(s.Authorized))
	}
}

// TestShortChallenges: challenges that live for one second are each answered at once.
func TestShortChallenges(t *testing.T) {
	for _, rail := range bothRails {
		srv := clienttest.New(t, clienttest.Config{TTL: time.Second})
		p := newPayer(t, srv)
		for range 3 {
			p.get(rail + "/data")
		}
		p.get(rail + "/stream/3/10")
		p.ok(p.do(http.MethodPost, rail+"/data", strings.NewReader("hello")))
		p.bought(430)
	}
}

// TestPricesByRoute: each route has its own price, one of them rises, and all are paid from one channel.
func TestPricesByRoute(t *testing.T) {
	for _, p := range []voucher.Protocol{voucher.V1, voucher.V2} {
		srv := clienttest.New(t, clienttest.Config{})
		content := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok")) })
		srv.Handle("/cheap", srv.Paid(clienttest.Terms{Protocol: p, Price: u(7), Deposit: u(1000)}, content))
		srv.Handle("/dear", srv.Paid(clienttest.Terms{Protocol: p, Price: u(300), Deposit: u(1000)}, content))
		payer := newPayer(t, srv)
		for range 2 {
			payer.get("/cheap")
			payer.get("/dear")
		}
		payer.bought(614)
		path := map[voucher.Protocol]string{voucher.V1: "/v1/data", voucher.V2: "/data"}[p]
		payer.get(path + "?price=50")
		payer.get(path + "?price=80") // the same route: what is remembered says 50
		payer.get(path + "?price=20")
		payer.bought(764)
	}
}

// forgetful is the same payer with an empty store.
func (p *payer) forgetful() *payer {
	p.t.Helper()
	cold := newPayer(p.t, p.srv, func(c *client.Config) { c.Bootstrap = true })
	cold.key = p.key
	k, err := voucher.ParseKey(p.key.Hex)
	require.NoError(p.t, err)
	cold.cfg.Signer, cold.cfg.Payer = judge{k, p.t, cold.store}, k
	cold.restart()
	return cold
}
