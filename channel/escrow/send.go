package escrow

import (
	"context"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// CloseParams says which channel to close without the payee.
type CloseParams struct {
	Protocol voucher.Protocol
	ChainID  uint64
	Escrow   common.Address
	// Payer is the channel's payer.
	Payer voucher.TransactionSigner
	// Descriptor is the channel's.
	Descriptor channel.Descriptor
	// FeeToken pays the fee of the transaction. Zero means the channel's token.
	FeeToken common.Address
}

// Receipt is what became of a transaction.
type Receipt struct {
	// TxHash is the transaction's hash, also where nothing else is known.
	TxHash common.Hash
	// Success is false for a transaction that was mined and reverted.
	Success bool
	// BlockNumber is the block that it was mined in.
	BlockNumber uint64
	// GasUsed is in gas.
	GasUsed uint64
}

// RequestClose starts the unilateral close of a channel: it sends the request and waits for it to be
// mined. [GracePeriod] later [Client.Withdraw] gets the rest of the deposit back; until then the payee can
// still settle the vouchers it has. Errors before sending are those of [Client.PrepareOpen]; after it
// [ErrNotSent], [ErrReverted], [ErrExpired] and [ErrUnconfirmed], with [Receipt.TxHash] set.
func (c *Client) RequestClose(ctx context.Context, p CloseParams) (Receipt, error) {
	return Receipt{}, ErrRPC
}

// Withdraw ends a channel whose close was requested [GracePeriod] ago and brings the rest of the deposit
// back to the payer. Too early is [ErrWouldRevert]. Otherwise as [Client.RequestClose].
func (c *Client) Withdraw(ctx context.Context, p CloseParams) (Receipt, error) {
	return Receipt{}, ErrRPC
}

// CancelClose takes a close request back, by a top-up of nothing. The v1 escrow has no such thing (top up
// by more than nothing instead): [ErrParams]. Otherwise as [Client.RequestClose].
func (c *Client) CancelClose(ctx context.Context, p CloseParams) (Receipt, error) {
	return Receipt{}, ErrRPC
}

// Confirm looks a transaction up. found is false where the chain has not mined it (yet, or at all: see
// [Opening.ValidBefore]).
func (c *Client) Confirm(ctx context.Context, txHash common.Hash) (r Receipt, found bool, err error) {
	return Receipt{}, false, ErrRPC
}
