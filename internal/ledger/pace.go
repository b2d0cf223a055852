package ledger

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"time"

	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Servers refuse a voucher below the highest one that they hold, so a newcomer's higher voucher
// must not overtake those that are on their way. Requests that wait at the gate share one voucher,
// and are an epoch. The next, higher voucher is issued when every request of the epoch has been
// written, none that was refused is still to be sent again, and all are answered or a pause has
// passed since the last write. The pause follows what the server shows: a refusal makes it longer,
// answers make it shorter. Only the first voucher of a request waits for that, and those of streams unless
// the payee accepts equal vouchers; those of repetitions and of closes do not, nor does an update. The
// wait raises nothing: what is decided after it is decided by the same rule.
// Until it is known whether the payee refuses equal vouchers, each request has its own, and the first that
// is not alone presents the one before it, without a decision about its own price: the refusal shows it.

const (
	// maxPause bounds how long an epoch is waited for, whatever becomes of its requests, and maxLate
	// how long if refusals showed that the payee takes as long to look at a voucher.
	maxPause, maxLate = 100 * time.Millisecond, 400 * time.Millisecond
	// firstPause bounds the pause as long as no request is refused.
	firstPause = 2 * time.Millisecond
	// crowd is how many requests of one epoch the pause is kept for. The payee looks at one after the other,
	// so the pause is shorter in proportion after fewer of them, down to that of few.
	crowd, few = 32, 4
	// maxTrial bounds how long it is waited for the answer to a trial, if the payee has not shown yet
	// that it answers within maxPause, and maxVain how many of them are made in vain.
	maxTrial = time.Second
	maxVain  = 8
	// maxBetween bounds how long the voucher of another session is let through. A request waits for
	// such vouchers for maxPause in all, or for maxApart if the payee refuses equal ones.
	maxBetween, maxApart = 20 * time.Millisecond, 5 * time.Second
	// maxHurries is how often a request that was overtaken goes before newcomers, at most, if others
	// than this session overtook it.
	maxHurries = 4
)

// shares is whether a payee serves two requests with one voucher.
type shares uint8

const (
	sharesUnknown shares = iota
	sharesOne            // it does
	sharesNone           // it refuses a voucher that is equal to the highest one
)

// pace decides when the next, higher voucher may be issued. Its guard is the account's mu, but for
// the channels.
type pace struct {
	door chan struct{} // has one token while a caller waits for the epoch on behalf of all
	wake chan struct{} // has one if the epoch changed for that caller

	epoch    uint64
	amount   voucher.Amount // the voucher of the epoch
	carriers int            // requests that it was given to
	before   int            // carriers of the epoch before
	at       [4]int         // how many of them have got how far, refused ones included
	refusals int            // in the epoch
	wrote    time.Time      // the last of them that was written
	since    time.Time      // when a caller began to wait for it; zero if nobody does
	idle     bool           // a single decision may be made without a look at the rest

	met     time.Time     // when another session was last seen to go first
	foreign time.Time     // until when other sessions go first
	between time.Duration // how long the voucher of one is let through; zero until one overtook ours
	write   time.Duration // the mean time of a write of the record

	pause   time.Duration  // after the last write of a crowd
	answer  time.Duration  // the mean time until an answer, each counted as maxPause at most
	fastest time.Duration  // the shortest of late
	served  voucher.Amount // the voucher of the last answer
	shares  shares
	trial   *trip  // of the last request that was to show it
	tried   uint64 // the epoch that it was then
	vain    int    // how often a refusal showed nothing
}

// wait returns how long the next, higher voucher has to wait at most, as things stand.
func (p *pace) wait(now time.Time) time.Duration {
	if p.at[leaving]+p.at[flying] == 0 {
		return max(p.foreign.Sub(now), 0)
	}
	if p.since.IsZero() {
		p.since = now
	}
	pause := p.after(p.carriers)
	until := p.since.Add(max(maxPause, pause))
	if p.shares != sharesOne {
		pause = maxPause // one at a time: a request that is overtaken cannot be repaired
	}
	switch due := p.wrote.Add(pause); {
	case p.trying():
		until = p.trialEnds()
		if p.trial.travel == flying && !now.Before(until) {
			p.shares = max(p.shares, sharesOne) // a refusal is no handler's work and would have come
		}
	case p.at[leaving] > 0:
	case due.Before(until):
		until = due
	}
	return max(until.Sub(now), p.foreign.Sub(now), 0)
}

// trying reports whether a request is under way that is to show whether the payee refuses equal vouchers,
// or is to be sent again after it did.
func (p *pace) trying() bool {
	return p.trial != nil && p.tried == p.epoch && (p.trial.travel == leaving || p.trial.travel == flying)
}

// try makes the request such a one, if it is given the voucher of v: that of the epoch, or a higher one.
func (p *pace) try(t *trip, v voucher.Amount) {
	if p.trial, p.tried, p.since = t, p.epoch, time.Now(); p.amount.Less(v) {
		p.tried++
	}
}

// crowded reports whether others are paid beside the next request, or the next voucher of a stream, at a
// payee that may refuse to both what one of them presents.
func (p *pace) crowded(request bool) bool {
	alone := p.shares == sharesUnknown && !request && p.at[leaving]+p.at[flying] == 0
	return p.shares != sharesOne && !p.idle && !alone
}

// trialEnds returns until when the trial is waited for.
func (p *pace) trialEnds() time.Time {
	began, bound := p.since, maxPause
	if p.trial.travel == flying {
		began = p.trial.wrote
	}
	if p.answer == 0 || p.fastest >= maxPause {
		bound = maxTrial // all answers take longer on their way
	}
	return began.Add(bound)
}

// tell wakes the caller who waits for the epoch.
func (p *pace) tell() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// refused learns from a refusal that the pause was too short. It grows by a quarter once in an epoch. If that
// was not enough, it is as long as the request was late, compared with the fastest answer, or
// four answers if that is not known: handlers may take longer than a refusal.
func (p *pace) refused(t *trip) {
	p.refusals++
	t.refused++
	switch {
	case p.refusals > 3 || t.refused > 1:
		jump := 4 * p.answer
		if late := time.Since(t.wrote) - p.fastest; late > 0 {
			jump = min(jump, late)
		}
		p.pause = max(p.pause, jump*crowd/time.Duration(min(max(p.before, few), crowd)))
	case p.refusals == 1:
		p.pause = max(p.pause+p.pause/4, p.answer/64)
	}
	p.pause = min(p.pause, maxLate*crowd/few)
}

// after returns the pause after so many requests.
func (p *pace) after(carriers int) time.Duration {
	return min(p.pause*time.Duration(min(max(carriers, few), crowd))/crowd, maxLate)
}

// choose moves the decisions from waiting to serving that can be made together: an exact one
// alone, else those before the next exact one. Those that wait for the epoch are left out until it
// lets them go. The caller holds mu.
func (a *Account) choose(now time.Time) {
	open, most := a.pace.wait(now) == 0, a.pace.most()
	var left []*decision
	for i, d := range a.waiting {
		if d.begins && d.waits && a.pace.shares == sharesNone {
			d.rule = a.apart
		}
		if d.exact && len(a.serving) > 0 {
			left = append(left, a.waiting[i:]...)
			break
		}
		if d.waits && !open || len(a.serving) >= most && (d.waits || a.pace.shares == sharesNone) {
			left = append(left, d)
			continue
		}
		if len(a.serving) == 0 && a.tries(d) {
			d.rule, d.reservation.tried = rule.State.Trial, &d.request
			a.pace.try(&d.reservation.trip, a.view.Signed)
		}
		if a.serving = append(a.serving, d); d.exact {
			left = append(left, a.waiting[i+1:]...)
			break
		}
	}
	a.waiting = left
}

// most returns how many requests the next voucher may carry. A payee that refuses equal vouchers
// serves one request with each, and what the others raised is lost to them. If other sessions use the
// channel, a trial shows nothing, and two share a voucher to learn it.
func (p *pace) most() int {
	switch {
	case p.shares == sharesOne:
		return math.MaxInt
	case p.shares == sharesUnknown && !p.met.IsZero():
		return 2
	}
	return 1
}

// arrive waits until the decision is served, or may be made together with all that wait. It
// returns early if the context ends. One caller waits on behalf of all, so that one timer runs.
func (a *Account) arrive(ctx context.Context, d *decision) {
	if !d.waits {
		return
	}
	p := &a.pace
	select {
	case p.door <- struct{}{}:
		defer func() { <-p.door }()
	case <-d.served:
		return
	case <-ctx.Done():
		return
	}
	for waited := false; ; waited = true {
		a.mu.Lock()
		select {
		case <-d.served: // with a voucher, so that it is followed from now on
			a.mu.Unlock()
			return
		default:
		}
		p.stop(&d.reservation.trip) // nobody waits for one that waits itself
		p.idle = p.idle && !waited
		wait := p.wait(time.Now())
		a.mu.Unlock()
		if wait == 0 || ctx.Err() != nil {
			return
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-p.wake:
		case <-d.served:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// stop ends following a request.
func (p *pace) stop(t *trip) {
	if t.travel == leaving || t.travel == flying {
		p.move(t, stopped, voucher.Amount{})
	}
}

// meet lets other sessions go first that share the record: written reports that one has just written
// it, so that its voucher is on the way to the payee. Those that wrote it lately may want to write it
// again, and take turns: who wrote it last waits for all the others, so that nobody is left behind and
// there are few conflicts. The record lists them in the order in which they wrote it. One that is not
// listed takes any turn. The caller holds mu.
func (a *Account) meet(written bool) {
	p, now, others, before := &a.pace, time.Now(), 0, -1
	for _, w := range a.base.Writers {
		if w.Name == a.ledger.name {
			before = others
		} else if now.Unix()-w.At < 2 {
			others++
		}
	}
	if written {
		p.met, p.idle = now, false
	}
	var wait time.Duration
	if written || others > 0 {
		wait = max(p.between, p.least())
	}
	if before < 0 {
		before = rand.IntN(others + 1)
	}
	wait += min(time.Duration(before)*p.turn(), maxPause/2)
	p.foreign = now.Add(wait)
	most := maxPause
	if p.shares == sharesNone {
		most = maxApart
	}
	for _, d := range a.waiting { // what this session writes meanwhile does not begin their wait anew
		if d.yields.IsZero() {
			d.yields = now
		}
		if last := d.yields.Add(most); d.waits && last.Before(p.foreign) {
			p.foreign = last
		}
	}
}

// turn returns how long another session takes for its turn: it writes the record, and its voucher is let
// through.
func (p *pace) turn() time.Duration {
	if p.shares == sharesNone {
		return p.write + p.least()
	}
	return p.write + p.between
}

// least returns how long the voucher of another session is let through at least. Where the payee refuses
// equal vouchers it has to be answered: a request that is overtaken has used up its step.
func (p *pace) least() time.Duration {
	switch {
	case p.shares != sharesNone:
	case p.answer == 0:
		return maxPause
	default:
		return p.answer + p.answer/4
	}
	return min(p.answer/16, firstPause)
}

// yield returns errYield if what is being served is put off, because other sessions go first. A
// decision that does not wait is not, and one is the less, the longer it has waited for them, or no more after
// maxApart if the payee refuses equal vouchers.
func (a *Account) yield() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	p, now := &a.pace, time.Now()
	var waited time.Duration
	for _, d := range a.serving {
		if !d.waits {
			return nil
		}
		if !d.yields.IsZero() {
			waited = max(waited, now.Sub(d.yields))
		}
	}
	switch left := p.foreign.Sub(now); {
	case left <= 0:
	case p.shares != sharesNone:
		p.foreign = now.Add(left * max(maxPause-waited, 0) / maxPause)
	default:
		p.foreign = now.Add(min(left, maxApart-waited))
	}
	for _, d := range a.serving {
		if d.yields.IsZero() {
			d.yields = now
		}
	}
	if now.Before(p.foreign) {
		a.stale.Store(true) // to look whether it is the turn of this session costs less than a write in vain
		return errYield
	}
	return nil
}

// errYield is the error of decisions that were put off.
var errYield = errors.New("ledger: the voucher of another session goes first")
