package client_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
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

// search finds what there is, by what became of it.
func (p *payer) search(again bool) map[channel.Found][]common.Hash {
	p.t.Helper()
	out := map[channel.Found][]common.Hash{}
	for f, err := range p.session.Channels().Find(p.t.Context(), again) {
		require.NoError(p.t, err)
		if f.Found != channel.FoundNothing {
			out[f.Found] = append(out[f.Found], f.Channel.ID)
		}
	}
	return out
}

// otherKey is another voucher key.
func (p *payer) otherKey() voucher.Signer {
	p.t.Helper()
	k, err := voucher.ParseKey(p.srv.Payer().Hex)
	require.NoError(p.t, err)
	return judge{k, p.t, p.store}
}

// TestFindChannels after everything but the keys was lost: what holds money is found with all that it takes to get it
// back, and the money comes back to the base unit.
func TestFindChannels(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	n := p.through()
	newPayer(t, srv).get("/data") // somebody else's
	p.get("/data")
	closed := p.only().ID
	require.NoError(t, p.session.Channels().Close(t.Context(), closed))
	p.get("/data")
	p.get("/v1/data")
	own := p.cfg.Signer
	p.cfg.Signer = p.otherKey()
	p.restart()
	p.get("/data")
	p.get("/v1/data")
	var open, foreign []common.Hash
	for _, s := range p.channels() {
		switch {
		case s.ID == closed:
		case s.Scope.Signer == own.Address():
			open = append(open, s.ID)
		default:
			foreign = append(foreign, s.ID)
		}
	}
	require.Len(t, open, 2)
	require.Len(t, foreign, 2)

	var pens pen
	p.cold(pens.counted)
	n.lie(onlyBlocks(3))
	got := p.search(false)
	assert.ElementsMatch(t, open, got[channel.FoundAdded])
	assert.ElementsMatch(t, foreign, got[channel.FoundForeign])
	assert.Equal(t, []common.Hash{closed}, got[channel.FoundClosed])
	assert.Len(t, got, 3)
	assert.Len(t, p.channels(), 4, "a channel that holds nothing is not written down")
	assert.Len(t, p.events.of(client.EventFound), 4)
	for _, s := range p.channels() {
		assert.True(t, s.HoldsMoney())
		assert.Equal(t, u(10_000), s.Deposit)
		assert.True(t, s.Authorized.IsZero(), "nothing shows what was signed")
		assert.Equal(t, p.key.Address, s.Scope.Payer)
		e := p.refused(nil, p.session.Channels().Close(t.Context(), s.ID))
		assert.ErrorContains(t, e, "request the close on chain", "no log tells where to close it")
		assert.Equal(t, client.OutcomeRefused, e.Outcome)
	}
	n.lie(nil)
	p.restart()
	before := srv.Chain.Balance(p.key.Address)
	for _, s := range p.channels() {
		require.NoError(t, p.session.Channels().RequestClose(t.Context(), s.ID))
	}
	srv.Chain.Advance(escrow.GracePeriod)
	for _, s := range p.channels() {
		require.NoError(t, p.session.Channels().Withdraw(t.Context(), s.ID))
		assert.Equal(t, u(10_000), s.Deposit)
		assert.False(t, srv.Chain.Channel(s.ID).Exists)
	}
	back := srv.Chain.Balance(p.key.Address)
	assert.True(t, before.Less(back))
	assert.Zero(t, pens.vouchers.Load(), "no voucher was signed")
	got = p.search(false)
	assert.Len(t, got[channel.FoundKnown], 4, "the newest blocks are searched again")
	assert.Len(t, p.channels(), 4)
}

// TestFoundChannelsAreNotPaidFrom by themselves: nothing shows what was signed on them. A server that shows our own
// voucher gets on with them, and so does a caller who says so.
func TestFoundChannelsAreNotPaidFrom(t *testing.T) {
	for name, c := range map[string]struct {
		path   string
		config func(*client.Config)
		before func(p *payer, s channel.Info)
		used   bool
	}{
		"nobody says so": {path: "/data"},
		"v1":             {path: "/v1/data"},
		"a snapshot":     {path: "/hinted?payer=", used: true},
		"a proof":        {path: "/boot", config: bootstrapping, used: true},
		"the caller adopts": {path: "/data", used: true, before: func(p *payer, s channel.Info) {
			_, err := p.srv.Settle(s.ID) // so that the chain shows what was signed
			require.NoError(p.t, err)
			require.NoError(p.t, p.session.Channels().Import(p.t.Context(), p.srv.URL+"/data", channel.Identity{Protocol: s.Protocol, ChainID: s.ChainID, Escrow: s.Escrow, ID: s.ID, Descriptor: s.Descriptor}))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			srv := clienttest.New(t, clienttest.Config{})
			p := newPayer(t, srv)
			if c.path == "/v1/data" {
				p.get("/v1/data")
				p.get("/v1/data")
			} else {
				p.get("/boot")
				p.get("/boot")
			}
			old := p.only()
			if c.config == nil {
				c.config = func(*client.Config) {}
			}
			p.cold(c.config)
			require.Equal(t, []common.Hash{old.ID}, p.search(false)[channel.FoundAdded])
			assert.True(t, p.only().Scope.Origin == "")
			p.restart()
			if c.before != nil {
				c.before(p, old)
			}
			path := c.path
			if name == "a snapshot" {
				path += p.key.Address.Hex()
			}
			p.get(path)
			if !c.used {
				mine, other := p.by(old.ID)
				assert.True(t, mine.Scope.Origin == "")
				assert.True(t, mine.Authorized.IsZero())
				assert.Equal(t, u(100), other.Signed)
				return
			}
			s := p.agree()
			assert.Equal(t, old.ID, s.ID)
			assert.Equal(t, u(300), s.Signed)
			assert.Equal(t, old.Scope, s.Scope)
			p.restart()
			p.get(path)
			assert.Equal(t, u(400), p.agree().Signed)
			require.NoError(t, p.session.Channels().Close(t.Context(), s.ID))
		})
	}
}

// TestForeignChannelsAreNeverPaidFrom, whoever asks for it.
func TestForeignChannelsAreNeverPaidFrom(t *testing.T) {
	for _, rail := range rails {
		srv := clienttest.New(t, clienttest.Config{})
		p := newPayer(t, srv)
		own := p.cfg.Signer.(judge)
		p.cfg.Signer = p.otherKey()
		p.restart()
		p.get(rail + "/hinted")
		foreign := p.only()
		p.store = store.NewMem()
		own.store = p.store
		p.cfg.Signer, p.cfg.Store = own, p.store
		p.restart()
		require.Equal(t, []common.Hash{foreign.ID}, p.search(false)[channel.FoundForeign])
		p.get(rail + "/hinted?payer=" + p.key.Address.Hex())
		req := p.request(client.WithChannel(t.Context(), foreign.ID), http.MethodGet, rail+"/hinted", nil)
		require.ErrorIs(t, p.refused(p.send(req)), channel.ErrNotOurs)
		require.ErrorIs(t, p.session.Channels().Import(t.Context(), srv.URL+rail+"/data", channel.Identity{Protocol: foreign.Protocol, ChainID: foreign.ChainID, Escrow: foreign.Escrow, ID: foreign.ID, Descriptor: foreign.Descriptor}), channel.ErrNotOurs)
		kept, mine := p.by(foreign.ID)
		assert.True(t, kept.Authorized.IsZero())
		assert.Equal(t, u(100), mine.Authorized)
	}
}

// TestNamedFoundChannel: the caller names a channel that was found, and the server's voucher shows what was signed.
func TestNamedFoundChannel(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	p.get("/data")
	id := p.only().ID
	_, err := srv.Settle(id)
	require.NoError(t, err)
	p.cold()
	p.search(false)
	p.ok(p.send(p.request(client.WithChannel(t.Context(), id), http.MethodGet, "/data", nil)))
	assert.Equal(t, u(200), p.agree().Signed)
	require.NoError(t, p.session.Channels().Close(t.Context(), id), "it has a place to be closed at")
}

// TestSearchGoesOn where it was interrupted, in another process, and searches no block twice but the newest.
func TestSearchGoesOn(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	n := p.through()
	p.get("/data")
	first := p.only().ID
	for range 250 {
		p.blocks(1)
	}
	p.get("/v1/data")
	p.cold()
	n.lie(onlyBlocks(20))
	n.since()
	var at uint64
	for f, err := range p.session.Channels().Find(t.Context(), false) {
		require.NoError(t, err)
		if at = f.Next; at > 60 {
			break
		}
	}
	p.restart()
	stopped := at
	n.since()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var end error
	for f, err := range p.session.Channels().Find(ctx, false) {
		if end = err; f.Next > 120 {
			cancel()
		}
	}
	require.ErrorIs(t, end, context.Canceled)
	from, _ := n.called("eth_getLogs")[0].span()
	assert.LessOrEqual(t, from, stopped)
	assert.Greater(t, from, stopped-21, "not from the first block")
	assert.Len(t, p.channels(), 1)
	p.restart()
	assert.Len(t, p.search(false)[channel.FoundAdded], 1)
	assert.Len(t, p.channels(), 2)
	n.since()
	p.search(false)
	from, _ = n.called("eth_getLogs")[0].span()
	assert.Greater(t, from, uint64(140), "the newest blocks again")
	n.since()
	assert.Equal(t, first, p.search(true)[channel.FoundKnown][0])
	from, _ = n.called("eth_getLogs")[0].span()
	assert.Zero(t, from, "from the first block, as it was asked")
}

// blocks mines blocks.
func (p *payer) blocks(n int) {
	for range n {
		p.srv.Chain.Advance(1e9)
		_, err := p.cfg.Chain.ChainID(p.t.Context())
		require.NoError(p.t, err)
		_, err = p.cfg.Chain.(*escrow.Client).TokenBalance(p.t.Context(), p.srv.Token, p.key.Address)
		require.NoError(p.t, err)
	}
}

// TestNodesThatLie can hide a channel, and no more: nothing is forgotten for it and nothing is signed. Searched again
// with an honest node it is there.
func TestNodesThatLie(t *testing.T) {
	nothing := hexutil.Bytes(make([]byte, 96))
	for name, c := range map[string]struct {
		lie  func(id common.Hash) func(rpcCall, json.RawMessage) any
		want channel.Found
		none bool
		err  error
	}{
		"leaves logs out": {none: true, lie: func(common.Hash) func(rpcCall, json.RawMessage) any {
			return func(c rpcCall, r json.RawMessage) any {
				if c.Method == "eth_getLogs" {
					return []any{}
				}
				return r
			}
		}},
		"is behind": {none: true, lie: func(common.Hash) func(rpcCall, json.RawMessage) any {
			return func(c rpcCall, r json.RawMessage) any {
				if c.Method == "eth_blockNumber" {
					return "0x0"
				}
				return r
			}
		}},
		"is far ahead": {want: channel.FoundAdded, lie: func(common.Hash) func(rpcCall, json.RawMessage) any {
			return func(c rpcCall, r json.RawMessage) any {
				if c.Method == "eth_blockNumber" {
					return "0x9999"
				}
				return r
			}
		}},
		"is far ahead, and leaves logs out": {none: true, lie: func(common.Hash) func(rpcCall, json.RawMessage) any {
			return func(c rpcCall, r json.RawMessage) any {
				switch c.Method {
				case "eth_blockNumber":
					return "0x9999"
				case "eth_getLogs":
					return []any{}
				}
				return r
			}
		}},
		"says it is closed": {want: channel.FoundNotSeen, lie: func(id common.Hash) func(rpcCall, json.RawMessage) any {
			return func(c rpcCall, r json.RawMessage) any {
				if c.stateOf(id) {
					return nothing
				}
				return r
			}
		}},
		"makes one up": {none: true, lie: func(common.Hash) func(rpcCall, json.RawMessage) any {
			return func(c rpcCall, r json.RawMessage) any {
				if c.Method != "eth_getLogs" {
					return r
				}
				var logs []map[string]any
				if json.Unmarshal(r, &logs) == nil && len(logs) > 0 {
					logs[0]["topics"].([]any)[1] = common.Hash{1}
				}
				return logs
			}
		}},
		"fails": {err: escrow.ErrRPC, lie: func(id common.Hash) func(rpcCall, json.RawMessage) any {
			return func(c rpcCall, r json.RawMessage) any {
				if c.stateOf(id) {
					return nodeRefusal{-32000, "out of memory"}
				}
				return r
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			srv := clienttest.New(t, clienttest.Config{})
			p := newPayer(t, srv)
			n := p.through()
			p.get("/data")
			id := p.only().ID
			p.blocks(3)
			var pens pen
			p.cold(pens.counted)
			n.lie(c.lie(id))
			got := map[channel.Found][]common.Hash{}
			var end error
			for f, err := range p.session.Channels().Find(t.Context(), false) {
				if end = err; err == nil && f.Found != channel.FoundNothing {
					got[f.Found] = append(got[f.Found], f.Channel.ID)
				}
			}
			require.ErrorIs(t, end, c.err)
			if c.none {
				assert.Empty(t, got)
			} else if c.err == nil {
				assert.Equal(t, []common.Hash{id}, got[c.want])
			}
			n.lie(nil)
			p.restart()
			p.search(!slices.Contains([]string{"fails", "is far ahead", "is far ahead, and leaves logs out"}, name))
			assert.Equal(t, id, p.only().ID)
			assert.Equal(t, u(10_000), p.only().Deposit)
			assert.Zero(t, pens.vouchers.Load()+pens.transactions.Load())
		})
	}
}

// TestSearchOfAFullStore: what is on record stays as it is, a record that cannot be read is said and left alone, and a
// v1 channel that was known by its id gets its salt.
func TestSearchOfAFullStore(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	p.get("/v1/data")
	v1 := p.only()
	_, err := srv.Settle(v1.ID)
	require.NoError(t, err)
	p.cold()
	require.NoError(t, p.session.Channels().Import(t.Context(), srv.URL+"/v1/data", channel.Identity{Protocol: v1.Protocol, ChainID: v1.ChainID, Escrow: v1.Escrow, ID: v1.ID, Descriptor: channel.Descriptor{}}))
	assert.Equal(t, common.Hash{}, p.only().Descriptor.Salt)
	p.get("/data")
	_, v2 := p.by(v1.ID)
	key := rule.StateKey(v2.ID)
	_, rev, err := p.store.Get(t.Context(), key)
	require.NoError(t, err)
	_, err = p.store.Put(t.Context(), key, []byte(`{"version":99}`), rev)
	require.NoError(t, err)
	p.restart()
	var unreadable channel.Finding
	for f, err := range p.session.Channels().Find(t.Context(), false) {
		require.NoError(t, err)
		if f.Found == channel.FoundUnreadable {
			unreadable = f
		}
	}
	assert.Equal(t, v2.ID, unreadable.Channel.ID)
	require.ErrorIs(t, unreadable.Err, channel.ErrRecord)
	data, _, err := p.store.Get(t.Context(), key)
	require.NoError(t, err)
	assert.JSONEq(t, `{"version":99}`, string(data))
	got, err := p.session.Channels().Sync(t.Context(), v1.ID)
	require.NoError(t, err)
	assert.Equal(t, v1.Descriptor, got.Descriptor)
	assert.Equal(t, v1.Scope, got.Scope)
	assert.Equal(t, u(100), got.Authorized)
}

// TestV1WithoutItsSalt: a v1 escrow goes by the id, so a channel that was adopted by it can be topped up and closed by
// force.
func TestV1WithoutItsSalt(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	p.get("/v1/data?deposit=100")
	v1 := p.only()
	_, err := srv.Settle(v1.ID)
	require.NoError(t, err)
	p.cold()
	require.NoError(t, p.session.Channels().Import(t.Context(), srv.URL+"/v1/data", channel.Identity{Protocol: v1.Protocol, ChainID: v1.ChainID, Escrow: v1.Escrow, ID: v1.ID, Descriptor: channel.Descriptor{}}))
	p.get("/v1/data?deposit=100") // tops up
	assert.Equal(t, u(200), p.agree().Deposit)
	require.NoError(t, p.session.Channels().RequestClose(t.Context(), v1.ID))
	srv.Chain.Advance(escrow.GracePeriod)
	require.NoError(t, p.session.Channels().Withdraw(t.Context(), v1.ID))
	assert.Equal(t, channel.Closed, p.only().Phase)
}

// TestSearchNeeds a chain and a store, and says so.
func TestSearchNeeds(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	p.get("/data")
	end := func() (err error) {
		n := 0
		for _, err = range p.session.Channels().Find(t.Context(), false) {
			n++
		}
		assert.Equal(t, 1, n)
		return err
	}
	chain := p.cfg.Chain
	p.cfg.Chain = nil
	p.restart()
	require.ErrorIs(t, end(), client.ErrNoChain)
	p.cfg.Chain = chain
	broken := errors.New("the disk is full")
	p.cfg.Store = unwritable{store.NewMem(), broken}
	p.restart()
	var last error
	for _, err := range p.session.Channels().Find(t.Context(), false) {
		last = err
	}
	require.ErrorIs(t, last, broken)
}

type unwritable struct {
	store.Store
	err error
}

func (s unwritable) Put(context.Context, string, []byte, uint64) (uint64, error) { return 0, s.err }

// TestSearchNoticesReplacedBlocks: a search goes on where the last one ended, and begins at the first block if
// blocks that were searched are not on the chain any more, however many.
func TestSearchNoticesReplacedBlocks(t *testing.T) {
	for name, replaced := range map[string]bool{"the same blocks": false, "other blocks": true} {
		t.Run(name, func(t *testing.T) {
			p := newPayer(t, clienttest.New(t, clienttest.Config{}))
			p.get("/data")
			id := p.only().ID
			p.blocks(150)
			p.cold()
			n, fork := p.through(), true
			var from []string
			n.lie(func(c rpcCall, r json.RawMessage) any {
				switch {
				case c.Method == "eth_getLogs":
					var filter struct{ FromBlock string }
					require.NoError(t, json.Unmarshal(c.Params[0], &filter))
					from = append(from, filter.FromBlock)
					if fork {
						return []any{}
					}
				case c.Method == "eth_getBlockByNumber" && bytes.HasPrefix(c.Params[0], []byte(`"0x`)) && fork && replaced:
					var block map[string]any
					require.NoError(t, json.Unmarshal(r, &block))
					block["hash"] = common.Hash{1}
					return block
				}
				return r
			})
			assert.Empty(t, p.search(false), "the channel is not on that branch")
			fork = false
			p.restart()
			found := p.search(false)[channel.FoundAdded]
			require.Len(t, from, 2)
			if !replaced {
				assert.NotEqual(t, "0x0", from[1])
				return
			}
			assert.Equal(t, "0x0", from[1])
			assert.Equal(t, []common.Hash{id}, found)
		})
	}
}
