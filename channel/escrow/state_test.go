package escrow_test

import (
	"context"
	"encoding/json"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

func TestChainIDIsAskedOnce(t *testing.T) {
	n := newNode(t)
	c := dial(t, n.URL)
	for range 3 {
		balance, err := c.TokenBalance(soon(t), escrow.PathUSD, goldenPayee)
		require.NoError(t, err)
		assert.Equal(t, voucher.Units(1_000_000_000), balance)
		_, err = c.ChainID(soon(t))
		require.NoError(t, err)
	}
	exchanges, asked := n.count("eth_chainId")
	assert.Equal(t, 1, asked)
	assert.Equal(t, 3, exchanges, "and it cost no exchange of its own")
}

func TestAnotherChain(t *testing.T) {
	n := newNode(t)
	n.say("eth_chainId", hexutil.Uint64(1))
	c := dial(t, n.URL)
	for range 2 {
		_, err := c.State(soon(t), refTo(1))
		require.ErrorIs(t, err, escrow.ErrChainID)
		require.ErrorContains(t, err, "on 1, not on 42431")
		_, err = c.PrepareOpen(soon(t), openParams(t))
		require.ErrorIs(t, err, escrow.ErrChainID)
	}
}

// TestAnotherChainAtFirst: the chain id comes with the first answers, and they are not used where it is another
// one. A sponsored opening asks nothing more before it is signed.
func TestAnotherChainAtFirst(t *testing.T) {
	n := newNode(t)
	n.say("eth_chainId", hexutil.Uint64(1))
	for _, sponsored := range []bool{false, true} {
		params := openParams(t)
		params.Sponsored = sponsored
		_, err := dial(t, n.URL).PrepareOpen(soon(t), params)
		require.ErrorIs(t, err, escrow.ErrChainID)
	}
}

func TestStateIsDecodedStrictly(t *testing.T) {
	max96, max32 := new(big.Int).Lsh(big.NewInt(1), 96), new(big.Int).Lsh(big.NewInt(1), 32)
	big32 := func(b *big.Int) []byte { return common.LeftPadBytes(b.Bytes(), 32) }
	v2, v1 := refTo(1), refTo(1)
	v1.Protocol = voucher.V1
	dirty := words(0, 0, 1, 2, 3, 4, 5, 5)
	dirty[2*32] = 1 // above the payer
	for _, c := range []struct {
		name   string
		ref    escrow.Ref
		answer hexutil.Bytes
	}{
		{"nothing there", v2, nil},
		{"two words", v2, words(1, 2)},
		{"four words", v2, words(1, 2, 0, 0)},
		{"cut", v2, words(1, 2, 3)[:95]},
		{"settled above deposit", v2, words(3, 2, 0)},
		{"a deposit beyond uint96", v2, append(append(words(0), big32(max96)...), words(0)...)},
		{"a time beyond uint32", v2, append(words(0, 1), big32(max32)...)},
		{"v1 answer on v2", v2, words(0, 0, 1, 2, 3, 4, 5, 5)},
		{"v2 answer on v1", v1, words(1, 2, 3)},
		{"dirty address", v1, dirty},
		{"finalized is no bool", v1, words(2, 0, 1, 2, 3, 4, 5, 5)},
		{"v1 settled above deposit", v1, words(0, 0, 1, 2, 3, 4, 5, 6)},
	} {
		n := newNode(t)
		n.say("eth_call", c.answer)
		_, err := dial(t, n.URL).State(soon(t), c.ref)
		require.ErrorIs(t, err, escrow.ErrRPC, c.name)
	}
	address := func(n byte) common.Address { return common.BytesToAddress([]byte{n}) }
	for _, c := range []struct {
		name   string
		ref    escrow.Ref
		answer hexutil.Bytes
		want   escrow.State
	}{
		{"v2", v2, words(2, 5, 77), escrow.State{Exists: true, Deposit: voucher.Units(5), Settled: voucher.Units(2), CloseRequestedAt: 77}},
		{"v2 closed or never there", v2, words(0, 0, 0), escrow.State{}},
		{"v1", v1, words(0, 77, 1, 2, 3, 4, 5, 2), escrow.State{
			Exists: true, Deposit: voucher.Units(5), Settled: voucher.Units(2), CloseRequestedAt: 77,
			Payer: address(1), Payee: address(2), Token: address(3), Signer: address(4),
		}},
		{"v1 closed", v1, words(1, 0, 0, 0, 0, 0, 0, 0), escrow.State{Finalized: true}},
		{"v1 never there", v1, words(0, 0, 0, 0, 0, 0, 0, 0), escrow.State{}},
	} {
		n := newNode(t)
		n.say("eth_call", c.answer)
		c.want.Time = blockTime
		got, err := dial(t, n.URL).State(soon(t), c.ref)
		require.NoError(t, err, c.name)
		assert.Equal(t, c.want, got, c.name)
	}
}

// The core reads what this package reads, field by field.
var _ = rule.OnChain(escrow.State{})

func TestStatesRefuse(t *testing.T) {
	n := newNode(t)
	c := dial(t, n.URL)
	for name, change := range map[string]func(*escrow.Ref){
		"protocol": func(r *escrow.Ref) { r.Protocol = 0 },
		"ChainID":  func(r *escrow.Ref) { r.ChainID = 0 },
		"Escrow":   func(r *escrow.Ref) { r.Escrow = common.Address{} },
		"chains":   func(r *escrow.Ref) { r.ChainID++ },
	} {
		ref := refTo(2)
		change(&ref)
		_, err := c.States(soon(t), []escrow.Ref{refTo(1), ref})
		require.ErrorIs(t, err, escrow.ErrParams, name)
		require.ErrorContains(t, err, name)
	}
	exchanges, _ := n.count("")
	assert.Zero(t, exchanges, "refused before anything was asked")
	none, err := c.States(soon(t), nil)
	require.NoError(t, err)
	assert.Empty(t, none)
}

// deposits answers each channel with a deposit that is its number; number 0 is absent.
func deposits(n *node) {
	n.answer("eth_call", func(q question) any {
		var tx struct{ Data hexutil.Bytes }
		_ = json.Unmarshal(q.Params[0], &tx)
		return words(0, new(big.Int).SetBytes(tx.Data[4:]).Uint64(), 0)
	})
}

func TestStatesAreKeptForAWhile(t *testing.T) {
	n := newNode(t)
	deposits(n)
	now := time.Unix(1000, 0)
	var mu sync.Mutex
	clock := func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	c := dial(t, n.URL, escrow.InTest(clock))
	read := func(numbers ...uint64) (calls int) {
		t.Helper()
		_, before := n.count("eth_call")
		refs := make([]escrow.Ref, len(numbers))
		for i, number := range numbers {
			refs[i] = refTo(number)
		}
		states, err := c.States(soon(t), refs)
		require.NoError(t, err)
		for i, number := range numbers {
			assert.Equal(t, voucher.Units(number), states[i].Deposit)
			assert.Equal(t, number != 0, states[i].Exists)
		}
		_, after := n.count("eth_call")
		return after - before
	}
	assert.Equal(t, 3, read(3, 1, 2, 1))
	exchanges, _ := n.count("")
	assert.Equal(t, 2, exchanges, "one for the time, one for all channels")
	assert.Equal(t, 0, read(2, 3))
	assert.Equal(t, 1, read(1, 2, 3, 4))
	assert.Equal(t, 1, read(0), "an absent channel is not kept")
	assert.Equal(t, 1, read(0))
	c.Forget(refTo(2).ChannelID)
	assert.Equal(t, 1, read(1, 2, 3))
	mu.Lock()
	now = now.Add(escrow.KeepFor)
	mu.Unlock()
	assert.Equal(t, 4, read(1, 2, 3, 4))
}

func TestErrorsAreNotKept(t *testing.T) {
	n := newNode(t)
	n.say("eth_call", &jsonError{Code: -32000, Message: "try again"})
	c := dial(t, n.URL)
	_, err := c.State(soon(t), refTo(1))
	require.ErrorIs(t, err, escrow.ErrRPC)
	require.ErrorContains(t, err, "try again")
	deposits(n)
	s, err := c.State(soon(t), refTo(1))
	require.NoError(t, err)
	assert.True(t, s.Exists)
}

// gate stops eth_call until it is told to go on.
type gate struct{ reached, open chan struct{} }

func (n *node) gate() gate {
	g := gate{make(chan struct{}, 100), make(chan struct{})}
	n.answer("eth_call", func(question) any {
		g.reached <- struct{}{}
		<-g.open
		return words(0, 5, 0)
	})
	return g
}

func TestConcurrentReadersShareOneReading(t *testing.T) {
	n := newNode(t)
	g := n.gate()
	c := dial(t, n.URL)
	var wg sync.WaitGroup
	var good atomic.Int64
	reader := func() {
		defer wg.Done()
		if s, err := c.State(soon(t), refTo(1)); err == nil && s.Exists {
			good.Add(1)
		}
	}
	wg.Add(1)
	go reader()
	<-g.reached // the first reads; now the others come
	for range 20 {
		wg.Add(1)
		go reader()
	}
	close(g.open)
	wg.Wait()
	assert.EqualValues(t, 21, good.Load())
	_, calls := n.count("eth_call")
	assert.Equal(t, 1, calls)
}

func TestForgetDuringAReading(t *testing.T) {
	n := newNode(t)
	g := n.gate()
	c := dial(t, n.URL)
	done := make(chan error, 1)
	go func() { _, err := c.State(context.Background(), refTo(1)); done <- err }()
	<-g.reached
	c.Forget(refTo(1).ChannelID) // whatever it is reading may be old by now
	close(g.open)
	require.NoError(t, <-done)
	_, err := c.State(soon(t), refTo(1))
	require.NoError(t, err)
	_, calls := n.count("eth_call")
	assert.Equal(t, 2, calls)
}

// The first caller's end is not the others'.
func TestTheFirstReaderGivesUp(t *testing.T) {
	n := newNode(t)
	g := n.gate()
	c := dial(t, n.URL)
	ctx, cancel := context.WithCancel(context.Background())
	first, second, third := make(chan error, 1), make(chan error, 1), make(chan error, 1)
	go func() { _, err := c.State(ctx, refTo(1)); first <- err }()
	<-g.reached
	go func() { _, err := c.State(context.Background(), refTo(1)); second <- err }()
	late, cancelLate := context.WithCancel(context.Background())
	go func() { _, err := c.State(late, refTo(1)); third <- err }()
	cancelLate()
	require.ErrorIs(t, <-third, context.Canceled, "waiting obeys the context")
	cancel()
	require.ErrorIs(t, <-first, context.Canceled)
	close(g.open)
	require.NoError(t, <-second)
}

func TestBalanceOfNoToken(t *testing.T) {
	n := newNode(t)
	for _, answer := range []string{"0x", "0x01", "0x" + strings.Repeat("00", 64), "0x" + strings.Repeat("ff", 32)} {
		n.say("eth_call", answer)
		_, err := dial(t, n.URL).TokenBalance(soon(t), escrow.PathUSD, goldenPayee)
		require.ErrorIs(t, err, escrow.ErrRPC, answer)
		require.ErrorContains(t, err, "is it a token")
	}
	n.say("eth_call", &jsonError{-32000, strings.Repeat("long ", 1000), nil})
	_, err := dial(t, n.URL).TokenBalance(soon(t), escrow.PathUSD, goldenPayee)
	require.ErrorIs(t, err, escrow.ErrRPC)
	assert.Less(t, len(err.Error()), 400, "what a node says is cut")
}

// TestFailoverKeepsTheChain: while the node of the chain is down, one of another chain does not take its place.
// A node that corrects itself is believed.
func TestFailoverKeepsTheChain(t *testing.T) {
	now := time.Now()
	a, b := newNode(t), newNode(t)
	b.say("eth_chainId", hexutil.Uint64(escrow.Mainnet))
	var down atomic.Bool
	a.before = func(http.ResponseWriter, []byte) bool {
		if down.Load() {
			panic(http.ErrAbortHandler)
		}
		return false
	}
	c := dial(t, a.URL, escrow.WithNodes(b.URL), escrow.InTest(func() time.Time { return now }))
	says := func(want uint64) {
		t.Helper()
		id, err := c.ChainID(soon(t))
		require.NoError(t, err)
		assert.Equal(t, want, id)
	}
	says(escrow.Moderato)
	down.Store(true)
	for range 2 {
		now = now.Add(2 * time.Minute)
		says(escrow.Moderato)
		_, err := c.TokenBalance(soon(t), escrow.PathUSD, goldenPayee)
		require.ErrorIs(t, err, escrow.ErrChainID)
	}
	down.Store(false)
	a.say("eth_chainId", hexutil.Uint64(1))
	now = now.Add(2 * time.Minute)
	says(1)
	a.say("eth_chainId", hexutil.Uint64(escrow.Moderato))
	now = now.Add(2 * time.Minute)
	says(escrow.Moderato)
}
