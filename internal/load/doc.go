// Load measures many requests on one channel and long streams. In one run, and against the same
// server, it compares
//
//   - the unpaid client: net/http's transport, which requests the free twin of each route;
//   - our client with zero Limits.Ahead, and with Limits.Ahead for 256 requests;
//   - the published mppx client, and Node's own fetch without payments beside it.
//
// # Run
//
//	internal/interop/rig/install.sh                    # once, for mppx: Node 20 or newer, npm
//	go run ./internal/load >table.md                   # everything: about half an hour
//	go run ./internal/load -rounds 3 >table.md         # with 3 rounds of each cell instead of 5
//	go run ./internal/load -list                       # the names of the cells
//	go run ./internal/load -run 'clienttest/v2/h1'     # the cells whose names match
//	go run ./internal/load -quick                      # correctness only: a few seconds
//
// Without Node or the installation, and with -mppx=never, the cells of mppx are skipped and the output
// says so; -mppx=always makes that an error.
//
// # What a cell is
//
// A cell is one server (client/clienttest or the published mppx server), one protocol, HTTP/1 or
// HTTP/2 over TLS, a round trip (none, or 20 ms by a proxy that delays bytes by 10 ms each way) and
// a number of goroutines. Its clients have their channels and connections open before anything is
// measured. Then they take turns for several short rounds, and each figure is the median of the
// rounds. Groups of cells vary one thing: processes that share a file store, a handler that thinks
// for 500 ms beside the others, a server that refuses a voucher equal to the highest one, parallel
// streams, and a stream of 1,000 pieces.
//
// # What is counted
//
// The rate of a round is divided by that of the unpaid client in the same round. Sends are the
// requests that the server received in the round, for each one that was served: vouchers of streams
// and repetitions included. A refusal is a response other than 200, or an error, that reached the
// caller; the caller then repeats the request, and its time includes the repetitions. A client that
// waits for JavaScript to sign or to verify has fewer requests in a round than the others.
//
// After the rounds the books of our client are compared: every request was served, the server
// charged for exactly those, the ledger has the same sum, and nothing is above the limits. A
// difference is an error of the whole run. If a stream broke off, what was served is the least that
// may have been charged: mppx's server ends a stream without a word when another one on the channel
// uses up its voucher, so its cell has two streams and a limit of two seconds.
//
// The machine is part of every figure: server, proxy and clients share its processors. Compare
// ratios of one run only.
package main
