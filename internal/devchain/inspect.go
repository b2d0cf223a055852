package devchain

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Transaction is what a server reads in a transaction that a client hands it, before it broadcasts
// or sponsors it.
type Transaction struct {
	// Hash is of the serialized bytes. A sponsor's signature changes it.
	Hash common.Hash
	// Sender is recovered from the signature, which Inspect has verified.
	Sender common.Address
	// Sponsored: somebody else than the sender pays the fee, whether or not that one has signed yet.
	Sponsored bool
	// Calls are in order.
	Calls []Call
	// ExpiringNonceHash is the replay id, of which the id of a v2 channel is made. The sponsor does not
	// change it.
	ExpiringNonceHash common.Hash
	// ValidBefore is in Unix seconds; zero is none.
	ValidBefore uint64
	// Gas is the gas limit.
	Gas uint64
}

// Inspect decodes a transaction in its 0x76 or 0x78 form and verifies the sender's signature. It does
// not ask whether the chain would take it.
func Inspect(raw []byte) (*Transaction, error) {
	t, err := decodeTransaction(raw)
	if err != nil {
		return nil, fmt.Errorf("devchain: decode: %w", err)
	}
	preimage := t.senderPreimage()
	sender, _, err := recoverSender(keccak(preimage), t.signature)
	if err != nil || t.feePayer == feePayerSender && sender != t.handoffSender {
		return nil, fmt.Errorf("devchain: decode: %w", errSignature)
	}
	out := &Transaction{
		Hash: t.hash, Sender: sender, Sponsored: t.feePayer != feePayerNone,
		ExpiringNonceHash: expiringNonceHash(preimage, sender), ValidBefore: t.validBefore, Gas: t.gas,
	}
	for _, one := range t.calls {
		if one.to == nil || one.value.Sign() != 0 {
			return nil, errors.New("devchain: decode: a call creates a contract or sends value")
		}
		out.Calls = append(out.Calls, Call{*one.to, bytes.Clone(one.data)})
	}
	return out, nil
}

// Opening is what an open or topUp call says.
type Opening struct {
	Protocol voucher.Protocol
	// TopUp: the call adds to a channel. On v1 it names the channel by ChannelID alone, on v2 by the
	// whole Descriptor. An open has no ChannelID yet.
	TopUp bool
	// Descriptor of an open lacks the payer and, on v2, the expiring nonce hash: they come from the
	// transaction.
	Descriptor Descriptor
	ChannelID  common.Hash
	// Amount is the deposit, or what is added to it.
	Amount voucher.Amount
}

var (
	openV2  = selectorOf("open(address,address,address,uint96,bytes32,address)")
	openV1  = selectorOf("open(address,address,uint128,bytes32,address)")
	topUpV2 = selectorOf("topUp(" + descriptorType + ",uint96)")
	topUpV1 = selectorOf("topUp(bytes32,uint256)")
)

// ReadOpening reads the calldata of open or topUp of either escrow. It reports false for everything
// else, and for calldata that is not canonical: too short, too long or with dirty upper bits.
func (c *Chain) ReadOpening(one Call) (Opening, bool) {
	if len(one.Data) < 4 || one.To != ReserveAddress && one.To != c.cfg.StreamChannel {
		return Opening{}, false
	}
	a := &args{data: one.Data[4:]}
	o := Opening{Protocol: voucher.V2}
	d := &o.Descriptor
	if one.To == c.cfg.StreamChannel {
		o.Protocol = voucher.V1
	}
	switch s := selector(one.Data[:4]); {
	case o.Protocol == voucher.V2 && s == openV2:
		d.Payee, d.Operator, d.Token, o.Amount, d.Salt, d.AuthorizedSigner = a.address(), a.address(), a.address(), a.amount(96), a.hash(), a.address()
	case o.Protocol == voucher.V1 && s == openV1:
		d.Payee, d.Token, o.Amount, d.Salt, d.AuthorizedSigner = a.address(), a.address(), a.amount(128), a.hash(), a.address()
	case o.Protocol == voucher.V2 && s == topUpV2:
		o.TopUp, *d, o.Amount = true, a.descriptor(), a.amount(96)
	case o.Protocol == voucher.V1 && s == topUpV1:
		o.TopUp, o.ChannelID, o.Amount = true, a.hash(), a.amount(128)
	default:
		return Opening{}, false
	}
	return o, !a.bad && a.pos == len(a.data)
}

// Simulate runs calls on the newest state and takes everything back, as a sponsor does before it
// signs. The error says with which custom error they would revert.
func (c *Chain) Simulate(from common.Address, calls ...Call) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tick()
	list := make([]call, len(calls))
	for i := range calls {
		list[i] = call{to: &calls[i].To, data: calls[i].Data}
	}
	_, _, err := c.simulate(from, list, nil)
	return err
}
