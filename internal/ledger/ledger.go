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
	"encoding/json"
	"errors"
	"fmt"
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
	key := rule.StateKey(id)
	data, rev, err := l.store.Get(ctx, key)
	if err != nil {
		return nil, err
	}
	s, err := rule.Decode(data)
	if err != nil {
		return nil, err
	}
	if s.ID != id {
		return nil, fmt.Errorf(
			"%w: %s holds channel %s", channel.ErrRecord, key, s.ID,
		)
	}
	return l.hold(key, s, rev), nil
}

// hold keeps one Account for each channel in memory.
func (l *Ledger) hold(key string, s rule.State, rev uint64) *Account {
	l.mu.Lock()
	defer l.mu.Unlock()
	if a := l.accounts[s.ID]; a != nil {
		return a
	}
	a := &Account{
		ledger: l, id: s.ID, key: key, domain: s.Domain(), turn: make(chan struct{}, 1),
		base: s, view: s, rev: rev, open: map[*Reservation]struct{}{},
	}
	l.accounts[s.ID] = a
	return a
}

// alias is the stored record of a scope: the channel that it uses now.
type alias struct {
	Version   int           `json:"version"`
	Scope     channel.Scope `json:"scope"`
	ChannelID common.Hash   `json:"channelId"`
}

// Lookup returns the channel that a scope uses, or nil if it has none. The errors are the store's,
// and [channel.ErrRecord].
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
		return alias{}, 0, fmt.Errorf(
			"%w: %s has version %d, this program reads version 1: use the program that wrote it",
			channel.ErrRecord, rule.ScopeKey(scope), a.Version)
	} else if err != nil || a.Version != 1 || a.Scope != scope {
		return alias{}, 0, fmt.Errorf("%w: %s is not this scope's record",
			channel.ErrRecord, rule.ScopeKey(scope))
	}
	return a, rev, nil
}

// Add stores a channel that is about to be opened, or was found, and makes it the one that its
// scope uses. The record is stored before the scope points to it, and both before Add returns, so
// that a transaction that is sent afterwards is never forgotten. replaces is the channel that the
// scope used until now, nil if it had none.
//
// If another process was quicker, Add returns that process's channel and added is false. The new
// one was never sent and is written off.
func (l *Ledger) Add(
	ctx context.Context, s rule.State, replaces *Account,
) (a *Account, added bool, err error) {
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
		err = a.Update(ctx, func(s rule.State) rule.State {
			return s.Settle(rule.OnChain{Time: s.Opening.ValidBefore + 1})
		})
		if err != nil {
			return nil, false, err
		}
	}
	other, err := l.Lookup(ctx, s.Scope)
	return other, false, err
}

// record stores a new channel's record, or returns the account of the one that is there.
func (l *Ledger) record(ctx context.Context, s rule.State) (*Account, error) {
	data, err := s.Encode()
	if err != nil {
		return nil, err
	}
	key := rule.StateKey(s.ID)
	rev, err := l.store.Put(ctx, key, data, 0)
	if errors.Is(err, store.ErrConflict) {
		return l.Account(ctx, s.ID)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrStore, err)
	}
	return l.hold(key, s, rev), nil
}
