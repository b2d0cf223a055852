package client_test

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/internal/wire"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

func bootstrapping(c *client.Config) { c.Bootstrap = true }

// heads are the HEAD requests that are no session's.
func (l *liar) heads() (out []sent) {
	for _, s := range l.all() {
		if s.Method == http.MethodHead && (s.Paid == nil || s.action() == "proof") {
			out = append(out, s)
		}
	}
	return out
}

// TestBootstrap finds the channel of a lost store by a zero-dollar proof: two HEAD requests, once.
func TestBootstrap(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	p.get("/boot")
	p.get("/boot")
	id := p.only().ID
	var n pen
	p.cold(bootstrapping, n.counted)
	l := p.lied()
	req := p.request(t.Context(), http.MethodPost, "/boot?x=1", strings.NewReader("hello"))
	req.Header = http.Header{"X-Own": {"a"}, "Content-Type": {"text/plain"}, "Cookie": {"c=d"}, "Authorization": {"Bearer own"}, "Idempotency-Key": {"k"}}
	assert.Contains(t, p.ok(p.send(req)), "hello")
	s := p.agree()
	assert.Equal(t, id, s.ID)
	assert.Equal(t, u(300), s.Signed)
	assert.EqualValues(t, 1, n.proofs.Load())
	assert.EqualValues(t, 1, n.vouchers.Load())
	assert.Zero(t, n.transactions.Load())

	heads := l.heads()
	require.Len(t, heads, 2)
	for _, h := range heads {
		assert.Equal(t, srv.URL+"/boot?x=1", h.URL)
		assert.Equal(t, []string{"a"}, h.Header["X-Own"], "the caller's headers go along")
		assert.Equal(t, []string{"c=d"}, h.Header["Cookie"])
		assert.Empty(t, h.Body)
		assert.Empty(t, h.Header["Content-Type"], "but nothing of its body")
		assert.Empty(t, h.Header["Idempotency-Key"])
		assert.Equal(t, []string{"tempo/charge"}, h.Header["Accept-Payment"])
	}
	assert.Equal(t, "proof", heads[1].action())
	p.get("/boot")
	assert.Len(t, l.heads(), 2)
}

// TestBootstrapIsOff unless it is asked for, and is not tried where a channel is known.
func TestBootstrapIsOff(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	l := p.lied()
	p.get("/boot")
	p.cold()
	p.get("/boot")
	assert.Empty(t, l.heads())

	p = newPayer(t, srv)
	p.get("/boot")
	bootstrapping(&p.cfg)
	p.restart()
	l = p.lied()
	p.get("/boot")
	assert.Empty(t, l.heads(), "the stored channel is used")
	assert.Equal(t, u(200), p.agree().Signed)
}

// TestBootstrapOnceAnOrigin, whatever came of it.
func TestBootstrapOnceAnOrigin(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	var n pen
	p := newPayer(t, srv, bootstrapping, n.counted)
	l := p.lied()
	p.get("/boot") // asks, finds nothing, opens
	require.NoError(t, p.session.Channels().Close(t.Context(), p.only().ID))
	heads := len(l.heads())
	assert.Equal(t, 2, heads)
	p.get("/boot")
	p.get("/v1/data")
	p.get("/data")
	assert.Len(t, l.heads(), heads)
	assert.EqualValues(t, 1, n.proofs.Load())
	p.ok(p.send(p.request(t.Context(), http.MethodGet, twin(srv)+"/boot", nil)))
	assert.Len(t, l.heads(), heads+2, "another origin")
}

// TestFoundAndNotRecorded: the store refuses to record a channel that a proof showed. The request fails,
// and the next one uses that channel, in the ten minutes in which the origin gets no other proof by HEAD:
// there is no second deposit. A payee that names no price without a proof gets some more, a few times.
func TestFoundAndNotRecorded(t *testing.T) {
	for path, c := range map[string]struct{ proofs, most int64 }{
		"/boot": {1, 1}, "/who": {2, 4},
	} {
		for _, failures := range []int{1, 8} {
			srv := clienttest.New(t, clienttest.Config{})
			p := newPayer(t, srv)
			p.get(path)
			id := p.only().ID
			var n pen
			full := &fullStore{}
			p.cold(bootstrapping, n.counted, func(cfg *client.Config) {
				full.Store = cfg.Store
				cfg.Store = full
			})
			full.failed.Store(true)
			for range failures {
				resp, err := p.do(http.MethodGet, path, nil)
				if err == nil {
					assert.ErrorIs(t, client.PaymentOf(resp).Err, client.ErrProof, path)
					resp.Body.Close()
				} else {
					assert.ErrorIs(t, err, client.ErrStore, path)
				}
			}
			full.failed.Store(false)
			assert.LessOrEqual(t, n.proofs.Load(), c.most, path)
			if failures > 1 && path != "/boot" {
				continue
			}
			p.get(path)
			assert.Equal(t, id, p.agree().ID, path)
			assert.EqualValues(t, c.proofs, n.proofs.Load(), path)
			assert.Zero(t, n.transactions.Load(), "%s: a second deposit", path)
		}
	}
}

// fullStore is a store that fails to write channels.
type fullStore struct {
	store.Store
	failed atomic.Bool
}

func (f *fullStore) Put(ctx context.Context, key string, data []byte, rev uint64) (uint64, error) {
	if f.failed.Load() && strings.HasPrefix(key, "channel/") {
		return 0, errBroken
	}
	return f.Store.Put(ctx, key, data, rev)
}

// TestBootstrapThatComesToNothing: a proof is given for nothing or not at all, and the payment goes on without.
func TestBootstrapThatComesToNothing(t *testing.T) {
	charge := func(change func(c *wire.Challenge, request map[string]any)) func(l *liar, s sent, resp *http.Response) {
		return func(l *liar, s sent, resp *http.Response) {
			if s.Method == http.MethodHead && s.Paid == nil {
				l.forgeAny(resp, change)
			}
		}
	}
	header := func(change func(h http.Header)) func(l *liar, s sent, resp *http.Response) {
		return func(_ *liar, s sent, resp *http.Response) {
			if s.action() == "proof" {
				change(resp.Header)
			}
		}
	}
	for name, c := range map[string]struct {
		lie    func(l *liar, s sent, resp *http.Response)
		proofs int64
	}{
		"a price":                  {charge(func(_ *wire.Challenge, r map[string]any) { r["amount"] = "1" }), 0},
		"less than nothing":        {charge(func(_ *wire.Challenge, r map[string]any) { r["amount"] = "-1" }), 0},
		"another realm":            {charge(func(c *wire.Challenge, _ map[string]any) { c.Realm = "bank.example" }), 0},
		"a realm of another title": {charge(func(c *wire.Challenge, _ map[string]any) { c.Realm = "Another service" }), 0},
		"another chain":            {charge(func(_ *wire.Challenge, r map[string]any) { details(r)["chainId"] = 4217 }), 0},
		"expired":                  {charge(func(c *wire.Challenge, _ map[string]any) { c.Expires = "2020-01-01T00:00:00Z" }), 0},
		"unreadable expiry":        {charge(func(c *wire.Challenge, _ map[string]any) { c.Expires = "soon" }), 0},
		"another method":           {charge(func(c *wire.Challenge, _ map[string]any) { c.Method = "card" }), 0},
		"a session":                {charge(func(c *wire.Challenge, _ map[string]any) { c.Intent = "session" }), 0},
		"no challenge":             {func(_ *liar, s sent, r *http.Response) { dropOn(s, r, "", "WWW-Authenticate") }, 0},
		"no HEAD":                  {func(_ *liar, s sent, r *http.Response) { statusOn(s, r, "", 405) }, 0},
		"proof refused":            {func(_ *liar, s sent, r *http.Response) { statusOn(s, r, "proof", 402) }, 1},
		"another escrow":           {header(snapshot(func(s *wire.Snapshot) { s.Escrow[0] ^= 1 })), 1},
		"another chain's":          {header(snapshot(func(s *wire.Snapshot) { s.ChainID++ })), 1},
		"another payee's":          {header(snapshot(func(s *wire.Snapshot) { s.Descriptor.Payee[0] ^= 1 })), 1},
		"no voucher":               {header(snapshot(func(s *wire.Snapshot) { s.HighestVoucher = nil })), 1},
		"a forged voucher":         {header(snapshot(func(s *wire.Snapshot) { s.HighestVoucher.Signature[3] ^= 1 })), 1},
		"more than accepted":       {header(snapshot(func(s *wire.Snapshot) { s.AcceptedCumulative = u(10_000) })), 1},
		"more than the vouch": {header(snapshot(func(s *wire.Snapshot) {
			s.AcceptedCumulative, s.HighestVoucher.CumulativeAmount = u(10_000), u(10_000)
		})), 1},
		"a close request": {header(snapshot(func(s *wire.Snapshot) { s.CloseRequestedAt = 1 })), 1},
	} {
		t.Run(name, func(t *testing.T) {
			srv := clienttest.New(t, clienttest.Config{})
			var n pen
			p := newPayer(t, srv)
			p.get("/boot")
			p.get("/boot")
			old := p.only().ID
			p.cold(bootstrapping, n.counted)
			l := p.lied()
			l.after = func(_ int, s sent, resp *http.Response) { c.lie(l, s, resp) }
			p.get("/boot")
			s := p.only()
			assert.NotEqual(t, old, s.ID)
			assert.Equal(t, u(100), s.Authorized)
			assert.EqualValues(t, c.proofs, n.proofs.Load())
			assert.EqualValues(t, 1, n.transactions.Load())
			assert.LessOrEqual(t, len(l.heads()), 2)
			p.get("/boot")
			assert.LessOrEqual(t, len(l.heads()), 2)
		})
	}
}

// TestBootstrapThatNamesAChannel: an answer to the proof without a snapshot that can be read, which names the
// channel in Payment-Session. The payee shows the snapshot in its challenge when that is named.
func TestBootstrapThatNamesAChannel(t *testing.T) {
	for name, change := range map[string]func(http.Header){
		"no snapshot": func(h http.Header) { h.Del("Payment-Session-Snapshot") },
		"no base64":   func(h http.Header) { h.Set("Payment-Session-Snapshot", "%%%") },
		"no JSON":     func(h http.Header) { h.Set("Payment-Session-Snapshot", "e30") },
	} {
		t.Run(name, func(t *testing.T) {
			var n pen
			p := newPayer(t, clienttest.New(t, clienttest.Config{}))
			p.get("/boot")
			p.get("/boot")
			old := p.only().ID
			p.cold(bootstrapping, n.counted)
			l := p.lied()
			l.after = func(_ int, s sent, resp *http.Response) {
				if s.action() == "proof" {
					change(resp.Header)
				}
			}
			p.get("/boot")
			assert.Equal(t, old, p.agree().ID)
			assert.Equal(t, u(300), p.only().Signed)
			assert.Zero(t, n.transactions.Load(), "no second deposit")
		})
	}
}

// snapshot changes the snapshot header.
func snapshot(change func(*wire.Snapshot)) func(http.Header) {
	return func(h http.Header) {
		s, err := wire.ParseSnapshotHeader(h.Get("Payment-Session-Snapshot"))
		if err != nil {
			panic(err)
		}
		change(&s)
		h.Set("Payment-Session-Snapshot", s.Header())
	}
}

func dropOn(s sent, resp *http.Response, action, header string) {
	if s.Method == http.MethodHead && s.action() == action {
		resp.Header.Del(header)
	}
}

func statusOn(s sent, resp *http.Response, action string, status int) {
	if s.Method == http.MethodHead && s.action() == action {
		resp.StatusCode = status
	}
}

// TestRelayedProof: a challenge of another service that is passed on gets no proof; a realm of the host's own, or a mere
// title, does.
func TestRelayedProof(t *testing.T) {
	for realm, given := range map[string]bool{
		"bank.example.com": false, "https://bank.example.com": false, "bank.example.com:443": false, "127.0.0.2": false, "0.0.1": true,
		"127.0.0.1": true, "127.0.0.1:8080": true, "http://127.0.0.1": true, "MPP Payment": true, "Version 1.0 of it": true, "localhost": true,
		"bank.example.com/pay": false, "https://bank.example.com:8443/pay": false, "me@bank.example.com": false, "bank.example.com.": false, "[::1]": false,
		"The bank.example.com API": false, "127.0.0.1/pay": true, "127.0.0.1.": true, "Paid API": true,
	} {
		t.Run(realm, func(t *testing.T) {
			srv := clienttest.New(t, clienttest.Config{Realm: realm})
			var n pen
			p := newPayer(t, srv)
			p.get("/boot")
			p.cold(bootstrapping, n.counted)
			p.get("/boot")
			if given {
				assert.EqualValues(t, 1, n.proofs.Load())
				p.agree()
				return
			}
			assert.Zero(t, n.proofs.Load())
		})
	}
}

// TestBootstrapFlavors: the snapshot header is read in every spelling of base64.
func TestBootstrapFlavors(t *testing.T) {
	for name, respell := range map[string]func(string) string{
		"standard":         func(s string) string { return s },
		"without padding":  func(s string) string { return strings.TrimRight(s, "=") },
		"for URLs":         func(s string) string { return strings.NewReplacer("+", "-", "/", "_").Replace(s) },
		"URLs, no padding": func(s string) string { return strings.NewReplacer("+", "-", "/", "_", "=", "").Replace(s) },
	} {
		t.Run(name, func(t *testing.T) {
			srv := clienttest.New(t, clienttest.Config{})
			p := newPayer(t, srv)
			p.get("/boot")
			id := p.only().ID
			p.cold(bootstrapping)
			l := p.lied()
			l.after = func(_ int, s sent, resp *http.Response) {
				if text := resp.Header.Get("Payment-Session-Snapshot"); text != "" {
					resp.Header.Set("Payment-Session-Snapshot", respell(text))
				}
			}
			p.get("/boot")
			assert.Equal(t, id, p.agree().ID)
		})
	}
}

// TestBootstrapNeedsAProver says so when the session is made.
func TestBootstrapNeedsAProver(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	p.cfg.Bootstrap, p.cfg.Payer = true, onlyTransactions{p.cfg.Payer}
	_, err := client.New(p.cfg)
	assert.ErrorContains(t, err, "Config.Bootstrap")
}

type onlyTransactions struct{ voucher.TransactionSigner }

// TestAccessKeyForARoot: a key that the root account authorized on chain funds, proves and signs for it.
func TestAccessKeyForARoot(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv) // its key is the root's, which stays at home
	key, err := voucher.ParseKey(srv.Payer().Hex)
	require.NoError(t, err)
	srv.Chain.AddAccessKey(p.key.Address, key.Address())
	access, err := voucher.NewAccessKey(p.key.Address, key)
	require.NoError(t, err)
	with := func(c *client.Config) { c.Payer, c.Signer, c.Bootstrap = access, judge{key, t, c.Store}, true }
	with(&p.cfg)
	p.restart()
	p.get("/boot?deposit=150")
	p.get("/boot?deposit=150") // tops up
	s := p.agree()
	assert.Equal(t, p.key.Address, s.Descriptor.Payer)
	assert.Equal(t, key.Address(), s.Descriptor.AuthorizedSigner)
	assert.Equal(t, u(300), s.Deposit)
	p.cold(with)
	p.get("/boot?deposit=150")
	assert.Equal(t, s.ID, p.agree().ID)
	assert.Equal(t, u(300), p.only().Signed)
	require.NoError(t, p.session.Channels().RequestClose(t.Context(), s.ID))
}

// TestAccessKeyBootstrap: the voucher key is another than the payer's; the proof is the payer's.
func TestAccessKeyBootstrap(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	hot, err := voucher.ParseKey(srv.Payer().Hex)
	require.NoError(t, err)
	withHot := func(c *client.Config) { c.Signer = judge{hot, t, c.Store} }
	withHot(&p.cfg)
	p.restart()
	p.get("/boot")
	s := p.only()
	assert.Equal(t, hot.Address(), s.Descriptor.AuthorizedSigner)
	assert.Equal(t, p.key.Address, s.Descriptor.Payer)
	p.cold(withHot, bootstrapping)
	p.get("/boot")
	assert.Equal(t, s.ID, p.agree().ID)
	assert.Equal(t, u(200), p.agree().Signed)
}

// TestChangedVoucherKey: another key never uses the channel of the first, which stays closable.
func TestChangedVoucherKey(t *testing.T) {
	for _, rail := range rails {
		srv := clienttest.New(t, clienttest.Config{})
		p := newPayer(t, srv, bootstrapping)
		p.get(rail + "/boot")
		old := p.only()
		first := p.cfg.Signer
		hot, err := voucher.ParseKey(srv.Payer().Hex)
		require.NoError(t, err)
		p.cfg.Signer = judge{hot, t, p.store}
		p.restart()
		p.get(rail + "/boot")
		mine, other := p.by(old.ID)
		assert.Equal(t, old.Authorized, mine.Authorized)
		assert.Equal(t, u(100), other.Signed)
		assert.Equal(t, hot.Address(), other.Descriptor.AuthorizedSigner)

		require.NoError(t, p.session.Channels().RequestClose(t.Context(), old.ID), "the chain asks the payer, not the voucher key")
		p.cfg.Signer = first
		p.restart()
		srv.Chain.Advance(15 * time.Minute)
		require.NoError(t, p.session.Channels().Withdraw(t.Context(), old.ID))
	}
}
