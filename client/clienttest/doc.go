// Package clienttest is a paid HTTP server for tests. It sends real 402 responses, verifies real
// vouchers, and receives deposits on a chain in memory. It is written from the specifications (the
// Payment auth scheme, draft-tempo-session-00, TIP-1034) and shares no protocol code with the
// client, so that a test with it is a test against the protocol.
//
// # Start
//
//	srv := clienttest.New(t, clienttest.Config{})     // in a test, which closes it
//	srv, err := clienttest.Start(clienttest.Config{}) // elsewhere; Close it
//
// [Server.URL] is its address on loopback and [Server.RPCURL] that of the chain's JSON-RPC.
// [Server.Payer] returns a new funded key. A session that pays it:
//
//	key, err := voucher.ParseKey(srv.Payer().Hex)
//	chain, err := escrow.Dial(ctx, srv.RPCURL)
//	session, err := client.New(client.Config{Signer: key, Payer: key, Chain: chain, Limits: limits})
//	resp, err := session.Client().Get(srv.URL + "/data")
//
// The clock of the chain only moves by [Chain.Advance] unless [Config.WallClock] is set, for example by
// the 15 minutes after which a close without the payee can be withdrawn.
//
// # Routes
//
// All amounts are base units of the token. Each route uses protocol v2; with the prefix /v1 it uses
// v1.
//
//	/data              100 per request, with a suggested deposit of 10,000; a POST is echoed
//	/stream/N/PRICE    an event stream of N chunks at PRICE each
//	/boot              like /data; HEAD asks for a zero-dollar proof and returns a snapshot (v2)
//	/hinted            like /data; the 402 names a reusable channel: that of the
//	                   Payment-Session header, or the newest one of ?payer=ADDRESS
//	/hinted/stream/N/PRICE
//	/flat              like /hinted, with amounts that nothing proves instead of a snapshot
//	/who               like /data; a request without a credential is asked for a zero-dollar proof
//	                   first, and the 402 that answers it names the price and the payer's channel
//	/who/stream/N/PRICE
//	/sponsored         like /data; the server pays the fees of opens and top-ups
//	/sponsored/stream/N/PRICE
//	/min-delta         like /data; each voucher must grow by at least 500
//	/free              costs nothing
//
// Query parameters change the terms of a paid route: price=, deposit= (suggestedDeposit, 0 for
// none), ttl= (lifetime of the challenge in seconds), unit= (unitType) and hints= (none, snapshot,
// flat or full; see [Hints]). A stream also accepts n=. The /who routes accept apart (the proof is
// answered with 204; see [IdentifyApart]) and cookie (the payer is recognized by one).
//
// A snapshot describes a channel that can be used again, with the highest voucher that the server
// has. A zero-dollar proof is a signature over amount 0 that shows who the payer is.
//
// Add your own routes with [Server.Handle], [Server.Paid] and [Server.Metered].
//
// # Inspection
//
// [Server.Accounts] returns the server's account of each channel, [Server.Requests] returns all
// requests, [Server.Served] counts deliveries of content, and [Chain] shows balances and channels
// on chain.
//
// # Faults
//
// [Server.OnRequest] injects faults into single requests: lost or late responses, cut streams. See
// [Fault].
//
// # Lies
//
// [Server.Lie] makes the server hostile: it forges hints, snapshots, receipts and frames, changes
// the price, sends credentials elsewhere, never ends, takes money without mining it, and much more.
// Package [github.com/seed-5fe1f529/tallystick/client/clienttest/lies] lists them:
//
//	srv.Lie(lies.GoneAgain, lies.ReceiptOfAnother)
//	srv.Lie() // honest again
//
// [Server.Lied] counts how often a lie made a difference. A client passes if each of its requests ends,
// with the content or with an error that names the reason, and if what it signed in [Server.Requests] and
// deposited on [Chain] is what its caller agreed to. The accounts of the server stay correct:
// [Server.Accounts].
//
// # Nodes
//
// [Server.Node], which serves RPCURL, and [Server.OtherNode] are two nodes of the chain. [Node.Fail]
// makes a node faulty: it lags, leaves something out, limits the rate, breaks batches, loses answers.
// Package [github.com/seed-5fe1f529/tallystick/client/clienttest/nodefaults] lists the faults:
//
//	srv.Node.Fail(nodefaults.LateByOne)
//	srv.Node.FailTimes(2, nodefaults.Limit429) // then no more
//	srv.Node.Fail()                            // right again
//
// # Behavior
//
// Where implementations differ, the default is the behavior of mppx 0.11.0 (v2) and 0.8.14 (v1).
// The fields of [Config] select that of the drafts or of mpp-rs.
package clienttest
