package fleet_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/store/storetest"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

func u(n uint64) voucher.Amount { return voucher.Units(n) }

// price of the test server's /data, in base units.
const price = 100

// judge signs vouchers only for what the store holds, and fails the test otherwise.
type judge struct {
	*voucher.KeySigner
	t     testing.TB
	store store.Store
}

func (j judge) SignVoucher(ctx context.Context, d *voucher.Domain, v voucher.Voucher) ([]byte, error) {
	data, _, err := j.store.Get(ctx, rule.StateKey(v.ChannelID))
	if assert.NoError(j.t, err, "a signature was asked for before anything was stored") {
		if s, err := rule.Decode(data); assert.NoError(j.t, err) {
			assert.False(j.t, s.Authorized().Less(v.Cumulative), "asked to sign %s, the store holds %s", v.Cumulative, s.Authorized())
		}
	}
	return j.KeySigner.SignVoucher(ctx, d, v)
}

// machine is one client with a store handle of its own; several pay with the same key.
type machine struct {
	t       testing.TB
	srv     *clienttest.Server
	session *client.Session
	http    *http.Client
}

// boot starts a machine. The judge reads through a handle of its own, so that it sees what the server holds; nil seen
// is no judge.
func boot(t testing.TB, srv *clienttest.Server, key clienttest.Key, s, seen store.Store, lim channel.Limits) *machine {
	t.Helper()
	k, err := voucher.ParseKey(key.Hex)
	require.NoError(t, err)
	chain, err := escrow.Dial(t.Context(), srv.RPCURL)
	require.NoError(t, err)
	t.Cleanup(chain.Close)
	base := http.DefaultTransport.(*http.Transport).Clone()
	t.Cleanup(base.CloseIdleConnections)
	var signer voucher.Signer = k
	if seen != nil {
		signer = judge{k, t, seen}
	}
	session, err := client.New(client.Config{Signer: signer, Payer: k, Chain: chain, Store: s, Limits: lim, Base: base, FundAsNeeded: true})
	require.NoError(t, err)
	return &machine{t: t, srv: srv, session: session, http: session.Client()}
}

// get reports whether a paid request was served.
func (m *machine) get(path string) bool {
	m.t.Helper()
	status, body := m.try(path)
	return assert.Equal(m.t, http.StatusOK, status, "%s: %s", path, body)
}

// try returns the status and the body of the answer to a paid request; 0 where there was none.
func (m *machine) try(path string) (status int, body string) {
	m.t.Helper()
	resp, err := m.http.Get(m.srv.URL + path)
	if !assert.NoError(m.t, err) {
		return 0, ""
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	assert.NoError(m.t, err)
	return resp.StatusCode, string(data)
}

func (m *machine) only() channel.Info {
	m.t.Helper()
	var all []channel.Info
	for s, err := range m.session.Channels().All(m.t.Context()) {
		require.NoError(m.t, err)
		all = append(all, s)
	}
	require.Len(m.t, all, 1)
	return all[0]
}

func limits(ahead uint64) channel.Limits {
	return channel.Limits{Price: u(1000), Deposit: u(10_000_000), Fund: u(5_000_000), Total: u(100_000_000), Stream: u(100_000), Ahead: u(ahead)}
}

// wholeLife pays, restarts on another machine, has the server killed in between, streams and closes.
func wholeLife(t *testing.T, p *place) {
	open := p.fresh(t)
	srv := clienttest.New(t, clienttest.Config{})
	key, seen := srv.Payer(), open(t)
	payee := srv.Chain.Balance(srv.Payee)
	m := boot(t, srv, key, open(t), seen, limits(0))
	for range 3 {
		require.True(t, m.get("/data"))
	}
	id := m.only().ID

	m = boot(t, srv, key, open(t), seen, limits(0)) // the other one ended without a word
	require.True(t, m.get("/data"))
	p.Kill(t)
	resp, err := m.http.Get(srv.URL + "/data")
	if err == nil {
		resp.Body.Close()
	}
	require.Error(t, err, "nothing is paid while the store is away")
	p.Start(t)
	eventually(t, seen, rule.StateKey(id))
	await(t, func() bool { // a connection that was cut may still be met
		resp, err := m.http.Get(srv.URL + "/data")
		if err == nil {
			resp.Body.Close()
		}
		return err == nil
	}, "the client goes on when the store is back")
	require.True(t, m.get("/stream/20/10"))

	m = boot(t, srv, key, open(t), seen, limits(0))
	require.True(t, m.get("/data"))
	s := m.only()
	account, ok := srv.Account(id)
	require.True(t, ok)
	assert.Equal(t, u(6*price+200), account.Spent)
	assert.Equal(t, account.Accepted, s.Signed)
	assert.Equal(t, srv.Chain.Channel(id).Deposit, s.Deposit)
	require.NoError(t, m.session.Channels().Close(t.Context(), id))
	gained, err := srv.Chain.Balance(srv.Payee).Sub(payee)
	require.NoError(t, err)
	assert.Equal(t, account.Spent, gained, "the payee has exactly what was bought")
	assert.Equal(t, channel.Closed, m.only().Phase)
}

// manyMachines share one channel, each with a session and connections of its own, all at once. A request that the others
// overtake too often comes back refused, and is asked again; what was served, charged and authorized agrees all the same.
func manyMachines(t *testing.T, p *place) {
	const machines, each = 6, 40
	for _, ahead := range []uint64{0, 16} {
		t.Run(fmt.Sprintf("ahead %d", ahead), func(t *testing.T) {
			open := p.fresh(t)
			srv := clienttest.New(t, clienttest.Config{})
			key, seen := srv.Payer(), open(t)
			lim := limits(ahead * price)
			var all sync.WaitGroup
			var asked atomic.Uint64
			var booted []*machine
			for range machines {
				booted = append(booted, boot(t, srv, key, open(t), seen, lim))
			}
			require.True(t, booted[0].get("/data"))
			for _, m := range booted {
				all.Go(func() {
					served := 0
					for tries := 0; served < each && tries < 2*each; tries++ {
						asked.Add(1)
						status, body := m.try("/data")
						if status == http.StatusOK {
							served++
						} else if !assert.Equal(t, http.StatusPaymentRequired, status, body) {
							return
						}
					}
					assert.Equal(t, each, served)
				})
			}
			all.Wait()
			for _, m := range booted {
				require.NoError(t, m.session.Close(t.Context()))
			}
			s := booted[0].only()
			require.Len(t, srv.Accounts(), 1, "one deposit for all")
			account, ok := srv.Account(s.ID)
			require.True(t, ok)
			assert.Equal(t, u((machines*each+1)*price), account.Spent, "each request was charged once")
			assert.False(t, s.Authorized.Less(account.Accepted), "what was accepted is on record")
			most := u((asked.Load() + 1 + ahead) * price)
			assert.False(t, most.Less(s.Authorized), "authorized %s, asked for in all and Ahead %s", s.Authorized, most)
			assert.Equal(t, srv.Chain.Channel(s.ID).Deposit, s.Deposit)
			t.Logf("%d requests for %d paid ones, %d of them refused at first", len(srv.Requests()), machines*each+1, asked.Load()-machines*each)
		})
	}
}

// roundTrips: a Put is one round trip, and a steady payer writes once for every Ahead and reads nothing again. Listings
// for the limits over time come to it, at most one a second.
func roundTrips(t *testing.T, p *place) {
	const requests, ahead = 200, 16
	open := p.fresh(t)
	s := open(t)
	rev, err := s.Put(t.Context(), "k", nil, 0)
	require.NoError(t, err)
	rev, err = s.Put(t.Context(), "k", nil, rev) // the statement is known now
	require.NoError(t, err)
	before := p.trips(t)
	for range 50 {
		rev, err = s.Put(t.Context(), "k", nil, rev)
		require.NoError(t, err)
	}
	assert.Equal(t, 50, p.trips(t)-before)

	srv := clienttest.New(t, clienttest.Config{})
	counted := storetest.NewFaulty(s)
	m := boot(t, srv, srv.Payer(), counted, nil, limits(ahead*price))
	require.True(t, m.get("/data"))
	puts, gets, before := counted.Puts(), counted.Gets(), p.trips(t)
	for range requests {
		require.True(t, m.get("/data"))
	}
	puts, gets = counted.Puts()-puts, counted.Gets()-gets
	assert.LessOrEqual(t, puts, 2*(requests/ahead+1), "of the channel, and of the budgets")
	assert.NotZero(t, puts)
	assert.Zero(t, gets, "nothing is read again")
	t.Logf("%d requests: %d writes, %d round trips", requests, puts, p.trips(t)-before)
}
