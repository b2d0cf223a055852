// Package receipt reads and writes Payment-Receipt headers and payment-receipt stream frames, in
// which a server reports what it was paid.
//
// # Trust
//
// A receipt is not signed. It reports what the server accepted and charged, and it commits neither
// side to anything. Use a receipt only from the response to a request that carried the payer's own
// credential, and only if [Receipt.ChallengeID] and [Receipt.ChannelID] are those of that request.
// Never sign more because of its amounts; they may only lower what is signed next.
//
// # Session receipts and base receipts
//
// A session receipt contains the amounts of the channel: accepted, spent and units
// ([Receipt.Session] is true). Some servers send a base receipt instead, which only reports
// success. Its amounts are zero and have no meaning.
//
// # Validation
//
// Amounts must be decimal strings of base units, hashes must have 32 bytes, the method must be
// tempo and the status success. A receipt with some but not all fields of a session is malformed,
// and so is one above 64 KiB. Unknown fields are ignored but kept in [Receipt.Raw]. Do not discard
// a paid response because of a malformed receipt; report [ErrMalformed] and keep the content.
package receipt

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// ErrMalformed means that a receipt cannot be read. The message names the field and shows at most a
// short part of its value.
var ErrMalformed = errors.New("receipt: malformed")

// Receipt is one receipt. It may be copied and shared; Raw must not be changed.
type Receipt struct {
	// Method is always "tempo" and Status "success". Intent is "session", or empty in a base
	// receipt.
	Method, Intent, Status string
	// Timestamp is the server's time of the receipt.
	Timestamp time.Time
	// Reference is the server's name of the payment: in a session receipt, the channel id.
	// ExternalID is another reference of the server, or empty.
	Reference, ExternalID string

	// Session reports whether the fields from ChallengeID to Units are set.
	Session bool
	// ChallengeID is the challenge that was answered, and ChannelID the channel that paid.
	ChallengeID string
	ChannelID   common.Hash
	// Accepted is the amount of the highest voucher that the server has, and Spent the sum of its charges
	// to the channel, both in base units of the channel's token.
	Accepted, Spent voucher.Amount
	// Units is the number of charged units: of the channel on some servers, of the request on
	// others. Zero means that the server did not report it.
	Units uint64

	// TxHash is the transaction that opened, topped up, settled or closed the channel, or zero.
	TxHash common.Hash
	// Raw is the JSON text that was parsed, with unknown fields. It is nil in a receipt that was
	// not parsed. Do not log it.
	Raw json.RawMessage `json:"-"`
}

// String returns one line for people and logs.
func (r Receipt) String() string {
	switch {
	case r.Session && r.TxHash != (common.Hash{}):
		return fmt.Sprintf(
			"receipt for channel %s: accepted %s, spent %s, transaction %s", r.ChannelID,
			r.Accepted, r.Spent, r.TxHash,
		)
	case r.Session:
		return fmt.Sprintf(
			"receipt for channel %s: accepted %s, spent %s", r.ChannelID, r.Accepted, r.Spent,
		)
	default:
		return fmt.Sprintf("receipt without amounts, reference %.80q", r.Reference)
	}
}
