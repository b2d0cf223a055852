// Package journal keeps an account of what was paid: one line for every operation that could cost money, never
// changed and never deleted. It decides nothing. What may be signed stands in the store; the journal says how it
// came to that, and which of it no line explains.
//
// # Lines
//
// An [Entry] is written when its operation has ended: a request, a stream, an opening, a top-up, a close. It names
// the caller's operation, the channel, the price, what the operation raised the authorized amount by, the outcome,
// and the receipt as the server wrote it. There is no credential, no signature, no key, no path and no query in it.
// An operation that was killed has no line; the gap that it leaves shows in [Totals].
//
// # Files
//
// [File] writes JSON lines into numbered files of one directory, so any tool can read them:
//
//	000001.jsonl   full; nobody writes it any more
//	000002.jsonl   the one that lines are added to
//
// Several processes may write at once: a line is one write to a file that is open for appending. A file that has
// grown to its size is followed by the next number, and stays. Nothing here renames, rewrites or deletes a file, so
// no line is lost to a rotation. To thin a journal out, move whole files away, but not the last one.
//
// A line whose writer died half way is a fragment: [Read] reports it and goes on, with what was written behind it.
// A line about money that moves on chain is synced to the disk before Append returns; the lines of requests are
// as durable as the machine, and synced by Close.
package journal

import (
	"context"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Kind is what an operation was.
type Kind string

// The kinds of operations.
const (
	KindPay          Kind = "pay"           // a request and its answer
	KindStream       Kind = "stream"        // a streamed answer, from its request to its end
	KindOpen         Kind = "open"          // a channel was funded
	KindTopUp        Kind = "top_up"        // its deposit was raised
	KindFound        Kind = "found"         // a channel was found, or adopted, that this journal did not see opened
	KindProve        Kind = "prove"         // our own signature, or the chain, showed that we had signed more than the store knew
	KindClose        Kind = "close"         // closed with the payee's help
	KindRequestClose Kind = "request_close" // the close was requested on chain
	KindWithdraw     Kind = "withdraw"      // a requested close was finished
)

// Entry is one operation that has ended. Amounts are base units of the channel's token.
type Entry struct {
	// Operation is the caller's operation: the Idempotency-Key of its request, the same for all lines and retries of
	// one request, and a random one for what no request caused.
	Operation string `json:"operation"`
	Kind      Kind   `json:"kind"`
	// Origin is scheme://host:port of the payee.
	Origin    string      `json:"origin"`
	ChannelID common.Hash `json:"channelId"`
	// Price is what was agreed to: of the request, or of the whole stream.
	Price voucher.Amount `json:"price"`
	// Before and After are the channel's authorized amount before the first and after the last decision of this
	// operation. Raised is by how much the operation itself raised it; others may have done so in between.
	Before voucher.Amount `json:"authorizedBefore"`
	After  voucher.Amount `json:"authorizedAfter"`
	Raised voucher.Amount `json:"raised"`
	// Cumulative is the voucher that was presented last, zero where none was.
	Cumulative voucher.Amount `json:"cumulative,omitzero"`
	// Amount is what moves on chain: what an open or a top-up puts into the channel, and what a close pays the payee. Of a
	// channel that was found it is what it holds.
	Amount voucher.Amount `json:"amount,omitzero"`
	// Transaction names the transaction of Amount: its hash, or the keccak256 of a sponsored one's hand-off. It may have
	// several lines, of those who found out what became of it; [Totals] counts it once.
	Transaction common.Hash `json:"transaction,omitzero"`
	// Outcome is the [client.Outcome]. Status is the HTTP status of the last answer, zero where there is none; Problem the type of
	// the server's problem details without its base.
	Outcome string `json:"outcome"`
	Status  int    `json:"status,omitempty"`
	Problem string `json:"problem,omitempty"`
	// Receipt is the JSON text of the receipt as the server wrote it, empty where none counted.
	Receipt string `json:"receipt,omitempty"`
	// Start and End are when the operation began and ended, by this machine's clock.
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
}

// Accepted reports whether the payee or the chain took it, as far as the outcome says.
func (e Entry) Accepted() bool {
	return e.Outcome == "accepted" || e.Outcome == "accepted_no_content" || e.Outcome == "refunded"
}

// moves reports whether the operation moved money on chain.
func (k Kind) moves() bool {
	return k != KindPay && k != KindStream && k != KindFound && k != KindProve
}

// Appender receives what was paid: one entry at the end of every operation that could cost money. A
// [File] is one.
type Appender interface {
	// Append is called synchronously on the goroutine of the operation, outside all locks. It must be
	// safe for concurrent use; a slow Append delays the operation. The context is not canceled with the
	// operation. An error does not fail the operation: it is reported as an event. Entries
	// contain receipts; protect them accordingly.
	Append(ctx context.Context, e Entry) error
}
