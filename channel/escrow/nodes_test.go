package escrow_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/internal/devchain"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// at makes the node's newest block one of this number, and lets state be what it has of channels there.
func (n *node) at(number uint64, state any) {
	n.say("eth_blockNumber", hexutil.Uint64(number))
	n.answer("eth_getBlockByNumber", func(q question) any {
		b := block(blockTime + number)
		b["number"] = hexutil.Uint64(number)
		if want := string(bytes.Trim(q.Params[0], `"`)); want != "latest" && want != hexutil.EncodeUint64(number) {
			return nil
		}
		return b
	})
	n.say("eth_call", state)
}

var absent = words(0, 0, 0)

// TestStateIsReadAtOneBlock: the state of a channel is asked for at the block whose time comes with it.
func TestStateIsReadAtOneBlock(t *testing.T) {
	n := newNode(t)
	n.at(7, words(10, 1000, 0))
	s, err := dial(t, n.URL).State(soon(t), refTo(1))
	require.NoError(t, err)
	assert.EqualValues(t, blockTime+7, s.Time)
	hash := block(blockTime + 7)["hash"]
	text, err := json.Marshal(map[string]any{"blockHash": hash})
	require.NoError(t, err)
	last := n.bodies[len(n.bodies)-1]
	assert.Contains(t, last, string(text))
	assert.Contains(t, last, "eth_getBlockByNumber", "in the same batch")
}

// TestBlockThatIsReplaced: a block that is another one when its state is read is read again.
func TestBlockThatIsReplaced(t *testing.T) {
	n := newNode(t)
	asked := uint64(0)
	n.answer("eth_getBlockByNumber", func(question) any {
		asked++
		return block(blockTime + min(asked, 3)) // the third and all after are the same
	})
	s, err := dial(t, n.URL).State(soon(t), refTo(1))
	require.NoError(t, err)
	assert.EqualValues(t, blockTime+3, s.Time)
}

// TestNullsAreErrors: a node that answers null has not answered.
func TestNullsAreErrors(t *testing.T) {
	for _, method := range []string{"eth_getBlockByNumber", "eth_call", "eth_chainId"} {
		n := newNode(t)
		n.say(method, nil)
		_, err := dial(t, n.URL).State(soon(t), refTo(1))
		require.Error(t, err, method)
	}
	n := newNode(t)
	n.say("eth_chainId", hexutil.Uint64(0))
	c := dial(t, n.URL)
	_, err := c.ChainID(soon(t))
	require.ErrorIs(t, err, escrow.ErrChainID)
	n.say("eth_chainId", hexutil.Uint64(escrow.Moderato))
	_, err = c.State(soon(t), refTo(1))
	require.NoError(t, err, "it is asked again")
}

// TestLaggingNode: a node that falls behind what it has shown does not make a channel disappear.
func TestLaggingNode(t *testing.T) {
	now := time.Now()
	n := newNode(t)
	c := dial(t, n.URL, escrow.InTest(func() time.Time { return now }))
	n.at(100, words(10, 1000, 0))
	s, err := c.State(soon(t), refTo(1))
	require.NoError(t, err)
	require.True(t, s.Exists)
	n.at(99, absent)
	c.Forget(refTo(1).ChannelID)
	_, err = c.State(soon(t), refTo(1))
	require.ErrorIs(t, err, escrow.ErrRPC)
	require.ErrorContains(t, err, "lags")
	n.at(101, words(10, 1000, 0))
	s, err = c.State(soon(t), refTo(1))
	require.NoError(t, err)
	assert.True(t, s.Exists)
	n.at(5, absent) // a chain that begins again, and not for ever
	c.Forget(refTo(1).ChannelID)
	now = now.Add(2 * time.Minute)
	_, err = c.State(soon(t), refTo(1))
	require.NoError(t, err)
}

// TestSeveralNodes: what one node cannot answer another does, and the one that is furthest is read.
func TestSeveralNodes(t *testing.T) {
	present := words(10, 1000, 0)
	down := func(n *node) { n.before = func(http.ResponseWriter, []byte) bool { panic(http.ErrAbortHandler) } }
	for name, first := range map[string]func(*node){
		"down":           down,
		"limited":        func(n *node) { n.say("eth_call", &jsonError{Code: 429, Message: "too many"}) },
		"lags":           func(n *node) { n.at(99, absent) },
		"syncs":          func(n *node) { n.say("eth_getBlockByNumber", nil) },
		"nonsense":       func(n *node) { n.say("eth_getBlockByNumber", "moon") },
		"is far ahead":   func(n *node) { n.at(^uint64(0), &jsonError{Code: -32000, Message: "header not found"}) },
		"lost the state": func(n *node) { n.at(101, &jsonError{Code: -32000, Message: "missing trie node"}) },
	} {
		t.Run(name, func(t *testing.T) {
			a, b := newNode(t), newNode(t)
			b.at(100, present)
			first(a)
			c := dial(t, a.URL, escrow.WithNodes(b.URL))
			s, err := c.State(soon(t), refTo(1))
			require.NoError(t, err)
			assert.True(t, s.Exists)
			assert.EqualValues(t, blockTime+100, s.Time)
		})
	}
	t.Run("all down", func(t *testing.T) {
		a, b := newNode(t), newNode(t)
		down(a)
		down(b)
		_, err := dial(t, a.URL, escrow.WithNodes(b.URL)).State(soon(t), refTo(1))
		require.ErrorIs(t, err, escrow.ErrRPC)
		assert.NotContains(t, err.Error(), strings.TrimPrefix(a.URL, "http://"))
	})
	t.Run("another chain", func(t *testing.T) {
		a, b := newNode(t), newNode(t)
		b.say("eth_chainId", hexutil.Uint64(1))
		_, err := dial(t, a.URL, escrow.WithNodes(b.URL)).State(soon(t), refTo(1))
		require.ErrorIs(t, err, escrow.ErrChainID, "a mistake of the owner is said, whatever the other answers")
	})
	_, err := escrow.Dial(t.Context(), "http://127.0.0.1:1", escrow.WithNodes("ftp://127.0.0.1"))
	require.ErrorIs(t, err, escrow.ErrParams)
}

// TestSearchesAskTheNextNode: what one node refuses to search, answers null to or does not have yet, another may answer.
func TestSearchesAskTheNextNode(t *testing.T) {
	for name, fail := range map[string]func(*node){
		"no number":  func(n *node) { n.say("eth_blockNumber", nil) },
		"null":       func(n *node) { n.say("eth_getLogs", nil) },
		"no method":  func(n *node) { n.say("eth_getLogs", &jsonError{Code: -32601, Message: "no eth_getLogs"}) },
		"pruned":     func(n *node) { n.say("eth_getLogs", &jsonError{Code: 4444, Message: "pruned history unavailable"}) },
		"lags":       func(n *node) { n.answer("eth_blockNumber", falling(blockNumber, 5)) },
		"no block":   func(n *node) { n.say("eth_getLogs", []any{map[string]any{"blockNumber": nil}}) },
		"few blocks": func(n *node) { n.say("eth_getLogs", &jsonError{Code: -32602, Message: "range too large"}) },
	} {
		t.Run(name, func(t *testing.T) {
			a, b := newNode(t), newNode(t)
			fail(a)
			b.say("eth_getLogs", []any{})
			search := escrow.Search{ChainID: escrow.Moderato, Payer: goldenPayee, V2: escrow.Reserve}
			for _, err := range dial(t, a.URL, escrow.WithNodes(b.URL)).Search(soon(t), search) {
				require.NoError(t, err)
			}
			_, asked := b.count("eth_getLogs")
			assert.Equal(t, 1, asked, "for all blocks at once")
			fail(a)
			_, err := dial(t, a.URL, escrow.WithNodes(b.URL)).Closes(soon(t), escrow.CloseSearch{Channels: []escrow.Ref{refTo(1)}})
			require.NoError(t, err)
		})
	}
	a, b := newNode(t), newNode(t)
	a.say("eth_getLogs", &jsonError{Code: -32601, Message: "no eth_getLogs"})
	b.answer("eth_getLogs", func(q question) any {
		var f struct{ FromBlock, ToBlock hexutil.Uint64 }
		if _ = json.Unmarshal(q.Params[0], &f); f.ToBlock-f.FromBlock >= 500 {
			return &jsonError{Code: -32602, Message: "range too large"}
		}
		return []any{}
	})
	search := escrow.CloseSearch{Channels: []escrow.Ref{refTo(1)}}
	_, err := dial(t, a.URL, escrow.WithNodes(b.URL)).Closes(soon(t), search)
	require.NoError(t, err, "the one that can is asked for less")
	a.say("eth_getBlockByNumber", nil)
	_, err = dial(t, a.URL, escrow.WithNodes(b.URL)).PrepareOpen(soon(t), openParams(t))
	require.NoError(t, err, "a node that syncs")
}

// falling answers the first number once, and then the other one.
func falling(first, then uint64) func(question) any {
	asked := 0
	return func(question) any {
		if asked++; asked == 1 {
			return hexutil.Uint64(first)
		}
		return hexutil.Uint64(then)
	}
}

// TestOneOfABatchFails: the others are read.
func TestOneOfABatchFails(t *testing.T) {
	n := newNode(t)
	n.answer("eth_call", func(q question) any {
		if bytes.Contains(q.Params[0], []byte(refTo(2).ChannelID.Hex()[2:])) {
			return &jsonError{Code: -32000, Message: "out of memory"}
		}
		return words(10, 1000, 0)
	})
	states, err := dial(t, n.URL).States(soon(t), []escrow.Ref{refTo(1), refTo(2), refTo(3)})
	var each escrow.ReadErrors
	require.ErrorAs(t, err, &each)
	require.ErrorIs(t, err, escrow.ErrRPC)
	require.ErrorContains(t, err, "1 of 3")
	require.Len(t, states, 3)
	assert.NoError(t, each[0])
	require.ErrorContains(t, each[1], "out of memory")
	assert.NoError(t, each[2])
	assert.True(t, states[0].Exists && states[2].Exists)
}

// TestLimitsInsideHTTP200: a node that limits the rate with a JSON-RPC error is asked again like one with HTTP 429.
func TestLimitsInsideHTTP200(t *testing.T) {
	for _, code := range []int{429, -32005, -32016} {
		for name, whole := range map[string]bool{"one call": false, "the batch": true} {
			n := newNode(t)
			limits := 2
			refusal := &jsonError{Code: code, Message: "slow down"}
			if whole {
				n.before = func(w http.ResponseWriter, _ []byte) bool {
					if limits--; limits < 0 {
						return false
					}
					_ = json.NewEncoder(w).Encode(map[string]any{"jsonrpc": "2.0", "id": nil, "error": refusal})
					return true
				}
			} else {
				n.answer("eth_call", func(question) any {
					if limits--; limits < 0 {
						return words(10, 1000, 0)
					}
					return refusal
				})
			}
			s, err := dial(t, n.URL).State(soon(t), refTo(1))
			require.NoError(t, err, "%d: %s", code, name)
			assert.True(t, s.Exists)
		}
	}
}

// TestCloses: the log of a close is found from the newest block back, for the channel and the escrow that it is of.
func TestCloses(t *testing.T) {
	w := newWorld(t, devchain.Config{})
	n := newNode(t)
	n.at(1000, absent)
	n.answer("eth_getBlockByNumber", func(q question) any {
		number := hexutil.MustDecodeUint64(string(bytes.Trim(q.Params[0], `"`)))
		b := block(blockTime + number)
		b["number"] = hexutil.Uint64(number)
		return b
	})
	ref := refTo(1)
	topic := escrow.ClosedTopic(voucher.V2)
	log := func() map[string]any {
		return map[string]any{
			"address": ref.Escrow, "blockNumber": "0x190", "data": "0x",
			"topics": []any{topic, ref.ChannelID, ref.ChannelID, ref.ChannelID},
		}
	}
	for name, c := range map[string]struct {
		change func(map[string]any)
		closed bool
	}{
		"the log":        {func(map[string]any) {}, true},
		"another escrow": {func(l map[string]any) { l["address"] = w.payer.Address() }, false},
		"removed":        {func(l map[string]any) { l["removed"] = true }, false},
		"no block":       {func(l map[string]any) { l["blockNumber"] = nil }, false},
		"another id":     {func(l map[string]any) { l["topics"].([]any)[1] = refTo(2).ChannelID }, false},
		"another event":  {func(l map[string]any) { l["topics"].([]any)[0] = refTo(2).ChannelID }, false},
		"an older event": {func(l map[string]any) { l["topics"].([]any)[0] = escrow.ClosedTopic(voucher.V1) }, false},
	} {
		l := log()
		c.change(l)
		n.say("eth_getLogs", []any{l})
		closed, err := dial(t, n.URL).Closes(soon(t), escrow.CloseSearch{Channels: []escrow.Ref{ref}})
		require.NoError(t, err, name)
		if c.closed {
			assert.Equal(t, []escrow.Ref{ref}, closed, name)
		} else {
			assert.Empty(t, closed, name)
		}
	}
	n.say("eth_getLogs", nil)
	_, err := dial(t, n.URL).Closes(soon(t), escrow.CloseSearch{Channels: []escrow.Ref{ref}})
	require.ErrorIs(t, err, escrow.ErrRPC, "null is not none")
}

// TestClosesGoOn: what was searched for a close is not searched again, and a call that was bounded is continued.
func TestClosesGoOn(t *testing.T) {
	n := newNode(t)
	newest := uint64(1000)
	var spans [][2]uint64
	n.answer("eth_blockNumber", func(question) any { return hexutil.Uint64(newest) })
	n.answer("eth_getBlockByNumber", func(question) any { return block(blockTime) })
	n.answer("eth_getLogs", func(q question) any {
		var f struct{ FromBlock, ToBlock hexutil.Uint64 }
		_ = json.Unmarshal(q.Params[0], &f)
		if f.ToBlock-f.FromBlock >= 10 {
			return &jsonError{Code: -32000, Message: "exceeds max block range"}
		}
		spans = append(spans, [2]uint64{uint64(f.FromBlock), uint64(f.ToBlock)})
		return []any{}
	})
	c := dial(t, n.URL)
	search := escrow.CloseSearch{Channels: []escrow.Ref{refTo(1)}}
	for range 5 {
		_, err := c.Closes(soon(t), search)
		require.NoError(t, err)
		newest += 3
	}
	covered := map[uint64]int{}
	for _, s := range spans {
		for b := s[0]; b <= s[1]; b++ {
			covered[b]++
		}
	}
	for b := range newest - 3 {
		assert.NotZero(t, covered[b], "block %d", b)
	}
	assert.Less(t, covered[500], 3)
	before := len(spans)
	_, err := c.Closes(soon(t), search)
	require.NoError(t, err)
	assert.Less(t, len(spans)-before, 25, "only the newest blocks are new")
}

// TestClosesDoNotTrustAnyTime: a block without a time that can be right does not end the search.
func TestClosesDoNotTrustAnyTime(t *testing.T) {
	for _, wrong := range []uint64{0, ^uint64(0), ^uint64(0) - 3600} {
		n := newNode(t)
		lowest := uint64(500_000)
		n.say("eth_blockNumber", hexutil.Uint64(lowest))
		n.answer("eth_getBlockByNumber", func(question) any { return block(wrong) })
		n.answer("eth_getLogs", func(q question) any {
			var f struct{ FromBlock hexutil.Uint64 }
			_ = json.Unmarshal(q.Params[0], &f)
			lowest = min(lowest, uint64(f.FromBlock))
			return []any{}
		})
		search := escrow.CloseSearch{Channels: []escrow.Ref{refTo(1)}, Since: blockTime}
		_, err := dial(t, n.URL).Closes(soon(t), search)
		require.NoError(t, err)
		assert.Zero(t, lowest, wrong)
	}
}
