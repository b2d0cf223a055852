package escrow

import (
	"context"
	"crypto/rand"
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// OpenParams are the parameters of the transaction that opens a channel.
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
	// AuthorizedSigner is the key that signs vouchers. Zero means the payer, whose address is then
	// written into the descriptor.
	AuthorizedSigner common.Address
	// Deposit is in base units, above zero.
	Deposit voucher.Amount
	// Salt makes the channel's id unique. Zero means 32 random bytes, none of which is zero.
	Salt common.Hash
	// Sponsored makes the payee's server pay the fee.
	Sponsored bool
	// Agree decides on the fee. It is called once, on the caller's goroutine, after the gas was estimated
	// and before the transaction is signed, with the most that the transaction can cost the payer. If it
	// returns an error, that error is returned unchanged and nothing is signed. Nil accepts every fee up
	// to the cap of this package ([ErrFeeCap]). Agree is not called if the payer pays no fee: if
	// Sponsored is set, or gas is free.
	Agree func(context.Context, Fee) error
}

// Opening is a signed transaction that opens a channel. Store it before it is sent.
type Opening struct {
	ChannelID  common.Hash
	Descriptor channel.Descriptor
	// Raw is what is sent: the 0x76 form, or the 0x78 hand-off form if sponsored.
	Raw []byte
	// TxHash is the transaction's hash. It is zero if sponsored: the sponsor's signature changes
	// it.
	TxHash common.Hash
	// ValidBefore is the chain time (Unix seconds) from which the transaction can never be mined.
	ValidBefore uint64
	// Deposit is the first deposit, in base units.
	Deposit voucher.Amount
	// Fee is the most that the transaction can cost the payer in fees. Its Max is zero if sponsored.
	Fee Fee
}

// PrepareOpen builds, estimates and signs the transaction that opens a channel, and sends nothing. It
// makes two requests to the node, or one if sponsored. The errors are [ErrParams], [ErrChainID],
// [ErrInsufficientBalance], [ErrWouldRevert], [ErrFeeCap] and [ErrRPC], and that of [OpenParams].Agree,
// all before anything is signed, and [ErrSignature] or the signer's own.
func (c *Client) PrepareOpen(ctx context.Context, p OpenParams) (*Opening, error) {
	d, err := p.descriptor()
	if err != nil {
		return nil, err
	}
	j := job{
		protocol: p.Protocol, chainID: p.ChainID, escrow: p.Escrow, payer: p.Payer,
		token: p.Token, feeToken: p.FeeToken, spend: p.Deposit, sponsored: p.Sponsored,
		call: openCall(p.Protocol, d, p.Deposit), agree: p.Agree,
	}
	t, err := c.prepare(ctx, j)
	if err != nil {
		return nil, err
	}
	if p.Protocol == voucher.V2 {
		d.ExpiringNonceHash = t.ExpiringNonceHash()
	}
	o := &Opening{ChannelID: d.ID(p.Protocol, p.Escrow, p.ChainID), Descriptor: d, Deposit: p.Deposit, ValidBefore: t.ValidBefore, Fee: t.fee()}
	o.Raw, o.TxHash = t.wire()
	return o, nil
}

// descriptor checks the parameters and makes the descriptor of them, which lacks only the nonce hash.
func (p OpenParams) descriptor() (channel.Descriptor, error) {
	bad := func(why string) (channel.Descriptor, error) {
		return channel.Descriptor{}, fmt.Errorf("%w: %s", ErrParams, why)
	}
	none := common.Address{}
	switch {
	case p.Payer == nil:
		return bad("Payer is not set: a channel needs a key that funds it")
	case p.Payee == none || (p.Protocol == voucher.V2 && isTIP20(p.Payee)):
		return bad("Payee must be an account, and not a token")
	case !isTIP20(p.Token):
		return bad("Token must be a TIP-20 token (0x20c000000000000000000000…)")
	case p.Operator != none && p.Protocol == voucher.V1:
		return bad("v1 channels have no Operator")
	case p.Deposit.IsZero() || p.Protocol.Max().Less(p.Deposit):
		return bad("Deposit must be above zero and at most " + p.Protocol.Max().String())
	}
	d := channel.Descriptor{
		Payer: p.Payer.Address(), Payee: p.Payee, Operator: p.Operator, Token: p.Token,
		Salt: p.Salt, AuthorizedSigner: p.AuthorizedSigner,
	}
	if d.AuthorizedSigner == none {
		d.AuthorizedSigner = d.Payer
	}
	if d.Salt == (common.Hash{}) {
		d.Salt = freshSalt()
	}
	return d, nil
}

// freshSalt is random, without a zero byte. Zero bytes of calldata cost less gas than others, so that an opening
// would cost a little more or less each time it is prepared, and what a [BalanceError] said to be missing would
// not always be enough.
func freshSalt() (salt common.Hash) {
	for i := range salt {
		for salt[i] == 0 {
			_, _ = rand.Read(salt[i : i+1]) // never fails
		}
	}
	return salt
}

// isTIP20 reports whether the address is one of those that TIP-20 tokens have.
func isTIP20(a common.Address) bool { return [12]byte(a[:12]) == [12]byte{0x20, 0xc0} }

// TopUpParams are the parameters of the transaction that adds to a deposit.
type TopUpParams struct {
	Protocol voucher.Protocol
	ChainID  uint64
	Escrow   common.Address
	// Payer is the channel's payer.
	Payer voucher.TransactionSigner
	// Descriptor is the descriptor of the channel.
	Descriptor channel.Descriptor
	// ChannelID is as in [CloseParams].
	ChannelID common.Hash
	// FeeToken pays the fee of the transaction. Zero means the channel's token. It is not used if
	// Sponsored.
	FeeToken common.Address
	// Additional is what the deposit grows by, in base units, above zero.
	Additional voucher.Amount
	// Sponsored makes the payee's server pay the fee.
	Sponsored bool
	// Agree is as in [OpenParams].
	Agree func(context.Context, Fee) error
}

// TopUp is a signed transaction that adds to a deposit. Store it before it is sent. Two of them for
// the same amount are two transactions, and both can be mined.
type TopUp struct {
	ChannelID common.Hash
	// Raw, TxHash, ValidBefore and Fee are as in [Opening].
	Raw         []byte
	TxHash      common.Hash
	ValidBefore uint64
	Fee         Fee
	// Additional is what the deposit grows by, in base units.
	Additional voucher.Amount
}

// PrepareTopUp builds, estimates and signs the transaction that adds to a channel's deposit, and
// sends nothing. If it is mined, it also cancels a close request. The errors are those of
// [Client.PrepareOpen], and [ErrNoChannel] if the escrow does not hold the channel.
func (c *Client) PrepareTopUp(ctx context.Context, p TopUpParams) (*TopUp, error) {
	if p.Additional.IsZero() || p.Protocol.Max().Less(p.Additional) {
		return nil, fmt.Errorf("%w: Additional must be above zero and at most %s", ErrParams, p.Protocol.Max())
	}
	j, id, err := onChannel(CloseParams{
		Protocol: p.Protocol, ChainID: p.ChainID, Escrow: p.Escrow, Payer: p.Payer,
		Descriptor: p.Descriptor, ChannelID: p.ChannelID, FeeToken: p.FeeToken, Agree: p.Agree,
	})
	if err != nil {
		return nil, err
	}
	j.spend, j.sponsored = p.Additional, p.Sponsored
	j.call = topUpCall(p.Protocol, p.Descriptor, id, p.Additional)
	t, err := c.prepare(ctx, j)
	if err != nil {
		return nil, err
	}
	u := &TopUp{ChannelID: id, Additional: p.Additional, ValidBefore: t.ValidBefore, Fee: t.fee()}
	u.Raw, u.TxHash = t.wire()
	return u, nil
}

// onChannel starts a job on an open channel, and says its id.
func onChannel(p CloseParams) (job, common.Hash, error) {
	d := p.Descriptor
	if p.Payer == nil || p.Payer.Address() != d.Payer {
		return job{}, common.Hash{}, fmt.Errorf("%w: Payer must be the key of the channel's payer, %s", ErrParams, d.Payer)
	}
	id := d.ID(p.Protocol, p.Escrow, p.ChainID)
	if p.ChannelID != (common.Hash{}) && p.ChannelID != id {
		if p.Protocol != voucher.V1 || d.Salt != (common.Hash{}) {
			return job{}, common.Hash{}, fmt.Errorf("%w: Descriptor hashes to %s, not to ChannelID, %s", ErrParams, id, p.ChannelID)
		}
		id = p.ChannelID
	}
	return job{
		protocol: p.Protocol, chainID: p.ChainID, escrow: p.Escrow, payer: p.Payer, token: d.Token, feeToken: p.FeeToken,
		agree: p.Agree, existing: Ref{p.Protocol, p.ChainID, p.Escrow, id},
	}, id, nil
}

// wire is what goes over the wire, and the hash where it is known already.
func (t *Tx) wire() ([]byte, common.Hash) {
	if t.Sponsored {
		return t.Handoff(), common.Hash{}
	}
	return t.Serialize(), t.Hash()
}
