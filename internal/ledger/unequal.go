package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// A payee that refuses equal vouchers is known from its first refusal on: to the session, by the
// payee's address, to those that share the channel by its record, and to later sessions by the record of
// the scope. What is known only decides how many requests a voucher may carry, so it is a hint: a write of
// it that fails costs one more refusal. The record of the channel says it from the next rise of its ceiling on.

const (
	// unequalFor is how long a refusal is remembered in the store: a payee may learn to serve equal
	// vouchers, and is not refused anything while each request has its own.
	unequalFor = 30 * 24 * time.Hour
	// unequalFresh is how old it is at least before it is written anew.
	unequalFresh = 24 * time.Hour
)

// unequal reports whether a payee is known to refuse equal vouchers that last did at a time, in Unix
// seconds. A time that lies ahead by more than a day is of a wrong clock, and says nothing.
func unequal(at int64) bool {
	since := time.Since(time.Unix(at, 0))
	return -unequalFresh < since && since < unequalFor
}

// Unequal notes that the payee refused the voucher of the request for not being higher than
// another one. From now on vouchers to this payee carry one request each.
func (r *Reservation) Unequal(ctx context.Context) {
	a := r.account
	a.mu.Lock()
	if r.trip.travel == away || r.trip.travel == stopped {
		a.mu.Unlock()
		return
	}
	news, scope := a.pace.shares != sharesNone, a.base.Scope
	a.pace.shares = sharesNone
	if now := time.Now(); now.Sub(time.Unix(a.view.Unequal, 0)) >= unequalFresh { // the next write tells the others
		a.added.Unequal = now.Unix()
		a.view = a.base.Fold(a.added)
	}
	if news { // it goes before newcomers
		a.pace.move(&r.trip, leaving, voucher.Amount{})
		a.pace.try(&r.trip, a.pace.amount)
	} else {
		a.pace.move(&r.trip, stopped, voucher.Amount{})
	}
	a.ledger.setApart(a.base.Descriptor.Payee)
	a.mu.Unlock()
	if news && scope.Origin != "" {
		a.ledger.noteUnequal(ctx, scope)
	}
}

// Short notes that the payee refused the request because its credit is used up. If it presented a voucher
// that the payee had, the payee does not refuse equal ones.
func (r *Reservation) Short() {
	p := &r.account.pace
	r.account.mu.Lock()
	defer r.account.mu.Unlock()
	if p.trial == &r.trip && p.trying() {
		p.shares = max(p.shares, sharesOne)
	}
}

// tries reports whether the request, which is not alone, is to show whether the payee refuses equal
// vouchers: the payee should have the voucher that exists. The caller holds mu.
func (a *Account) tries(d *decision) bool {
	p, s := &a.pace, &a.view
	switch {
	case p.shares != sharesUnknown, p.trying(), !d.begins || !d.waits || !d.travels,
		d.reservation.claim != rule.Claim{}, !d.request.Elsewhere.IsZero(),
		len(s.Voucher) == 0, !a.spare.IsZero(), !p.met.IsZero():
		return false
	case p.vain == maxVain:
		p.shares = sharesNone
		return false
	}
	return p.amount == s.Signed || !a.taken.Less(s.Signed)
}

// trying reports whether the request presented the voucher of another one, and nothing was decided for
// it since. The caller holds mu.
func (r *Reservation) trying() bool { return r.tried != nil && r.claim == (rule.Claim{}) }

// served counts the price of a request that is kept after it presented the voucher of another one: the
// payee may have charged it. If it used the credit of others, it is theirs to raise. The caller holds mu.
func (a *Account) served(r *Reservation) {
	if !r.trying() {
		return
	}
	paid, _ := r.terms.Charge.takeUpTo(a.asset(), voucher.Amount{}, r.tried.Price)
	r.claim.Price, r.claim.Asked = paid, paid
	a.count(rule.Counts{Claimed: paid, Asked: paid})
}

// apart decides a request of a payee that refuses a voucher that it has: what the rule answers to that
// refusal, without it. Beside other sessions credit is what their requests raised that were overtaken, and a
// request that uses it raises no more than it must, so that one of those can raise the rest. One that was never
// decided is not refused for want of a step: it presents what exists, and the payee says. The caller holds mu.
func (a *Account) apart(
	s rule.State, was rule.Claim, req rule.Request, lim rule.Limits,
) (rule.State, rule.Claim, voucher.Amount, error) {
	next, claim, due, err := s.Renew(was, req, lim)
	over, limited := errors.AsType[*channel.LimitError](err)
	if limited && over.Limit == "Ahead" && !was.Raised.IsZero() && a.beside() {
		err = fmt.Errorf("%w: channel %s: requests of other sessions count on what this one raised", channel.ErrSpent, a.id)
		a.stale.Store(true) // until the payee reports what they cost
	}
	had := a.handed(&s)
	if err != nil || had.Less(due) {
		return next, claim, due, err
	}
	higher, after, more, err := next.Overdrawn(claim, had, lim)
	if a.beside() {
		higher, after, more, err = next.Stepped(claim, had, req.MinDelta, lim)
	}
	switch {
	case err == nil:
		return higher, after, more, nil
	case a.beside() && errors.Is(err, channel.ErrSpent) && was != (rule.Claim{}):
		a.stale.Store(true) // the record may show more before the next try
		return s, was, voucher.Amount{}, err
	}
	return next, claim, due, nil
}

// beside reports whether other sessions use the channel, or have. The caller holds mu.
func (a *Account) beside() bool { return a.shared || !a.view.Pending(a.ledger.name).IsZero() }

// handed returns the highest voucher of s that a request may have been given. What another session raised
// the ceiling to, it presents, although the record does not say so yet: it is written before the voucher is
// signed. The caller holds mu.
func (a *Account) handed(s *rule.State) voucher.Amount {
	if a.beside() {
		return s.MayExist()
	}
	return s.Signed
}

// setApart remembers a payee that refuses equal vouchers.
func (l *Ledger) setApart(payee common.Address) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.apart[payee] = struct{}{}
}

// Apart reports whether the payee is known to refuse a voucher that it has.
func (a *Account) Apart() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.pace.shares == sharesNone
}

// standApart takes over that the payee refused an equal voucher to another session, at a time in Unix
// seconds. The caller holds mu.
func (a *Account) standApart(at int64) {
	if a.pace.shares == sharesUnknown && unequal(at) {
		a.pace.shares, a.pace.idle = sharesNone, false
		a.ledger.setApart(a.base.Descriptor.Payee)
		a.meet(false) // those that use the channel already
	}
}

// noteUnequal writes to the record of the scope that its payee refused an equal voucher. Whoever
// writes the record at the same time goes first: what is lost is learned again.
func (l *Ledger) noteUnequal(ctx context.Context, scope channel.Scope) {
	now, rev, err := l.alias(ctx, scope)
	if err != nil || rev == 0 || time.Since(time.Unix(now.Unequal, 0)) < unequalFresh {
		return
	}
	now.Unequal = time.Now().Unix()
	if data, err := json.Marshal(now); err == nil {
		_, _ = l.store.Put(ctx, rule.ScopeKey(scope), data, rev)
	}
}
