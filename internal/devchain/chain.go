package devchain

import (
	"fmt"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Chain is a chain in memory. Its methods are safe for concurrent use, also from several goroutines
// that send at once. Close it when done.
type Chain struct {
	cfg     Config
	rpc     *rpc.Server
	started time.Time // what Config.Clock said at the start

	mu     sync.Mutex // guards everything below
	skew   time.Duration
	blocks []*block
	state  *state
	sent   map[common.Hash]*Receipt
	branch uint64   // of the blocks to come; each reorganization begins one
	pool   []pooled // what a reorganization took out of its blocks
	faults faults
	sends  uint64 // transactions made by Send
}

// New starts a chain with a genesis block and no money. It panics when a token's address is not a
// TIP-20 address, since no test can go on from there.
func New(cfg Config) *Chain {
	c := &Chain{cfg: cfg.withDefaults(), state: newState(), sent: map[common.Hash]*Receipt{}}
	for _, t := range c.cfg.Tokens {
		if !isTIP20(t.Address) {
			panic(fmt.Sprintf("devchain: %s is not a TIP-20 address: it must begin with 0x%x", t.Address, tip20Prefix))
		}
		if t.Decimals == 0 {
			t.Decimals = 6
		}
		c.state.tokens[t.Address] = t
	}
	if c.cfg.Clock != nil {
		c.started = c.cfg.Clock()
	}
	c.appendBlock(c.clock(), nil)
	c.rpc = newRPCServer(c)
	return c
}

// Close stops the JSON-RPC server and waits for its requests: those that come later get an empty
// answer. The chain itself can still be read.
func (c *Chain) Close() { c.rpc.Stop() }

// ChainID is the chain's id.
func (c *Chain) ChainID() uint64 { return c.cfg.ChainID }

// StreamChannel is the address of the v1 escrow.
func (c *Chain) StreamChannel() common.Address { return c.cfg.StreamChannel }

// Now is the chain's time, in whole seconds: the timestamp of the newest block.
func (c *Chain) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tick()
	return time.Unix(int64(c.head().time), 0).UTC()
}

// clock reads the clock in Unix seconds. The caller holds c.mu.
func (c *Chain) clock() uint64 {
	at := c.cfg.Start.Add(c.skew)
	if c.cfg.Clock != nil {
		at = at.Add(c.cfg.Clock().Sub(c.started))
	}
	return uint64(at.Unix())
}

// Advance moves the clock forward by at least d, rounded up to whole seconds, and mines an empty
// block there. A d of zero or less does nothing.
func (c *Chain) Advance(d time.Duration) {
	if d <= 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.skew += (d + time.Second - 1).Truncate(time.Second)
	c.tick()
}

// tick mines an empty block when the clock has moved on since the newest block. Behind it, the newest
// block's timestamp is the chain's time. The caller holds c.mu.
func (c *Chain) tick() {
	if now := c.clock(); now > c.head().time {
		c.appendBlock(now, nil)
	}
}

// Mint makes amount base units of token out of nothing and gives them to the account. It panics when
// the token does not exist or more than 2^128-1 of it would.
func (c *Chain) Mint(token, to common.Address, amount voucher.Amount) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mint(mint{token, to, amount})
}

// mint is money out of nothing. It is no transaction, and a reorganization does not take it back.
type mint struct {
	token, to common.Address
	amount    voucher.Amount
}

// mint makes it. The caller holds c.mu.
func (c *Chain) mint(m mint) {
	token, to, amount := m.token, m.to, m.amount
	if _, ok := c.state.tokens[token]; !ok {
		panic(fmt.Sprintf("devchain: mint: there is no token %s; name it in Config.Tokens", token))
	}
	supply, err := c.state.supply[token].Add(amount)
	if err != nil {
		panic("devchain: mint: " + err.Error())
	}
	put(c.state, c.state.supply, token, supply)
	balance := c.state.balances[holding{token, to}]
	put(c.state, c.state.balances, holding{token, to}, balance.AddCapped(amount)) // at most the supply
	c.state.commit()
	c.head().keep(c.state)
	c.head().mints = append(c.head().mints, m)
}

// Balance is what the account holds of the token, in base units. It is zero for unknown ones.
func (c *Chain) Balance(token, of common.Address) voucher.Amount {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state.balances[holding{token, of}]
}

// RegisterAccessKey lets key sign transactions of root with a keychain version 2 envelope, without
// limits or expiry.
func (c *Chain) RegisterAccessKey(root, key common.Address) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state.accessKeys[[2]common.Address{root, key}] = true
}

// ChannelState is what an escrow knows about one channel. The amounts are base units.
type ChannelState struct {
	// Protocol says which escrow. It is zero where no escrow knows the id.
	Protocol voucher.Protocol
	// Deposit is all that was ever paid in, and Settled what the payee has had of it.
	Deposit, Settled voucher.Amount
	// CloseRequestedAt is in Unix seconds; zero means that no close is pending.
	CloseRequestedAt uint64
	// Finalized: a v1 channel that was closed. A closed v2 channel is forgotten instead.
	Finalized bool
}

// ChannelState reads a channel of either escrow. A channel that was never opened, and a v2 channel
// that was closed, is the zero value.
func (c *Chain) ChannelState(id common.Hash) ChannelState {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s, ok := c.state.reserve[id]; ok {
		return ChannelState{Protocol: voucher.V2, Deposit: s.deposit, Settled: s.settled, CloseRequestedAt: s.closeRequestedAt}
	}
	if s, ok := c.state.streams[id]; ok {
		return ChannelState{Protocol: voucher.V1, Deposit: s.deposit, Settled: s.settled, CloseRequestedAt: s.closeRequestedAt, Finalized: s.finalized}
	}
	return ChannelState{}
}

// CheckSupply compares every token's balances with what was minted, and both escrows' balances with
// what they owe. It returns nil when each base unit is where it should be, and an error that names
// the difference otherwise.
func (c *Chain) CheckSupply() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state.check(c.cfg.StreamChannel)
}
