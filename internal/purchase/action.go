package purchase

import (
	"errors"
	"fmt"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Do names what an [Action] does.
type Do uint8

// The actions, each with the events that may follow it.
const (
	SendUnpaid Do = iota // send the request without a credential: Answered, Lost
	SendPaid             // send it with the voucher, and with the opening if it is carried: Answered, Lost
	Prove                // send it with a proof of who the payer is: Answered, Lost, NotProved
	Select               // look up the channel of the offer and check the limits: Selected, Failed
	Consent              // ask the policy and the owner about the offer: Consented
	Search               // look for a channel that the payee can name: Searched, Failed
	Open                 // prepare and record an opening: Opened
	Issue                // let the gate decide the price: Issued, Denied
	Again                // let the gate decide what else may be presented: Issued, Denied
	TopUp                // raise the deposit: ToppedUp
	ReadChain            // read the channel on chain and book it: Read
	Recover              // look for higher vouchers of ours: Recovered
	PutAside             // stop using the channel: SetAside, Failed
	Wait                 // let other requests go first: Waited, Failed
	HandOver             // hand the response to the caller: the end
	GiveUp               // fail the request: the end
)

// String returns the name of the action.
func (d Do) String() string {
	return [...]string{
		"send unpaid", "send paid", "prove", "select", "consent", "search", "open", "issue", "again", "top up",
		"read chain", "recover", "put aside", "wait", "hand over", "give up",
	}[d]
}

// Outcome says how a purchase ended.
type Outcome string

// The outcomes.
const (
	None              Outcome = "none"
	Refused           Outcome = "refused"
	NotSent           Outcome = "not_sent"
	Unknown           Outcome = "unknown"
	Rejected          Outcome = "rejected"
	Accepted          Outcome = "accepted"
	AcceptedNoContent Outcome = "accepted_no_content"
)

// Errors of the decision itself.
var (
	// ErrPending reports that a funding transaction is under way and not decided.
	ErrPending = errors.New("client: a funding transaction is not decided yet; try again in a moment")
	// ErrChanged reports that other requests changed the channel too often.
	ErrChanged = errors.New("client: the channel was changed by other requests again and again; try again")
	// ErrTwice reports that the payee would have to be paid a second time for one request, or once
	// more by a new deposit, and that this is not allowed now.
	ErrTwice = errors.New("client: the payee takes back what it asked to be paid by; it is paid a second time at most once an hour, until it serves a request")
	// ErrProof reports that the payee asks who the payer is, and was not shown it.
	ErrProof = errors.New("client: the payee names a price only to a payer that proves who it is, and no proof is given")
	// ErrProved reports that it asks once more in one request.
	ErrProved = fmt.Errorf("%w: one request gives one, and this one did", ErrProof)
	// ErrPaidBefore reports that an earlier try of the request was paid, or may have been, and that
	// the payee wants to be paid for it again.
	ErrPaidBefore = errors.New("client: an earlier request with this Idempotency-Key was paid, " +
		"or may have been, and the payee asks for more; nothing more is paid under the key: " +
		"use a new key to pay again")
	// ErrOpenings reports that the request would need one more opening than it may have.
	ErrOpenings = errors.New("client: one request opens one channel; this one has opened one already")
)

// Action is what to do next.
type Action struct {
	Do Do
	// Row is the name of the row of the table that decided.
	Row string
	// Outcome and Err are set by HandOver and GiveUp. HandOver may carry the reason why this side
	// paid nothing, or what explains the answer; it is nil otherwise.
	Outcome Outcome
	Err     error
	// Elsewhere is the part of the price that was raised elsewhere. Issue.
	Elsewhere voucher.Amount
	// Anew reports that what the request raised on the channel is proved to be below an older
	// signature, or dead, and that the price is reserved anew. Issue.
	Anew bool
	// Proof reports that the payee may be shown who the payer is, by a request of its own. Search,
	// Recover.
	Proof bool
	// Present reports that an earlier try was paid: the voucher that exists is presented, and
	// nothing is decided or raised. Issue, Again.
	Present bool
	// Try counts the waits of a kind, from 1. Wait.
	Try int
	// Release reports that the price counts no more until it is decided again. Wait.
	Release bool
	// Acknowledge reports that the opening was accepted and is to be booked first.
	Acknowledge bool
	// Redirected reports that the response leads elsewhere and that the price goes on there.
	// HandOver.
	Redirected bool
	// Cost is what the request costs with this answer, in base units: what redirects charged, and the
	// price if it was charged or may have been, twice if it was paid twice. HandOver.
	Cost voucher.Amount
}
