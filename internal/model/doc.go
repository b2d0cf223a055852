// Package model holds the model tests: random histories of a payer, its store, its chain and a
// hostile server. After each step the test compares the history with sums that it keeps itself. The
// package has no code for programs.
//
// # Two levels
//
// TestHistories runs the whole client against client/clienttest: requests, streams, closes, two
// sessions on one store, requests inside requests, lies, redirects, lost responses, writes that
// fail or only report failure, and crashes at any write and any request. The policy pins or accepts
// all terms; an owner approves, waits or declines; some calls share the budget of a run. A history
// runs in a testing/synctest bubble without sockets: waiting costs no time, and an endless wait is
// found.
//
// The test counts what its histories drove, and fails if calls that pay over both protocols,
// redirects, refusals, approvals or budgets were missing.
//
// TestGate runs the ledger alone. The reports of the server, the state on chain and the order of
// events are random. It is about ten times as fast as TestHistories and covers more interleavings
// of two processes on one record.
//
// # What is checked
//
//   - A signature is never above the stored sum. That is never above the limits, the deposit, or
//     the sum that the callers requested plus Ahead.
//   - One call makes no more redeemable, on all channels together, than one price; two if the payee
//     refused the first payment for good.
//   - A run and an hour never cost more than their budgets.
//   - A credential answers only terms that the policy accepted and, above Limits.Ask, that the
//     owner approved for this call.
//   - All signatures together let nobody settle more than that.
//   - A credential is never sent to another origin, or in a header that the server chose.
//   - Every transaction that was sent is on record, and so is every channel that holds money.
//   - Every call ends after a bounded number of requests and signatures, and soon after its
//     context.
//
// # By hand
//
//	go test ./internal/model -run TestGate -rapid.checks 1000000 -timeout 2h
//
// -rapid.seed repeats a run. Without these flags both tests together run ten thousand histories.
package model
