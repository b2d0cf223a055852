package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store"
)

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
	rev, err := l.store.Put(ctx, rule.StateKey(s.ID), data, 0)
	if errors.Is(err, store.ErrConflict) {
		return l.Account(ctx, s.ID)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrStore, err)
	}
	return l.hold(s, rev), nil
}
