package ledger

import (
	"time"

	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

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
		p.amount, p.carriers, p.lost, p.refusals, p.at, p.since = amount, 0, 0, 0, [4]int{}, time.Time{}
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
		p.pause -= p.pause/256 + max(p.pause-p.answer, 0)/64
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

// tell wakes the caller who waits for the epoch.
func (p *pace) tell() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// refused learns from a refusal that the pause was too short. It doubles once in an epoch. If that
// was not enough, it is twice as long as the request was late, compared with the fastest answer, or
// four answers if that is not known: handlers may take longer than a refusal.
func (p *pace) refused(t *trip) {
	p.refusals++
	t.refused++
	switch {
	case p.refusals > 3 || t.refused > 1:
		jump := 4 * p.answer
		if late := time.Since(t.wrote) - p.fastest; late > 0 {
			jump = min(jump, 2*late)
		}
		p.pause = max(p.pause, jump*crowd/time.Duration(min(max(p.before, few), crowd)))
	case p.refusals == 1:
		p.pause = max(2*p.pause, p.answer/64)
	}
	p.pause = min(p.pause, maxLate*crowd/few)
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
		if p := &a.pace; p.carriers > 1 && (p.tried.IsZero() || p.void && !p.trial(t.wrote)) {
			p.tried, p.pair, p.void = t.wrote, p.epoch, false
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
	if t := &r.trip; t.travel == leaving || t.travel == flying {
		if t.epoch == a.pace.epoch {
			a.pace.lost++
		}
		a.pace.void = a.pace.void || t.epoch == a.pace.pair
		a.pace.move(t, stopped, voucher.Amount{})
	}
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

// apart decides a request of a payee that refuses the voucher that exists: what the rule answers
// to that refusal, without it.
func apart(
	s rule.State, was rule.Claim, req rule.Request, lim rule.Limits,
) (rule.State, rule.Claim, voucher.Amount, error) {
	next, claim, due, err := s.Renew(was, req, lim)
	if err == nil && !s.Signed.Less(due) {
		if higher, after, more, err := next.Overdrawn(claim, due, lim); err == nil {
			return higher, after, more, nil
		}
	}
	return next, claim, due, err
}
