package escrow

import (
	"context"
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// CloseParams are the parameters of [Client.RequestClose], [Client.CancelClose] and [Client.Withdraw],
// whose fees the payer pays.
type CloseParams struct {
	Protocol voucher.Protocol
	ChainID  uint64
	Escrow   common.Address
	// Payer is the channel's payer.
	Payer voucher.TransactionSigner
	// Descriptor is the descriptor of the channel.
	Descriptor channel.Descriptor
	// ChannelID is the channel's id if Descriptor does not hash to it: for a v1 channel whose salt
	// is not known, because a v1 escrow needs only the id. Otherwise it is zero.
	ChannelID common.Hash
	// FeeToken pays the fee of the transaction. Zero means the channel's token.
	FeeToken common.Address
	// Agree is as in [OpenParams].
	Agree func(context.Context, Fee) error
	// Record is called once, on the caller's goroutine, after the transaction is signed and before it is
	// sent, so that its hash and the most that it can cost are stored before it can be charged. If it
	// returns an error, that error is returned unchanged and nothing is sent. It is called for a fee of
	// zero as well. Nil records nothing.
	Record func(context.Context, Fee) error
}

// RequestClose starts to close a channel without the payee: it sends the request and waits for it to be
// mined. [GracePeriod] later [Client.Withdraw] gets the rest of the deposit back; until then the payee
// can still redeem the vouchers that it has. The errors before sending are those of [Client.PrepareTopUp]
// and of [CloseParams].Record; the Receipt is zero then. After sending they are [ErrNotSent],
// [ErrReverted], [ErrExpired] and [ErrUnconfirmed], with [Receipt.TxHash] set.
func (c *Client) RequestClose(ctx context.Context, p CloseParams) (Receipt, error) {
	return c.onOwn(ctx, p, selCloseV1, selCloseV2)
}

// Withdraw closes a channel whose close was requested [GracePeriod] ago and returns the rest of the
// deposit to the payer. If it is too early, the error is [ErrWouldRevert]. The other errors are
// those of [Client.RequestClose].
func (c *Client) Withdraw(ctx context.Context, p CloseParams) (Receipt, error) {
	return c.onOwn(ctx, p, selWithdrawV1, selWithdrawV2)
}

// CancelClose cancels a close request with a top-up of zero. The v1 escrow does not support that
// and the error is [ErrParams]: top up by more than zero instead. The other errors are those of
// [Client.RequestClose].
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
	if p.Record != nil {
		if err := p.Record(ctx, t.fee()); err != nil {
			return Receipt{}, err
		}
	}
	defer c.Forget(id)
	return c.broadcast(ctx, t)
}
