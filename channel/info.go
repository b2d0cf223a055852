package channel

import (
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Phase is the stage of a channel's life.
type Phase uint8

// The phases.
const (
	Unopened Phase = iota // nothing is known of it
	Opening               // the opening transaction is stored, and may or may not be mined
	Open                  // it accepts vouchers
	Closing               // a close was sent or requested; the rest of the deposit is not back yet
	Closed                // it is proved that it is closed, or was never opened
	NotSeen               // the chain does not show it, and there is no proof that it is closed
)

// String returns the phase in lower case.
func (p Phase) String() string {
	return [...]string{"unopened", "opening", "open", "closing", "closed", "not seen"}[min(p, NotSeen)]
}

// Info is a copy of what is known of one channel. Changing it changes nothing. Amounts are base
// units of the channel's token.
type Info struct {
	// ID follows from Protocol, ChainID, Escrow and Descriptor.
	ID         common.Hash
	Protocol   voucher.Protocol
	ChainID    uint64
	Escrow     common.Address
	Descriptor Descriptor
	// Scope is what the channel was opened for. Its Origin is empty if the channel was found on
	// chain and its origin is not known; nothing is paid from such a channel.
	Scope Scope
	// URL is where the channel was paid last, without the query. A close is sent there.
	URL string
	// CreatedAt is when this client first stored the record.
	CreatedAt time.Time
	// PaidAt is when more was last authorized, rounded up to the minute, or CreatedAt. Requests that
	// present a voucher again do not change it.
	PaidAt time.Time

	Phase Phase
	// Confirmed reports that the chain showed the channel, or that the payee acknowledged it.
	Confirmed bool
	// Gone reports that the payee no longer accepts vouchers of this channel. Close it to get the
	// rest back.
	Gone bool

	// Authorized is the amount up to which vouchers may be signed. It is stored before anything is
	// signed, so no voucher above it exists.
	Authorized voucher.Amount
	// Signed is the highest voucher that is known to exist.
	Signed voucher.Amount
	// Claimed is the sum of the prices of all requests, less those that were certainly not charged.
	Claimed voucher.Amount
	// Asked is the sum of all prices that callers requested, as far as vouchers were signed for
	// them, and of what was signed ahead of streams (Limits.Stream).
	Asked voucher.Amount

	// Deposit is what the channel holds: what this client put in, or what the chain showed since.
	Deposit voucher.Amount
	// Opening and ToppingUp are transactions that were sent, or are about to be, and are not
	// confirmed or expired yet. They are zero if there is none.
	Opening, ToppingUp Transfer

	// Accepted, Spent and Units are reported by the server, and at most what was authorized.
	Accepted, Spent voucher.Amount
	Units           uint64
	// Untrusted reports that the server once reported impossible amounts. Its reports no longer
	// lower what counts as used.
	Untrusted bool

	// Settled is what the payee has redeemed on chain.
	Settled voucher.Amount
	// CloseRequestedAt is when a close was requested on chain, in Unix seconds; zero if none was.
	CloseRequestedAt uint64
	// CloseSent reports that a cooperative close was sent, for CloseAmount. CloseTx is its
	// transaction, as the payee reports it.
	CloseSent   bool
	CloseAmount voucher.Amount
	CloseTx     common.Hash

	// Fees is what the payer's transactions for the channel were charged, and FeesReserved the most that
	// the others can be charged, of which the chain has not told it yet. Both are by fee token, in base
	// units of that token, and no part of Deposit. Sponsored transactions are in neither.
	Fees, FeesReserved map[common.Address]voucher.Amount
}

// HoldsMoney reports whether the channel may still hold money of the payer.
func (i Info) HoldsMoney() bool { return i.Phase != Closed && i.Phase != Unopened }

// Rest returns the least that comes back when the channel is closed now: the part of the deposit that no
// voucher that may exist covers, in base units. It is zero for a channel that holds no money.
func (i Info) Rest() voucher.Amount {
	if !i.HoldsMoney() {
		return voucher.Amount{}
	}
	return i.Deposit.SubFloor(i.Authorized.Max(i.Settled))
}

// Payable reports whether requests can be paid from the channel: it is open, or its opening
// transaction leaves with the first voucher, or it was open and one reading did not show it.
func (i Info) Payable() bool {
	switch i.Phase {
	case Open, Opening:
		return !i.Gone
	case NotSeen:
		return i.Confirmed && !i.CloseSent && i.CloseRequestedAt == 0 && !i.Gone
	}
	return false
}

// Transfer is a transaction that puts money into a channel. The zero Transfer is none.
type Transfer struct {
	// Amount is added to the deposit, in base units.
	Amount voucher.Amount
	// Hash is the zero hash for a sponsored transaction: only its sponsor knows it.
	Hash common.Hash
	// ValidBefore is when the transaction can no longer be mined, in Unix seconds of the chain.
	ValidBefore uint64
	// FeeToken pays its fee, and MaxFee is the most that it can be charged, in base units of that token.
	// Both are zero for a sponsored transaction. Fee is what it was charged, if FeeKnown.
	FeeToken    common.Address
	MaxFee, Fee voucher.Amount
	FeeKnown    bool
}

// Pending reports whether there is such a transaction.
func (t Transfer) Pending() bool { return t != Transfer{} }

// Locked is what stays in a channel of the payer, and how long.
type Locked struct {
	Info
	// Amount is what a close brings back at least, in base units of the channel's token.
	Amount voucher.Amount
	// Until is when a withdrawal brings it back, for a channel whose close was requested on chain. It
	// is zero for others: their money stays until they are closed or that is requested.
	Until time.Time
}
