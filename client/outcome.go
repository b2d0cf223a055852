package client

import (
	"errors"
	"fmt"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Outcome says how a payment ended. The same words are used in errors, events and the command line.
type Outcome string

// The outcomes.
const (
	None              Outcome = "none"                // nothing was to be paid
	Refused           Outcome = "refused"             // by us; nothing was signed for it
	NotSent           Outcome = "not_sent"            // a voucher or an opening transaction exists, but it did not leave
	Unknown           Outcome = "unknown"             // it left and no answer came, or a top-up left that may yet be mined
	Rejected          Outcome = "rejected"            // the payee did not take it
	Accepted          Outcome = "accepted"            // taken, and content came
	AcceptedNoContent Outcome = "accepted_no_content" // taken, and the answer is an error or empty
	Refunded          Outcome = "refunded"            // the channel is closed and the rest is back
)

// Errors that a caller can decide on. They are wrapped by an [*Error]. Limits are
// [channel.ErrLimit], the rest of the core's are in package channel.
var (
	// ErrPolicy: the Policy refused. Nothing was signed.
	ErrPolicy = errors.New("client: refused by the policy")
	// ErrBody: the request has a body that cannot be sent a second time. Nothing was signed. Set
	// Request.GetBody, or raise Config.Spool.
	ErrBody = errors.New("client: the request body cannot be sent again after payment")
	// ErrInsecure: payment was asked over plain HTTP by a host that is not this machine.
	ErrInsecure = errors.New("client: refusing to pay over an unencrypted connection")
	// ErrRedirect: payment was asked by an origin that the caller did not choose: a redirect led there. Nothing
	// was signed. Where it is right, request its URL directly.
	ErrRedirect = errors.New("client: refusing to pay another origin that a redirect led to")
	// ErrEscrow: the challenge names an escrow that is not the canonical one or Config.Escrow.
	ErrEscrow = errors.New("client: the challenge names an escrow that is not trusted")
	// ErrNoChain: a channel has to be opened, topped up or checked, but Config.Chain is nil.
	ErrNoChain = errors.New("client: no chain connection: set Config.Chain")
	// ErrNoPayer: a channel has to be opened or topped up, but Config.Payer is nil.
	ErrNoPayer = errors.New("client: no funding key: set Config.Payer")
	// ErrStalled: a stream asked for a voucher, got it, and then brought nothing for Config.Stall.
	ErrStalled = errors.New("client: the stream stalled after it was paid")
	// ErrStream: a payment frame of a stream cannot be answered: it is malformed, or for another channel.
	ErrStream = errors.New("client: a payment frame of the stream cannot be answered")
	// ErrPending: a funding transaction is under way and not decided yet; try again in a moment.
	ErrPending = errors.New("client: a funding transaction is not decided yet")
	// ErrClose: the payee's close receipt does not fit what we sent. The channel stays listed as closing.
	ErrClose = errors.New("client: the close was not confirmed")
	// ErrRejected: the payee refused a management request (voucher, top-up or close).
	ErrRejected = errors.New("client: the payee refused")
)

// Error is what [Session] and [Transport] return. It answers three questions: was anything signed
// (Outcome is not [Refused]; Cumulative is the voucher), was it taken (Outcome), and what to do next (the wrapped error says).
type Error struct {
	// Op is what was being done: "pay", "open", "top up", "stream", "bootstrap", "close", "withdraw".
	Op      string
	Outcome Outcome
	// Origin is scheme://host:port of the request; it holds no path and no query.
	Origin string
	// ChannelID is the zero hash where no channel was chosen.
	ChannelID common.Hash
	// Price is what was to be paid; Cumulative the voucher presented for it, zero where none was. Both in base
	// units.
	Price, Cumulative voucher.Amount
	// Problem is the type of the server's problem details, without its base; empty where there was none.
	Problem string
	// Err is the cause.
	Err error
}

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "client: %s", e.Op)
	if e.Origin != "" {
		fmt.Fprintf(&b, " at %s", e.Origin)
	}
	fmt.Fprintf(&b, ": outcome %s", e.Outcome)
	if !e.Price.IsZero() {
		fmt.Fprintf(&b, ", price %s", e.Price)
	}
	if e.ChannelID != (common.Hash{}) {
		fmt.Fprintf(&b, ", channel %s", e.ChannelID)
	}
	if !e.Cumulative.IsZero() {
		fmt.Fprintf(&b, ", voucher %s", e.Cumulative)
	}
	if e.Problem != "" {
		fmt.Fprintf(&b, ", problem %s", e.Problem)
	}
	fmt.Fprintf(&b, ": %v", e.Err)
	return b.String()
}

func (e *Error) Unwrap() error { return e.Err }
