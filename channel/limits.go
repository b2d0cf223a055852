package channel

import (
	"fmt"
	"iter"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Limits say how much may be spent. All amounts are base units of the token. Unset money is no
// money: the zero Limits pay nothing, and the [LimitError] names the field to set.
type Limits struct {
	// Price is the most that one unit (one request, or one charged piece of a stream) may cost. What the
	// redirects of a request cost counts together. Zero pays nothing.
	Price voucher.Amount
	// Deposit is the most that one channel may hold, and the most that may ever be signed for it. Zero
	// opens and signs nothing.
	Deposit voucher.Amount
	// Total is the most that one session puts into channels in all, opens and top-ups of all origins
	// together. Zero means Deposit: one full channel.
	Total voucher.Amount
	// Fund is how much an open or a top-up puts in where more than the need is allowed. Zero follows the
	// server's suggestion, and the bare need where it suggests nothing. It never lifts Deposit or Total.
	Fund voucher.Amount
	// Stream is the most that one streamed answer may cost in all. Zero pays for the first unit only:
	// the stream ends with a [LimitError] when the server asks for more.
	Stream voucher.Amount
	// Step is the most that one need-voucher frame of a stream may ask for. Zero means the price of one
	// unit, which is what servers that charge unit by unit ask.
	Step voucher.Amount
	// Ahead lets what is authorized run ahead of what was asked for, so that one durable write and one
	// signature serve many requests and a stream need not stop. The exposure is exactly this amount for
	// each channel: a dishonest payee can settle it without having delivered anything for it. Zero
	// signs for what was asked and nothing more.
	Ahead voucher.Amount
	// Ask is the price above which the owner is asked first (client.Config.Approve). Zero asks for nothing.
	Ask voucher.Amount
	// All, Origin and Payee bound what may be authorized over time: on all channels of the store together, for any
	// one origin, and for any one payee at whatever origin. They hold across restarts. Where nothing is set, a month
	// authorizes no more than Total, whoever asks.
	All, Origin, Payee Windows
}

// Windows are limits over time: the most that may be authorized in any 60 minutes, 24 hours and 30 days, in base
// units. What counts is by how much ceilings rise, [Limits.Ahead] included: the money that payees could take. Zero
// means as much as the next longer one.
type Windows struct{ Hour, Day, Month voucher.Amount }

// Fields yields the name of every amount, for example "Price" or "Origin.Day", and where it is, in the order of
// their declaration.
func (l *Limits) Fields() iter.Seq2[string, *voucher.Amount] {
	type field struct {
		name   string
		amount *voucher.Amount
	}
	all := [...]field{
		{"Price", &l.Price},
		{"Deposit", &l.Deposit},
		{"Total", &l.Total},
		{"Fund", &l.Fund},
		{"Stream", &l.Stream},
		{"Step", &l.Step},
		{"Ahead", &l.Ahead},
		{"Ask", &l.Ask},
		{"All.Hour", &l.All.Hour},
		{"All.Day", &l.All.Day},
		{"All.Month", &l.All.Month},
		{"Origin.Hour", &l.Origin.Hour},
		{"Origin.Day", &l.Origin.Day},
		{"Origin.Month", &l.Origin.Month},
		{"Payee.Hour", &l.Payee.Hour},
		{"Payee.Day", &l.Payee.Day},
		{"Payee.Month", &l.Payee.Month},
	}
	return func(yield func(string, *voucher.Amount) bool) {
		for _, f := range all {
			if !yield(f.name, f.amount) {
				return
			}
		}
	}
}

// Set sets the amount with the given name. The error names a field that does not exist.
func (l *Limits) Set(name string, v voucher.Amount) error {
	for field, amount := range l.Fields() {
		if field == name {
			*amount = v
			return nil
		}
	}
	return fmt.Errorf("channel: there is no limit %q", name)
}
