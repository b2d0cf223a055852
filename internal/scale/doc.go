// Scale measures what channels on record cost those that do not use them: one store with ten open
// channels beside one with very many open and closed ones, on files, in one run.
//
// # Run
//
//	go run ./internal/scale                            # 10,000 open and 100,000 closed: minutes
//	go run ./internal/scale -open 1000 -closed 10000   # less
//	go run ./internal/scale -dir /var/tmp/scale        # keep the stores, and use them again
//
// # What is measured
//
//   - The first request of a session, in a process of its own: the store is opened, a session is made
//     and a request is paid from a channel that it finds there. All limits over time are set.
//   - 300 later requests of that session.
//   - The memory that is in use on the heap of that process after them.
//   - tally URL as a whole, beside the same command.
//   - One pass of the keeper over a store with a quarter of the open channels, and over the large one,
//     on a chain that answers at once.
//   - A listing of the open channels, and of all.
//
// The two stores take turns. Compare the ratios and the differences of one run: the machine is part
// of every figure.
package main
