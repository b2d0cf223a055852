package escrow

import (
	"context"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Ref says which channel is meant: where it is and its id. All fields are required.
type Ref struct {
	Protocol  voucher.Protocol
	ChainID   uint64
	Escrow    common.Address
	ChannelID common.Hash
}

// State is what the escrow holds for a channel.
type State struct {
	// Exists is false where the escrow holds nothing: the channel was never opened, or it is closed. The
	// chain cannot tell these apart on v2.
	Exists bool
	// Finalized is set by a v1 escrow for a channel that is closed for good.
	Finalized bool
	// Deposit and Settled are in base units.
	Deposit, Settled voucher.Amount
	// CloseRequestedAt is in Unix seconds, zero where no close was requested. The payer can withdraw from
	// [GracePeriod] later on.
	CloseRequestedAt uint64
	// Time is chain time in Unix seconds when the reading began: the state is not older than this.
	Time uint64
	// Payer, Payee, Token and Signer are what a v1 escrow stores of an open channel. They are zero on v2,
	// where the descriptor hashes to the id.
	Payer, Payee, Token, Signer common.Address
}

// State reads a channel. Answers are kept for a few seconds and concurrent callers share one reading;
// [Client.Forget] asks the chain again. That a channel does not exist is never kept. Errors are
// [ErrChainID], [ErrParams] and [ErrRPC].
func (c *Client) State(ctx context.Context, ref Ref) (State, error) { return State{}, ErrRPC }

// States reads several channels at once, in the order of refs. All are on one chain. It is one error for
// all or none.
func (c *Client) States(ctx context.Context, refs []Ref) ([]State, error) { return nil, ErrRPC }

// Forget drops what is kept about a channel, so that the next reading sees the chain as it is then.
func (c *Client) Forget(channelID common.Hash) {}
