// Package model holds the model tests: random histories of a payer, its store, its chain and a
// server that may do anything. After every step each history is checked against sums that the test
// keeps by itself. The package has no code for programs.
//
// # Two levels
//
// TestHistories drives the whole client against client/clienttest: requests, streams, closes, two
// sessions on one store, requests inside requests, lies, redirects, lost answers, writes that fail or
// only report failure, and the death of a process at any write and any sending. The policy pins or
// trusts, an owner approves, hesitates or declines, and some calls share the budget of a run. A
// history runs in a testing/synctest bubble without sockets: waiting costs no time, and a wait
// without an end is found.
//
// TestGate drives the ledger alone. The server's reports, the chain's answers and the order of
// events are made up. It is about ten times as fast as TestHistories and looks more closely at two
// processes on one record.
//
// # What is checked
//
//   - A signature is never above what the store holds, and that is never above the limits, the
//     deposit, or the sum that the callers asked for plus Ahead.
//   - One call makes no more redeemable, on all channels together, than one price; two if the payee
//     took back what it had asked to be paid by.
//   - A run and an hour never cost more than their budgets.
//   - A credential answers only terms that the policy accepted and, above Limits.Ask, that the owner
//     approved for this call.
//   - What a thief with all signatures could settle is not more than that either.
//   - A credential never goes to another origin or into a header of the server's choice.
//   - Every transaction that left is on record, and so is every channel that holds money.
//   - Every call ends, after a bounded number of sendings and signatures, and soon after its context.
//
// # By hand
//
//	go test ./internal/model -run TestGate -rapid.checks 1000000 -timeout 2h
//
// -rapid.seed repeats a run. Without these flags both tests together run ten thousand histories.
package model
