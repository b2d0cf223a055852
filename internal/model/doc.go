// Package model holds the model tests: random histories of a payer, its store, its chain and a server of every whim,
// each checked after every step against sums that the test keeps by itself. It has no code for programs.
//
// # Two levels
//
// TestHistories drives the whole client against client/clienttest: requests, streams, closes, two sessions on one
// store, requests inside requests, lies, answers that get lost, writes that fail or only say so, and the death of a
// process at any write and any sending. A history runs in a testing/synctest bubble without sockets, so that waiting
// costs nothing and whoever waits for ever is found.
//
// TestGate drives the ledger alone, with the server's word, the chain's word and the order of things all made up. It
// is some ten times as fast, and looks more closely at two processes on one record.
//
// # What is checked
//
//   - A signature is never above what the store holds, and that is never above the limits, the deposit, or
//     what the caller asked for in all plus Ahead.
//   - What a thief who has every signature could settle is not more than that either.
//   - A credential never goes to another origin.
//   - Every transaction that left is on record, and so is every channel that holds money.
//   - Every call ends, after a bounded number of sendings and signatures, and soon after its context.
//
// # By hand
//
//	go test ./internal/model -run TestGate -rapid.checks 1000000 -timeout 2h
//
// -rapid.seed repeats a run. Without these flags both tests together run ten thousand histories.
package model
