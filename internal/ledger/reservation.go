package ledger

import (
	"context"
	"errors"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Terms are what one request is held to.
type Terms struct {
	Limits channel.Limits
	// Charge counts what the request takes from its budgets. Nil counts nothing.
	Charge *Charge
	// Origin is the origin of the request, which may be another than the channel was opened for.
	// Empty means the channel's own.
	Origin string
}

// ErrEnded is returned for a reservation that has ended. Nothing was signed.
var ErrEnded = errors.New("ledger: the reservation has ended; nothing was signed")

// Reservation is the place of one request on a channel, from the decision about its price until
// Keep, Release or Settle. It is safe for concurrent use.
type Reservation struct {
	account *Account

	// What follows is guarded by the account's mu.

	terms     Terms
	claim     rule.Claim
	open      bool // it is in flight
	kept      bool // it ended with its price counted
	ends      int  // how often it ended
	unit      voucher.Amount
	delivered func() uint64 // pieces of a stream so far; nil for a request
	overspent error
	since     uint64         // the account's reports when it was made
	after     voucher.Amount // and its kept
	misses    int            // reports above the ceiling that the record did not explain
	rise      Rise
}

// Reserve decides a request and returns the voucher to present. The reservation stands for the
// request until it is ended. It is not nil after an error, holds nothing then, and may be decided
// again.
//
// The errors are those of [rule.State.Authorize], [ErrStore], the signer's and the context's. No
// voucher was signed for the request then, or none that anybody was given.
func (a *Account) Reserve(
	ctx context.Context, t Terms, req rule.Request,
) (*Reservation, voucher.Signed, error) {
	r := &Reservation{account: a, terms: t}
	signed, err := r.Decide(ctx, req)
	return r, signed, err
}

// Decide decides the reservation again: another price, another deposit, or a request that left this
// channel and comes back. Its price counts once, and what it raised the ceiling by stays counted.
// The errors are those of [Account.Reserve], and [ErrEnded] after Keep or Settle.
func (r *Reservation) Decide(ctx context.Context, req rule.Request) (voucher.Signed, error) {
	return r.account.place(ctx, decision{
		reservation: r, begins: true,
		rule: func(
			s rule.State, was rule.Claim, lim rule.Limits,
		) (rule.State, rule.Claim, voucher.Amount, error) {
			return s.Renew(was, req, lim)
		},
	})
}

// Again decides what to present after the payee refused presented for this reservation. Another
// session may have presented a higher voucher, so the record is read first if this session knows of
// none. The errors are those of [rule.State.Overdrawn] and of [Account.Reserve], and [ErrEnded].
func (r *Reservation) Again(ctx context.Context, presented voucher.Amount) (voucher.Signed, error) {
	a := r.account
	a.mu.Lock()
	a.countUnasked(a.view.Authorized().AddCapped(r.claim.Price))
	if !presented.Less(a.view.Signed) {
		a.stale = true
	}
	a.mu.Unlock()
	return a.place(ctx, decision{
		reservation: r,
		rule: func(
			s rule.State, was rule.Claim, lim rule.Limits,
		) (rule.State, rule.Claim, voucher.Amount, error) {
			return s.Overdrawn(was, presented, lim)
		},
	})
}

// CloseVoucher returns the voucher of a cooperative close. refused is the amount that the payee
// refused, or zero. The errors are those of [rule.State.CloseDue] and of [Account.Reserve].
func (a *Account) CloseVoucher(
	ctx context.Context, refused voucher.Amount,
) (voucher.Signed, error) {
	return a.place(ctx, decision{
		exact: true,
		rule: func(
			s rule.State, c rule.Claim, _ rule.Limits,
		) (rule.State, rule.Claim, voucher.Amount, error) {
			due, err := s.CloseDue(refused)
			return s, c, due, err
		},
	})
}

// Under holds the reservation to other limits, and to another origin, from its next decision on:
// the request went on elsewhere. Its charge stays the one that it was made with.
func (r *Reservation) Under(t Terms) {
	r.account.mu.Lock()
	defer r.account.mu.Unlock()
	t.Charge = r.terms.Charge
	r.terms = t
}

// Account returns the channel that the reservation is on.
func (r *Reservation) Account() *Account { return r.account }

// Price returns what the reservation counts so far, in base units.
func (r *Reservation) Price() voucher.Amount {
	r.account.mu.Lock()
	defer r.account.mu.Unlock()
	r.account.countDelivered()
	return r.claim.Price
}

// Raised returns by how much the price raised the ceiling, in base units.
func (r *Reservation) Raised() voucher.Amount {
	r.account.mu.Lock()
	defer r.account.mu.Unlock()
	return r.claim.Raised
}

// Without returns the channel as it would stand if the reservation were not there: what the same
// request is planned against when it is decided again.
func (r *Reservation) Without() rule.State {
	a := r.account
	a.mu.Lock()
	defer a.mu.Unlock()
	back := rule.Counts{Released: r.held(), Withdrawn: r.claim.Asked}
	return a.view.Fold(rule.Additions{Counts: back})
}

// held is what the reservation counts in Claimed. The caller holds mu.
func (r *Reservation) held() voucher.Amount {
	if !r.open {
		return voucher.Amount{}
	}
	return r.claim.Price
}

// Alone reports whether no other reservation is open on the channel.
func (r *Reservation) Alone() bool {
	a := r.account
	a.mu.Lock()
	defer a.mu.Unlock()
	_, in := a.open[r]
	return len(a.open) == 0 || in && len(a.open) == 1
}

// Keep ends the reservation with its price counted: it was charged, or may have been.
func (r *Reservation) Keep() {
	a := r.account
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.end(r) {
		r.kept = true
		a.kept = a.kept.AddCapped(r.claim.Price)
	}
}

// Release ends the reservation: it was certainly not charged. Its price is free for the next
// request. What its budgets count stays.
func (r *Reservation) Release() {
	a := r.account
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.end(r) {
		a.release(r)
	}
}

// end takes a reservation out of those in flight; false if it was out already. A decision about it
// that waits or is being served finds it ended. The caller holds mu.
func (a *Account) end(r *Reservation) bool {
	a.countDelivered()
	for _, d := range a.serving {
		if d.reservation == r {
			a.abandon(d)
		}
	}
	r.ends++
	if !r.open {
		return false
	}
	a.owe(r)
	r.open = false
	delete(a.open, r)
	return true
}

// release frees the price of a reservation that ended. The caller holds mu.
func (a *Account) release(r *Reservation) {
	a.count(rule.Counts{Released: r.claim.Price.Min(a.view.Claimed)})
	r.terms.Charge.moved(r.claim.Price, voucher.Amount{})
}
