package rule

import (
	"errors"
	"fmt"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Retried decides a request that its caller makes again, and that the payee may have charged the
// first time. It is [State.Renew] with two differences. The price is never below the one that
// counts already. And if all that callers requested is claimed without this price, then the payee
// has charged it: the voucher that exists is due, and nothing is claimed or raised. The errors are
// those of [State.Renew]; the state is then unchanged.
func (s State) Retried(
	was Claim, req Request, lim Limits,
) (next State, c Claim, due voucher.Amount, err error) {
	req.Price = req.Price.Max(was.Price)
	next, c, due, err = s.Renew(was, req, lim)
	var over *channel.LimitError
	claimed := errors.As(err, &over) && over.Limit == "Ahead" && req.Elsewhere.IsZero()
	if !claimed || s.Signed.IsZero() || s.Signed.Less(req.Floor) {
		return next, c, due, err
	}
	return s, was, s.Signed, nil
}

// Presented returns the amount of the voucher that exists, for a request that was paid before.
// Nothing is claimed or raised for it. The error is [channel.ErrNotPayable] if there is none, or if
// the channel takes no vouchers.
func (s State) Presented() (due voucher.Amount, err error) {
	if !s.Payable() || s.Signed.IsZero() {
		return due, fmt.Errorf(
			"%w: channel %s is %s", channel.ErrNotPayable, s.ID, s.standing(),
		)
	}
	return s.Signed, nil
}
