// Package clienttest is a paid HTTP server for tests: it asks for money with real 402s, checks real
// vouchers, and takes its deposits on a chain in memory. It is written to the specifications (the
// Payment auth scheme, draft-tempo-session-00, TIP-1034) and knows nothing of the client, so that
// what passes here was said in the protocol's own words.
//
// # Start
//
//	srv := clienttest.New(t, clienttest.Config{})   // in a test; closed with the test
//	srv, err := clienttest.Start(clienttest.Config{}) // elsewhere; Close it
//
// [Server.URL] is where it listens (loopback only), [Server.RPCURL] is the chain's JSON-RPC, and
// [Server.Payer] is a new key with money at each call.
//
// # Routes
//
// All amounts are base units of the token. Each route exists on the v2 rail as written here and on
// the v1 rail with /v1 before it.
//
//	/data              100 a request; a POST is echoed
//	/stream/N/PRICE    an event stream of N chunks at PRICE each
//	/boot              as /data; HEAD asks for a zero-dollar proof and answers it with a snapshot (v2)
//	/hinted            as /data; the 402 names a channel to use again: Payment-Session says which, or ?payer=
//	/hinted/stream/N/PRICE
//	/flat              as /hinted, with loose figures instead of a snapshot
//	/sponsored         as /data; the server pays the fees of opens and top-ups
//	/sponsored/stream/N/PRICE
//	/min-delta         as /data; a voucher grows by 500 at least
//	/free              costs nothing
//
// Query parameters change what a paid route asks for: price=, deposit= (suggestedDeposit, 0
// suggests none), ttl= (seconds that the challenge lives) and unit= (unitType). A stream also takes
// n=.
//
// Own routes are made with [Server.Handle], [Server.Paid] and [Server.Metered].
//
// # Looking inside
//
// [Server.Accounts] is what the server believes about each channel, [Server.Requests] is what was
// asked of it, [Server.Served] counts the content it gave away, and [Chain] is the money.
//
// # Trouble
//
// [Server.OnRequest] makes single requests go wrong: lost answers, late ones, cut streams. See
// [Fault].
//
// # Lies
//
// [Server.Lie] makes the server cheat: it forges hints, snapshots, receipts and frames, changes the
// price, sends credentials elsewhere, never ends, takes money without mining it, and two hundred
// things more. Package [github.com/seed-5fe1f529/tallystick/client/clienttest/lies] lists them:
//
//	srv.Lie(lies.GoneAgain, lies.ReceiptOfAnother)
//	srv.Lie() // honest again
//
// [Server.Lied] counts how often a lie made a difference. A client is good if each of its requests
// ends, with the content or with an error that says why, and if what it signed in [Server.Requests]
// and deposited on [Chain] is what its caller agreed to. The server's books stay honest:
// [Server.Accounts].
//
// # Behavior
//
// Where servers in the field differ, the default is what mppx 0.11.0 (v2) and 0.8.14 (v1) do; the
// fields of [Config] change it to what the drafts or mpp-rs do.
package clienttest
