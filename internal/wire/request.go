package wire

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// SessionRequest is what a challenge asks for: the decoded request of a session, or of a zero-dollar
// charge, which has the same fields. It is the server's word.
type SessionRequest struct {
	// Amount is the price of one unit, in base units.
	Amount voucher.Amount
	// Currency is the token, Recipient the payee.
	Currency, Recipient common.Address
	// UnitType says what a unit is; empty where the server does not say.
	UnitType string
	// SuggestedDeposit is nil where the server suggests none.
	SuggestedDeposit *voucher.Amount
	MethodDetails    MethodDetails
}

// MethodDetails is the part of a request that is the tempo method's own. Nil and zero mean absent.
type MethodDetails struct {
	ChainID *uint64
	// EscrowContract is the escrow; its older name escrow is read too.
	EscrowContract *common.Address
	// SessionProtocol is "v1", "v2", or another text, or empty, which means v1.
	SessionProtocol string
	// MinVoucherDelta is the least growth between two vouchers, in base units.
	MinVoucherDelta *voucher.Amount
	// FeePayer says that the server pays the fees of opens and top-ups.
	FeePayer bool
	FeeToken *common.Address
	Operator *common.Address

	// ChannelID is a channel that the server suggests, SessionSnapshot what it knows of one.
	ChannelID       *common.Hash
	SessionSnapshot *Snapshot
	// The flat hints: what the server says of ChannelID, in base units. They prove nothing.
	AcceptedCumulative, RequiredCumulative, Spent, Deposit *voucher.Amount
}

// requestObject decodes the request as far as it is the same for all methods.
func (c *Challenge) requestObject() (*Object, error) {
	text, err := DecodeText(c.Request, MaxParam)
	if err != nil {
		return nil, fmt.Errorf("request: %w", err)
	}
	o, err := ParseObject(text)
	if err != nil {
		return nil, fmt.Errorf("request: %w", err)
	}
	return o, nil
}

// SessionRequest decodes the request. Unknown fields are ignored; a known one that does not fit makes
// the whole request [ErrMalformed], hints included: a server whose numbers cannot be read is not paid.
func (c Challenge) SessionRequest() (SessionRequest, error) {
	o, err := c.requestObject()
	if err != nil {
		return SessionRequest{}, err
	}
	r := SessionRequest{
		Amount:           Required(o, "amount", Value.Amount),
		Currency:         Required(o, "currency", Value.Address),
		Recipient:        Required(o, "recipient", Value.Address),
		UnitType:         Optional(o, "unitType", Value.Text),
		SuggestedDeposit: Pointer(o, "suggestedDeposit", Value.Amount),
		MethodDetails:    Optional(o, "methodDetails", methodDetails),
	}
	if err := o.Err(); err != nil {
		return SessionRequest{}, fmt.Errorf("request: %w", err)
	}
	return r, nil
}

func methodDetails(v Value) (MethodDetails, error) {
	o, err := v.Object()
	if err != nil {
		return MethodDetails{}, err
	}
	d := MethodDetails{
		ChainID:            Pointer(o, "chainId", Value.Uint64),
		EscrowContract:     Pointer(o, "escrowContract", Value.Address),
		SessionProtocol:    Optional(o, "sessionProtocol", Value.Text),
		MinVoucherDelta:    Pointer(o, "minVoucherDelta", Value.Amount),
		FeePayer:           Optional(o, "feePayer", Value.Bool),
		FeeToken:           Pointer(o, "feeToken", Value.Address),
		Operator:           Pointer(o, "operator", Value.Address),
		ChannelID:          Pointer(o, "channelId", Value.Hash),
		SessionSnapshot:    Pointer(o, "sessionSnapshot", snapshot),
		AcceptedCumulative: Pointer(o, "acceptedCumulative", Value.Amount),
		RequiredCumulative: Pointer(o, "requiredCumulative", Value.Amount),
		Spent:              Pointer(o, "spent", Value.Amount),
		Deposit:            Pointer(o, "deposit", Value.Amount),
	}
	switch alias := Pointer(o, "escrow", Value.Address); {
	case alias == nil:
	case d.EscrowContract == nil:
		d.EscrowContract = alias
	case *d.EscrowContract != *alias:
		return d, fmt.Errorf("%w: escrowContract and escrow differ", ErrMalformed)
	}
	return d, o.Err()
}
