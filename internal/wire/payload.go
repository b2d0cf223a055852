package wire

import (
	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Payload is the action of a credential. [Open], [TopUp], [Voucher], [Close] and [Proof] return
// payloads. Empty fields are omitted, except the amount that the action requires.
type Payload struct {
	// Action is open, topUp, voucher or close, and empty in a proof. Type is transaction for open
	// and topUp, and proof in a proof.
	Action, Type string
	ChannelID    common.Hash
	// Transaction is the signed transaction; its first byte is 0x76 or 0x78. Signature is that of
	// the voucher or the proof.
	Transaction, Signature []byte
	// Descriptor is required on v2 and nil on v1.
	Descriptor *Descriptor
	// CumulativeAmount (open, voucher, close) and AdditionalDeposit (topUp) are in base units.
	CumulativeAmount, AdditionalDeposit voucher.Amount
	// AuthorizedSigner is written in an open if it is not zero.
	AuthorizedSigner common.Address
}

// Open returns a payload that opens a channel with a signed transaction and pays with the first
// voucher. d is nil on v1.
func Open(
	id common.Hash,
	d *Descriptor,
	transaction []byte,
	cumulative voucher.Amount,
	signature []byte,
	authorizedSigner common.Address,
) Payload {
	return Payload{
		Action: "open", Type: "transaction", ChannelID: id, Descriptor: d, Transaction: transaction,
		CumulativeAmount: cumulative, Signature: signature, AuthorizedSigner: authorizedSigner,
	}
}

// TopUp returns a payload that adds to the deposit of a channel with a signed transaction. d is nil
// on v1.
func TopUp(id common.Hash, d *Descriptor, transaction []byte, additional voucher.Amount) Payload {
	return Payload{
		Action:            "topUp",
		Type:              "transaction",
		ChannelID:         id,
		Descriptor:        d,
		Transaction:       transaction,
		AdditionalDeposit: additional,
	}
}

// Voucher returns a payload that pays with a voucher. d is nil on v1.
func Voucher(id common.Hash, d *Descriptor, cumulative voucher.Amount, signature []byte) Payload {
	return Payload{
		Action:           "voucher",
		ChannelID:        id,
		Descriptor:       d,
		CumulativeAmount: cumulative,
		Signature:        signature,
	}
}

// Close returns a payload that asks the payee to close the channel with a last voucher. d is nil on
// v1.
func Close(id common.Hash, d *Descriptor, cumulative voucher.Amount, signature []byte) Payload {
	return Payload{
		Action:           "close",
		ChannelID:        id,
		Descriptor:       d,
		CumulativeAmount: cumulative,
		Signature:        signature,
	}
}

// Proof returns the payload of a zero-dollar proof.
func Proof(signature []byte) Payload { return Payload{Type: "proof", Signature: signature} }

// cumulative reports whether the action has a cumulative amount.
func (p *Payload) cumulative() bool {
	return p.Action == "open" || p.Action == "voucher" || p.Action == "close"
}

// funds reports whether the action carries a transaction.
func (p *Payload) funds() bool { return p.Action == "open" || p.Action == "topUp" }

// check returns an error if the payload lacks a field that its action requires.
func (p *Payload) check() error {
	switch {
	case (p.cumulative() || p.Type == "proof") && len(p.Signature) == 0:
		return malformed("payload without signature")
	case p.funds() && (len(p.Transaction) == 0 || p.Type != "transaction"):
		return malformed("payload without transaction")
	case (p.cumulative() || p.funds()) && p.ChannelID == common.Hash{}:
		return malformed("payload without channel id")
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
		dst = append(dst[:start], dst[start+1:]...) // remove the first comma
	}
	return append(dst, '}')
}

// payload reads the fields that [Payload.append] writes and ignores others.
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
