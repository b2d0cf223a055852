// Package outlay holds a property test of what leaves a wallet. It has no code for programs.
//
// One process or two with the real client pay a real server (client/clienttest) on the chain in memory, from
// one store, in random sequences of steps: requests at random prices and suggested deposits, streams, requests of runs, sponsored routes and
// fee levels, crashes, stores and nodes that fail, closes and withdrawals, and time that passes. The test
// keeps its own account of what can leave the wallet: what the voucher key signed, which transactions the
// funding key signed, and what the chain charged for them.
//
// # What is checked
//
// After each step:
//
//   - What left the wallet is what is locked in channels, what payees redeemed and the fees of the
//     transactions that the funding key signed, to the unit and in each token.
//   - What payees can take and what fees came to, or can still come to, is within the windows of the
//     limits, in each token by itself, and within the budget of each run.
//   - What a session puts into channels, fees included, is within Limits.Total.
//
// At the end, when nothing fails any more and all channels were read:
//
//   - The records of the channels agree with the chain, and their fees with its receipts.
//   - So does the bill, fees included: the journal and Session.Spending.
//
// # By hand
//
//	go test ./internal/outlay -args -sequences 10000 -seed 7
//
// A failure names its seed, which repeats the sequence: -args -sequences 1 -seed SEED.
package outlay
