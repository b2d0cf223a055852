package client

import (
	"errors"
	"fmt"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/ledger"
	"github.com/seed-5fe1f529/tallystick/internal/purchase"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Errors that a caller can act on. An [*Error] wraps them. Limits are [channel.ErrLimit]; further
// errors are in package channel.
var (
	// ErrPolicy: the Policy or Config.Approve refused. Nothing was signed for this offer.
	ErrPolicy = errors.New("client: refused by the policy")
	// ErrBody: the request has a body that cannot be sent a second time: it has no GetBody, and
	// more than Config.Spool of it was sent before the 402 came. Nothing was signed. Set
	// Request.GetBody, or raise Config.Spool.
	ErrBody = errors.New("client: the request body cannot be sent again after payment")
	// ErrInsecure: a host that is not this machine wants payment over plain HTTP. Nothing was
	// signed. Use https.
	ErrInsecure = errors.New("client: refusing to pay over an unencrypted connection: use https")
	// ErrRedirect: an origin that the caller did not choose wants payment: a redirect led there. Nothing
	// was signed. If it is right, request its URL directly.
	ErrRedirect = errors.New("client: refusing to pay another origin that a redirect led to: " +
		"request its URL itself if it is to be paid")
	// ErrEscrow: the challenge names an escrow that is not the canonical one or Config.Escrow.
	// Nothing was signed.
	ErrEscrow = errors.New("client: the challenge names an escrow that is not trusted")
	// ErrNoChain: a channel must be opened, topped up or checked, but Config.Chain is nil.
	ErrNoChain = errors.New("client: no chain connection: set Config.Chain")
	// ErrNoPayer: a channel must be opened or topped up, but Config.Payer is nil.
	ErrNoPayer = errors.New("client: no funding key: set Config.Payer")
	// ErrStalled: a stream was paid and then delivered nothing for Config.Stall.
	ErrStalled = errors.New("client: the stream was paid and then delivered nothing for Config.Stall")
	// ErrStream: a payment frame of a stream cannot be answered: it is malformed, for another channel, or
	// in a content coding that is not read here.
	ErrStream = errors.New("client: a payment frame of the stream cannot be answered")
	// ErrPending: a funding transaction is under way and not decided yet. Try again in a moment.
	ErrPending = purchase.ErrPending
	// ErrTwice: after a voucher was sent, the payee gave up the channel or named other terms, and
	// this request may not be paid a second time now. A request is paid a second time at most once.
	// Unless the payee served something since, no other request to it is for an hour.
	ErrTwice = purchase.ErrTwice
	// ErrProof: the payee names a price only to a payer that proves who it is, and no proof may be
	// given. [Payment.Err] of its 402 wraps it and the reason: a limit that pays nothing (the price
	// is not known yet and counts as 1 base unit), the policy, or a Payer that is no
	// voucher.ProofSigner.
	ErrProof = purchase.ErrProof
	// ErrOpenings: one request would have to open more channels than it may: one, and a second only
	// if the payee takes no vouchers of the first.
	ErrOpenings = purchase.ErrOpenings
	// ErrPaidBefore: an earlier request with the same Idempotency-Key was paid, or may have been,
	// and the payee asks for more. Nothing more was signed; a new key pays again.
	ErrPaidBefore = purchase.ErrPaidBefore
	// ErrKeyReused: the Idempotency-Key was used for a request with another body. Nothing was
	// signed.
	ErrKeyReused = errors.New("client: the Idempotency-Key was used before " +
		"with another body: use a new key for another request")
	// ErrStore: the store failed, so nothing was signed.
	ErrStore = ledger.ErrStore
	// ErrNotSeen: the chain does not show a channel that held money, and no proof that it was closed. It
	// stays listed, and every sweep reads it again; ask another node.
	ErrNotSeen = errors.New("client: the chain does not show the channel")
	// ErrElsewhere: channels on record hold money and are not of this session: of another payer, or on
	// another chain than Config.Chain.
	ErrElsewhere = errors.New("client: channels of another payer or chain")
	// ErrClose: the payee's close receipt does not fit what was sent. The channel stays listed as closing.
	ErrClose = errors.New("client: the close was not confirmed")
	// ErrRejected: the payee refused a management request (voucher, top-up or close), or sent no
	// challenge to make one under.
	ErrRejected = errors.New("client: the payee refused")
	// ErrAuthorization: the credential went in Authorization, in place of the value that the request
	// had there, and the answer was 401: the payee, or a gateway before it, may want both.
	// [Payment.Err] of the response has it, and so have the errors of vouchers, top-ups and closes.
	ErrAuthorization = errors.New("client: the answer is 401, and the credential had taken the place " +
		"of the request's own Authorization: send that key in another header if the payee reads one, " +
		"or ask the payee to name another header for the credential in its challenges " +
		"(header=\"Payment-Authorization\")")
	// ErrBehind: the payee rejected our highest voucher and returned none higher; the store may be an old
	// backup. Close the channel on chain, or keep retrying: each request raises the voucher by its own
	// price only.
	ErrBehind = errors.New("client: the payee rejected the highest voucher on record and returned none of ours that is higher; if the store is from a backup, request the close of the channel on chain, or keep retrying: each request adds its price until one is accepted")
)

// Error is what [Session], [Channels] and [Transport] return. It answers whether anything was signed
// (Cumulative is the voucher), whether it was accepted (Outcome), and what to do next (the wrapped
// error says it, and Retryable). Methods that take the id of a channel return an error that wraps
// store.ErrNotFound, and is no Error, if the channel is not on record.
type Error struct {
	// Op is the operation: "pay", "open" if the request carried an opening transaction, "stream",
	// "close", "request close", "withdraw", "top up", "import" or "authorize".
	Op      string
	Outcome Outcome
	// Origin is scheme://host:port of the request. It has no path and no query.
	Origin string
	// ChannelID is the zero hash if no channel was chosen.
	ChannelID common.Hash
	// Price is what was to be paid, of a stream the sum of its pieces, of "top up" its amount; Cumulative
	// the voucher presented for it, zero if none was. Both in base units of Currency.
	Price, Cumulative voucher.Amount
	// Currency is what they are in. It has no symbol if that is not known.
	Currency channel.Currency
	// Problem is the type of the server's problem details, without its base; empty if there was none.
	Problem string
	// Err is the cause.
	Err error
}

// Error returns the operation, its outcome and the cause in one line.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "client: %s", e.Op)
	if e.Origin != "" {
		fmt.Fprintf(&b, " at %s", e.Origin)
	}
	fmt.Fprintf(&b, ": outcome %s", e.Outcome)
	if !e.Price.IsZero() {
		fmt.Fprintf(&b, ", price %s", e.Currency.Format(e.Price))
	}
	if e.ChannelID != (common.Hash{}) {
		fmt.Fprintf(&b, ", channel %s", e.ChannelID)
	}
	if !e.Cumulative.IsZero() {
		fmt.Fprintf(&b, ", voucher %s", e.Currency.Format(e.Cumulative))
	}
	if e.Problem != "" {
		fmt.Fprintf(&b, ", problem %s", e.Problem)
	}
	fmt.Fprintf(&b, ": %v", e.Err)
	return b.String()
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// Retryable reports whether the same request may succeed later without a change of limits, policy
// or keys, and without the danger of paying twice. It is false for what limits, budgets and
// policies refuse, and if the payee was paid or may have been (for example [OutcomeUnknown]).
// Whoever gave the request an Idempotency-Key of its own may send it again after an unknown outcome
// too: with that key it is the same purchase (see [Transport]). It says nothing of responses: for
// these see the Outcome of [PaymentOf].
func (e *Error) Retryable() bool {
	switch e.Outcome {
	case OutcomeNone, OutcomeRefused, OutcomeNotSent, OutcomeRejected:
	default:
		return false // it was paid, or may have been
	}
	for _, final := range []error{
		channel.ErrLimit, channel.ErrAsset, channel.ErrRecord, store.ErrCorrupt, ErrPolicy, ErrBody, ErrInsecure,
		ErrRedirect, ErrEscrow, ErrNoChain, ErrNoPayer, ErrTwice, ErrOpenings,
		channel.ErrNotOurs, ErrPaidBefore, ErrKeyReused, ErrAuthorization,
	} {
		if errors.Is(e.Err, final) {
			return false
		}
	}
	return true
}
