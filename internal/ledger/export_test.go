package ledger

import "runtime"

// Waiting returns how many decisions wait for the turn.
func (a *Account) Waiting() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.waiting)
}

// Yield lets other goroutines run.
var Yield = runtime.Gosched

// Terms are the terms of a request that is held to the session's own limits.
func (a *Account) Terms() Terms { return Terms{Limits: a.ledger.limits} }
