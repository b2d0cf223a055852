package ledger

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/seed-5fe1f529/tallystick/internal/rule"
)

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
		errs = append(errs, a.Update(ctx, nil))
	}
	return errors.Join(errs...)
}
