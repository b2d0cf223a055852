package escrow

import (
	"context"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// OpenParams says which channel to open.
type OpenParams struct {
	Protocol voucher.Protocol
	ChainID  uint64
	Escrow   common.Address
	// Payer signs the transaction and funds the channel.
	Payer voucher.TransactionSigner
	// Payee may settle and close. Operator may do so for it (v2 only); zero is none.
	Payee, Operator common.Address
	// Token is the TIP-20 token of the deposit.
	Token common.Address
	// FeeToken pays the fee of the transaction. Zero means Token. It is not used when Sponsored.
	FeeToken common.Address
	// AuthorizedSigner is the key that signs vouchers. Zero means the payer, whose address is then written
	// out.
	AuthorizedSigner common.Address
	// Deposit is in base units, above zero.
	Deposit voucher.Amount
	// Salt makes the channel's id unique. Zero means 32 random bytes.
	Salt common.Hash
	// Sponsored leaves the fee to the payee's server.
	Sponsored bool
}

// Opening is a signed transaction that opens a channel. Write it down before it leaves.
type Opening struct {
	ChannelID  common.Hash
	Descriptor channel.Descriptor
	// Raw is what goes over the wire: 0x76 form, or the 0x78 hand-off form when sponsored.
	Raw []byte
	// TxHash is the transaction's hash. It is zero when sponsored: the sponsor's signature changes it.
	TxHash common.Hash
	// ValidBefore is the chain time (Unix seconds) from which on the transaction can never be mined.
	ValidBefore uint64
	Deposit     voucher.Amount
}

// PrepareOpen builds, estimates and signs the transaction that opens a channel, and sends nothing. It
// asks the node twice, once when sponsored. Errors are [ErrParams], [ErrChainID],
// [ErrInsufficientBalance], [ErrWouldRevert], [ErrFeeCap], [ErrRPC], all before anything is signed, and
// [ErrSignature] or the signer's own.
func (c *Client) PrepareOpen(ctx context.Context, p OpenParams) (*Opening, error) { return nil, ErrRPC }

// TopUpParams says which channel gets more deposit.
type TopUpParams struct {
	Protocol voucher.Protocol
	ChainID  uint64
	Escrow   common.Address
	// Payer is the channel's payer.
	Payer voucher.TransactionSigner
	// Descriptor is the channel's.
	Descriptor channel.Descriptor
	// FeeToken pays the fee of the transaction. Zero means the channel's token. It is not used when
	// Sponsored.
	FeeToken common.Address
	// Additional is what the deposit grows by, in base units, above zero.
	Additional voucher.Amount
	// Sponsored leaves the fee to the payee's server.
	Sponsored bool
}

// TopUp is a signed transaction that adds to a deposit. Write it down before it leaves. Two of them for
// the same amount are two transactions, and both can be mined.
type TopUp struct {
	ChannelID common.Hash
	// Raw, TxHash and ValidBefore are as in [Opening].
	Raw         []byte
	TxHash      common.Hash
	ValidBefore uint64
	Additional  voucher.Amount
}

// PrepareTopUp builds, estimates and signs the transaction that adds to a channel's deposit, and sends
// nothing. Errors are those of [Client.PrepareOpen], and [ErrNoChannel] where the escrow does not hold
// the channel.
func (c *Client) PrepareTopUp(ctx context.Context, p TopUpParams) (*TopUp, error) {
	return nil, ErrRPC
}
