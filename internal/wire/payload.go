package wire

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Payload is what a credential does about its challenge. [Open], [TopUp], [Voucher], [Close] and
// [Proof] make payloads; empty fields are left out, and the amount that the action has is always written.
type Payload struct {
	// Action is open, topUp, voucher or close; empty in a proof. Type is transaction for the first two and
	// proof in a proof.
	Action, Type string
	ChannelID    common.Hash
	// Transaction is the signed transaction, 0x76 or 0x78 first. Signature is the voucher's or the proof's.
	Transaction, Signature []byte
	// Descriptor goes along on v2 and is nil on v1.
	Descriptor *Descriptor
	// CumulativeAmount and AdditionalDeposit are in base units; the first belongs to open, voucher and
	// close, the second to topUp.
	CumulativeAmount, AdditionalDeposit voucher.Amount
	// AuthorizedSigner goes along on open, unless it is zero.
	AuthorizedSigner common.Address
}

// Open opens a channel with a signed transaction and pays with the first voucher. d is nil on v1.
func Open(id common.Hash, d *Descriptor, transaction []byte, cumulative voucher.Amount, signature []byte, authorizedSigner common.Address) Payload {
	return Payload{
		Action: "open", Type: "transaction", ChannelID: id, Descriptor: d, Transaction: transaction,
		CumulativeAmount: cumulative, Signature: signature, AuthorizedSigner: authorizedSigner,
	}
}

// TopUp adds to a channel's deposit with a signed transaction. d is nil on v1.
func TopUp(id common.Hash, d *Descriptor, transaction []byte, additional voucher.Amount) Payload {
	return Payload{Action: "topUp", Type: "transaction", ChannelID: id, Descriptor: d, Transaction: transaction, AdditionalDeposit: additional}
}

// Voucher pays with a voucher. d is nil on v1.
func Voucher(id common.Hash, d *Descriptor, cumulative voucher.Amount, signature []byte) Payload {
	return Payload{Action: "voucher", ChannelID: id, Descriptor: d, CumulativeAmount: cumulative, Signature: signature}
}

// Close asks the payee to close the channel at a last voucher. d is nil on v1.
func Close(id common.Hash, d *Descriptor, cumulative voucher.Amount, signature []byte) Payload {
	return Payload{Action: "close", ChannelID: id, Descriptor: d, CumulativeAmount: cumulative, Signature: signature}
}

// Proof shows for zero dollars who the payer is.
func Proof(signature []byte) Payload { return Payload{Type: "proof", Signature: signature} }

// cumulative reports whether the action has a cumulative amount.
func (p *Payload) cumulative() bool {
	return p.Action == "open" || p.Action == "voucher" || p.Action == "close"
}

// funds reports whether the action carries a transaction.
func (p *Payload) funds() bool { return p.Action == "open" || p.Action == "topUp" }

// check refuses a payload that lacks what its action needs.
func (p *Payload) check() error {
	switch {
	case (p.cumulative() || p.Type == "proof") && len(p.Signature) == 0:
		return fmt.Errorf("%w: a payload without signature", ErrMalformed)
	case p.funds() && (len(p.Transaction) == 0 || p.Type != "transaction"):
		return fmt.Errorf("%w: a payload without transaction", ErrMalformed)
	case (p.cumulative() || p.funds()) && p.ChannelID == common.Hash{}:
		return fmt.Errorf("%w: a payload without channel", ErrMalformed)
	}
	return nil
}

func (p *Payload) append(dst []byte) []byte {
	start := len(dst) + 1
	dst = append(dst, '{')
	if p.Action != "" {
		dst = appendText(append(dst, `,"action":`...), p.Action)
	}
	if p.Type != "" {
		dst = appendText(append(dst, `,"type":`...), p.Type)
	}
	if p.ChannelID != (common.Hash{}) {
		dst = appendHex(append(dst, `,"channelId":`...), p.ChannelID[:])
	}
	if len(p.Transaction) > 0 {
		dst = appendHex(append(dst, `,"transaction":`...), p.Transaction)
	}
	if p.Descriptor != nil {
		dst = p.Descriptor.append(append(dst, `,"descriptor":`...))
	}
	if p.cumulative() {
		dst = appendAmount(append(dst, `,"cumulativeAmount":`...), p.CumulativeAmount)
	}
	if p.Action == "topUp" {
		dst = appendAmount(append(dst, `,"additionalDeposit":`...), p.AdditionalDeposit)
	}
	if p.AuthorizedSigner != (common.Address{}) {
		dst = appendHex(append(dst, `,"authorizedSigner":`...), p.AuthorizedSigner[:])
	}
	if len(p.Signature) > 0 {
		dst = appendHex(append(dst, `,"signature":`...), p.Signature)
	}
	if len(dst) > start {
		dst = append(dst[:start], dst[start+1:]...) // the first comma
	}
	return append(dst, '}')
}

// payload reads what [Payload.append] writes; other fields are ignored.
func payload(v Value) (Payload, error) {
	o, err := v.Object()
	if err != nil {
		return Payload{}, err
	}
	p := Payload{
		Action:            Optional(o, "action", Value.Text),
		Type:              Optional(o, "type", Value.Text),
		ChannelID:         Optional(o, "channelId", Value.Hash),
		Transaction:       Optional(o, "transaction", Value.Bytes),
		Signature:         Optional(o, "signature", Value.Bytes),
		Descriptor:        Pointer(o, "descriptor", descriptor),
		CumulativeAmount:  Optional(o, "cumulativeAmount", Value.Amount),
		AdditionalDeposit: Optional(o, "additionalDeposit", Value.Amount),
		AuthorizedSigner:  Optional(o, "authorizedSigner", Value.Address),
	}
	switch {
	case p.cumulative():
		Required(o, "cumulativeAmount", Value.Amount)
	case p.Action == "topUp":
		Required(o, "additionalDeposit", Value.Amount)
	}
	if err := o.Err(); err != nil {
		return Payload{}, err
	}
	return p, p.check()
}
