package purchase

import (
	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Offer is what a challenge wants, as far as the decision depends on it.
type Offer struct {
	Terms   channel.Terms
	Funding Funding
	// Price is the price of one unit, in base units.
	Price voucher.Amount
}

// Funding are the terms of the transactions that open and top up a channel.
type Funding struct {
	// FeeToken is the token that fees are paid in. The zero address means the token of the channel.
	FeeToken common.Address
	// Sponsored reports whether the payee pays the fees.
	Sponsored bool
}

// Kind names an [Event].
type Kind uint8

// The events. Each is the result of one action; see [Do].
const (
	Started   Kind = iota // the caller made the request, or followed a redirect with it
	Answered              // a response came
	Lost                  // the request failed on the way
	Selected              // the channel of the offer was looked up, and the limits were checked
	Consented             // the policy and the owner decided about the offer
	Searched              // the search for a channel that the payee can name ended
	Opened                // an opening transaction was prepared and recorded, or was not
	Issued                // the gate issued a voucher
	Denied                // the gate issued none
	Read                  // the chain was read
	ToppedUp              // a top-up ended
	Recovered             // the search for higher vouchers of ours ended
	SetAside              // the channel was set aside
	NotProved             // no proof was signed
	Waited                // a wait is over
	Failed                // an action failed for a reason that no other event has
)

// Problem is the class of the problem that came with a refusal.
type Problem uint8

// The problems. An answer without problem details has [NoProblem].
const (
	NoProblem     Problem = iota
	Stale                 // the challenge is unknown or has expired
	TooLow                // the voucher is below what the payee requires
	Insufficient          // the credit is used up
	BeyondDeposit         // the voucher is above the deposit
	Unverified            // the voucher did not verify; perhaps a higher one exists
	OtherProblem          // any other
)

// Standing is what a channel is good for.
type Standing uint8

// The standings of a channel.
const (
	Absent  Standing = iota // there is none
	Usable                  // it takes vouchers
	Pending                 // its opening transaction is recorded and not decided
	Dead                    // it is closed on chain
	Aside                   // its payee takes no vouchers of it, and it is not closed
)

// Denial is why the gate issued no voucher.
type Denial uint8

// The reasons of the gate.
const (
	DeniedLimit   Denial = iota // a limit or a budget
	DeniedDeposit               // the deposit is too small
	DeniedClosed                // the channel takes no vouchers
	DeniedSpent                 // the price has nothing left to raise
	DeniedRaised                // the price was raised on another channel
	DeniedOther                 // the store, the signer, or numbers that do not fit
)

// Event is the result of an action. Fields that its Kind does not mention are ignored.
type Event struct {
	Kind Kind
	// Err is the error of Lost, Consented, Opened, Denied, ToppedUp, NotProved and Failed, the limit
	// that refuses of Selected, and of Answered the reason why offers that are ours cannot be paid, or
	// what explains an answer that is handed over.
	Err error

	// Remembered reports that a live challenge of this route is known whose offer may be answered
	// without a question. Started.
	Remembered bool
	// Offer is the offer that was remembered (Started), or the first that can be paid (Answered).
	Offer Offer
	// Offered reports that there is such an offer. With Gone it is the one that was answered, if it
	// may be answered once more, from another channel. Answered.
	Offered bool

	// Status is the HTTP status. Answered.
	Status int
	// Paid reports that the answered sending carried a credential. Answered, Lost.
	Paid bool
	// Receipt reports that a receipt for this payment came; Charged that it names an amount that was
	// charged. Answered.
	Receipt, Charged bool
	// Content reports that the response may have content. Answered.
	Content bool
	// Resendable reports that a sending without content may be repeated: the method is safe, or the
	// receipt shows that nothing was charged. Answered.
	Resendable bool
	// Gone reports a 410 or a problem that says that the channel is not known or is finalized.
	// Finalized reports the latter. Answered.
	Gone, Finalized bool
	// Young reports that another request opened the channel moments ago. Answered.
	Young bool
	// Problem is the class of the problem. Answered.
	Problem Problem
	// Fresh reports that the challenge is another than the one that was answered. Answered.
	Fresh bool
	// ProofAsked reports that the answer offers nothing but a charge, of ProofAmount. A charge of zero
	// asks who the payer is; Unproved is the reason why that may not be answered, nil if it may.
	// Answered.
	ProofAsked  bool
	ProofAmount voucher.Amount
	Unproved    error
	// Proof reports that the answered sending carried a proof (Answered, Lost), or that one was given
	// meanwhile (Searched, Recovered).
	Proof bool
	// Introduced reports that an answer to a proof has no content and says how to ask again: with a
	// channel, or with a cookie. Answered.
	Introduced bool
	// Others reports that the answer also offers methods that are not ours. Answered.
	Others bool
	// Acknowledged reports that the answer shows the opening to be accepted. Answered.
	Acknowledged bool
	// Proved reports that the answer proves vouchers of ours above the record, which were booked
	// (Answered), or that the search found such (Recovered).
	Proved bool
	// Higher reports that a higher voucher of ours exists than the one that was presented (Answered),
	// or that the voucher is higher than the one that was refused (Issued).
	Higher bool
	// Shared reports that other sessions use the credit of the channel. Answered, Denied.
	Shared bool
	// Apart reports that the payee is known to refuse a voucher that it has. Denied.
	Apart bool

	// Written reports that what was sent may have reached the payee. Lost, ToppedUp.
	Written bool

	// Channel is the channel that was selected, found or opened; Standing what it is good for.
	// Selected, Searched, Opened, Read; Recovered has the standing too.
	Channel  common.Hash
	Standing Standing
	// Named reports that the caller named the channel. Selected.
	Named bool
	// Nameable reports that the payee may name a channel of ours, in the challenge or for a proof.
	// Selected.
	Nameable bool
	// Headroom is the part of the price that the channel covers without a higher ceiling. Selected.
	Headroom voucher.Amount
	// Recent reports that this payee or origin was paid twice for one request in the last hour, and
	// served nothing since. Selected, Read, SetAside.
	Recent bool

	// Expired reports that the challenge expired while the owner was asked. Consented.
	Expired bool
	// Busy reports that another request or process was first, and that the channel has to be
	// selected again. Opened, ToppedUp, Read.
	Busy bool

	// Raised is what the request raised the ceiling of the channel by so far. Issued.
	Raised voucher.Amount
	// Denial is the gate's reason; Alone reports that no other request is in flight on the channel,
	// and Highest that no higher voucher than the refused one exists. Denied.
	Denial         Denial
	Alone, Highest bool
	// Misfit reports that the payee refused the opening that is recorded, and that the offer has the
	// fee paid by another side than that: it cannot be presented. Read.
	Misfit bool
	// Redeemable is the part of what the request raised that can be redeemed, or may have been. Read.
	Redeemable voucher.Amount
}
