package rule

import (
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// State is everything known of one channel, in three columns that never mix: ours, the server's word,
// and the chain's word. It is a value; every change returns a new one. The number that may be signed
// is unexported, so that outside this package nothing can raise it, and inside it one file does
// (authorize.go).
type State struct {
	// ID, Protocol, ChainID, Escrow and Descriptor are the channel's identity. The ID follows from the
	// others.
	ID         common.Hash
	Protocol   voucher.Protocol
	ChainID    uint64
	Escrow     common.Address
	Descriptor channel.Descriptor
	// Scope is what the channel was opened or found for.
	Scope channel.Scope
	// URL is where the channel was last paid, without its query. Closing asks there.
	URL string
	// CreatedAt is when this client first wrote the record.
	CreatedAt time.Time
	// Writer names the session that wrote the record last, so that it knows its own writes again.
	Writer string

	// authorized is the durable ceiling: no signature above it exists or will. See authorize.go.
	authorized voucher.Amount
	// unsigned is the part of authorized, from the top, that is known to be unsigned: the signer refused it.
	unsigned voucher.Amount
	// history is how authorized rose, and foreign for which other origins than the scope's; see rises.go.
	history History
	foreign foreign
	// asked is the sum of all prices that callers ever asked for; authorized is at most this plus Ahead.
	asked voucher.Amount
	// Signed is the highest cumulative amount whose voucher is known to exist.
	Signed voucher.Amount
	// Voucher is the signature over Signed, so that presenting it again needs no key. Nil when this
	// client does not have it.
	Voucher []byte
	// Claimed is the sum of the prices of requests made, less those certainly not charged.
	Claimed voucher.Amount
	// Writers are the sessions that had asks in flight when they last wrote the record.
	Writers []Writer

	// Deposit is what we put in, as far as known: our own funding transactions, corrected from the chain.
	Deposit voucher.Amount
	// Opening is the funding transaction that opens the channel. Zero for a channel that was found again.
	Opening Funding
	// ToppingUp is a top-up that has left, or is about to, and is not confirmed. Zero when there is none.
	ToppingUp Funding
	// Confirmed says that the channel was seen on chain, or that the payee acknowledged it.
	Confirmed bool
	// CloseAmount is the cumulative amount of a cooperative close that was sent; CloseSent says that one was.
	CloseAmount voucher.Amount
	CloseSent   bool
	// CloseTx is the transaction of the close, from the close receipt. It is the server's word until the chain
	// confirms it.
	CloseTx common.Hash
	// Gone says that the payee no longer accepts vouchers of this channel (410, or a key it refuses). Its
	// money comes back by a close.
	Gone bool

	// Accepted, Spent and Units are the server's word, from receipts and snapshots, bounded by our column.
	Accepted, Spent voucher.Amount
	Units           uint64
	// Untrusted says that the server's numbers contradicted themselves or ours once; its Spent no longer
	// lowers Claimed.
	Untrusted bool

	// Settled, CloseRequestedAt (Unix seconds) and Closed are the chain's word.
	Settled          voucher.Amount
	CloseRequestedAt uint64
	Closed           bool
}

// Funding is a transaction that puts money into a channel: written down before it is sent.
type Funding struct {
	// Amount is what it adds to the deposit.
	Amount voucher.Amount
	// Raw is what goes to the server (0x76 signed, or the sponsored 0x78 hand-off).
	Raw []byte
	// Hash is the transaction's hash; the zero hash for a sponsored one, which only its sponsor knows.
	Hash common.Hash
	// ValidBefore (Unix seconds, chain time) is when it can no longer be mined. Zero means never sent.
	ValidBefore uint64
	// Before is the deposit on chain that it adds to.
	Before voucher.Amount
}

// Pending reports whether there is such a transaction.
func (f Funding) Pending() bool { return len(f.Raw) > 0 }

// Authorized is the durable ceiling, in base units: the most that is signed or may be without a new
// decision.
func (s State) Authorized() voucher.Amount { return s.authorized }

// Asked is the sum of all prices that callers ever asked for on this channel, in base units.
func (s State) Asked() voucher.Amount { return s.asked }

// Headroom is what of the deposit has not been authorized.
func (s State) Headroom() voucher.Amount { return s.Deposit.SubFloor(s.authorized) }

// Domain is what the channel's vouchers are signed under.
func (s State) Domain() *voucher.Domain { return voucher.NewDomain(s.Protocol, s.ChainID, s.Escrow) }

// Phase reads the phase off the facts.
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

// Payable reports whether vouchers may be signed: the channel is open, or its opening transaction is
// written down and leaves with the voucher.
func (s State) Payable() bool {
	ending := s.Closed || s.CloseSent || s.CloseRequestedAt != 0 || s.Gone
	return !ending && (s.Confirmed || len(s.Opening.Raw) > 0)
}

// standing is the phase in words, for errors.
func (s State) standing() string {
	if s.Gone {
		return "no longer taken by its payee"
	}
	return s.Phase().String()
}

// HoldsMoney reports whether the channel may still hold money of ours; such a channel stays listed.
func (s State) HoldsMoney() bool { return s.Phase() != channel.Closed && s.Phase() != channel.Unopened }
