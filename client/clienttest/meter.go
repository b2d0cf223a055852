package clienttest

import (
	"errors"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// ErrUnpaid: a stream asked for a voucher and got none in time ([Config.VoucherWait]).
var ErrUnpaid = errors.New("clienttest: no voucher came for the next unit")

// Meter is one paid event stream. It belongs to one goroutine.
type Meter struct{}

// Charge reserves units at the price of the terms and waits until vouchers cover them; meanwhile it
// asks the client with one need-voucher frame. What is reserved is charged with the next Send or Raw.
// The errors are [ErrUnpaid], one of a channel that was closed, and the context's.
func (m *Meter) Charge(units uint64) error { return nil }

// ChargeAmount is Charge for an amount in base units that is no multiple of the price. It is one unit.
func (m *Meter) ChargeAmount(amount voucher.Amount) error { return nil }

// Send sends one message event. Each line of data is a data line.
func (m *Meter) Send(data string) error { return nil }

// Raw sends bytes as they are. They count as one message.
func (m *Meter) Raw(frames []byte) error { return nil }
