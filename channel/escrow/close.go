package escrow

import (
	"context"
	"fmt"

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
	// ChannelID is the channel's id where Descriptor does not hash to it: a v1 channel whose salt is not known.
	// A v1 escrow goes by the id alone. Zero where it does.
	ChannelID common.Hash
	// FeeToken pays the fee of the transaction. Zero means the channel's token.
	FeeToken common.Address
}

// RequestClose starts the unilateral close of a channel: it sends the request and waits for it to be
// mined. [GracePeriod] later [Client.Withdraw] gets the rest of the deposit back; until then the payee can
// still settle the vouchers that it has. Errors before sending are those of [Client.PrepareTopUp]; after
// it [ErrNotSent], [ErrReverted], [ErrExpired] and [ErrUnconfirmed], with [Receipt.TxHash] set.
func (c *Client) RequestClose(ctx context.Context, p CloseParams) (Receipt, error) {
	return c.onOwn(ctx, p, selCloseV1, selCloseV2)
}

// Withdraw ends a channel whose close was requested [GracePeriod] ago and brings the rest of the deposit
// back to the payer. Too early is [ErrWouldRevert]. Otherwise as [Client.RequestClose].
func (c *Client) Withdraw(ctx context.Context, p CloseParams) (Receipt, error) {
	return c.onOwn(ctx, p, selWithdrawV1, selWithdrawV2)
}

// CancelClose takes a close request back, by a top-up of nothing. The v1 escrow has no such thing (top up
// by more than nothing instead): [ErrParams]. Otherwise as [Client.RequestClose].
func (c *Client) CancelClose(ctx context.Context, p CloseParams) (Receipt, error) {
	if p.Protocol != voucher.V2 {
		return Receipt{}, fmt.Errorf("%w: only a v2 escrow takes a top-up of nothing; top up by something", ErrParams)
	}
	nothing := voucher.Amount{}
	return c.onOwn(ctx, p, selTopUpV1, selTopUpV2, nothing.Word())
}

// onOwn makes a call on a channel of the payer's, sends it and waits.
func (c *Client) onOwn(ctx context.Context, p CloseParams, v1, v2 uint32, more ...common.Hash) (Receipt, error) {
	j, id, err := onChannel(p)
	if err != nil {
		return Receipt{}, err
	}
	j.call = channelCall(p.Protocol, v1, v2, p.Descriptor, id, more...)
	t, err := c.prepare(ctx, j)
	if err != nil {
		return Receipt{}, err
	}
	defer c.Forget(id)
	return c.broadcast(ctx, t)
}
