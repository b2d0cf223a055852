// Package crash kills the client. It has tests only.
//
// The client runs as a child process, on files in a directory of its own, against a paid server and a chain
// that the parent holds. Before and after everything that a crash could tear apart, the child tells the
// parent where it stands and waits for the word to go on: before, in the middle of and after a write of the
// store, before a request leaves, when its answer is there, when it was read, before and after a signature.
// These are the points. A first run without kills lists the points of every flow; testdata/points.txt holds
// that list, and TestPoints fails where a write or a request appears that is not in it.
//
// TestKills then kills a child with SIGKILL at every one of them, and at random instants in between,
// restarts it on the same directory, and lets it pay, list and close. It holds that
//
//   - no voucher is signed above the number that the store holds at that moment, or will ever hold,
//   - every deposit on the chain is in the store, and comes back by a close,
//   - no second transaction is signed while an earlier one for the same need can still be mined,
//   - the next request is served without help, and so is the one after it,
//   - all that is authorized is at most what was asked for, plus Limits.Ahead,
//   - each base unit of the chain is where it should be.
//
// Among the flows are a store that was lost, whose channel is found again by a zero-dollar proof, imported, or
// searched for on the chain, and keepers that sweep what others left, once, until nothing is left, or for ever.
// TestKillsInCrowds kills children that share a store and a channel with others that live on.
//
// # Run
//
//	go test ./internal/crash                                     # each point, and some at random
//	go test ./internal/crash -run TestKills -kills 10000 -seed 7  # by hand
//	go test ./internal/crash -run TestKills -only 'topup/v2 …'   # one of them again, as a failure names it
//	go test ./internal/crash -run TestKills -flow keep            # only the flows with such names
//	go test ./internal/crash -run TestPoints -update              # after a look at the difference
//
// The other tests break the store and the clock instead of the process: writes that fail, that were stored
// all the same, or that hang, full and read-only disks, torn files, and clocks that jump.
package crash
