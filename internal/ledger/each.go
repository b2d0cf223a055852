package ledger

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"

	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store"
)

// Each yields every channel on record, in the order of their ids, as it is in memory if that is
// newer. A record that cannot be read is yielded as an error, and the iteration goes on; so is one
// that is gone although its channel is in memory.
func (l *Ledger) Each(ctx context.Context) iter.Seq2[rule.State, error] {
	return func(yield func(rule.State, error) bool) {
		missing := l.held()
		for e, err := range l.store.List(ctx, "channel/") {
			delete(missing, e.Key)
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
			if !yield(s, err) || err != nil && e.Key == "" {
				return
			}
		}
		for _, err := range l.gone(ctx, missing) {
			if !yield(rule.State{}, err) {
				return
			}
		}
	}
}

// held returns the channels in memory by the keys of their records.
func (l *Ledger) held() map[string]*Account {
	l.mu.Lock()
	defer l.mu.Unlock()
	held := make(map[string]*Account, len(l.accounts))
	for _, a := range l.accounts {
		held[a.key] = a
	}
	return held
}

// gone yields an error for each channel that a complete listing lacked and whose record is not
// there. Not every store notices by itself that it was emptied.
func (l *Ledger) gone(ctx context.Context, missing map[string]*Account) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for _, key := range slices.Sorted(maps.Keys(missing)) {
			_, _, err := l.store.Get(ctx, key)
			if err == nil {
				continue // the listing had ended when it was added
			}
			if errors.Is(err, store.ErrNotFound) {
				err = fmt.Errorf("%w: %s is gone, and channel %s may hold money: restore the store, or find "+
					"the channel on chain", store.ErrCorrupt, key, missing[key].id)
			}
			if !yield(key, err) {
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
		errs = append(errs, a.Update(ctx, nil))
	}
	return errors.Join(errs...)
}
