package client_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/store/records"
)

// places returns the keys of the records of channels.
func (p *payer) places() (keys []string) {
	p.t.Helper()
	for _, prefix := range []string{rule.ChannelKeys, rule.ArchiveKeys} {
		for e, err := range p.store.List(p.t.Context(), prefix) {
			require.NoError(p.t, err)
			keys = append(keys, e.Key)
		}
	}
	return keys
}

// live returns the channels that the session lists as not archived.
func (p *payer) live() (ids []common.Hash) {
	p.t.Helper()
	for s, err := range p.session.Channels().Live(p.t.Context()) {
		require.NoError(p.t, err)
		ids = append(ids, s.ID)
	}
	return ids
}

// TestArchive closes a channel in each way. It is in the archive then, and everything that knows its
// id, its scope or the chain still finds it, once.
func TestArchive(t *testing.T) {
	for _, rail := range rails {
		for name, end := range map[string]func(*payer, channel.Info){
			"with the payee": func(p *payer, s channel.Info) {
				require.NoError(t, p.session.Channels().Close(t.Context(), s.ID))
			},
			"alone": func(p *payer, s channel.Info) {
				require.NoError(t, p.session.Channels().RequestClose(t.Context(), s.ID))
				p.srv.Chain.Advance(escrow.GracePeriod)
				require.NoError(t, p.session.Channels().Withdraw(t.Context(), s.ID))
			},
			"by the payee, seen by a keeper": func(p *payer, _ channel.Info) {
				p.closedElsewhere()
				_, _, err := p.session.Channels().Sweep(t.Context())
				require.NoError(t, err)
			},
			"by the payee, seen by a request": func(p *payer, _ channel.Info) {
				p.closedElsewhere()
				p.get(rail + "/data")
			},
		} {
			t.Run(name+rail, func(t *testing.T) {
				srv := clienttest.New(t, clienttest.Config{})
				p := newPayer(t, srv)
				p.get(rail + "/data")
				s := p.only()
				end(p, s)
				require.Contains(t, p.places(), rule.Places(s.ID)[1])
				assert.NotContains(t, p.places(), rule.Places(s.ID)[0])
				assert.NotContains(t, p.live(), s.ID)
				p.get(rail + "/data") // from another channel
				require.Len(t, p.places(), 2)
				assert.Len(t, p.live(), 1)

				p.restart()
				assert.Len(t, p.channels(), 2)
				got, err := p.session.Channels().Get(t.Context(), s.ID)
				require.NoError(t, err)
				assert.Equal(t, channel.Closed, got.Phase)
				got, err = records.Channel(t.Context(), p.store, s.ID)
				require.NoError(t, err)
				assert.Equal(t, s.Deposit, got.Deposit)
				assert.NotContains(t, p.live(), s.ID)
				found := p.search(true)
				assert.Contains(t, found[channel.FoundKnown], s.ID)
				assert.Empty(t, found[channel.FoundAdded])
				_, err = p.session.Channels().Sync(t.Context(), s.ID)
				require.NoError(t, err)
				require.NoError(t, p.session.Channels().Close(t.Context(), s.ID), "it is closed already")
				assert.Len(t, p.places(), 2)
				_, err = p.session.Channels().Get(t.Context(), common.Hash{1})
				require.ErrorIs(t, err, store.ErrNotFound)
			})
		}
	}
}

// TestKeeperArchives the closed channels of a store that had no archive, while another session holds
// one of them.
func TestKeeperArchives(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	mover := p.cfg.Store
	p.cfg.Store = struct{ store.Store }{p.store} // an older program
	p.restart()
	for range 3 {
		p.get("/data")
		for _, s := range p.channels() {
			require.NoError(t, p.session.Channels().Close(t.Context(), s.ID))
		}
	}
	p.get("/data")
	require.Len(t, p.live(), 4)
	old := p.session
	p.cfg.Store = mover
	p.restart()
	require.Len(t, p.live(), 4)
	_, _, err := p.session.Channels().Sweep(t.Context())
	require.NoError(t, err)
	assert.Len(t, p.live(), 1)
	assert.Len(t, p.channels(), 4)
	p.session = old
	p.get("/data")
	require.NoError(t, old.Close(t.Context()))
	assert.Len(t, p.places(), 4)
}

// TestImportOfAChannelThatHadEnded: a node lied that a channel was closed. The chain shows it when it is imported, so
// it is as before, and is paid from.
func TestImportOfAChannelThatHadEnded(t *testing.T) {
	p := newPayer(t, clienttest.New(t, clienttest.Config{}))
	n := p.through()
	p.get("/data")
	s := p.only()
	p.srv.Chain.Advance(time.Minute) // its opening can no longer be mined
	word := func(a common.Address) common.Hash { return common.BytesToHash(a[:]) }
	n.lie(func(c rpcCall, r json.RawMessage) any {
		switch {
		case c.stateOf(s.ID):
			return json.RawMessage(`"0x` + strings.Repeat("0", 192) + `"`)
		case c.Method == "eth_getLogs":
			return []any{map[string]any{
				"address": s.Escrow, "blockNumber": "0x1", "data": "0x", "transactionHash": s.ID, "topics": []common.Hash{
					crypto.Keccak256Hash([]byte("ChannelClosed(bytes32,address,address,uint96,uint96)")), s.ID,
					word(s.Descriptor.Payer), word(s.Descriptor.Payee),
				},
			}}
		}
		return r
	})
	_, _, err := p.session.Channels().Sweep(t.Context())
	require.NoError(t, err)
	require.Equal(t, channel.Closed, p.only().Phase)
	require.Equal(t, []string{rule.Places(s.ID)[1]}, p.places())
	n.lie(nil)
	p.restart()
	require.NoError(t, p.session.Channels().Import(t.Context(), p.srv.URL+"/data", channel.Identity{
		Protocol: s.Protocol, ChainID: s.ChainID, Escrow: s.Escrow, ID: s.ID, Descriptor: s.Descriptor,
	}))
	assert.Equal(t, []common.Hash{s.ID}, p.live())
	assert.Equal(t, channel.Open, p.only().Phase)
	p.get("/data")
	assert.Equal(t, u(200), p.only().Signed)
}
