package ledger

import (
	"context"
	"errors"
)

// Flush stores what is only in memory, so that the next start has exact numbers, and gives back what
// was taken of the limits over time in advance. It returns all errors.
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
	return errors.Join(append(errs, l.windows.GiveBack(ctx))...)
}
