package client_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

func u(n uint64) voucher.Amount { return voucher.Units(n) }

// judge signs vouchers only for what the store holds, and fails the test otherwise.
type judge struct {
	*voucher.KeySigner
	t     testing.TB
	store store.Store
}

func (j judge) SignVoucher(ctx context.Context, d *voucher.Domain, v voucher.Voucher) ([]byte, error) {
	places := rule.Places(v.ChannelID)
	data, _, err := j.store.Get(context.Background(), places[0])
	if err != nil { // it was thought to have ended
		data, _, err = j.store.Get(context.Background(), places[2])
	}
	if assert.NoError(j.t, err, "a signature was asked for before anything was stored") {
		if s, err := rule.Decode(data); assert.NoError(j.t, err) {
			assert.False(j.t, s.Authorized().Less(v.Cumulative), "asked to sign %s, the store holds %s", v.Cumulative, s.Authorized())
		}
	}
	return j.KeySigner.SignVoucher(ctx, d, v)
}

// payer is one who pays: a key with money, a store, and the session of the moment.
type payer struct {
	t       testing.TB
	srv     *clienttest.Server
	key     clienttest.Key
	store   store.Store
	cfg     client.Config
	session *client.Session
	base    http.RoundTripper
	events  *events
	began   voucher.Amount
	seen    int // of the server's requests, see exchanges
}

// realFee is a price of gas as on Tempo, for [clienttest.Config].
const realFee = 20_000_000_000

var limits = channel.Limits{Price: u(1000), Deposit: u(100_000), Total: u(10_000_000), Stream: u(100_000)}

func newPayer(t testing.TB, srv *clienttest.Server, change ...func(*client.Config)) *payer {
	t.Helper()
	p := &payer{t: t, srv: srv, key: srv.Payer(), store: store.NewMem(), events: &events{}}
	p.began = srv.Chain.Balance(p.key.Address)
	k, err := voucher.ParseKey(p.key.Hex)
	require.NoError(t, err)
	chain, err := escrow.Dial(t.Context(), srv.RPCURL)
	require.NoError(t, err)
	t.Cleanup(chain.Close)
	p.cfg = client.Config{Signer: judge{k, t, p.store}, Payer: k, Chain: chain, Store: p.store, Limits: limits, OnEvent: p.events.add, FundAsNeeded: true}
	for _, c := range change {
		c(&p.cfg)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	t.Cleanup(transport.CloseIdleConnections)
	p.base = transport
	p.restart()
	t.Cleanup(func() { client.EndFees(p.session) })
	return p
}

// restart forgets all that is not in the store, and the session that was, as if it had been gone for long.
func (p *payer) restart() {
	p.t.Helper()
	if p.session != nil {
		client.EndFees(p.session) // it is gone
	}
	for e, err := range p.store.List(p.t.Context(), "channel/") {
		s, decodeErr := rule.Decode(e.Data)
		if err != nil || decodeErr != nil {
			continue
		}
		data, err := s.Ended(func(rule.Writer) bool { return true }).Encode()
		require.NoError(p.t, err)
		_, err = p.store.Put(p.t.Context(), e.Key, data, e.Rev)
		require.NoError(p.t, err)
	}
	s, err := client.New(p.cfg)
	require.NoError(p.t, err)
	p.session = s
}

func (p *payer) do(method, path string, body io.Reader) (*http.Response, error) {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), method, p.srv.URL+path, body)
	require.NoError(p.t, err)
	return (&http.Client{Transport: &client.Transport{Session: p.session, Base: p.base}}).Do(req)
}

// get expects a paid 200 and returns its body.
func (p *payer) get(path string) string {
	p.t.Helper()
	return p.ok(p.do(http.MethodGet, path, nil))
}

func (p *payer) ok(resp *http.Response, err error) string {
	p.t.Helper()
	require.NoError(p.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(p.t, err, "after %q", body)
	require.Equal(p.t, http.StatusOK, resp.StatusCode, "%s", body)
	return string(body)
}

// refused expects an error of ours.
func (p *payer) refused(resp *http.Response, err error) *client.Error {
	p.t.Helper()
	if err == nil {
		resp.Body.Close()
	}
	require.Error(p.t, err)
	var e *client.Error
	require.ErrorAs(p.t, err, &e)
	return e
}

// channels lists what is on record.
func (p *payer) channels() (all []channel.Info) {
	p.t.Helper()
	for s, err := range p.session.Channels().All(p.t.Context()) {
		require.NoError(p.t, err)
		all = append(all, s)
	}
	return all
}

func (p *payer) only() channel.Info {
	p.t.Helper()
	all := p.channels()
	require.Len(p.t, all, 1)
	return all[0]
}

// agree checks that our column, the server's record and the chain tell the same story of the one channel.
func (p *payer) agree() channel.Info {
	p.t.Helper()
	s := p.only()
	account, ok := p.srv.Account(s.ID)
	require.True(p.t, ok)
	assert.Equal(p.t, account.Accepted, s.Signed, "what the server accepted is what was signed")
	assert.Equal(p.t, account.Spent, s.Claimed, "what it charged is what was claimed")
	assert.Equal(p.t, p.srv.Chain.Channel(s.ID).Deposit, s.Deposit)
	return s
}

func TestWholeLife(t *testing.T) {
	for _, rail := range []string{"", "/v1"} {
		t.Run("rail"+rail, func(t *testing.T) {
			srv := clienttest.New(t, clienttest.Config{})
			p := newPayer(t, srv)
			payee := srv.Chain.Balance(srv.Payee)

			p.get(rail + "/data")
			s := p.agree()
			assert.Equal(t, u(100), s.Signed)
			for range 5 {
				p.get(rail + "/data")
			}
			assert.Equal(t, u(600), p.agree().Signed)

			body := p.ok(p.do(http.MethodPost, rail+"/data", strings.NewReader("hello")))
			assert.Contains(t, body, "hello")
			assert.Equal(t, u(700), p.agree().Signed)

			events := strings.Count(p.get(rail+"/stream/50/10"), "\n\n")
			assert.Equal(t, 50, events)
			assert.Equal(t, u(1200), p.agree().Claimed)

			p.restart()
			p.get(rail + "/data")
			require.Len(t, p.channels(), 1, "the channel of before serves on")

			require.NoError(t, p.session.Channels().Close(t.Context(), s.ID))
			s = p.only()
			assert.Equal(t, channel.Closed, s.Phase)
			gained, err := srv.Chain.Balance(srv.Payee).Sub(payee)
			require.NoError(t, err)
			assert.Equal(t, u(1300), gained, "the payee has exactly what was bought")
			require.NoError(t, p.session.Channels().Close(t.Context(), s.ID), "closing twice is nothing")

			p.get(rail + "/data")
			require.Len(t, p.channels(), 2, "a new channel after the close")
		})
	}
}

func TestOneRoundTripOnceKnown(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	p.get("/data")
	before := len(srv.Requests())
	for range 10 {
		p.get("/data")
	}
	assert.Len(t, srv.Requests(), before+10)
}

func TestTopUpByItself(t *testing.T) {
	for _, rail := range []string{"", "/v1"} {
		t.Run("rail"+rail, func(t *testing.T) {
			srv := clienttest.New(t, clienttest.Config{})
			p := newPayer(t, srv)
			for range 7 {
				p.get(rail + "/data?deposit=250")
			}
			s := p.agree()
			assert.Equal(t, u(750), s.Deposit)
			p.get(rail + "/stream/60/10?deposit=250")
			s = p.agree()
			assert.Equal(t, u(1500), s.Deposit)
			assert.Equal(t, u(1300), s.Claimed)
		})
	}
}

func TestSponsoredNeedsNoFees(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{Funds: u(10_000)})
	p := newPayer(t, srv, func(c *client.Config) { c.Limits.Deposit = u(10_000) })
	for range 12 {
		p.get("/sponsored?deposit=1000")
	}
	s := p.agree()
	left, err := p.began.Sub(s.Deposit)
	require.NoError(t, err)
	assert.Equal(t, left, srv.Chain.Balance(p.key.Address), "nothing but the deposit left the wallet")
}

func TestColdResume(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	p.get("/data")
	p.get("/data")
	id := p.only().ID

	cold := newPayer(t, srv, func(c *client.Config) { c.Bootstrap = true })
	cold.key = p.key
	k, err := voucher.ParseKey(p.key.Hex)
	require.NoError(t, err)
	cold.cfg.Signer, cold.cfg.Payer = judge{k, t, cold.store}, k
	cold.restart()
	cold.get("/boot")
	s := cold.agree()
	assert.Equal(t, id, s.ID)
	assert.Equal(t, u(300), s.Signed)
	require.NoError(t, cold.session.Channels().Close(t.Context(), id))
}

func TestSnapshotInTheChallenge(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	p.get("/hinted")
	id := p.only().ID
	p.store = store.NewMem()
	k, err := voucher.ParseKey(p.key.Hex)
	require.NoError(t, err)
	p.cfg.Store, p.cfg.Signer = p.store, judge{k, t, p.store}
	p.restart()
	p.get("/hinted?payer=" + p.key.Address.Hex())
	s := p.agree()
	assert.Equal(t, id, s.ID)
	assert.Equal(t, u(200), s.Signed)
}

func TestFreeAnswersPassThrough(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	resp, err := p.do(http.MethodGet, "/free", nil)
	p.ok(resp, err)
	assert.Equal(t, client.OutcomeNone, client.PaymentOf(resp).Outcome)
	assert.Empty(t, p.channels())
	assert.Nil(t, client.PaymentOf(nil))
}

func TestPaymentOf(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	resp, err := p.do(http.MethodGet, "/data", nil)
	p.ok(resp, err)
	got := client.PaymentOf(resp)
	require.NotNil(t, got)
	assert.Equal(t, client.OutcomeAccepted, got.Outcome)
	assert.Equal(t, u(100), got.Price)
	assert.Equal(t, u(100), got.Cumulative)
	assert.Equal(t, p.only().ID, got.ChannelID)
	require.NotNil(t, got.Receipt())
	assert.NotEqual(t, common.Hash{}, got.Receipt().TxHash)
}

// TestLimits: what is not set pays nothing, and the error names it.
func TestLimits(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	for name, c := range map[string]struct {
		limits channel.Limits
		path   string
		field  string
	}{
		"nothing set":    {channel.Limits{}, "/data", "set Limits.Price to at least 100"},
		"price too high": {channel.Limits{Price: u(99), Deposit: u(1000)}, "/data", "set Limits.Price to at least 100"},
		"no deposit":     {channel.Limits{Price: u(100)}, "/data", "set Limits.Deposit to 2000"},
		"total":          {channel.Limits{Price: u(100), Deposit: u(1000), Total: u(99)}, "/data", "set Limits.Total to 2000"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPayer(t, srv, func(cfg *client.Config) { cfg.Limits = c.limits })
			e := p.refused(p.do(http.MethodGet, c.path, nil))
			assert.Equal(t, client.OutcomeRefused, e.Outcome)
			assert.ErrorIs(t, e, channel.ErrLimit)
			assert.ErrorContains(t, e, c.field)
			assert.Empty(t, p.channels())
			assert.Equal(t, p.began, srv.Chain.Balance(p.key.Address))
		})
	}
}
