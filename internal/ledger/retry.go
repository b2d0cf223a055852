package ledger

import (
	"context"

	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Retry decides the reservation of a request that its caller makes again. A reservation that ended
// with its price counted is in flight again, and its price goes on counting once. If a report has
// shown since what the payee charged in all, the price counts anew, unless all that callers
// requested is claimed without it (see [rule.State.Retried]). What the reservation raised the
// ceiling by stays counted. The errors are those of [Account.Reserve], and [ErrEnded].
func (r *Reservation) Retry(ctx context.Context, req rule.Request) (voucher.Signed, error) {
	r.resume()
	return r.account.place(ctx, decision{
		reservation: r, begins: true, rule: rule.State.Retried, request: req,
	})
}

// resume puts a reservation back that ended with its price counted.
func (r *Reservation) resume() {
	a := r.account
	a.mu.Lock()
	defer a.mu.Unlock()
	if !r.kept {
		return
	}
	r.kept = false
	if r.judged() {
		r.doubt = false
		r.terms.Charge.moved(r.claim.Price, voucher.Amount{})
		return
	}
	// The account's kept goes on including it. A report may miss it for a little longer because of
	// that, and frees less.
	r.open, r.doubt = true, true
	r.since, r.after = a.reports, a.kept
	a.open[r] = struct{}{}
}

// judged reports whether a report has shown since the reservation was kept what the payee charged
// until then. The caller holds mu.
func (r *Reservation) judged() bool { return !r.account.cleared.Less(r.at) }

// counted is what the reservation counts in Claimed. The caller holds mu.
func (r *Reservation) counted() voucher.Amount {
	if r.kept && !r.judged() {
		return r.claim.Held()
	}
	return r.held()
}

// Present returns the voucher that exists, for a request that was paid before. Nothing is decided
// or raised for it. The errors are those of [rule.State.Presented] and of [Account.Reserve].
func (a *Account) Present(ctx context.Context) (voucher.Signed, error) {
	r := &Reservation{account: a}
	defer r.Release()
	return a.place(ctx, decision{
		reservation: r, begins: true,
		rule: func(
			s rule.State, c rule.Claim, _ rule.Request, _ rule.Limits,
		) (rule.State, rule.Claim, voucher.Amount, error) {
			due, err := s.Presented()
			return s, c, due, err
		},
	})
}
