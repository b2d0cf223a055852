package ledger

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Account is one channel in memory. It is safe for concurrent use.
type Account struct {
	ledger *Ledger
	id     common.Hash
	domain *voucher.Domain

	// turn holds one token while numbers are decided, stored and signed. It is never held while a request
	// is under way, and waiting for it obeys the context.
	turn chan struct{}

	mu      sync.Mutex // guards what follows; held shortly, never over I/O
	state   rule.State
	saved   rule.State // as last written
	rev     uint64
	stale   bool // a write failed: read the record before deciding anything
	tried   bool // how that write ended is not known: its record may be there all the same
	triedAs rule.State
	claims  map[*Claim]struct{}
	arrears voucher.Amount // what ended streams brought out of vouchers that were meant for others
	waiting []*order
	taken   voucher.Amount // the highest voucher that the payee took while we looked
	near    []Near         // budgets that are nearly used up, to be told
	newest  uint64         // counts the words that were the newest when they came
	kept    voucher.Amount // claims that ended with no word of their own, in all
	cleared voucher.Amount // of these, what a word has shown to be counted or never to be
}

// Claim is an ask in flight: a request whose answer is not in yet, or a stream that is being read.
type Claim struct {
	account   *Account
	unit      voucher.Amount
	delivered func() uint64 // pieces of a stream so far; nil for a request
	open      bool
	since     uint64         // the account's newest when it was made
	after     voucher.Amount // and its kept
	c         rule.Claim
	terms     Terms
	charged   voucher.Amount // what the run was charged for it
	rise      Rise
}

// ID is the channel's id.
func (a *Account) ID() common.Hash { return a.id }

// State is the channel as it stands.
func (a *Account) State() rule.State {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.state
}

// Took notes that the payee took the voucher of v. It says so without numbers, and proves nothing.
func (a *Account) Took(v voucher.Amount) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.taken = a.taken.Max(v)
}

// Taken is the highest voucher that was noted with Took.
func (a *Account) Taken() voucher.Amount {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.taken
}

// Account is the channel that the claim is on.
func (c *Claim) Account() *Account { return c.account }

// Without is the channel as it would stand if the claim were not there: what the same ask is planned
// against when it is decided again.
func (c *Claim) Without() rule.State {
	c.account.mu.Lock()
	defer c.account.mu.Unlock()
	return c.account.state.Retract(c.c)
}

// Price is what the claim stands for so far, in base units.
func (c *Claim) Price() voucher.Amount {
	c.account.mu.Lock()
	defer c.account.mu.Unlock()
	c.account.countDelivered()
	return c.c.Price
}

// Stream turns the claim into one of a stream of pieces that cost one unit each; the first is already
// claimed. delivered counts the pieces that came, and may be called at any time. Zero and nil are for a stream
// that is charged once: it costs no more than what is claimed.
func (c *Claim) Stream(unit voucher.Amount, delivered func() uint64) {
	c.account.mu.Lock()
	defer c.account.mu.Unlock()
	c.unit, c.delivered = unit, delivered
}

// brought is the price of the pieces that came so far.
func (c *Claim) brought() (total voucher.Amount) {
	if c.delivered != nil {
		total, _ = c.unit.Mul(c.delivered())
	}
	return total
}

// Alone reports whether no other claim is in flight on the channel.
func (c *Claim) Alone() bool {
	c.account.mu.Lock()
	defer c.account.mu.Unlock()
	for other := range c.account.claims {
		if other != c {
			return false
		}
	}
	return true
}

// Keep ends the claim with its price counted: it was charged, or may have been.
func (c *Claim) Keep() { c.end(false) }

// Release ends the claim as certainly not charged. What it stood for is free for the next ask.
func (c *Claim) Release() { c.end(true) }

func (c *Claim) end(release bool) {
	a := c.account
	a.mu.Lock()
	defer a.mu.Unlock()
	a.countDelivered()
	a.owe(c)
	switch was := a.drop(c); {
	case was && release:
		a.release(c)
	case was:
		a.kept = a.kept.AddCapped(c.c.Price)
	}
}

// release frees what a claim stood for. The caller holds mu.
func (a *Account) release(c *Claim) {
	a.state = a.state.Release(c.c)
	c.refund()
}

// drop takes a claim out of those in flight; false where it was out already. The caller holds mu.
func (a *Account) drop(c *Claim) bool {
	was := c.open
	c.open = false
	delete(a.claims, c)
	return was
}

// countDelivered books what the open streams have brought, up to Limits.Stream: what a payee brings beyond it, out of
// Ahead, nobody asked for. The caller holds mu.
func (a *Account) countDelivered() {
	for c := range a.claims {
		if c.delivered == nil {
			continue
		}
		if total, err := c.unit.Mul(c.delivered()); err == nil {
			a.state, c.c = a.state.Deliver(c.c, total.Min(c.terms.Limits.Stream))
			c.charge()
		}
	}
}

// catchUp books what the open streams have brought without asking, so far that Claimed reaches most.
func (a *Account) catchUp(most voucher.Amount) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.countDelivered()
	for c := range a.claims {
		a.state, c.c = a.state.CatchUp(c.c, c.brought(), most, rule.Of(c.terms.Limits))
		c.charge()
	}
	var ended rule.Claim
	a.state, ended = a.state.CatchUp(ended, a.arrears, most, rule.Of(a.ledger.limits))
	a.arrears = a.arrears.SubFloor(ended.Price)
}

// owe notes what a stream that ends has brought and did not ask for, for the day when another request is refused
// for it. The caller holds mu.
func (a *Account) owe(c *Claim) {
	if c.open {
		a.arrears = a.arrears.AddCapped(c.brought().Min(c.terms.Limits.Stream).SubFloor(c.c.Price))
	}
}

// Update changes the state by a pure function and makes it durable before it returns. The function may be
// called again on what another process wrote. It cannot raise what is signed.
func (a *Account) Update(ctx context.Context, change func(rule.State) rule.State) error {
	if err := a.take(ctx); err != nil {
		return err
	}
	defer a.give()
	for range maxConflicts {
		if err := a.refresh(ctx); err != nil {
			return err
		}
		a.mu.Lock()
		next := a.stamped(change(a.state))
		a.mu.Unlock()
		err := a.write(ctx, next)
		if err == nil { // what is not written down did not happen
			a.mu.Lock()
			a.state = change(a.state)
			a.mu.Unlock()
		}
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
	return fmt.Errorf("%w: channel %s is written by others all the time", ErrStore, a.id)
}

// maxConflicts bounds how often a decision is made again because another process wrote first.
const maxConflicts = 64

func (a *Account) take(ctx context.Context) error {
	select {
	case a.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (a *Account) give() { <-a.turn }

// refresh reads the record again where a write of ours failed or another process was first. The
// caller holds the turn.
func (a *Account) refresh(ctx context.Context) error {
	a.mu.Lock()
	stale := a.stale
	a.mu.Unlock()
	if !stale {
		return nil
	}
	data, rev, err := a.ledger.store.Get(ctx, rule.StateKey(a.id))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrStore, err)
	}
	stored, err := rule.Decode(data)
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	base := a.saved
	if a.tried && rev != a.rev {
		// The write had worked. Or another session has written since, and nobody can tell: then what this one asked for is
		// taken to be in the record, since what counts twice would be signed twice.
		base = a.triedAs
	}
	next := a.state.Rebase(stored, base)
	if a.state.Spent.Less(next.Spent) {
		a.newest++
	}
	a.state, a.saved, a.rev, a.stale, a.tried = next, stored, rev, false, false
	a.again()
	return nil
}

// save writes the state as it stands. The error is [store.ErrConflict] or [ErrStore]; after either the
// record is read again before the next decision. The caller holds the turn.
func (a *Account) save(ctx context.Context) error {
	a.mu.Lock()
	s := a.stamped(a.state)
	a.mu.Unlock()
	return a.write(ctx, s)
}

func (a *Account) write(ctx context.Context, s rule.State) error {
	a.mu.Lock()
	rev := a.rev
	a.mu.Unlock()
	data, err := s.Encode()
	if err != nil {
		return err
	}
	newRev, err := a.ledger.store.Put(ctx, rule.StateKey(a.id), data, rev)
	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil {
		a.stale = true
		if !errors.Is(err, store.ErrConflict) {
			a.tried, a.triedAs = true, s
		}
		return fmt.Errorf("%w: %w", ErrStore, err)
	}
	a.saved, a.rev = s, newRev
	return nil
}

// flush writes what is only in memory.
func (a *Account) flush(ctx context.Context) error {
	if err := a.take(ctx); err != nil {
		return err
	}
	defer a.give()
	for range maxConflicts {
		if err := a.refresh(ctx); err != nil {
			return err
		}
		a.mu.Lock()
		now := a.stamped(a.state)
		clean := a.saved.Claimed == now.Claimed && a.saved.Signed == now.Signed && a.saved.Spent == now.Spent && len(a.saved.Writers) == len(now.Writers)
		a.mu.Unlock()
		if clean {
			return nil
		}
		if err := a.save(ctx); !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
	return fmt.Errorf("%w: channel %s is written by others all the time", ErrStore, a.id)
}
