package wire

import (
	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// NeedVoucher is the data of a payment-need-voucher frame: the server pauses the stream until it
// gets a voucher for Required. Amounts are in base units.
type NeedVoucher struct {
	ChannelID                   common.Hash
	Required, Accepted, Deposit voucher.Amount
}

// ParseNeedVoucher reads the data of a frame. All four fields are required. The error is
// [ErrMalformed].
func ParseNeedVoucher(data []byte) (NeedVoucher, error) {
	if len(data) > MaxDocument {
		return NeedVoucher{}, malformed(
			"frame of %d bytes is longer than %d", len(data), MaxDocument,
		)
	}
	o, err := ParseObject(data)
	if err != nil {
		return NeedVoucher{}, err
	}
	n := NeedVoucher{
		ChannelID: Required(o, "channelId", Value.Hash),
		Required:  Required(o, "requiredCumulative", Value.Amount),
		Accepted:  Required(o, "acceptedCumulative", Value.Amount),
		Deposit:   Required(o, "deposit", Value.Amount),
	}
	if err := o.Err(); err != nil {
		return NeedVoucher{}, err
	}
	return n, nil
}
