package channel

import (
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

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
	// Unit is the unit type that Price is for, for example "request" or "chunk".
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
	// Origin is spelled as client.ParseOrigin returns it.
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
