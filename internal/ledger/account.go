package ledger

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
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
type Account struct {
	ledger *Ledger
	id     common.Hash
	key    string // of its record in the store
	domain *voucher.Domain

	// turn holds one token while numbers are decided, stored and signed. It is never held while a
	// request is under way, and waiting for it obeys the context.
	turn chan struct{}

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
	streams bool           // a stream was paid from the channel, so countDelivered may find pieces
	arrears voucher.Amount // what ended streams delivered out of vouchers of others
	waiting []*decision
	serving []*decision    // the batch that is being decided, stored or signed
	taken   voucher.Amount // the highest voucher that was noted with Took
	near    []Near         // to be reported
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
	a.added.Counts = a.added.Plus(rule.Changed(&a.view, next))
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
			a.mu.Unlock()
			return nil
		}
		next := a.view
		if change != nil {
			next = change(next)
		}
		w := a.stamped(next)
		a.mu.Unlock()
		if err := a.save(ctx, w); !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
	return a.tooMany()
}

// unsaved reports whether anything is in memory only. The caller holds mu.
func (a *Account) unsaved() bool {
	w := a.stamped(a.view)
	return a.added.Counts != (rule.Counts{}) || a.base.Signed != w.state.Signed ||
		a.base.Spent != w.state.Spent || len(a.base.Writers) != len(w.state.Writers)
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
		sum = sum.AddCapped(r.claim.Price)
	}
	return sum
}

// Shared reports whether other sessions had requests in flight when the record was last read.
func (a *Account) Shared() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return !a.view.Pending(a.ledger.name).IsZero()
}

// refresh reads the record again, after a write of ours failed or another process wrote first. The
// caller has the turn.
func (a *Account) refresh(ctx context.Context) error {
	data, rev, err := a.ledger.store.Get(ctx, a.key)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrStore, err)
	}
	stored, err := rule.Decode(data)
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	base, counted := a.base, rule.Counts{}
	if rev != a.rev {
		a.unsent = nil // another session may have presented what is on record
		a.shared = a.shared || a.tried == nil
	}
	if a.tried != nil && rev != a.rev {
		a.spare = a.spare.AddCapped(a.tried.state.MayExist().SubFloor(a.base.MayExist()))
		// The write worked. Or another session wrote since, and nobody can tell: then what this one
		// asked for is taken to be in the record, because what is counted twice would be signed
		// twice.
		base, counted = a.tried.state, a.tried.counts
	}
	if stored.Asked() != base.Asked() || stored.Claimed != base.Claimed {
		// Another session counted something. It may have freed the same money, so the newest report
		// decides anew.
		counted.Freed = a.added.Freed
	}
	if a.view.Spent.Less(stored.Spent) {
		a.reports++
	}
	a.proved(&stored)
	a.added = a.added.Learned(a.view)
	a.added.Counts = a.added.Minus(counted)
	a.base, a.rev, a.tried = stored, rev, nil
	a.view = a.base.Fold(a.added)
	a.stale.Store(false)
	a.reread()
	return nil
}
