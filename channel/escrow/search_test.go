package escrow_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/internal/devchain"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// search is for all channels of the payer.
func (w *world) search() escrow.Search {
	v1, _ := escrow.DefaultEscrow(voucher.V1, escrow.Moderato)
	return escrow.Search{ChainID: escrow.Moderato, Payer: w.payer.Address(), V1: v1, V2: escrow.Reserve}
}

func (w *world) openOne(t *testing.T, p voucher.Protocol, payer *voucher.KeySigner) *escrow.Opening {
	t.Helper()
	at, _ := escrow.DefaultEscrow(p, escrow.Moderato)
	o, err := w.PrepareOpen(soon(t), escrow.OpenParams{
		Protocol: p, ChainID: escrow.Moderato, Escrow: at, Payer: payer, Payee: crypto.PubkeyToAddress(w.payee.PublicKey),
		Token: devchain.PathUSD, Deposit: voucher.Units(1000), AuthorizedSigner: common.HexToAddress("0x77"),
	})
	require.NoError(t, err)
	w.send(t, o.Raw)
	return o
}

// idle mines empty blocks, as far as the chain has such.
func (w *world) idle(t *testing.T, blocks int) {
	t.Helper()
	for range blocks {
		_, err := w.Transfer(w.sponsor, devchain.PathUSD, crypto.PubkeyToAddress(w.payee.PublicKey), voucher.Units(1))
		require.NoError(t, err)
	}
}

// TestSearch finds every channel of the payer and nobody else's, whatever the node puts up with, and from
// wherever it goes on.
func TestSearch(t *testing.T) {
	for name, most := range map[string]uint64{"no limit": 0, "few blocks": 7, "one block": 1} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, devchain.Config{MaxLogRange: most})
			other, err := voucher.ParseKey("0x8b3a350cf5c34c9194ca85829a2df0ec3153be0318b5e2d3348e872092edffba")
			require.NoError(t, err)
			w.Mint(devchain.PathUSD, other.Address(), voucher.Units(allMoney))
			want := map[common.Hash]*escrow.Opening{}
			for range 3 {
				for _, p := range []voucher.Protocol{voucher.V1, voucher.V2} {
					o := w.openOne(t, p, w.payer)
					want[o.ChannelID] = o
					w.openOne(t, p, other)
					w.idle(t, 9)
				}
			}
			s := w.search()
			got, stretches := map[common.Hash]escrow.Opened{}, 0
			for stretch, err := range w.Search(soon(t), s) {
				require.NoError(t, err)
				stretches++
				assert.Zero(t, stretch.Strange)
				for _, o := range stretch.Opened {
					assert.NotContains(t, got, o.ChannelID, "each once")
					got[o.ChannelID] = o
				}
				s.From = stretch.Next
				if stretch.Next > stretch.Newest/2 && stretches < 100 {
					break
				}
			}
			for stretch, err := range w.Search(soon(t), s) { // goes on where it was left
				require.NoError(t, err)
				for _, o := range stretch.Opened {
					assert.NotContains(t, got, o.ChannelID, "each once")
					got[o.ChannelID] = o
				}
				s.From = stretch.Next
			}
			require.Len(t, got, len(want))
			for id, o := range want {
				assert.Equal(t, o.Descriptor, got[id].Descriptor, "all of it, with the salt")
				assert.Equal(t, o.Deposit, got[id].Deposit)
				assert.Equal(t, o.TxHash, got[id].TxHash)
				assert.NotZero(t, got[id].Block)
				state, err := w.State(soon(t), got[id].Ref)
				require.NoError(t, err)
				assert.True(t, state.Exists)
			}
			n := 0
			for stretch, err := range w.Search(soon(t), s) {
				require.NoError(t, err)
				assert.Empty(t, stretch.Opened)
				assert.Equal(t, s.From, stretch.Next)
				n++
			}
			assert.Equal(t, 1, n, "nothing to search is said once")
		})
	}
}

// goodLog is a log of a v2 opening, for a node that tells it.
func goodLog(t *testing.T, w *world) map[string]any {
	o := w.openOne(t, voucher.V2, w.payer)
	d := o.Descriptor
	var data []byte
	for _, one := range [][]byte{d.Operator[:], d.Token[:], d.AuthorizedSigner[:], d.Salt[:], d.ExpiringNonceHash[:], {3, 0xe8}} {
		data = append(data, common.LeftPadBytes(one, 32)...)
	}
	return map[string]any{
		"address": escrow.Reserve, "blockNumber": "0x2", "transactionHash": common.Hash{1}, "data": hexutil.Bytes(data),
		"topics": []common.Hash{
			crypto.Keccak256Hash([]byte("ChannelOpened(bytes32,address,address,address,address,address,bytes32,bytes32,uint96)")),
			o.ChannelID, common.BytesToHash(d.Payer[:]), common.BytesToHash(d.Payee[:]),
		},
	}
}

// TestSearchTakesNoLogForGranted: each field of a log alone.
func TestSearchTakesNoLogForGranted(t *testing.T) {
	w := newWorld(t, devchain.Config{})
	topics := func(i int) func(map[string]any) {
		return func(l map[string]any) {
			all := append([]common.Hash{}, l["topics"].([]common.Hash)...)
			all[i][31] ^= 1
			l["topics"] = all
		}
	}
	flip := func(at int) func(map[string]any) {
		return func(l map[string]any) {
			data := append(hexutil.Bytes{}, l["data"].(hexutil.Bytes)...)
			data[at] ^= 1
			l["data"] = data
		}
	}
	for name, c := range map[string]struct {
		lie             func(map[string]any)
		opened, strange int
	}{
		"the truth":      {func(map[string]any) {}, 1, 0},
		"another escrow": {func(l map[string]any) { l["address"] = common.Address{9} }, 0, 1},
		"no escrow":      {func(l map[string]any) { l["address"] = common.Address{} }, 0, 1},
		"another event":  {topics(0), 0, 1},
		"another id":     {topics(1), 0, 1},
		"another payer":  {topics(2), 0, 1},
		"another payee":  {topics(3), 0, 1},
		"dirty payee": {func(l map[string]any) {
			topics := append([]common.Hash{}, l["topics"].([]common.Hash)...)
			topics[3][0] = 1
			l["topics"] = topics
		}, 0, 1},
		"no topics":       {func(l map[string]any) { l["topics"] = []common.Hash{} }, 0, 1},
		"another token":   {flip(63), 0, 1},
		"another signer":  {flip(95), 0, 1},
		"another salt":    {flip(127), 0, 1},
		"a huge deposit":  {flip(160), 0, 1},
		"too short":       {func(l map[string]any) { l["data"] = l["data"].(hexutil.Bytes)[:160] }, 0, 1},
		"too long":        {func(l map[string]any) { l["data"] = append(l["data"].(hexutil.Bytes), make([]byte, 32)...) }, 0, 1},
		"another block":   {func(l map[string]any) { l["blockNumber"] = "0x99" }, 0, 1},
		"another deposit": {flip(191), 1, 0}, // only the chain's state tells
	} {
		t.Run(name, func(t *testing.T) {
			l := goodLog(t, w)
			c.lie(l)
			n := newNode(t)
			n.say("eth_blockNumber", hexutil.Uint64(9))
			n.say("eth_getLogs", []any{l})
			s := w.search()
			s.V1 = common.Address{}
			for stretch, err := range dial(t, n.URL).Search(soon(t), s) {
				require.NoError(t, err)
				assert.Len(t, stretch.Opened, c.opened)
				assert.Equal(t, c.strange, stretch.Strange)
			}
			s.Payer = common.Address{5} // a node that does not look at the filter
			for stretch, err := range dial(t, n.URL).Search(soon(t), s) {
				require.NoError(t, err)
				assert.Empty(t, stretch.Opened, "somebody else's")
			}
		})
	}
}

// TestSearchEnds with what to go on from.
func TestSearchEnds(t *testing.T) {
	payer, here := common.Address{1}, escrow.Search{ChainID: escrow.Moderato, Payer: common.Address{1}, V2: escrow.Reserve, From: 5}
	for name, c := range map[string]struct {
		s     func(*escrow.Search)
		node  func(*node)
		is    error
		tries int // questions for logs
	}{
		"no chain":     {s: func(s *escrow.Search) { s.ChainID = 0 }, is: escrow.ErrParams},
		"no payer":     {s: func(s *escrow.Search) { s.Payer = common.Address{} }, is: escrow.ErrParams},
		"no escrow":    {s: func(s *escrow.Search) { s.V2 = common.Address{} }, is: escrow.ErrParams},
		"a huge span":  {s: func(s *escrow.Search) { s.Span = 1 << 40 }, is: escrow.ErrParams},
		"other chain":  {s: func(s *escrow.Search) { s.ChainID = 4217 }, is: escrow.ErrChainID},
		"no method":    {node: func(n *node) { n.say("eth_getLogs", &jsonError{Code: -32601, Message: "no such method"}) }, is: escrow.ErrRPC, tries: 1},
		"always no":    {node: func(n *node) { n.say("eth_getLogs", &jsonError{Code: -32005, Message: "too much"}) }, is: escrow.ErrRPC, tries: 24},
		"no node":      {node: func(n *node) { n.before = func(http.ResponseWriter, []byte) bool { panic(http.ErrAbortHandler) } }, is: escrow.ErrRPC},
		"nonsense":     {node: func(n *node) { n.say("eth_getLogs", "moon") }, is: escrow.ErrRPC, tries: 1},
		"too long":     {node: func(n *node) { n.say("eth_getLogs", strings.Repeat("x", 5<<20)) }, is: escrow.ErrRPC},
		"413":          {node: func(n *node) { n.before = statusFor("eth_getLogs", 413) }, is: escrow.ErrRPC},
		"unauthorized": {node: func(n *node) { n.before = statusFor("eth_getLogs", 401) }, is: escrow.ErrRPC},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t)
			n.say("eth_blockNumber", hexutil.Uint64(1004))
			n.say("eth_getLogs", []any{})
			s := here
			s.Payer = payer
			if c.s != nil {
				c.s(&s)
			}
			if c.node != nil {
				c.node(n)
			}
			ended := 0
			for stretch, err := range dial(t, n.URL).Search(soon(t), s) {
				ended++
				require.ErrorIs(t, err, c.is)
				assert.EqualValues(t, 5, stretch.Next, "nothing was searched")
				assert.Empty(t, stretch.Opened)
			}
			assert.Equal(t, 1, ended)
			if _, tries := n.count("eth_getLogs"); c.tries != 0 {
				assert.Equal(t, c.tries, tries)
			}
		})
	}
}

func statusFor(method string, status int) func(http.ResponseWriter, []byte) bool {
	return func(w http.ResponseWriter, body []byte) bool {
		if !strings.Contains(string(body), method) {
			return false
		}
		w.WriteHeader(status)
		return true
	}
}

// TestSearchObeysTheContext in the middle of a chain, and says where to go on.
func TestSearchObeysTheContext(t *testing.T) {
	n := newNode(t)
	n.say("eth_blockNumber", hexutil.Uint64(1_000_000))
	ctx, cancel := context.WithCancel(soon(t))
	defer cancel()
	n.say("eth_getLogs", []any{})
	s := escrow.Search{ChainID: escrow.Moderato, Payer: common.Address{1}, V2: escrow.Reserve, Span: 1000}
	var last escrow.Stretch
	var end error
	for stretch, err := range dial(t, n.URL).Search(ctx, s) {
		if last, end = stretch, err; stretch.Next == 2000 {
			cancel()
		}
	}
	require.ErrorIs(t, end, context.Canceled)
	require.ErrorIs(t, end, escrow.ErrRPC)
	assert.EqualValues(t, 2000, last.Next)
	assert.EqualValues(t, 1_000_000, last.Newest)
}

// TestSearchFollowsTheNode: fewer blocks after a refusal, more again after a while, never more than Span.
func TestSearchFollowsTheNode(t *testing.T) {
	n := newNode(t)
	n.say("eth_blockNumber", hexutil.Uint64(399_999))
	var sizes []uint64
	refused := 0
	n.answer("eth_getLogs", func(q question) any {
		var f struct{ FromBlock, ToBlock hexutil.Uint64 }
		_ = json.Unmarshal(q.Params[0], &f)
		size := uint64(f.ToBlock-f.FromBlock) + 1
		if size > 2500 && uint64(f.FromBlock) < 100_000 {
			refused++
			return &jsonError{Code: -32602, Message: "query exceeds max results 20000"}
		}
		sizes = append(sizes, size)
		return []any{}
	})
	s := escrow.Search{ChainID: escrow.Moderato, Payer: common.Address{1}, V2: escrow.Reserve, Span: 10_000}
	var next uint64
	for stretch, err := range dial(t, n.URL).Search(soon(t), s) {
		require.NoError(t, err)
		next = stretch.Next
	}
	assert.EqualValues(t, 400_000, next)
	assert.EqualValues(t, 1000, sizes[0])
	var sum, most uint64
	for _, size := range sizes {
		sum, most = sum+size, max(most, size)
	}
	assert.EqualValues(t, 400_000, sum, "every block once")
	assert.EqualValues(t, 10_000, most)
	assert.Less(t, refused, 12)
	assert.Less(t, len(sizes), 200)
}

// TestSearchOfBlocksThatAreNotThere: logs that were taken back, or are of no block yet, say that the search is not
// done, and null is not the same as none.
func TestSearchOfBlocksThatAreNotThere(t *testing.T) {
	w := newWorld(t, devchain.Config{})
	for name, lie := range map[string]func(map[string]any) any{
		"taken back": func(l map[string]any) any { l["removed"] = true; return []any{l} },
		"no block":   func(l map[string]any) any { l["blockNumber"] = nil; return []any{l} },
		"null":       func(map[string]any) any { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t)
			n.say("eth_blockNumber", hexutil.Uint64(9))
			n.say("eth_getLogs", lie(goodLog(t, w)))
			for stretch, err := range dial(t, n.URL).Search(soon(t), w.search()) {
				require.ErrorIs(t, err, escrow.ErrRPC)
				assert.Zero(t, stretch.Next, "nothing was searched")
			}
		})
	}
}

// TestSearchEndsAtTheLastBlock: block numbers do not begin again at zero.
func TestSearchEndsAtTheLastBlock(t *testing.T) {
	n := newNode(t)
	n.say("eth_blockNumber", hexutil.Uint64(^uint64(0)))
	n.say("eth_getLogs", []any{})
	s := newWorld(t, devchain.Config{}).search()
	s.From = ^uint64(0) - 5
	stretches := 0
	for stretch, err := range dial(t, n.URL).Search(soon(t), s) {
		require.NoError(t, err)
		assert.Equal(t, ^uint64(0), stretch.Next)
		if stretches++; stretches > 3 {
			break
		}
	}
	assert.Equal(t, 1, stretches)
	_, asked := n.count("eth_getLogs")
	assert.Equal(t, 1, asked)
}

// TestSearchUnderARateLimit: a node that refuses one question after another for their rate is asked again, and the
// questions do not get smaller for it.
func TestSearchUnderARateLimit(t *testing.T) {
	for name, refusal := range map[string]*jsonError{
		"-32005": {Code: -32005, Message: "rate limit exceeded, retry in 1s"},
		"429":    {Code: 429, Message: "Too Many Requests"},
		"-32016": {Code: -32016, Message: "over rate limit"},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t)
			asked := 0
			n.say("eth_blockNumber", hexutil.Uint64(10_000_000))
			n.answer("eth_getLogs", func(question) any {
				if asked++; asked%6 != 0 { // more than one question is sent again for
					return refusal
				}
				return []any{}
			})
			last := escrow.Stretch{}
			for stretch, err := range dial(t, n.URL).Search(soon(t), newWorld(t, devchain.Config{}).search()) {
				require.NoError(t, err)
				last = stretch
			}
			assert.EqualValues(t, 10_000_001, last.Next)
			assert.Equal(t, 101*6, asked)
		})
	}
}
