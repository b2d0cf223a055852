package ledger

import (
	"context"
	"errors"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store"
)

// Note stores a channel that was found and that no scope uses: it is listed and can be closed, and
// no request is paid from it. If there is a record already it stays as it is, and added is false.
// The errors are those of [Ledger.Add].
func (l *Ledger) Note(ctx context.Context, s rule.State) (a *Account, added bool, err error) {
	if a, err = l.Account(ctx, s.ID); !errors.Is(err, store.ErrNotFound) {
		return a, false, err
	}
	return l.Add(ctx, s, nil) // two that note it at once both found it
}

// Bind assigns an unbound channel the scope of found, which was verified for that scope. A channel
// that is bound already is left as it is.
func (l *Ledger) Bind(ctx context.Context, id common.Hash, found rule.State) error {
	a, err := l.Account(ctx, id)
	if errors.Is(err, store.ErrNotFound) || (err == nil && !a.State().Unbound()) {
		return nil
	}
	if err != nil {
		return err
	}
	return a.Update(ctx, func(s rule.State) rule.State { return s.Bind(found) })
}
