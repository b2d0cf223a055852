// Package receipt reads Payment-Receipt headers and payment-receipt stream frames: the server's word on
// what it was paid.
//
// # What a receipt is worth
//
// A receipt is unsigned. It says what the server accepted and what it charged, and it binds the server to
// nothing and the payer to nothing. Whoever books it has to know that it came on the answer to a request that
// carried the payer's own credential, compare [Receipt.ChallengeID] and [Receipt.ChannelID] with that
// request, and take its amounts as an upper bound of nothing: package channel lets them lower what is signed
// next, never raise it.
//
// # Two kinds
//
// A session receipt has the account: accepted, spent, units ([Receipt.Session] is true). Some servers
// answer sessions with a base receipt, which only says that the payment was taken; its amounts are zero and mean
// nothing.
//
// # Strictness
//
// Amounts are decimal strings of base units, hashes 32 bytes, the method tempo, the status success. A
// receipt with some of a session's fields but not all is refused, as is anything above 64 KiB. Unknown
// fields are ignored, but kept in [Receipt.Raw]. A bad receipt is no reason to throw a paid response
// away: a caller reports [ErrMalformed] and keeps the content.
package receipt

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// ErrMalformed is a receipt that cannot be read, wrapped with the name of the field that does not fit and
// at most a short piece of its value.
var ErrMalformed = errors.New("receipt: malformed")

// Receipt is one receipt. It is a value; Raw is not to be changed.
type Receipt struct {
	// Method is "tempo" and Status "success"; nothing else is read. Intent is "session" in a session
	// receipt; a base receipt may leave it out.
	Method, Intent, Status string
	// Timestamp is when the server says it was written.
	Timestamp time.Time
	// Reference names the payment at the server: the channel id in a session receipt. ExternalID is the
	// server's own reference, empty where there is none.
	Reference, ExternalID string

	// Session says that the fields below, down to Units, are filled in.
	Session bool
	// ChallengeID is the challenge that was answered, ChannelID the channel that paid.
	ChallengeID string
	ChannelID   common.Hash
	// Accepted is the highest voucher that the server holds, Spent what it charged in all, in base units.
	Accepted, Spent voucher.Amount
	// Units is how many units were charged, of the channel on some servers and of the request on others;
	// zero where the server does not say.
	Units uint64

	// TxHash is the transaction that opened, topped up, settled or closed the channel; zero where there was
	// none.
	TxHash common.Hash
	// Raw is the JSON text that was read, unknown fields included; nil in a receipt that was made. Keep it
	// out of logs.
	Raw json.RawMessage `json:"-"`
}

// String says the receipt in one line, for people and logs.
func (r Receipt) String() string {
	switch {
	case r.Session && r.TxHash != (common.Hash{}):
		return fmt.Sprintf("receipt for channel %s: accepted %s, spent %s, transaction %s", r.ChannelID, r.Accepted, r.Spent, r.TxHash)
	case r.Session:
		return fmt.Sprintf("receipt for channel %s: accepted %s, spent %s", r.ChannelID, r.Accepted, r.Spent)
	default:
		return fmt.Sprintf("receipt without account, reference %.80q", r.Reference)
	}
}
