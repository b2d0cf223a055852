package ledger

import (
	"context"
	"errors"
	"time"

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
	// Paced reports that the request waits for those before it, and that how far it got is reported
	// by [Reservation.Wrote], [Reservation.Overtaken], [Reservation.Unequal] and
	// [Reservation.Unserved].
	Paced bool
}

// ErrEnded is returned for a reservation that has ended. Nothing was signed.
var ErrEnded = errors.New("client: the reservation has ended; nothing was signed")

// Reservation is the place of one request on a channel, from the decision about its price until
// Keep, Release or Settle. It is safe for concurrent use.
type Reservation struct {
	account *Account
	paced   bool // Terms.Paced when it was made

	// What follows is guarded by the account's mu.

	terms     Terms
	claim     rule.Claim
	open      bool   // it is in flight
	number    uint64 // among all that were, when it last began
	among     int    // so many were then, with it
	kept      bool   // it ended with its price counted
	doubt     bool   // an earlier try of the request may have been charged
	ends      int    // how often it ended
	unit      voucher.Amount
	delivered func() uint64 // pieces of a stream so far; nil for a request
	contents  func() uint64 // of these, those with content; nil if they earn no lead
	overspent error
	since     uint64         // the account's reports when it was made
	after     voucher.Amount // and its kept
	at        voucher.Amount // the account's kept since this one is part of it
	misses    int            // reports above the ceiling that the record did not explain
	rise      Rise
	trip      trip
	tried     *rule.Request // what it presented another one's voucher for; nil if it was decided
}

// travel is how far a request with a voucher has got.
type travel uint8

const (
	away    travel = iota // it was answered or has ended, or nothing was given to it
	leaving               // it was given a voucher, or was refused and is to be sent again
	flying                // it was written
	stopped               // it is followed no more: it waits at the gate itself, or failed
)

// trip is what the pace knows of a reservation. The guard is the account's mu.
type trip struct {
	travel  travel
	epoch   uint64 // to which it belongs
	amount  voucher.Amount
	wrote   time.Time
	refused int // how often it was overtaken
	foreign int // of these, how often by another session
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
	r := &Reservation{account: a, terms: t, paced: t.Paced}
	signed, err := a.place(ctx, decision{
		reservation: r, begins: true, rule: rule.State.Renew, request: req,
		waits: r.paced, travels: r.paced,
	})
	return r, signed, err
}

// Decide decides the reservation again: another price, another deposit, or a request that left this
// channel and comes back. Its price counts once, and what it raised the ceiling by stays counted.
// The errors are those of [Account.Reserve], and [ErrEnded] after Keep or Settle.
func (r *Reservation) Decide(ctx context.Context, req rule.Request) (voucher.Signed, error) {
	return r.account.place(ctx, decision{
		reservation: r, begins: true, rule: rule.State.Renew, request: req,
		waits: r.paced, travels: r.paced,
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

// Raised returns by how much the price raised the ceiling, in base units. If the request presented the
// voucher of another one so far, it is the price: that counts as a payment.
func (r *Reservation) Raised() voucher.Amount {
	r.account.mu.Lock()
	defer r.account.mu.Unlock()
	if r.tried != nil && r.trying() {
		return r.tried.Price
	}
	return r.claim.Raised
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
		a.keep(r)
	}
}

// Release ends the reservation: it was certainly not charged. Its price is free for the next
// request. What its budgets count stays. If an earlier try of the request may have been charged,
// Release is Keep.
func (r *Reservation) Release() {
	a := r.account
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case !a.end(r):
	case r.doubt:
		a.keep(r)
	default:
		a.release(r)
	}
}

// keep counts the price of a reservation that ended. The caller holds mu.
func (a *Account) keep(r *Reservation) {
	if r.tried != nil {
		a.served(r)
	}
	r.kept = true
	a.kept = a.kept.AddCapped(r.claim.Held())
	r.at = a.kept
}

// end takes a reservation out of those in flight; false if it was out already. A decision about it
// that waits or is being served finds it ended. The caller holds mu.
func (a *Account) end(r *Reservation) bool {
	if a.streams {
		a.countDelivered()
	}
	for _, d := range a.serving {
		if d.reservation == r {
			a.abandon(d)
		}
	}
	r.ends++
	if r.trip.travel != away || r.delivered != nil { // nobody is beside a stream that ended
		a.pace.move(&r.trip, away, voucher.Amount{})
	}
	if !r.open {
		return false
	}
	if r.delivered != nil {
		a.cover(r)
		a.owe(r)
	}
	r.open = false
	delete(a.open, r)
	return true
}

// release frees the price of a reservation that ended. The caller holds mu.
func (a *Account) release(r *Reservation) {
	a.count(rule.Counts{Released: r.claim.Held().Min(a.view.Claimed)})
	r.terms.Charge.moved(r.claim.Price, voucher.Amount{})
}

// Wrote notes that the request was written with the voucher that it was given.
func (r *Reservation) Wrote() {
	a := r.account
	a.mu.Lock()
	defer a.mu.Unlock()
	if t := &r.trip; t.travel == leaving {
		t.wrote = time.Now()
		if t.epoch == a.pace.epoch {
			a.pace.wrote = t.wrote
		}
		a.pace.move(t, flying, voucher.Amount{})
	}
}

// Unserved notes that the request ends without an answer of the payee's to its voucher: it was lost or
// canceled, refused for another reason, or something before the payee answered. That shows neither
// how long the payee takes nor whether it serves two requests with one voucher.
func (r *Reservation) Unserved() {
	a := r.account
	a.mu.Lock()
	defer a.mu.Unlock()
	a.pace.stop(&r.trip)
}

// Overtaken notes that the payee refused the voucher of the request for being lower than another
// one, of this session if own is set. The request goes before newcomers until [Reservation.Again]
// has decided what to present instead and that was written. If others than this session overtook it,
// the session leaves more time between their vouchers and its own; and from the second time on Again
// writes the record, so that the others do the same for it.
func (r *Reservation) Overtaken(own bool) {
	a := r.account
	a.mu.Lock()
	defer a.mu.Unlock()
	p, t, to := &a.pace, &r.trip, leaving
	switch late := time.Since(t.wrote) - p.fastest; {
	case t.travel == away, t.travel == stopped:
		return
	case own, t.epoch != p.epoch && p.met.Before(t.wrote):
		p.refused(t)
	default:
		p.met = time.Now()
		t.refused++
		if t.foreign++; t.foreign > maxHurries {
			to = stopped
		}
		if p.met.After(p.foreign) {
			p.between = min(max(2*p.between, time.Millisecond), max(2*late, time.Millisecond), maxBetween)
			p.foreign = p.met.Add(p.between)
		}
	}
	p.move(t, to, voucher.Amount{})
}

// move notes how far a request has got. amount is the voucher that it was given, or zero if it
// keeps the one it has. A voucher above that of the epoch begins the next one; how far the
// requests of the last one get does not matter any more.
func (p *pace) move(t *trip, to travel, amount voucher.Amount) {
	if t.epoch == p.epoch {
		p.at[t.travel]--
	}
	waited, begins := !p.since.IsZero(), p.amount.Less(amount)
	if begins {
		p.epoch++
		p.before = p.carriers
		p.amount, p.carriers, p.refusals, p.at, p.since = amount, 0, 0, [4]int{}, time.Time{}
	}
	from := t.travel
	switch t.travel = to; {
	case to == leaving:
		if t.epoch = p.epoch; !amount.IsZero() {
			t.amount = amount
			p.carriers++
		}
	case to == away && from == flying: // answered
		took := min(time.Since(t.wrote), maxPause)
		if p.answer == 0 {
			p.answer, p.fastest, p.pause = took, took, min(took/16, firstPause)
		}
		p.fastest = min(p.fastest+max(p.answer-p.fastest, 0)/64, took)
		p.answer += (took - p.answer) / 8
		p.pause -= p.pause/768 + max(p.pause-p.answer, 0)/64
		p.between -= p.between / 256
		if p.served == t.amount {
			p.shares = max(p.shares, sharesOne)
		}
		p.served = t.amount
	}
	if t.epoch == p.epoch {
		p.at[t.travel]++
	}
	p.idle = p.at[leaving]+p.at[flying] == 0 && p.met.IsZero() && p.shares != sharesNone
	if waited && (begins || p.at[leaving] == 0) {
		p.tell() // whoever waits, waits for a new epoch now, or has waited enough
	}
}

// Answers overtake each other, so the report on an answer may be older than the newest. If
// a payee's reports are running totals, it has counted the answered reservation in the newest
// report too, because it had charged by the newer one what it had charged by the older one. So the
// newest report can no longer have missed that reservation, and it is evaluated once more without
// it.
//
// That holds for a reservation that was open when the newest report came. If one was made later and
// is answered with an older report, the reports are no running totals, and the answer frees
// nothing.

// Settle ends the reservation with the report on its answer, in one step: a report is
// complete for its own reservation only, so no other may be evaluated in between. If the report
// cannot be judged now, the price stays counted. The error is a [*channel.ViolationError]; it costs
// the caller nothing.
func (r *Reservation) Settle(ctx context.Context, w channel.Report) error {
	a := r.account
	a.mu.Lock()
	explained := !a.view.Authorized().Less(w.Accepted)
	a.mu.Unlock()
	if !explained && !a.explain(ctx, r, w) {
		r.Keep()
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	older := w.Spent.Less(a.view.Spent)
	if a.end(r) {
		if r.tried != nil {
			a.served(r)
		}
		r.kept = true
		if older && r.since == a.reports {
			a.kept = a.kept.AddCapped(r.claim.Held())
		}
	}
	if err := a.reconcile(r, w, false); err != nil || !older {
		return err
	}
	a.reread()
	return nil
}

// reconcile books a report against what it may have missed: the prices that are in flight here and
// in the sessions that share the record. again is set for one that was booked before. The caller
// holds mu.
func (a *Account) reconcile(r *Reservation, w channel.Report, again bool) error {
	newest := !again && !w.Spent.Less(a.view.Spent)
	if newest {
		if r != nil && r.account == a {
			a.cleared = a.cleared.Max(r.after) // these had ended when the request was sent
		}
		if !a.base.Pending(a.ledger.name).IsZero() { // other sessions are listed
			now := time.Now().Unix()
			a.base = a.base.Ended(func(other rule.Writer) bool {
				return other.Name != a.ledger.name && ended(now)(other)
			})
			a.view = a.base.Fold(a.added)
		}
	}
	next, err := a.view.Reconcile(w, a.own().AddCapped(a.view.Pending(a.ledger.name)))
	a.added.Accepted, a.added.Spent, a.added.Units = next.Accepted, next.Spent, next.Units
	a.added.Untrusted = next.Untrusted
	a.added.Freed = a.added.Freed.AddCapped(a.view.Claimed.SubFloor(next.Claimed))
	a.view = a.base.Fold(a.added)
	if err == nil && newest {
		a.reports++
	}
	return err
}
