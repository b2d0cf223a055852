package ledger

import (
	"context"
	"errors"
	"fmt"
	"sync"

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
	domain *voucher.Domain

	// turn holds one token while numbers are decided, stored and signed. It is never held while a
	// request is under way, and waiting for it obeys the context.
	turn chan struct{}

	mu    sync.Mutex // guards what follows; held shortly, never over I/O
	base  rule.State // the record as it was last read or written
	rev   uint64
	added rule.Additions // what this session did since
	view  rule.State     // both together
	stale bool           // the record must be read before anything is decided
	tried *write         // a write that may have worked, though the store returned an error

	open    map[*Reservation]struct{}
	arrears voucher.Amount // what ended streams delivered out of vouchers of others
	waiting []*decision
	serving []*decision    // the batch that is being decided, stored or signed
	taken   voucher.Amount // the highest voucher that was noted with Took
	near    []Near         // to be reported

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
	a.fold()
}

// fold computes the view. The caller holds mu.
func (a *Account) fold() { a.view = a.base.Fold(a.added) }

// step makes next the view: the view after a change of Claimed and Asked, and of nothing else. The
// caller holds mu.
func (a *Account) step(next *rule.State) {
	a.added.Counts = a.added.Plus(rule.Changed(&a.view, next))
	a.view = *next
}

// Update changes the record by a pure function, and returns when it is stored. The function may be
// called again on what another process wrote. It cannot raise what is signed. The errors are
// [ErrStore], [channel.ErrRecord] and the context's.
func (a *Account) Update(ctx context.Context, change func(rule.State) rule.State) error {
	return a.rewrite(ctx, func() *write { return a.stamped(change(a.view)) })
}

// flush stores what is only in memory.
func (a *Account) flush(ctx context.Context) error {
	return a.rewrite(ctx, func() *write {
		w := a.stamped(a.view)
		if a.added.Counts != (rule.Counts{}) || a.base.Signed != w.state.Signed ||
			a.base.Spent != w.state.Spent || len(a.base.Writers) != len(w.state.Writers) {
			return w
		}
		return nil
	})
}

// rewrite stores what next returns, or nothing if it returns nil. next is called with mu held, and
// again after another process wrote first.
func (a *Account) rewrite(ctx context.Context, next func() *write) error {
	if err := a.take(ctx); err != nil {
		return err
	}
	defer a.give()
	for range maxConflicts {
		if err := a.refresh(ctx); err != nil {
			return err
		}
		a.mu.Lock()
		w := next()
		a.mu.Unlock()
		if w == nil {
			return nil
		}
		if err := a.save(ctx, w); !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
	return a.tooMany()
}

// maxConflicts bounds how often a change is decided again because another process wrote first.
const maxConflicts = 64

func (a *Account) tooMany() error {
	return fmt.Errorf("%w: channel %s: too many concurrent updates (%d conflicts)",
		ErrStore, a.id, maxConflicts)
}

// take waits for the turn.
func (a *Account) take(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	select {
	case a.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (a *Account) give() { <-a.turn }
