package ledger

import (
	"errors"

	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// errUnsigned is the error of a decision that needs the gate.
var errUnsigned = errors.New("client: no voucher that exists covers the request")

// atOnce makes a decision that needs neither a write nor a signature: the voucher that exists
// covers it, and it left or may leave. ok is false if the gate has to make it. The caller holds mu.
func (a *Account) atOnce(d decision) (signed voucher.Signed, err error, ok bool) {
	level := a.view.MayExist().SubFloor(a.spare)
	if a.stale.Load() || d.exact || d.waits && a.pace.crowded(d.travels) || len(a.view.Voucher) == 0 || level.Less(a.view.Signed) {
		return signed, nil, false
	}
	if a.streams {
		a.countDelivered()
	}
	decide := d.rule
	d.rule = func(
		s rule.State, was rule.Claim, req rule.Request, lim rule.Limits,
	) (rule.State, rule.Claim, voucher.Amount, error) {
		next, after, due, err := decide(s, was, req, lim)
		if err == nil && due != s.Signed {
			err = errUnsigned
		}
		return next, after, due, err
	}
	next, due, err := a.judge(a.view, &d, rule.Limits{Limits: d.terms.Limits}, nil)
	if err != nil {
		if errors.Is(err, errUnsigned) {
			return signed, err, false
		}
		a.pace.move(&d.reservation.trip, stopped, voucher.Amount{})
		return signed, err, true
	}
	a.step(&next)
	if d.travels {
		a.pace.move(&d.reservation.trip, leaving, due)
	}
	if a.charged {
		a.hold(due, due, &d)
	}
	signed.Voucher = voucher.Voucher{ChannelID: a.id, Cumulative: due}
	signed.Signature = a.view.Voucher
	return signed, nil, true
}
