package ledger

import (
	"context"

	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Again decides what to present after the payee refused presented for this reservation. Another
// session may have presented a higher voucher, so the record is read first if this session knows of
// none. The errors are those of [rule.State.Overdrawn] and of [Account.Reserve], and [ErrEnded].
func (r *Reservation) Again(ctx context.Context, presented voucher.Amount) (voucher.Signed, error) {
	a := r.account
	a.mu.Lock()
	a.countUnasked(a.view.Authorized().AddCapped(r.claim.Price))
	alone, first := a.pace.shares == sharesNone, a.pace.trial == &r.trip && a.pace.trying()
	if first && a.pace.shares == sharesUnknown {
		a.pace.vain++
	}
	if !presented.Less(a.view.Signed) {
		a.stale.Store(true)
	}
	ask := decision{
		reservation: r, travels: r.paced, waits: r.paced && alone && !first,
		rule: func(
			s rule.State, was rule.Claim, _ rule.Request, lim rule.Limits,
		) (rule.State, rule.Claim, voucher.Amount, error) {
			if a.pace.shares == sharesNone {
				presented = presented.Max(a.handed(&s)) // another request has that one
			}
			return s.Overdrawn(was, presented, lim)
		},
	}
	if r.trying() { // nothing was decided for it yet
		if ask.rule, ask.request = rule.State.Renew, *r.tried; alone {
			ask.rule = a.apart
		}
	}
	a.mu.Unlock()
	return a.place(ctx, ask)
}

// CloseVoucher returns the voucher of a cooperative close. refused is the amount that the payee
// refused, or zero. The errors are those of [rule.State.CloseDue] and of [Account.Reserve].
func (a *Account) CloseVoucher(
	ctx context.Context, refused voucher.Amount,
) (voucher.Signed, error) {
	r := &Reservation{account: a}
	defer r.Release()
	return a.place(ctx, decision{
		reservation: r, begins: true, exact: true,
		rule: func(
			s rule.State, c rule.Claim, _ rule.Request, _ rule.Limits,
		) (rule.State, rule.Claim, voucher.Amount, error) {
			due, err := s.CloseDue(refused)
			return s, c, due, err
		},
	})
}

// Without returns the channel as it would stand if the reservation were not there: what the same
// request is planned against when it is decided again.
func (r *Reservation) Without() rule.State {
	a := r.account
	a.mu.Lock()
	defer a.mu.Unlock()
	back := rule.Counts{Released: r.counted(), Withdrawn: r.claim.Asked}
	return a.view.Fold(rule.Additions{Counts: back})
}
