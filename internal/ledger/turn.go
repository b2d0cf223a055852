package ledger

import (
	"context"
	"errors"
)

var errPanic = errors.New("ledger: the signer or the store panicked; nothing was signed")

// inTurn waits for the turn and calls do with it. It returns when do has returned or the context has ended. In
// the second case do goes on by itself, keeps the turn until it returns, and its error is lost.
func (a *Account) inTurn(ctx context.Context, do func() error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	select {
	case a.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	var err error
	select {
	case end := <-a.run(func() { err = do() }, a.doubt):
		end.rethrow()
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// outcome is how a call on another goroutine ended.
type outcome struct{ panicked any }

// rethrow panics with what the call panicked with.
func (o outcome) rethrow() {
	if o.panicked != nil {
		panic(o.panicked)
	}
}

// run calls do, which has the turn, on a goroutine of its own, so that a signer or a store that hangs holds up
// nobody beyond their own context. Its outcome is sent before crashed is called, which is called if do panicked. Then
// the turn is given back.
func (a *Account) run(do, crashed func()) <-chan outcome {
	done := make(chan outcome, 1)
	go func() {
		returned := false
		defer func() {
			r := recover()
			if r == nil && !returned {
				r = errPanic // runtime.Goexit
			}
			done <- outcome{r}
			if !returned {
				crashed()
			}
			<-a.turn
		}()
		do()
		returned = true
	}()
	return done
}

// doubt has the record read before anything is decided: whether it was written is not known.
func (a *Account) doubt() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stale = true
}
