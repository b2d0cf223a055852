// Package journal records payments: one line for every operation that could cost money, and one more when
// it becomes known what its transaction was charged as a fee ([KindFee]). Lines are never changed or
// deleted. The journal takes no part in decisions; those are based on the store. It shows how the
// authorized amounts in the store came about, and which part of them no line explains.
//
// # Lines
//
// An [Entry] is written when its operation has ended: a request, a stream, an opening, a top-up, a
// close. It contains the caller's operation, the channel, the price, the increase of the authorized
// amount, the outcome and the receipt. It contains no credential, signature, key, path or query,
// unless the program names routes that have a path (Config.Route) or keeps evidence, which has
// vouchers (Config.Evidence). An operation that was killed has no line;
// [Totals.Gaps] shows the gap that it leaves.
//
// # Files
//
// [File] writes JSON lines to numbered files in one directory:
//
//	000001.jsonl   full and no longer written
//	000002.jsonl   the current file
//
// Several processes may write at the same time: each line is one write to a file that is open for
// appending. When a file has reached its size, the next number is begun. No file is ever renamed,
// rewritten or deleted, so rotation cannot lose a line. To remove old lines, move whole files away,
// except the last one.
//
// If a writer dies in the middle of a line, the rest of the line is a fragment: [Read] reports it
// and continues with the next line. Append syncs lines about on-chain transactions to disk before
// it returns. Lines about requests are synced by Close; before that, a crash of the machine can
// lose them.
package journal

import (
	"context"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Kind is the kind of an operation.
type Kind string

// The kinds of operations.
const (
	KindPay          Kind = "pay"           // a request and its response
	KindStream       Kind = "stream"        // a streamed response, from its request to its end
	KindOpen         Kind = "open"          // a channel was funded
	KindTopUp        Kind = "top_up"        // its deposit was raised
	KindFound        Kind = "found"         // a channel of another program or store was found
	KindProve        Kind = "prove"         // a voucher above the store's amount was found, or signed with AuthorizeManually
	KindClose        Kind = "close"         // closed with the payee's help
	KindRequestClose Kind = "request_close" // a close was requested on chain
	KindWithdraw     Kind = "withdraw"      // a requested close was completed
	KindFee          Kind = "fee"           // the charged fee of an earlier line's transaction became known
)

// Fee is the fee of a transaction, in base units of Token. The zero Fee means that the line has no
// transaction of the payer, that the transaction was free, or that the line was written before fees were
// recorded.
type Fee struct {
	// Token is the token that the fee is paid in. It may differ from the channel's.
	Token common.Address `json:"token,omitzero"`
	// Max is the most that the transaction can be charged: its gas limit at its highest price, which the
	// payer signed.
	Max voucher.Amount `json:"max,omitzero"`
	// Charged is what the transaction was charged according to the chain's receipt, or Max if it was mined
	// and its receipt is lost. Known reports whether that is known. A reverted transaction is charged. If
	// Known is true and Charged is zero, the transaction was not mined and can no longer be.
	Charged voucher.Amount `json:"charged,omitzero"`
	Known   bool           `json:"known,omitempty"`
	// Sponsored reports that the payee pays the fee. It costs the payer nothing, and the other fields are
	// zero.
	Sponsored bool `json:"sponsored,omitempty"`
}

// Counted returns the amount that counts as spent, in base units of Token: Charged if it is known, and
// Max otherwise. It is zero if sponsored.
func (f Fee) Counted() voucher.Amount {
	if f.Known {
		return f.Charged
	}
	return f.Max
}

// Entry is one operation that has ended. Amounts are in base units of the channel's token, those of
// Fee in base units of the fee's.
type Entry struct {
	// Operation identifies the operation of the caller: the Idempotency-Key of its request, which
	// all lines and retries of one request share. It is random if no request caused the operation.
	Operation string `json:"operation"`
	Kind      Kind   `json:"kind"`
	// Origin is scheme://host:port of the payee.
	Origin    string      `json:"origin"`
	ChannelID common.Hash `json:"channelId"`
	// Route is what Config.Route of the session calls the request, Run the name of its budget
	// (client.Budget.Named). Each is empty if it is not set.
	Route string `json:"route,omitempty"`
	Run   string `json:"run,omitempty"`
	// Price is the agreed price of the request or of the whole stream.
	Price voucher.Amount `json:"price"`
	// Before and After are the channel's authorized amount before the first and after the last
	// decision of this operation. Raised is the increase by this operation alone; concurrent
	// operations may have raised it too.
	Before voucher.Amount `json:"authorizedBefore"`
	After  voucher.Amount `json:"authorizedAfter"`
	Raised voucher.Amount `json:"raised"`
	// Cumulative is the amount of the voucher that was sent last, or zero.
	Cumulative voucher.Amount `json:"cumulative,omitzero"`
	// Amount is what moves on chain: the deposit of an open or a top-up, or the payment to the
	// payee at a close. For a found channel it is the deposit.
	Amount voucher.Amount `json:"amount,omitzero"`
	// Transaction is the hash of the transaction of Amount; for a sponsored transaction it is the
	// keccak256 of its hand-off form. It may appear in several lines, if others found out later
	// whether it was mined. [Totals] counts it once.
	Transaction common.Hash `json:"transaction,omitzero"`
	// Fee is the fee of Transaction. Often only the most that it can be charged is known when the line is
	// written. A line of [KindFee] with the same Transaction follows when the charge is known; add fees
	// with [Totals.Fees], which counts each transaction once.
	Fee Fee `json:"fee,omitzero"`
	// Outcome is the [client.Outcome]. In a line of [KindFee] it is "accepted" if the transaction was
	// charged, and "rejected" if it can no longer be mined. Status is the HTTP status of the last
	// response, or zero. Problem is the problem type without its base URI, or empty.
	Outcome string `json:"outcome"`
	Status  int    `json:"status,omitempty"`
	Problem string `json:"problem,omitempty"`
	// Receipt is the JSON text of the receipt that was used, or empty.
	Receipt string `json:"receipt,omitempty"`
	// Evidence is what package channel/evidence shows others of the operation, as JSON, with a voucher
	// that was presented. It is empty unless Config.Evidence of the session is set.
	Evidence string `json:"evidence,omitempty"`
	// Start and End are the times by the clock of this machine.
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
}

// Accepted reports whether the outcome is one of success: accepted, accepted_no_content or
// refunded.
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
