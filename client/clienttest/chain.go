package clienttest

import (
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Chain is the money behind a [Server]: a Tempo-like chain in memory.
type Chain struct{}

// Advance moves the chain's clock forward, in whole seconds.
func (c *Chain) Advance(d time.Duration) {}

// Now is the chain's time.
func (c *Chain) Now() time.Time { return time.Time{} }

// Fund gives the account new base units of the token.
func (c *Chain) Fund(to common.Address, amount voucher.Amount) {}

// Balance is what the account holds of the token, in base units.
func (c *Chain) Balance(of common.Address) voucher.Amount { return voucher.Amount{} }

// AddAccessKey lets key sign transactions for root.
func (c *Chain) AddAccessKey(root, key common.Address) {}

// ChannelState is what an escrow knows about one channel. Amounts are base units.
type ChannelState struct {
	// Exists: the channel was opened and not closed yet.
	Exists bool
	// Deposit is all that was ever paid in, and Settled what the payee has had of it.
	Deposit, Settled voucher.Amount
	// CloseRequestedAt is in Unix seconds; zero: no close is pending.
	CloseRequestedAt uint64
}

// Channel reads the channel in the escrow.
func (c *Chain) Channel(id common.Hash) ChannelState { return ChannelState{} }

// Check returns an error when the chain's books do not add up to the base unit.
func (c *Chain) Check() error { return nil }
