package ledger

import "runtime"

// Waiting is how many orders wait at the gate.
func (a *Account) Waiting() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.waiting)
}

// Yield lets other goroutines run.
var Yield = runtime.Gosched
