package rule

import (
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// State is all that is known of one channel: our own amounts, what the server reported, and what
// the chain shows. The three never mix. A State is a value; every change returns a new one. The
// amount that may be signed is unexported: nothing outside of this package can raise it, and inside
// only authorize.go does.
type State struct {
	// ID, Protocol, ChainID, Escrow and Descriptor are the channel's identity. The ID follows from
	// the others.
	ID         common.Hash
	Protocol   voucher.Protocol
	ChainID    uint64
	Escrow     common.Address
	Descriptor channel.Descriptor
	// Scope is what the channel was opened or found for.
	Scope channel.Scope
	// URL is where the channel was paid last, without the query. A close is sent there.
	URL string
	// CreatedAt is when this client first stored the record.
	CreatedAt time.Time
	// Writer names the session that wrote the record last, so that it recognizes its own writes.
	Writer string

	// authorized is the stored ceiling: no voucher above it exists. See authorize.go.
	authorized voucher.Amount
	// unsigned is the part of authorized, from the top, that is known to be unsigned: the signer
	// refused it.
	unsigned voucher.Amount
	// history records how authorized rose, and foreign for which other origins than the scope's.
	// See rises.go.
	history History
	foreign foreign
	// asked is the sum of the prices that callers requested, less those whose vouchers the signer
	// refused. What is signed is at most asked plus Limits.Ahead.
	asked voucher.Amount
	// Signed is the highest cumulative amount whose voucher is known to exist.
	Signed voucher.Amount
	// Voucher is the signature over Signed, so that presenting it again needs no key. It is nil if
	// this client does not have it.
	Voucher []byte
	// Claimed is the sum of the prices of requests made, less those certainly not charged.
	Claimed voucher.Amount
	// Writers are the sessions that had requests in flight when they last wrote the record.
	Writers []Writer

	// Deposit is what this client put in, corrected from the chain.
	Deposit voucher.Amount
	// Opening is the transaction that opens the channel, until it is confirmed. It is zero for a
	// channel that was found.
	Opening Funding
	// ToppingUp is a top-up that was sent, or is about to be, and is not confirmed. It is zero if
	// there is none.
	ToppingUp Funding
	// Confirmed reports that the chain showed the channel, or that the payee acknowledged it.
	Confirmed bool
	// CloseSent reports that a cooperative close was sent. CloseAmount is its cumulative amount.
	CloseAmount voucher.Amount
	CloseSent   bool
	// CloseTx is the transaction of the close, as the close receipt reports it.
	CloseTx common.Hash
	// Gone reports that the payee no longer accepts vouchers of this channel. A close brings back
	// what is left.
	Gone bool

	// Accepted, Spent and Units are reported by the server, in receipts and snapshots, and at most
	// what was authorized.
	Accepted, Spent voucher.Amount
	Units           uint64
	// Untrusted reports that the server once reported impossible amounts. Its Spent no longer
	// lowers Claimed.
	Untrusted bool

	// Settled, CloseRequestedAt (Unix seconds) and Closed are read from the chain.
	Settled          voucher.Amount
	CloseRequestedAt uint64
	Closed           bool
}

// Funding is a transaction that puts money into a channel. It is stored before it is sent.
type Funding struct {
	// Amount is what it adds to the deposit.
	Amount voucher.Amount
	// Raw is what is sent to the server: signed (0x76), or for a sponsor to sign (0x78).
	Raw []byte
	// Hash is the transaction's hash. It is the zero hash for a sponsored one: only its sponsor
	// knows it.
	Hash common.Hash
	// ValidBefore is when it can no longer be mined, in Unix seconds of the chain.
	ValidBefore uint64
	// Before is the deposit on chain that it adds to.
	Before voucher.Amount
}

// Pending reports whether there is such a transaction.
func (f Funding) Pending() bool { return len(f.Raw) > 0 }

// Authorized returns the stored ceiling, in base units: no voucher above it exists.
func (s State) Authorized() voucher.Amount { return s.authorized }

// Asked returns the sum of the prices that callers requested on this channel, in base units.
func (s State) Asked() voucher.Amount { return s.asked }

// Headroom is what of the deposit has not been authorized.
func (s State) Headroom() voucher.Amount { return s.Deposit.SubFloor(s.authorized) }

// Domain returns the typed-data domain of the channel's vouchers.
func (s State) Domain() *voucher.Domain {
	return voucher.NewDomain(s.Protocol, s.ChainID, s.Escrow)
}

// Phase returns the stage of the channel's life.
func (s State) Phase() channel.Phase {
	switch {
	case s.Closed:
		return channel.Closed
	case s.CloseSent, s.CloseRequestedAt != 0:
		return channel.Closing
	case s.Confirmed:
		return channel.Open
	case s.Opening.Pending():
		return channel.Opening
	default:
		return channel.Unopened
	}
}

// Payable reports whether vouchers may be signed: the channel is open, or its opening transaction
// leaves with the first voucher.
func (s State) Payable() bool {
	ending := s.Closed || s.CloseSent || s.CloseRequestedAt != 0 || s.Gone
	return !ending && (s.Confirmed || len(s.Opening.Raw) > 0)
}

// standing returns the phase for an error.
func (s State) standing() string {
	if s.Gone {
		return "no longer accepted by its payee"
	}
	return s.Phase().String()
}

// HoldsMoney reports whether the channel may still hold money of the payer.
func (s State) HoldsMoney() bool {
	return s.Phase() != channel.Closed && s.Phase() != channel.Unopened
}
