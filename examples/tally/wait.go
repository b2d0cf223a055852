package main

import (
	"context"
	"errors"
)

// await returns what do returns, or the cause for which the context ended before: a terminal, a pipe or a
// file may wait without end. do goes on then, until the program ends.
func await[T any](ctx context.Context, do func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		value, err := do()
		done <- result{value, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
	}
	select {
	case r := <-done: // just now
		return r.value, r.err
	default:
		var none T
		return none, context.Cause(ctx)
	}
}

// stopped returns the error of a context that has ended: its time was over, or the program was interrupted.
func stopped(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return ctx.Err()
	}
	return fail(exitInterrupted, context.Cause(ctx))
}
