// Package ledger keeps the channels of one session. It is the only holder of the store, the voucher
// key and the limits together, and so the only place that a voucher can come from.
//
// The gate is issue.go: decide (by package rule), store, sign, in that order. Its stream half is
// stream.go. A request holds a [Reservation] on a channel from the decision about its price until
// it ends. A [Budget] bounds what a group of requests may take, and the limits over time
// (windows.go) bound what all of them may.
package ledger

import (
	"context"
	"crypto/sha256"
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

// ErrStore is returned if the store failed. Nothing was signed. It is not known whether the record
// was written; it is read again before the channel is used again.
var ErrStore = errors.New("ledger: the store failed; nothing was signed")

// Ledger holds a session's channels. It is safe for concurrent use.
type Ledger struct {
	store   store.Store
	signer  voucher.Signer
	limits  channel.Limits
	name    string // of this ledger among those that write the same records
	windows windows
	// OnNear is called when a limit over time is nearly used up. It must be set before the ledger
	// is used.
	OnNear func(Near)

	mu       sync.Mutex // guards what follows; held shortly
	accounts map[common.Hash]*Account
	funded   voucher.Amount
	left     map[[sha256.Size]byte]struct{} // the funding transactions in funded, by their bytes
}

// New returns a ledger over a store. It does not close the store.
func New(s store.Store, signer voucher.Signer, limits channel.Limits) *Ledger {
	return &Ledger{
		store: s, signer: signer, limits: limits, name: sessionID(),
		windows:  windows{rows: map[common.Hash]row{}},
		accounts: map[common.Hash]*Account{}, left: map[[sha256.Size]byte]struct{}{},
	}
}

// Limits returns the limits of the session.
func (l *Ledger) Limits() channel.Limits { return l.limits }

// Signer returns the address of the voucher key.
func (l *Ledger) Signer() common.Address { return l.signer.Address() }

// Account returns a channel by its id, read from the store if it is not in memory. The error is
// [store.ErrNotFound] if there is no record, or [channel.ErrRecord].
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
		return nil, fmt.Errorf(
			"%w: %s holds channel %s", channel.ErrRecord, rule.StateKey(id), s.ID,
		)
	}
	return l.hold(s, rev), nil
}

// hold keeps one Account for each channel in memory.
func (l *Ledger) hold(s rule.State, rev uint64) *Account {
	l.mu.Lock()
	defer l.mu.Unlock()
	if a := l.accounts[s.ID]; a != nil {
		return a
	}
	a := &Account{
		ledger: l, id: s.ID, domain: s.Domain(), turn: make(chan struct{}, 1),
		base: s, view: s, rev: rev, open: map[*Reservation]struct{}{},
	}
	l.accounts[s.ID] = a
	return a
}

// Each yields every channel on record, in the order of their ids, as it is in memory if that is
// newer. A record that cannot be read is yielded as an error, and the iteration goes on.
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

// Flush stores what is only in memory, so that the next start has exact numbers. It returns all
// errors.
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
