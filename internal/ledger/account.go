package ledger

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/budget"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Account is one channel in memory. It is safe for concurrent use.
//
// It keeps the record as it was last read or written, and beside it what this session did since.
// The two are folded into the view, which is what decisions are made on. What is taken back is
// counted beside what was added, and folded again; so is everything after another process wrote the
// record first.
//
// Decisions wait here for the turn, and whoever has it makes all that wait together (issue.go).
type Account struct {
	ledger *Ledger
	id     common.Hash
	places [3]string // the keys that its record can be under
	domain *voucher.Domain

	// turn holds one token while numbers are decided, stored and signed. It is never held while a
	// request is under way, and waiting for it obeys the context.
	turn chan struct{}

	at int // which of the places the record is under; guarded by the turn

	mu    sync.Mutex // guards what follows; held shortly, never over I/O
	base  rule.State // the record as it was last read or written
	rev   uint64
	added rule.Additions // what this session did since
	view  rule.State     // both together
	tried *write         // a write that may have worked, though the store returned an error

	// stale is set while the record must be read before anything is decided. It is set with mu held,
	// or with the turn.
	stale atomic.Bool

	open    map[*Reservation]struct{}
	opened  uint64         // how many were, in all
	streams bool           // a stream was paid from the channel, so countDelivered may find pieces
	arrears voucher.Amount // what ended streams delivered out of vouchers of others
	pace    pace
	waiting []*decision
	serving []*decision    // the batch that is being decided, stored or signed
	taken   voucher.Amount // the highest voucher that was noted with Took
	near    []Near         // to be reported
	// claims are what the limits over time count that is not known to be in the record, and leases where
	// they count it, by the request's origin.
	claims  budget.Claims
	leases  map[string]*budget.Lease
	charged bool           // requests with budgets came, so vouchers that left are told from others
	shared  bool           // another session wrote the record
	unsent  *unsent        // the highest voucher that may never have left, above those it covers
	fresh   *unsent        // the one of the batch that is being decided, stored or signed
	spare   voucher.Amount // by how much what may exist is above what left or may leave

	reports uint64 // how many reports were the newest when they came
	// prices of reservations that ended without a report of their own, in all
	kept    voucher.Amount
	cleared voucher.Amount // of these, what a report has shown to be counted, or never to be
}

// ID returns the channel's id.
func (a *Account) ID() common.Hash { return a.id }

// State returns the channel as it stands.
func (a *Account) State() rule.State {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.view
}

// Took notes that the payee took the voucher of v. The payee says so without numbers, and it proves
// nothing.
func (a *Account) Took(v voucher.Amount) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.taken = a.taken.Max(v)
}

// Taken returns the highest voucher that was noted with [Account.Took].
func (a *Account) Taken() voucher.Amount {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.taken
}

// asset is what the channel pays in. The caller holds mu.
func (a *Account) asset() channel.Asset {
	return channel.Asset{ChainID: a.base.Scope.ChainID, Token: a.base.Scope.Token}
}

// count adds to what this session did. The caller holds mu.
func (a *Account) count(c rule.Counts) {
	a.added.Counts = a.added.Plus(c)
	a.view = a.base.Fold(a.added)
}

// step makes next the view: the view after a change of Claimed and Asked, and of nothing else. The
// caller holds mu.
func (a *Account) step(next *rule.State) {
	a.added.Counts = a.added.Changed(&a.view, next)
	a.view = *next
}

// Update changes the record by a pure function, and returns when it is stored. The function may be
// called again on what another process wrote. It cannot raise what is signed. A nil function stores
// what is only in memory, if there is anything. The errors are [ErrStore], [channel.ErrRecord] and
// the context's.
func (a *Account) Update(ctx context.Context, change func(rule.State) rule.State) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	select {
	case a.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-a.turn }()
	for range maxConflicts {
		if a.stale.Load() {
			if err := a.refresh(ctx); err != nil {
				return err
			}
		}
		a.mu.Lock()
		if change == nil && !a.unsaved() {
			closed := a.base.Closed
			a.mu.Unlock()
			if closed {
				a.archive(ctx)
			}
			return nil
		}
		next := a.view
		if change != nil {
			next = change(next)
		}
		w := &write{next, a.added.Counts, a.own()}
		a.mu.Unlock()
		if err := a.save(ctx, w); err == nil {
			if w.state.Closed {
				a.archive(ctx)
			}
			return nil
		} else if !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
	return a.tooMany()
}

// unsaved reports whether anything is in memory only. The caller holds mu.
func (a *Account) unsaved() bool {
	now := time.Now().Unix()
	writers := a.base.Folded(func(other rule.Writer) bool {
		return other.Name != a.ledger.name && ended(now)(other)
	}).InFlight(a.ledger.name, a.own(), now).Writers
	return a.added.Counts != (rule.Counts{}) || a.base.Signed != a.view.Signed ||
		a.base.Spent != a.view.Spent || len(a.base.Writers) != len(writers)
}

// maxConflicts bounds how often a change is decided again because another process wrote first.
const maxConflicts = 64

func (a *Account) tooMany() error {
	return fmt.Errorf("%w: channel %s: too many concurrent updates (%d conflicts)",
		ErrStore, a.id, maxConflicts)
}

// own returns the sum of this session's prices that a report may have missed: those of open
// reservations, and of those that ended without a report. The caller holds mu.
func (a *Account) own() voucher.Amount {
	sum := a.kept.SubFloor(a.cleared)
	for r := range a.open {
		sum = sum.AddCapped(r.claim.Price).AddCapped(r.claim.Lead)
	}
	return sum
}

// Shared reports whether other sessions had requests in flight when the record was last read.
func (a *Account) Shared() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return !a.view.Pending(a.ledger.name).IsZero()
}

// ruling is a decision of package rule on a state and on the claim of a reservation. Only a renewal
// reads the request. It returns the state and the claim as they are after it, and the amount of the
// voucher that is to be presented.
type ruling func(
	rule.State, rule.Claim, rule.Request, rule.Limits,
) (rule.State, rule.Claim, voucher.Amount, error)

// decision is one question to the gate. Decisions that wait together are made together: one durable
// write and one voucher, which covers them all.
type decision struct {
	rule        ruling
	request     rule.Request
	reservation *Reservation
	begins      bool      // it may put the reservation in flight
	exact       bool      // it wants the voucher of exactly its own amount, so it is made alone
	waits       bool      // it waits for the epoch to end
	travels     bool      // the pace follows its request
	yields      time.Time // when it began to wait for other sessions; zero if it did not

	// What follows is guarded by the account's mu.

	terms         Terms
	ends          int // how often the reservation had ended when the decision was asked for
	decided       bool
	before, after rule.Claim
	counted       rule.Counts
	charged       taken
	rise          Rise
	stored        bool // and its rise is in the record
	opened        bool // it put the reservation in flight
	abandoned     bool // nobody will present its voucher

	served chan struct{} // closed when signed, err and retry are final
	signed voucher.Signed
	err    error
	retry  bool // it failed because the context of another caller ended
}

// place asks the gate for a decision and waits for it. Whoever gets the turn makes all decisions
// that wait, under its own context.
func (a *Account) place(ctx context.Context, ask decision) (voucher.Signed, error) {
	if ctx.Err() != nil {
		return voucher.Signed{}, context.Cause(ctx)
	}
	r := ask.reservation
	a.mu.Lock()
	ask.terms, ask.ends = r.terms, r.ends
	least := a.view.Claimed
	if !r.open {
		least = least.AddCapped(ask.request.Price)
	}
	if !a.view.Signed.Less(least) { // there may be credit left
		if signed, err, ok := a.atOnce(ask); ok {
			a.mu.Unlock()
			return signed, err
		}
	}
	a.mu.Unlock()
	d := new(decision)
	*d = ask
	for queued, busy := false, false; ; busy = d.waits {
		if !queued {
			a.mu.Lock()
			d.served, d.err, d.retry, queued = make(chan struct{}), nil, false, true
			d.rule = ask.rule
			a.waiting = append(a.waiting, d)
			busy = !a.pace.idle
			a.mu.Unlock()
		}
		if busy {
			a.arrive(ctx, d)
		}
		select {
		case a.turn <- struct{}{}:
			if near := a.work(ctx); len(near) > 0 {
				a.ledger.report(near)
			}
		case <-d.served:
		case <-ctx.Done():
			if a.leave(d) {
				return voucher.Signed{}, context.Cause(ctx)
			}
		}
		select {
		case <-d.served:
			if !d.retry {
				return d.signed, d.err
			}
			queued = false
		default: // others went first
		}
	}
}

// report tells of limits that are nearly used up.
func (l *Ledger) report(all []Near) {
	for _, near := range all {
		if l.OnNear != nil {
			l.OnNear(near)
		}
	}
}

// work makes the decisions that wait and can be made together, if there are any. They get the
// voucher, or the error if nothing was signed for them. It gives the turn back, also if a signer or
// a store panics, so that nobody waits for ever. It returns the budgets that are nearly used up, to
// be reported outside all locks.
func (a *Account) work(ctx context.Context) (near []Near) {
	var signed voucher.Signed
	err, returned := errPanic, false
	defer func() {
		defer func() { <-a.turn }()
		a.mu.Lock()
		defer a.mu.Unlock()
		if !returned {
			a.stale.Store(true) // it is not known what the record holds
			a.claims.Settle(errPanic)
		}
		if err != nil {
			a.dropAll()
		}
		for _, d := range a.serving {
			switch {
			case err != nil:
				a.pace.move(&d.reservation.trip, stopped, voucher.Amount{})
				d.err, d.retry = err, (ctx.Err() != nil || errors.Is(err, errYield)) && !d.abandoned
			case d.abandoned:
				d.err = ErrEnded
			default:
				d.signed = signed
				if d.travels {
					a.pace.move(&d.reservation.trip, leaving, signed.Cumulative)
				}
			}
			close(d.served)
		}
		if len(a.waiting) == 0 {
			a.pace.since = time.Time{}
		}
		near, a.near, a.serving, a.fresh = a.near, nil, nil, nil
		a.spare = a.spare.Min(a.view.MayExist().SubFloor(signed.Cumulative))
		if a.charged {
			a.giveBack()
		}
	}()
	a.mu.Lock()
	switch {
	case ctx.Err() != nil:
	case len(a.waiting) == 1 && a.pace.idle:
		a.serving, a.waiting = a.waiting, nil
	default:
		a.choose(time.Now())
	}
	n := len(a.serving)
	a.mu.Unlock()
	if n > 0 {
		signed, err = a.issue(ctx)
	}
	returned = true
	return nil
}

var errPanic = errors.New("client: the signer or the store panicked; nothing was signed")
