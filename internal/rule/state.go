package rule

import (
	"cmp"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

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
	// See history.go.
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
	// Unequal is when the payee last refused a voucher for being equal to the highest one, in Unix
	// seconds; zero if it did not. It is a hint for the sessions that share the record.
	Unequal int64

	// Settled, CloseRequestedAt (Unix seconds) and Closed are read from the chain.
	Settled          voucher.Amount
	CloseRequestedAt uint64
	Closed           bool
	// Unseen is when (Unix seconds of the chain) a reading first did not show the channel, without
	// proof that it ended. Zero if the newest reading shows it.
	Unseen uint64
	// ReadAt is the time (Unix seconds of the chain) of the reading that changed Deposit or
	// CloseRequestedAt last. Zero if none did.
	ReadAt uint64

	// fees are what the payer's transactions for the channel cost it. See fees.go.
	fees fees
}

// Funding is a transaction that puts money into a channel. It is stored before it is sent.
type Funding struct {
	// Amount is what it adds to the deposit.
	Amount voucher.Amount `json:"amount"`
	// Raw is what is sent to the server: signed (0x76), or for a sponsor to sign (0x78).
	Raw hexutil.Bytes `json:"transaction"`
	// Hash is the transaction's hash. It is the zero hash for a sponsored one: only its sponsor
	// knows it.
	Hash common.Hash `json:"hash"`
	// ValidBefore is when it can no longer be mined, in Unix seconds of the chain.
	ValidBefore uint64 `json:"validBefore"`
	// Before is the deposit on chain that it adds to.
	Before voucher.Amount `json:"before"`
	// FeeToken pays its fee, and MaxFee is the most that it can be charged, in base units of that. Both
	// are zero for a sponsored transaction, which costs the payer nothing.
	FeeToken common.Address `json:"feeToken,omitzero"`
	MaxFee   voucher.Amount `json:"maxFee,omitzero"`
	// Fee is what it was charged, if FeeKnown. Until then MaxFee counts.
	Fee      voucher.Amount `json:"fee,omitzero"`
	FeeKnown bool           `json:"feeKnown,omitempty"`
}

// Pending reports whether there is such a transaction.
func (f Funding) Pending() bool { return len(f.Raw) > 0 }

// Domain returns the typed-data domain of the channel's vouchers.
func (s State) Domain() *voucher.Domain {
	return voucher.NewDomain(s.Protocol, s.ChainID, s.Escrow)
}

// Phase returns the stage of the channel's life.
func (s State) Phase() channel.Phase {
	switch {
	case s.Closed:
		return channel.Closed
	case s.Unseen != 0:
		return channel.NotSeen
	case s.CloseSent, s.CloseRequestedAt != 0:
		return channel.Closing
	case s.Confirmed:
		return channel.Open
	case len(s.Opening.Raw) > 0:
		return channel.Opening
	default:
		return channel.Unopened
	}
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

// Finished reports whether nothing about the channel can change any more: it is closed, no
// transaction that funds it is undecided, and every fee is known. Its record belongs into the archive.
func (s State) Finished() bool {
	return s.Closed && !s.Opening.Pending() && !s.ToppingUp.Pending() && len(s.fees.Due) == 0
}

// New returns the state of a channel that is about to be opened. It is stored before the opening
// transaction is sent.
func New(
	p voucher.Protocol, chainID uint64, escrow common.Address, d channel.Descriptor,
	scope channel.Scope, opening Funding,
) (State, error) {
	s := State{
		ID: d.ID(p, escrow, chainID), Protocol: p, ChainID: chainID, Escrow: escrow, Descriptor: d,
		Scope: scope, Deposit: opening.Amount, Opening: opening,
	}
	return s, s.matches(scope)
}

// Find returns the state of a channel that exists on chain and is not stored. What was signed
// starts at what was settled. The error is [channel.ErrNotOurs].
func Find(
	p voucher.Protocol, chainID uint64, escrow common.Address, id common.Hash, d channel.Descriptor,
	scope channel.Scope, c OnChain,
) (State, error) {
	s := State{ID: id, Protocol: p, ChainID: chainID, Escrow: escrow, Descriptor: d, Scope: scope}
	if p == voucher.V1 && d.Salt == (common.Hash{}) {
		// Without the salt nothing can be hashed; the parties are those that the v1 escrow stores.
		d = channel.Descriptor{
			Payer: c.Payer, Payee: c.Payee, Token: c.Token, AuthorizedSigner: c.Signer,
		}
		s.Descriptor = d
	} else if err := s.checkID(); err != nil {
		return State{}, fmt.Errorf("%w: %w", channel.ErrNotOurs, err)
	}
	if err := s.matches(scope); err != nil {
		return State{}, err
	}
	switch {
	case !c.Exists || c.Finalized || c.Deposit.IsZero():
		return State{}, fmt.Errorf("%w: channel %s is not open on chain", channel.ErrNotOurs, id)
	case c.CloseRequestedAt != 0:
		return State{}, fmt.Errorf(
			"%w: channel %s has a close request pending on chain", channel.ErrNotOurs, id,
		)
	}
	return s.Settle(c), nil
}

// matches returns an error if the channel is not of the scope.
func (s State) matches(scope channel.Scope) error {
	d := s.Descriptor
	signer := cmp.Or(d.AuthorizedSigner, d.Payer)
	for _, c := range []struct {
		what      string
		got, want common.Address
	}{
		{"payer", d.Payer, scope.Payer},
		{"payee", d.Payee, scope.Payee},
		{"operator", d.Operator, scope.Operator},
		{"token", d.Token, scope.Token},
		{"authorized signer", signer, scope.Signer},
		{"escrow", s.Escrow, scope.Escrow},
	} {
		if c.got != c.want {
			return fmt.Errorf(
				"%w: channel %s has %s %s, wanted %s", channel.ErrNotOurs, s.ID, c.what, c.got,
				c.want,
			)
		}
	}
	if s.ChainID != scope.ChainID || s.Protocol != scope.Protocol {
		return fmt.Errorf(
			"%w: channel %s is %s on chain %d, wanted %s on chain %d", channel.ErrNotOurs, s.ID,
			s.Protocol, s.ChainID, scope.Protocol, scope.ChainID,
		)
	}
	return nil
}

// checkID returns an error if the descriptor does not hash to the id. A v1 channel that was found
// without its salt cannot be checked.
func (s State) checkID() error {
	if s.Protocol == voucher.V1 && s.Descriptor.Salt == (common.Hash{}) {
		return nil
	}
	if got := s.Descriptor.ID(s.Protocol, s.Escrow, s.ChainID); got != s.ID {
		return fmt.Errorf("the descriptor hashes to %s, not to channel %s", got, s.ID)
	}
	return nil
}

// Currency returns what the channel pays in. It has no symbol if that is no known dollar token.
func (s State) Currency() channel.Currency {
	c, _ := channel.Dollar(channel.Asset{ChainID: s.Scope.ChainID, Token: s.Scope.Token})
	return c
}

// Acknowledged returns the state after the payee accepted the opening voucher. The transaction
// stays until the chain confirms it: a payee could hold it back and send it later.
func (s State) Acknowledged() State {
	s.Confirmed = true
	return s
}
