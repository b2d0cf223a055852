package channel

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/seed-5fe1f529/tallystick/internal/origin"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Scope is what a channel is used for: one origin, payee, operator, token and escrow, for one payer
// and one voucher key. A scope has at most one current channel.
type Scope struct {
	// Origin is spelled as [ParseOrigin] returns it.
	Origin   string           `json:"origin"`
	Protocol voucher.Protocol `json:"protocol"`
	ChainID  uint64           `json:"chainId"`
	Escrow   common.Address   `json:"escrow"`
	Payee    common.Address   `json:"payee"`
	Operator common.Address   `json:"operator"`
	Token    common.Address   `json:"token"`
	Payer    common.Address   `json:"payer"`
	Signer   common.Address   `json:"signer"`
}

// ParseOrigin returns the origin of a URL in the one spelling that scopes, lists, limits, pins,
// budgets, proposals and events use: scheme://host:port. The scheme and the host are in lower case,
// the host in ASCII (xn--…) and without a root dot, the port a number that is always written. A
// path, a query and a fragment are dropped.
//
// It returns an error if the text has no scheme or host, has a user name, or has a host or a port
// that cannot be dialed.
func ParseOrigin(text string) (string, error) {
	o, err := origin.Parse(text)
	if err != nil {
		return "", fmt.Errorf("channel: %w; write https://host or https://host:port", err)
	}
	return o, nil
}

// Holds reports whether a channel of this scope is d: same payer, payee, operator, token and
// signer.
func (s Scope) Holds(d Descriptor) bool {
	return d.Payer == s.Payer && d.Payee == s.Payee && d.Operator == s.Operator &&
		d.Token == s.Token && d.Signer() == s.Signer
}

// Descriptor identifies a channel on its escrow and chain. With these two it hashes to the
// channel's id, so no channel can be mistaken for another. A v1 channel has no operator and no
// expiring nonce hash; both are zero.
type Descriptor struct {
	// Payer funded the channel and gets back what is left.
	Payer common.Address
	// Payee may settle and close.
	Payee common.Address
	// Operator may settle and close for the payee. The zero address means that there is none.
	Operator common.Address
	// Token is the TIP-20 token of the deposit.
	Token common.Address
	// Salt is 32 random bytes chosen by the payer.
	Salt common.Hash
	// AuthorizedSigner signs the vouchers. The zero address means the payer ([Descriptor.Signer]).
	AuthorizedSigner common.Address
	// ExpiringNonceHash binds a v2 channel to the transaction that opened it (TIP-1034).
	ExpiringNonceHash common.Hash
}

// Signer returns the address whose vouchers the escrow accepts: the authorized signer, or the payer
// if that is the zero address.
func (d Descriptor) Signer() common.Address {
	if d.AuthorizedSigner == (common.Address{}) {
		return d.Payer
	}
	return d.AuthorizedSigner
}

// ID returns the channel's id: the keccak256 of the ABI encoding of the descriptor, the escrow and
// the chain, in the order of the protocol (v2: TIP-1034; v1: draft-tempo-session-00).
func (d Descriptor) ID(p voucher.Protocol, escrow common.Address, chainID uint64) common.Hash {
	var w [9][32]byte
	n := 0
	word := func(b []byte) { copy(w[n][32-len(b):], b); n++ }
	word(d.Payer[:])
	word(d.Payee[:])
	if p == voucher.V2 {
		word(d.Operator[:])
	}
	word(d.Token[:])
	word(d.Salt[:])
	word(d.AuthorizedSigner[:])
	if p == voucher.V2 {
		word(d.ExpiringNonceHash[:])
	}
	word(escrow[:])
	binary.BigEndian.PutUint64(w[n][24:], chainID)
	n++
	buf := make([]byte, 0, len(w)*32)
	for _, one := range w[:n] {
		buf = append(buf, one[:]...)
	}
	return crypto.Keccak256Hash(buf)
}

// Identity identifies a channel. All fields are required, except the descriptor of a v1 channel.
type Identity struct {
	Protocol voucher.Protocol
	ChainID  uint64
	Escrow   common.Address
	ID       common.Hash
	// Descriptor hashes to ID, with Protocol, ChainID and Escrow.
	Descriptor Descriptor
}

// Asset is a token on a chain. Amounts of different assets are never added. Assets can be compared
// with ==.
type Asset struct {
	ChainID uint64
	Token   common.Address
}

// String returns the asset as "token 0x… on chain 42431".
func (a Asset) String() string { return fmt.Sprintf("token %s on chain %d", a.Token, a.ChainID) }

// Terms are the parts of an offer, other than the price, that must not change unnoticed. Terms can
// be compared with ==.
type Terms struct {
	Protocol voucher.Protocol
	ChainID  uint64
	// Escrow holds the deposit, Payee receives the money, and Operator may settle for the payee;
	// the zero Operator is none.
	Escrow, Payee, Operator, Token common.Address
	// Unit is the unit type that a price is for, for example "request" or "chunk".
	Unit string
}

// Asset returns the asset that payments are made in.
func (t Terms) Asset() Asset { return Asset{ChainID: t.ChainID, Token: t.Token} }

// String describes the terms in one line.
func (t Terms) String() string {
	return fmt.Sprintf(
		"payee %s, operator %s, token %s, escrow %s on chain %d (%s), charged by the %q",
		t.Payee, t.Operator, t.Token, t.Escrow, t.ChainID, t.Protocol, t.Unit,
	)
}

// Terms returns the terms of the offer.
func (o Offer) Terms() Terms {
	return Terms{
		Protocol: o.Protocol, ChainID: o.ChainID, Escrow: o.Escrow, Payee: o.Payee,
		Operator: o.Operator, Token: o.Token, Unit: o.UnitType,
	}
}

// Pin is one set of terms that an origin may name: its first one, or one that was accepted since.
// An origin can have several, for example two payees.
type Pin struct {
	// Origin is spelled as [ParseOrigin] returns it.
	Origin string
	// Terms are the accepted ones. Their Unit is empty: units are remembered by route.
	Terms Terms
	// Since is when they were accepted.
	Since time.Time
}

// String returns the accepted terms in one line, without the origin.
func (p Pin) String() string {
	t := p.Terms
	return fmt.Sprintf("payee %s, operator %s, token %s, escrow %s on chain %d (%s)",
		t.Payee, t.Operator, t.Token, t.Escrow, t.ChainID, t.Protocol)
}
