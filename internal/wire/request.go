package wire

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// SessionRequest is the decoded request of a session challenge, or of a zero-dollar charge, which
// has the same fields. Nothing in it is verified.
type SessionRequest struct {
	// Amount is the price of one unit, in base units.
	Amount voucher.Amount
	// Currency is the token, Recipient the payee.
	Currency, Recipient common.Address
	// UnitType is the kind of unit, for example "request"; it may be empty.
	UnitType string
	// SuggestedDeposit is nil if the server suggests none.
	SuggestedDeposit *voucher.Amount
	MethodDetails    MethodDetails
}

// MethodDetails holds the fields of a request that are specific to the tempo method. Nil and zero
// mean absent.
type MethodDetails struct {
	ChainID *uint64
	// EscrowContract is the escrow. Its old name "escrow" is accepted too.
	EscrowContract *common.Address
	// SessionProtocol is "v1", "v2" or any other text. Empty means v1.
	SessionProtocol string
	// MinVoucherDelta is the minimum increase between two vouchers, in base units.
	MinVoucherDelta *voucher.Amount
	// FeePayer means that the server pays the fees of opens and top-ups.
	FeePayer bool
	FeeToken *common.Address
	Operator *common.Address

	// ChannelID is a channel that the server suggests. SessionSnapshot is its record of a channel.
	ChannelID       *common.Hash
	SessionSnapshot *Snapshot
	// The flat hints are the server's amounts for ChannelID, in base units. They prove nothing.
	AcceptedCumulative, RequiredCumulative, Spent, Deposit *voucher.Amount
}

// requestObject decodes the request without reading its members.
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

// SessionRequest decodes the request. It ignores unknown fields. The error is [ErrMalformed] if any
// known field, hints included, cannot be read: a server whose numbers are unreadable is not paid.
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
		return d, malformed("escrowContract and escrow differ")
	}
	return d, o.Err()
}
