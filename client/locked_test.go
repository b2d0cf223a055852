package client_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/client/clienttest/lies"
	"github.com/seed-5fe1f529/tallystick/internal/bubble"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// locked lists what [client.Channels.Locked] yields.
func (p *payer) locked() (all []channel.Locked) {
	p.t.Helper()
	for l, err := range p.session.Channels().Locked(p.t.Context()) {
		require.NoError(p.t, err)
		all = append(all, l)
	}
	return all
}

// TestCloseTellsWhatStaysLocked: once, in which channel and until when, and what earlier runs left.
func TestCloseTellsWhatStaysLocked(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	var log bytes.Buffer
	p := newPayer(t, srv, func(c *client.Config) {
		c.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelInfo}))
	})
	p.get("/v1/data")
	requested := p.only()
	require.NoError(t, p.session.Channels().RequestClose(t.Context(), requested.ID))
	requested = p.only()
	require.NoError(t, p.session.Close(t.Context()))
	until := time.Unix(int64(requested.CloseRequestedAt), 0).Add(escrow.GracePeriod).UTC()
	told := p.events.of(client.EventLocked)
	require.Len(t, told, 1)
	require.NotNil(t, told[0].Locked)
	assert.Equal(t, until, told[0].Locked.Until)
	assert.Contains(t, log.String(), "until="+until.Format("2006-01-02T15:04:05.000Z"))

	p.events.all, log = nil, bytes.Buffer{}
	p.restart()
	p.times(3, "/data?deposit=1000")
	require.NoError(t, p.session.Close(t.Context()))
	require.NoError(t, p.session.Close(t.Context()))
	told = p.events.of(client.EventLocked)
	require.Len(t, told, 2, "%v", told)
	_, used := p.by(requested.ID)
	want := channel.Locked{Info: used, Amount: u(700)}
	assert.Equal(t, &want, told[0].Locked)
	assert.Equal(t, []any{srv.URL, used.ID, u(1000), u(300)}, []any{told[0].Origin, told[0].ChannelID, told[0].Deposit, told[0].Cumulative})
	assert.Nil(t, told[1].Locked)
	rest := requested.Deposit.SubFloor(u(100))
	assert.Equal(t, rest, told[1].Deposit)
	dollars, ok := channel.Dollar(asset(srv))
	require.True(t, ok)
	assert.Equal(t, []channel.Currency{dollars, dollars}, []channel.Currency{told[0].Currency, told[1].Currency})
	require.ErrorContains(t, told[1].Err, fmt.Sprintf("1 other channels of the store hold %s of %s (", dollars.Format(rest), dollars.Symbol))
	assert.Contains(t, log.String(), "event=locked origin="+srv.URL+" channel="+used.ID.Hex()+" currency=pathUSD cumulative=300 deposit=1000 total=300 locked=700")
	assert.ElementsMatch(t, []channel.Locked{want, {Info: requested, Amount: rest, Until: until}}, p.locked())

	// Who runs for long is told at the beginning.
	p.events.all = nil
	p.restart()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, p.session.Channels().SweepForever(ended), context.Canceled)
	told = p.events.of(client.EventLocked)
	require.Len(t, told, 1)
	require.ErrorContains(t, told[0].Err, "2 other channels of the store hold "+dollars.Format(rest.AddCapped(u(700))))

	// A payer is told of its own channels only.
	other, err := voucher.ParseKey(srv.Payer().Hex)
	require.NoError(t, err)
	p.cfg.Signer, p.cfg.Payer = other, other
	p.restart()
	assert.Empty(t, p.locked())

	// A record that cannot be read may hold money.
	_, err = p.store.Put(t.Context(), rule.StateKey(common.Hash{1}), []byte("{"), 0)
	require.NoError(t, err)
	p.events.all = nil
	require.NoError(t, p.session.Close(t.Context()))
	require.ErrorIs(t, p.events.of(client.EventLocked)[0].Err, channel.ErrRecord)
}

// TestCloseReadsFewRecords: a session that ends tells of its own channels, wherever they stand in a listing, and reads
// no more than some hundred of the others. Who runs for long is told of all.
func TestCloseReadsFewRecords(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	p.get("/data?deposit=1000")
	used := p.only()
	for i := range 300 {
		d := used.Descriptor
		binary.BigEndian.PutUint64(d.Salt[:], uint64(i)) //nolint:gosec // not negative
		st, err := rule.New(used.Protocol, used.ChainID, used.Escrow, d, used.Scope, rule.Funding{Amount: u(10)})
		require.NoError(t, err)
		st.Confirmed = true
		data, err := st.Encode()
		require.NoError(t, err)
		_, err = p.store.Put(t.Context(), rule.StateKey(st.ID), data, 0)
		require.NoError(t, err)
	}
	require.NoError(t, p.session.Close(t.Context()))
	told := p.events.of(client.EventLocked)
	require.Len(t, told, 2)
	assert.Equal(t, used.ID, told[0].ChannelID)
	require.ErrorContains(t, told[1].Err, "client: 256 other channels of the store and more hold at least 0.00256 pathUSD")

	p.events.all = nil
	p.restart()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, p.session.Channels().SweepForever(ended), context.Canceled)
	require.ErrorContains(t, p.events.of(client.EventLocked)[0].Err, "client: 301 other channels of the store hold ")
}

// TestSessionsWithoutStoreCloseTheirChannels: nobody could pay from them later.
func TestSessionsWithoutStoreCloseTheirChannels(t *testing.T) {
	for name, c := range map[string]struct {
		store   store.Store
		refused bool
		phase   channel.Phase
	}{
		"no store":               {phase: channel.Closed},
		"no store, and no close": {refused: true, phase: channel.Open},
		"a store in memory":      {store: store.NewMem(), phase: channel.Open},
	} {
		srv := clienttest.New(t, clienttest.Config{})
		if c.refused {
			srv.Lie(lies.CloseRefused)
		}
		p := newPayer(t, srv)
		key, err := voucher.ParseKey(p.key.Hex)
		require.NoError(t, err)
		p.cfg.Signer, p.cfg.Store = key, c.store
		p.restart()
		p.get("/data")
		id := p.only().ID
		err = p.session.Close(t.Context())
		assert.Equal(t, c.refused, errors.Is(err, client.ErrRejected), "%s: %v", name, err)
		assert.Equal(t, c.phase, p.only().Phase, name)
		assert.Equal(t, c.phase == channel.Open, srv.Chain.Channel(id).Exists, name)
		assert.Len(t, p.events.of(client.EventLocked), len(p.locked()), name)
	}
}

// TestCloseIdle closes what was not paid from for a time, and nothing else.
func TestCloseIdle(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		p := inMemory(t)
		p.get("/data")
		idle := p.only()
		assert.LessOrEqual(t, time.Until(idle.PaidAt).Abs(), time.Minute)
		time.Sleep(time.Hour)
		p.get("/v1/data")
		time.Sleep(2 * time.Hour)
		p.get("/v1/data")
		closed, err := p.session.Channels().CloseIdle(t.Context(), 0)
		require.ErrorContains(t, err, "needs a time above zero")
		assert.Zero(t, closed)
		closed, err = p.session.Channels().CloseIdle(t.Context(), 3*time.Hour+2*time.Minute)
		require.NoError(t, err)
		assert.Zero(t, closed)
		closed, err = p.session.Channels().CloseIdle(t.Context(), time.Hour)
		require.NoError(t, err)
		assert.Equal(t, 1, closed)
		before, after := p.by(idle.ID)
		assert.Equal(t, []channel.Phase{channel.Closed, channel.Open}, []channel.Phase{before.Phase, after.Phase})

		time.Sleep(2 * time.Hour)
		p.srv.OnRequest(func(r clienttest.Request) clienttest.Fault {
			if r.Action == "close" {
				return clienttest.Fault{Refuse: http.StatusForbidden}
			}
			return clienttest.Fault{}
		})
		closed, err = p.session.Channels().CloseIdle(t.Context(), time.Hour)
		require.ErrorIs(t, err, client.ErrRejected)
		assert.Zero(t, closed)
		_, after = p.by(idle.ID)
		assert.Equal(t, channel.Open, after.Phase, "as it was")
	})
}
