package escrow_test

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

func closeParams(t testing.TB) escrow.CloseParams {
	return escrow.CloseParams{Protocol: voucher.V2, ChainID: escrow.Moderato, Escrow: escrow.Reserve, Payer: key(t), Descriptor: descriptor(t)}
}

// mempool is a node that takes transactions and mines what it is told to.
type mempool struct {
	mu      sync.Mutex
	raws    []hexutil.Bytes
	receipt any // once this many look-ups were answered with nothing
	after   int
	time    uint64
}

func (m *mempool) install(n *node, answer func(taken int) any) {
	n.answer("eth_sendRawTransaction", func(q question) any {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.raws = append(m.raws, hexutil.MustDecode(string(bytes.Trim(q.Params[0], `"`))))
		return answer(len(m.raws))
	})
	n.answer("eth_getTransactionReceipt", func(question) any {
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.after--; m.after >= 0 {
			return nil
		}
		return m.receipt
	})
	n.answer("eth_getBlockByNumber", func(question) any {
		m.mu.Lock()
		defer m.mu.Unlock()
		if len(m.raws) == 0 {
			return block(blockTime)
		}
		if m.time == noTime {
			return nil
		}
		return block(m.time)
	})
}

// noTime stands for a null block after the send.
const noTime = ^uint64(0)

func mined(status uint64) map[string]any {
	return map[string]any{"status": hexutil.Uint64(status), "blockNumber": "0x7", "gasUsed": "0x9"}
}

// What the node answers to a send decides nothing; the chain does, by the hash that we compute.
func TestSendIsDecidedByTheChain(t *testing.T) {
	zeroHash := "0x0000000000000000000000000000000000000000000000000000000000000000"
	say := func(v any) func(int) any { return func(int) any { return v } }
	for _, c := range []struct {
		name    string
		answer  func(taken int) any
		receipt any
		after   int
		time    uint64
		want    error
		says    string
	}{
		{name: "taken and mined", answer: say(zeroHash), receipt: mined(1)},
		{name: "mined after a while", answer: say(zeroHash), receipt: mined(1), after: 10},
		{name: "known already", answer: say(&jsonError{-32000, "already known", nil}), receipt: mined(1), after: 10},
		{name: "executed already", answer: say(&jsonError{-32003, "rig: transaction already executed", nil}), receipt: mined(1), after: 10},
		{name: "nonce too low", answer: say(&jsonError{-32000, "nonce too low", nil}), receipt: mined(1), after: 10},
		{name: "replay", answer: say(&jsonError{-32000, "expiring nonce replay", nil}), receipt: mined(1), after: 10},
		{name: "refused, but an earlier copy was taken", answer: say(&jsonError{-32000, "pool is full", nil}), receipt: mined(1), after: 3},
		{name: "refused", answer: say(&jsonError{-32000, "pool is full", nil}), time: blockTime + 25, want: escrow.ErrNotSent, says: "pool is full"},
		{name: "refused, and it can still be mined", answer: say(&jsonError{-32000, "pool is full", nil}), time: blockTime + 24, want: escrow.ErrUnconfirmed, says: "pool is full"},
		{name: "a word in a refusal", answer: say(&jsonError{-32602, "unknown transaction type 0x76", nil}), time: blockTime + 25, want: escrow.ErrNotSent, says: "unknown"},
		{name: "known by its hash", answer: say(&jsonError{-32000, "known transaction: 0x" + strings.Repeat("ab", 32), nil}), time: blockTime + 25, want: escrow.ErrExpired},
		{name: "known by a kind", answer: say(&jsonError{-32010, "ALREADY_EXISTS: already known", nil}), time: blockTime + 25, want: escrow.ErrExpired},
		{name: "a null block", answer: say(zeroHash), time: noTime, want: escrow.ErrUnconfirmed, says: "newest block"},
		{name: "another one's receipt", answer: say(zeroHash), receipt: map[string]any{"status": "0x1", "blockNumber": "0x1", "transactionHash": zeroHash}, want: escrow.ErrUnconfirmed, says: "another"},
		{name: "reverted", answer: say(zeroHash), receipt: mined(0), want: escrow.ErrReverted},
		{name: "expired", answer: say(zeroHash), time: blockTime + 25, want: escrow.ErrExpired},
		{name: "expired as known", answer: say(&jsonError{-32000, "already known", nil}), time: blockTime + 26, want: escrow.ErrExpired, says: "already known"},
		{name: "mined in the last block", answer: say(zeroHash), receipt: mined(1), after: 1, time: blockTime + 25},
		{name: "never known", answer: say(zeroHash), want: escrow.ErrUnconfirmed, says: "stands still"},
		{name: "a receipt in waiting", answer: say(zeroHash), receipt: map[string]any{"status": "0x1", "blockNumber": nil}, want: escrow.ErrUnconfirmed},
		{name: "a receipt without status", answer: say(zeroHash), receipt: map[string]any{"blockNumber": "0x1"}, want: escrow.ErrUnconfirmed, says: "no status"},
		{name: "a status of 2", answer: say(zeroHash), receipt: mined(2), want: escrow.ErrUnconfirmed, says: "no status"},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newNode(t)
			m := &mempool{receipt: c.receipt, after: c.after, time: max(c.time, blockTime)}
			m.install(n, c.answer)
			payer := &signer{TransactionSigner: key(t)}
			p := closeParams(t)
			p.Payer = payer
			r, err := dial(t, n.URL).RequestClose(soon(t), p)
			require.NotEmpty(t, m.raws)
			tx := reread(t, m.raws[0])
			assert.Equal(t, tx.Hash(), r.TxHash, "also beside an error")
			assert.Equal(t, 1, payer.signed, "signed once")
			if c.want != nil {
				require.ErrorIs(t, err, c.want)
				require.ErrorContains(t, err, c.says)
				assert.False(t, r.Success)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, escrow.Receipt{TxHash: tx.Hash(), Success: true, BlockNumber: 7, GasUsed: 9}, r)
		})
	}
}

// TestLaggingNodesGiveUpNothing: a transaction may have been mined in a block that a node does not have, whatever the
// clock of that node says. A node that lags does not answer for one that is down.
func TestLaggingNodesGiveUpNothing(t *testing.T) {
	t.Run("the block to come", func(t *testing.T) {
		n := newNode(t)
		m := &mempool{time: blockTime}
		m.install(n, func(int) any { return refTo(1).ChannelID })
		blocks := n.answers["eth_getBlockByNumber"]
		n.answer("eth_getBlockByNumber", func(q question) any {
			if len(m.raws) > 0 && string(q.Params[0]) == `"pending"` {
				return map[string]any{"timestamp": hexutil.Uint64(blockTime + 60)}
			}
			return blocks(q)
		})
		_, err := dial(t, n.URL).RequestClose(soon(t), closeParams(t))
		require.ErrorIs(t, err, escrow.ErrUnconfirmed)
	})
	t.Run("another node", func(t *testing.T) {
		a, b := newNode(t), newNode(t)
		m := &mempool{time: blockTime + 25}
		m.install(a, func(int) any { return &jsonError{-32000, "pool is full", nil} })
		lookUps := 0
		a.before = func(_ http.ResponseWriter, body []byte) bool {
			if bytes.Contains(body, []byte("eth_getTransactionReceipt")) {
				if lookUps++; lookUps > 1 {
					panic(http.ErrAbortHandler)
				}
			}
			return false
		}
		_, err := dial(t, a.URL, escrow.WithNodes(b.URL)).RequestClose(soon(t), closeParams(t))
		require.ErrorIs(t, err, escrow.ErrUnconfirmed)
	})
}

// The node executes, the answer is lost, the same bytes go out again and are refused as known.
func TestAnswerOfASendIsLost(t *testing.T) {
	n := newNode(t)
	m := &mempool{receipt: mined(1), time: blockTime}
	m.install(n, func(taken int) any { return &jsonError{-32000, "nonce too low", nil} })
	var mu sync.Mutex
	cuts := 0
	n.before = func(_ http.ResponseWriter, body []byte) bool {
		mu.Lock()
		defer mu.Unlock()
		if bytes.Contains(body, []byte("eth_sendRawTransaction")) && cuts < 2 {
			cuts++
			panic(http.ErrAbortHandler)
		}
		return false
	}
	payer := &signer{TransactionSigner: key(t)}
	p := closeParams(t)
	p.Payer = payer
	r, err := dial(t, n.URL).RequestClose(soon(t), p)
	require.NoError(t, err)
	assert.True(t, r.Success)
	assert.Equal(t, 1, payer.signed)
	var sends []string
	for _, body := range n.bodies {
		if bytes.Contains([]byte(body), []byte("eth_sendRawTransaction")) {
			sends = append(sends, body)
		}
	}
	require.Len(t, sends, 3)
	assert.Equal(t, sends[0], sends[2])
}

func TestSendObeysTheContext(t *testing.T) {
	n := newNode(t)
	m := &mempool{time: blockTime}
	ctx, cancel := context.WithCancel(context.Background())
	m.install(n, func(int) any { cancel(); return "0x0000000000000000000000000000000000000000000000000000000000000000" })
	c, err := escrow.Dial(context.Background(), n.URL) // a minute of patience
	require.NoError(t, err)
	defer c.Close()
	r, err := c.Withdraw(ctx, closeParams(t))
	require.ErrorIs(t, err, escrow.ErrUnconfirmed)
	require.ErrorIs(t, err, context.Canceled)
	assert.NotZero(t, r.TxHash)
}

func TestConfirm(t *testing.T) {
	n := newNode(t)
	c := dial(t, n.URL)
	hash := refTo(9).ChannelID
	r, found, err := c.Confirm(soon(t), hash)
	require.NoError(t, err)
	assert.False(t, found)
	assert.Equal(t, escrow.Receipt{TxHash: hash, Time: blockTime}, r)
	n.say("eth_getTransactionReceipt", mined(0))
	r, found, err = c.Confirm(soon(t), hash)
	require.NoError(t, err)
	assert.True(t, found)
	assert.Equal(t, escrow.Receipt{TxHash: hash, BlockNumber: 7, GasUsed: 9}, r)
	n.say("eth_getTransactionReceipt", &jsonError{-1, "no", nil})
	_, _, err = c.Confirm(soon(t), hash)
	require.ErrorIs(t, err, escrow.ErrRPC)
}

// What is done on a channel is seen by the next reading of it.
func TestClosingForgets(t *testing.T) {
	n := newNode(t)
	m := &mempool{receipt: mined(1), time: blockTime}
	m.install(n, func(int) any { return "0x0000000000000000000000000000000000000000000000000000000000000000" })
	c := dial(t, n.URL)
	p := closeParams(t)
	ref := escrow.Ref{Protocol: p.Protocol, ChainID: p.ChainID, Escrow: p.Escrow, ChannelID: p.Descriptor.ID(p.Protocol, p.Escrow, p.ChainID)}
	_, err := c.State(soon(t), ref)
	require.NoError(t, err)
	_, before := n.count("eth_call")
	_, err = c.CancelClose(soon(t), p)
	require.NoError(t, err)
	_, err = c.State(soon(t), ref)
	require.NoError(t, err)
	_, after := n.count("eth_call")
	assert.Equal(t, before+3, after, "balance and state for the transaction, and the state again")
}
