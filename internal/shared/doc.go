// Package shared lets many processes pay from one wallet, one store and one channel at the same time, and compares the
// books afterwards to the base unit. It has tests only.
//
// # Run
//
//	go test ./internal/shared                                   # 4 processes of 100 requests on each store
//	SHARED=16x1000 go test ./internal/shared -v -timeout 30m     # as many as wanted
//
// The processes are this package's test binary again, with a part of their own. They start together on an empty store,
// so they race for the opening as well. The server is client/clienttest, which refuses a voucher lower than the
// highest it holds. The databases are those of internal/fleet.
//
// # What must hold
//
// When every process has closed its session, the server's record, the chain and the ledger agree: what was
// charged is what was bought, what is claimed is what was charged, one deposit was made, and the close pays for
// exactly that. While they run, a session knows what the others had in flight when they last wrote, so it may count too
// much as claimed, never too little; a session that is killed leaves its last entry for ten minutes, or until
// another on the same machine sees that it is gone.
//
// Vouchers overtake each other: a request whose voucher is lower than one of another process is refused, and
// presents the highest again. Nothing is signed for that. How often is counted and has a bound.
package shared
