package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/client/clienttest/nodefaults"
	"github.com/seed-5fe1f529/tallystick/internal/bubble"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/store/journal"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// TestSearchHidesNothing: the store is lost, and a search meets a node that fails. The next search finds what is
// there, also when it does not begin at the first block.
func TestSearchHidesNothing(t *testing.T) {
	for _, f := range []nodefaults.Fault{
		nodefaults.NoChannels, nodefaults.SomeChannels, nodefaults.NullLogs, nodefaults.NullCall, nodefaults.LateByTen,
		nodefaults.LateCalls, nodefaults.LogsRemoved, nodefaults.LogsPending, nodefaults.NullBlock,
		nodefaults.LogsDamaged,
	} {
		t.Run(string(f), func(t *testing.T) {
			bubble.Run(t, func(t *testing.T) {
				p := inMemory(t)
				p.get("/data")
				p.get("/v1/data")
				p.blocks(150) // the newest are searched again anyway
				p.cfg.Store = store.NewMem()
				p.restart()
				p.srv.Node.Fail(f)
				found := map[common.Hash]bool{}
				for one, err := range p.session.Channels().Find(t.Context(), false) {
					if err != nil {
						require.ErrorIs(t, err, escrow.ErrRPC)
						continue
					}
					found[one.Channel.ID] = true
				}
				if f != nodefaults.SomeChannels || p.someAreHidden() {
					assert.NotZero(t, p.srv.Node.Failed(f))
				}
				p.srv.Node.Fail()
				p.restart()
				for one, err := range p.session.Channels().Find(t.Context(), false) {
					require.NoError(t, err)
					found[one.Channel.ID] = true
				}
				for _, a := range p.srv.Accounts() {
					assert.True(t, found[a.ChannelID], "channel %s", a.ChannelID)
				}
				for _, s := range p.channels() {
					assert.Equal(t, channel.Open, s.Phase)
					assert.Equal(t, u(10_000), s.Deposit)
				}
			})
		})
	}
}

// TestSearchReportsWhatIsNotSeen: a channel that was opened, and of which the chain shows neither that it is there
// nor that it was closed, is reported, recorded and read again.
func TestSearchReportsWhatIsNotSeen(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		p := inMemory(t)
		p.get("/data")
		id := p.only().ID
		p.cold()
		p.srv.Node.Fail(nodefaults.NoChannels)
		assert.Equal(t, map[channel.Found][]common.Hash{channel.FoundNotSeen: {id}}, p.search(false))
		s := p.only()
		assert.Equal(t, channel.NotSeen, s.Phase)
		assert.Equal(t, u(10_000), s.Deposit, "by the log")
		assert.True(t, s.HoldsMoney())
		p.srv.Node.Fail()
		p.keeping()
		p.tend()
		assert.Equal(t, channel.Open, p.only().Phase)
	})
}

// TestOneAnswerForgetsNoChannel: a channel that one answer does not show stays listed, takes vouchers, and is as
// before when the next answer shows it.
func TestOneAnswerForgetsNoChannel(t *testing.T) {
	for _, rail := range rails {
		bubble.Run(t, func(t *testing.T) {
			p := inMemory(t)
			p.get(rail + "/data")
			was := p.only()
			p.srv.Chain.Advance(time.Minute) // its opening can no longer be mined
			p.srv.Node.Fail(nodefaults.NoChannels)
			_, _, err := p.session.Channels().Sweep(t.Context())
			p.srv.Node.Fail()
			require.ErrorIs(t, err, client.ErrNotSeen)
			s := p.only()
			assert.Equal(t, channel.NotSeen, s.Phase)
			assert.True(t, s.HoldsMoney() && s.Payable())
			assert.Len(t, p.events.of(client.EventNotSeen), 1)
			p.get(rail + "/data")
			assert.Equal(t, u(200), p.only().Signed, "no second deposit")
			p.restart()
			require.NoError(t, p.session.Channels().SweepUntilDone(t.Context()))
			s = p.only()
			assert.Equal(t, channel.Open, s.Phase)
			assert.Equal(t, was.Deposit, s.Deposit)
		})
	}
}

// TestLateReplicaOrphansNoDeposit: the answer to an opening was lost, and a replica that lags does not show it after
// it can no longer be mined. It is found again, and the next request is paid from it.
func TestLateReplicaOrphansNoDeposit(t *testing.T) {
	for _, rail := range rails {
		bubble.Run(t, func(t *testing.T) {
			p := inMemory(t)
			once(p.srv, "open", clienttest.Fault{LoseAnswer: true})
			_, err := p.do("GET", rail+"/data", nil)
			require.Error(t, err)
			p.srv.Chain.Advance(30 * time.Second)
			p.srv.Node.FailTimes(3, nodefaults.NoChannels, nodefaults.NoTransactions)
			p.tend()
			s := p.only()
			assert.Equal(t, channel.NotSeen, s.Phase)
			assert.Equal(t, u(10_000), s.Deposit)
			p.srv.Node.Fail()
			p.restart()
			p.tend()
			assert.Equal(t, channel.Open, p.only().Phase)
			p.get(rail + "/data")
			assert.Equal(t, s.ID, p.only().ID)
		})
	}
}

// TestMissedOpeningsCount: an opening that is not seen counts against Limits.Total, so that no node can have more
// deposited than that.
func TestMissedOpeningsCount(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		p := inMemory(t, func(c *client.Config) { c.Limits.Total = u(10_050) })
		once(p.srv, "open", clienttest.Fault{Refuse: 503})
		resp, err := p.do("GET", "/data", nil)
		require.NoError(t, err)
		resp.Body.Close()
		p.srv.Chain.Advance(time.Minute)
		_, err = p.do("GET", "/data?deposit=10000", nil)
		require.ErrorIs(t, err, channel.ErrLimit)
		s := p.only()
		assert.Equal(t, channel.NotSeen, s.Phase)
		assert.False(t, s.Payable(), "nothing is signed on it")
	})
}

// someAreHidden reports whether nodefaults.SomeChannels hides a channel of the server: ids are random.
func (p *payer) someAreHidden() bool {
	return slices.ContainsFunc(p.srv.Accounts(), func(a clienttest.Account) bool { return a.ChannelID[31]%2 == 0 })
}

// TestClosesAreProved: a channel that was closed elsewhere is closed when its log is seen, and not before.
func TestClosesAreProved(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		p := inMemory(t)
		p.get("/data")
		p.closedElsewhere()
		p.srv.Node.Fail(nodefaults.EmptyLogs)
		err := p.session.Channels().SweepUntilDone(t.Context())
		require.ErrorIs(t, err, client.ErrNotSeen)
		require.ErrorContains(t, err, p.only().ID.Hex())
		assert.Equal(t, channel.NotSeen, p.only().Phase)
		p.srv.Node.Fail()
		p.restart()
		require.NoError(t, p.session.Channels().SweepUntilDone(t.Context()))
		assert.Equal(t, channel.Closed, p.only().Phase)
	})
}

// TestUnreadableChannelStopsNobody: a sweep withdraws what is due although another channel cannot be read.
func TestUnreadableChannelStopsNobody(t *testing.T) {
	for name, answer := range map[string]any{
		"nonsense": json.RawMessage(`"0x"`), "refused": nodeRefusal{-32000, "out of memory"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Run(t, func(t *testing.T) {
				p := inMemory(t)
				n := p.through()
				n.base = p.srv.Transport()
				p.get("/data")
				v2 := p.only().ID
				p.get("/v1/data")
				v1, _ := p.by(v2)
				if v1.ID == v2 {
					_, v1 = p.by(v2)
				}
				require.NoError(t, p.session.Channels().RequestClose(t.Context(), v2))
				p.srv.Chain.Advance(escrow.GracePeriod + time.Second)
				n.lie(func(c rpcCall, r json.RawMessage) any {
					if c.stateOf(v1.ID) {
						return answer
					}
					return r
				})
				pending, _, err := p.session.Channels().Sweep(t.Context())
				require.ErrorIs(t, err, escrow.ErrRPC)
				require.ErrorContains(t, err, v1.ID.Hex())
				assert.Equal(t, 1, pending, "it is counted")
				assert.False(t, p.srv.Chain.Channel(v2).Exists, "withdrawn")
			})
		})
	}
}

// TestWithdrawalMinedUnseen: the node does not show that a withdrawal was mined. It is recognized by its log, or by
// its receipt, and sent once.
func TestWithdrawalMinedUnseen(t *testing.T) {
	for _, f := range []nodefaults.Fault{nodefaults.NoTransactions, nodefaults.SendReset, nodefaults.SendTakenRefused} {
		t.Run(string(f), func(t *testing.T) {
			bubble.Run(t, func(t *testing.T) {
				p := inMemory(t)
				p.get("/data")
				id := p.only().ID
				require.NoError(t, p.session.Channels().RequestClose(t.Context(), id))
				p.srv.Chain.Advance(escrow.GracePeriod + time.Second)
				p.srv.Node.Fail(f)
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				err := p.session.Channels().Withdraw(ctx, id)
				cancel()
				p.srv.Node.Fail()
				if err != nil {
					require.ErrorIs(t, err, escrow.ErrUnconfirmed)
					require.NoError(t, p.session.Channels().Withdraw(t.Context(), id), "it was mined")
				}
				assert.Equal(t, channel.Closed, p.only().Phase)
				require.NoError(t, p.session.Channels().SweepUntilDone(t.Context()))
			})
		})
	}
}

// TestWithdrawalThatCanStillBeMined: another one is not signed beside it. It is when it can be mined no more.
func TestWithdrawalThatCanStillBeMined(t *testing.T) {
	for _, f := range []nodefaults.Fault{nodefaults.SendDropped, nodefaults.NoTransactions} {
		t.Run(string(f), func(t *testing.T) {
			bubble.Run(t, func(t *testing.T) {
				var n pen
				p := inMemory(t, n.counted)
				p.get("/data")
				id := p.only().ID
				require.NoError(t, p.session.Channels().RequestClose(t.Context(), id))
				p.srv.Chain.Advance(escrow.GracePeriod + time.Second)
				before := n.transactions.Load()
				p.srv.Node.Fail(f)
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				err := p.session.Channels().Withdraw(ctx, id)
				cancel()
				require.ErrorIs(t, err, escrow.ErrUnconfirmed)
				p.costing(id)
				for _, fault := range [][]nodefaults.Fault{{f}, {nodefaults.EverythingFails}} {
					p.srv.Node.Fail(fault...)
					err := p.session.Channels().Withdraw(t.Context(), id)
					require.ErrorIs(t, err, escrow.ErrUnconfirmed)
					e := p.refused(nil, err)
					assert.Equal(t, client.OutcomeUnknown, e.Outcome)
				}
				p.srv.Node.Fail()
				assert.Equal(t, before+1, n.transactions.Load())
				if f == nodefaults.SendDropped {
					p.srv.Chain.Advance(time.Minute)
				}
				require.NoError(t, p.session.Channels().Withdraw(t.Context(), id))
				assert.Equal(t, channel.Closed, p.only().Phase)
				if f == nodefaults.NoTransactions {
					assert.Equal(t, before+1, n.transactions.Load(), "the first one was mined")
				}
				require.NoError(t, p.session.Close(t.Context()), "it reads what was charged")
			})
		})
	}
}

// costing records what the withdrawal of a channel can cost, as it is before one leaves that is not free.
func (p *payer) costing(id common.Hash) {
	p.t.Helper()
	data, rev, err := p.store.Get(p.t.Context(), rule.StateKey(id))
	require.NoError(p.t, err)
	s, err := rule.Decode(data)
	require.NoError(p.t, err)
	head, err := p.cfg.Chain.State(p.t.Context(), escrow.Ref{Protocol: s.Protocol, ChainID: s.ChainID, Escrow: s.Escrow, ChannelID: id})
	require.NoError(p.t, err)
	s = s.Costing(rule.Fee{
		Kind: string(journal.KindWithdraw), Hash: s.CloseTx, Token: s.Descriptor.Token, Max: u(1), ValidBefore: head.Time + 25,
	}, time.Now().Unix())
	data, err = s.Encode()
	require.NoError(p.t, err)
	_, err = p.store.Put(p.t.Context(), rule.StateKey(id), data, rev)
	require.NoError(p.t, err)
	p.restart()
}

// TestChannelsOfOthersAreCounted: a sweep with another key, or at a node of another chain, does nothing for the
// channels on record, and says how many they are.
func TestChannelsOfOthersAreCounted(t *testing.T) {
	p := newPayer(t, clienttest.New(t, clienttest.Config{}))
	p.get("/data")
	id := p.only().ID
	n := p.through()
	chainID := "0x1"
	n.lie(func(c rpcCall, r json.RawMessage) any {
		if c.Method == "eth_chainId" {
			return json.RawMessage(`"` + chainID + `"`)
		}
		return r
	})
	_, _, err := p.session.Channels().Sweep(t.Context())
	require.ErrorIs(t, err, client.ErrElsewhere)
	require.ErrorContains(t, err, "1 that hold money are on chain 42431; the node is on chain 1")
	n.lie(nil)

	chainID = "0x0"
	n = p.through()
	n.lie(func(c rpcCall, r json.RawMessage) any {
		if c.Method == "eth_chainId" {
			return json.RawMessage(`"0x0"`)
		}
		return r
	})
	_, _, err = p.session.Channels().Sweep(t.Context())
	require.ErrorIs(t, err, escrow.ErrChainID)

	p.through()
	other, err := voucher.ParseKey("0x" + common.Bytes2Hex(common.LeftPadBytes([]byte{7}, 32)))
	require.NoError(t, err)
	p.cfg.Signer, p.cfg.Payer = other, other
	p.restart()
	err = p.session.Channels().SweepUntilDone(t.Context())
	require.ErrorIs(t, err, client.ErrElsewhere)
	require.ErrorContains(t, err, "1 that hold money are of the payer")
	assert.Equal(t, channel.Open, p.only().Phase)
	assert.True(t, p.srv.Chain.Channel(id).Exists)
}

// TestNullBlockIsNoTime: a node without a newest block does not let the keeper's clock jump.
func TestNullBlockIsNoTime(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		p := inMemory(t)
		p.get("/data")
		s := p.only()
		p.srv.Node.Fail(nodefaults.NullBlock)
		ref := escrow.Ref{Protocol: s.Protocol, ChainID: s.ChainID, Escrow: s.Escrow, ChannelID: s.ID}
		_, err := p.cfg.Chain.State(t.Context(), ref)
		require.ErrorIs(t, err, escrow.ErrRPC)
		pending, _, err := p.session.Channels().Sweep(t.Context())
		require.Error(t, err)
		assert.False(t, errors.Is(err, client.ErrNotSeen))
		assert.Equal(t, 1, pending)
		assert.Equal(t, channel.Open, p.only().Phase)
	})
}

// TestCloseBeforeTheChannelWasFound: the close of a channel that was found without it is looked for in all blocks, not
// only in those since it was found.
func TestCloseBeforeTheChannelWasFound(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		p := inMemory(t)
		n := &node{base: p.srv.Transport()}
		chain, err := escrow.Dial(t.Context(), p.srv.RPCURL, escrow.WithTransport(n))
		require.NoError(t, err)
		p.cfg.Chain = chain
		p.get("/data")
		id := p.only().ID
		p.closedElsewhere()
		p.blocks(30)
		time.Sleep(48 * time.Hour)
		p.blocks(30)
		p.cold()
		n.lie(func(c rpcCall, r json.RawMessage) any {
			var logs []json.RawMessage
			if c.Method != "eth_getLogs" || json.Unmarshal(r, &logs) != nil {
				return r
			}
			return logs[:min(len(logs), 1)] // the opening
		})
		require.Equal(t, map[channel.Found][]common.Hash{channel.FoundNotSeen: {id}}, p.search(false))
		n.lie(nil)
		p.srv.Node.Fail(nodefaults.LogsOfTen)
		_, _, err = p.session.Channels().Sweep(t.Context())
		require.NoError(t, err)
		assert.Equal(t, channel.Closed, p.only().Phase)
	})
}
