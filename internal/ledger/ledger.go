// Package ledger keeps the channels of one session: it is the only holder of the store, the voucher
// key and the limits together, and so the only place where a voucher can come from.
//
// The gate is issue.go: decide (the pure rule of package channel), make durable, sign, in that order.
// Everything else here feeds it or books what came of it.
package ledger

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"sync"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// ErrStore: the store failed, so nothing was signed. Whether the record was written is not known; it
// is read again before the channel is used again.
var ErrStore = errors.New("ledger: the store failed; nothing was signed")

// Ledger is a session's channels. It is safe for concurrent use.
type Ledger struct {
	store  store.Store
	signer voucher.Signer
	limits channel.Limits
	name   string // of this ledger among those that write the same records
	books  books
	// OnNear is told which budgets are nearly used up, if it is set before the ledger is used.
	OnNear func(Near)

	mu       sync.Mutex // guards what follows; held shortly
	accounts map[common.Hash]*Account
	funded   voucher.Amount
	left     map[[sha256.Size]byte]struct{} // funding transactions that are in funded, by their bytes
}

// New returns a ledger over a store. It does not close the store.
func New(s store.Store, signer voucher.Signer, limits channel.Limits) *Ledger {
	return &Ledger{store: s, signer: signer, limits: limits, name: seat(), books: books{rows: map[common.Hash]row{}}, accounts: map[common.Hash]*Account{}, left: map[[sha256.Size]byte]struct{}{}}
}

// Limits are the limits that the gate obeys.
func (l *Ledger) Limits() channel.Limits { return l.limits }

// Signer is the address of the voucher key.
func (l *Ledger) Signer() common.Address { return l.signer.Address() }

// alias is the stored record of a scope: which channel it uses now.
type alias struct {
	Version   int           `json:"version"`
	Scope     channel.Scope `json:"scope"`
	ChannelID common.Hash   `json:"channelId"`
}

// Lookup returns the channel that a scope uses, or nil where it has none. The errors are the store's.
func (l *Ledger) Lookup(ctx context.Context, scope channel.Scope) (*Account, error) {
	a, _, err := l.alias(ctx, scope)
	if err != nil || a.ChannelID == (common.Hash{}) {
		return nil, err
	}
	return l.Account(ctx, a.ChannelID)
}

func (l *Ledger) alias(ctx context.Context, scope channel.Scope) (a alias, rev uint64, err error) {
	data, rev, err := l.store.Get(ctx, rule.ScopeKey(scope))
	if errors.Is(err, store.ErrNotFound) {
		return alias{}, 0, nil
	}
	if err != nil {
		return alias{}, 0, err
	}
	if err := json.Unmarshal(data, &a); err == nil && a.Version > 1 {
		return alias{}, 0, fmt.Errorf("%w: %s has version %d, this program reads version 1: use the program that wrote it", channel.ErrRecord, rule.ScopeKey(scope), a.Version)
	} else if err != nil || a.Version != 1 || a.Scope != scope {
		return alias{}, 0, fmt.Errorf("%w: %s is not this scope's record", channel.ErrRecord, rule.ScopeKey(scope))
	}
	return a, rev, nil
}

// Account returns a channel by its id, read from the store when it is not in memory. The error is
// [store.ErrNotFound] where there is no record, or [channel.ErrRecord].
func (l *Ledger) Account(ctx context.Context, id common.Hash) (*Account, error) {
	l.mu.Lock()
	a := l.accounts[id]
	l.mu.Unlock()
	if a != nil {
		return a, nil
	}
	data, rev, err := l.store.Get(ctx, rule.StateKey(id))
	if err != nil {
		return nil, err
	}
	s, err := rule.Decode(data)
	if err != nil {
		return nil, err
	}
	if s.ID != id {
		return nil, fmt.Errorf("%w: %s holds channel %s", channel.ErrRecord, rule.StateKey(id), s.ID)
	}
	return l.hold(s, rev), nil
}

// hold keeps one Account a channel in memory.
func (l *Ledger) hold(s rule.State, rev uint64) *Account {
	l.mu.Lock()
	defer l.mu.Unlock()
	if a := l.accounts[s.ID]; a != nil {
		return a
	}
	a := &Account{
		ledger: l, id: s.ID, domain: s.Domain(), turn: make(chan struct{}, 1),
		state: s, saved: s, rev: rev, claims: map[*Claim]struct{}{},
	}
	l.accounts[s.ID] = a
	return a
}

// Add writes down a channel that is about to be opened, or was found, and makes it the one that its scope
// uses. The record is durable before the scope points to it, and both before Add returns, so that a
// transaction sent afterwards is never forgotten. replaces is the channel that the scope used until now, nil
// where it had none.
//
// Where another process was quicker, Add returns the other's channel and added false; the new one was
// never sent and is written off.
func (l *Ledger) Add(ctx context.Context, s rule.State, replaces *Account) (a *Account, added bool, err error) {
	a, err = l.record(ctx, s)
	if err != nil {
		return nil, false, err
	}
	now, rev, err := l.alias(ctx, s.Scope)
	if err != nil {
		return nil, false, err
	}
	if now.ChannelID == s.ID {
		return a, true, nil
	}
	if now.ChannelID == (common.Hash{}) || (replaces != nil && now.ChannelID == replaces.id) {
		data, err := json.Marshal(alias{Version: 1, Scope: s.Scope, ChannelID: s.ID})
		if err != nil {
			return nil, false, err
		}
		if _, err = l.store.Put(ctx, rule.ScopeKey(s.Scope), data, rev); err == nil {
			return a, true, nil
		}
		if !errors.Is(err, store.ErrConflict) {
			return nil, false, fmt.Errorf("%w: %w", ErrStore, err)
		}
	}
	if s.Opening.Pending() {
		err = a.Update(ctx, func(s rule.State) rule.State { return s.Settle(rule.OnChain{Time: s.Opening.ValidBefore + 1}) })
		if err != nil {
			return nil, false, err
		}
	}
	other, err := l.Lookup(ctx, s.Scope)
	return other, false, err
}

// record writes a new channel's record, or returns the account of the one that is there.
func (l *Ledger) record(ctx context.Context, s rule.State) (*Account, error) {
	data, err := s.Encode()
	if err != nil {
		return nil, err
	}
	rev, err := l.store.Put(ctx, rule.StateKey(s.ID), data, 0)
	if errors.Is(err, store.ErrConflict) {
		return l.Account(ctx, s.ID)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrStore, err)
	}
	return l.hold(s, rev), nil
}

// Each yields every channel on record, in the order of their ids, with what is in memory where that is
// newer. A record that cannot be read is yielded as an error; the iteration goes on.
func (l *Ledger) Each(ctx context.Context) iter.Seq2[rule.State, error] {
	return func(yield func(rule.State, error) bool) {
		for e, err := range l.store.List(ctx, "channel/") {
			var s rule.State
			if err == nil {
				if s, err = rule.Decode(e.Data); err != nil {
					err = fmt.Errorf("%s: %w", e.Key, err)
				}
			}
			l.mu.Lock()
			a := l.accounts[s.ID]
			l.mu.Unlock()
			if a != nil {
				s = a.State()
			}
			if !yield(s, err) {
				return
			}
		}
	}
}

// Funded is what this session has put into channels so far, or is about to.
func (l *Ledger) Funded() voucher.Amount {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.funded
}

// Reserve plans a payment and counts what it puts into a channel, in one step, so that requests that
// race cannot pass Limits.Total together. What leaves is then counted by Leave; give back the rest with
// Unreserve.
func (l *Ledger) Reserve(ctx context.Context, scope channel.Scope, s *rule.State, ask rule.Request, suggested voucher.Amount) (rule.Plan, error) {
	lim, err := l.Limited(ctx, scope)
	if err != nil {
		return rule.Plan{}, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	p, err := rule.PlanPayment(s, ask, suggested, l.funded, lim)
	if err == nil {
		l.funded = l.funded.AddCapped(p.Amount)
	}
	return p, err
}

// Leave counts a funding transaction that is about to leave, in place of what was reserved for it. One
// transaction counts once, however often it is presented, and also where another process wrote it down.
func (l *Ledger) Leave(f rule.Funding, reserved voucher.Amount) {
	key := sha256.Sum256(f.Raw)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.funded = l.funded.SubFloor(reserved)
	if _, ok := l.left[key]; !ok {
		l.left[key] = struct{}{}
		l.funded = l.funded.AddCapped(f.Amount)
	}
}

// Unmined takes back a funding transaction that can never be mined, where it was counted here.
func (l *Ledger) Unmined(f rule.Funding) {
	key := sha256.Sum256(f.Raw)
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.left[key]; ok {
		delete(l.left, key)
		l.funded = l.funded.SubFloor(f.Amount)
	}
}

// Unreserve gives back a planned amount that was not sent.
func (l *Ledger) Unreserve(amount voucher.Amount) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.funded = l.funded.SubFloor(amount)
}

// Flush writes what is only in memory: exact numbers for the next start. It returns the first error.
func (l *Ledger) Flush(ctx context.Context) error {
	l.mu.Lock()
	all := make([]*Account, 0, len(l.accounts))
	for _, a := range l.accounts {
		all = append(all, a)
	}
	l.mu.Unlock()
	var errs []error
	for _, a := range all {
		errs = append(errs, a.flush(ctx))
	}
	return errors.Join(errs...)
}
