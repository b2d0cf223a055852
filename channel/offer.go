package channel

import (
	"errors"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/internal/wire"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Errors of offers. Nothing was signed.
var (
	// ErrOffer: a session challenge that is ours by method and intent, but cannot be paid as it stands.
	ErrOffer = errors.New("channel: the offer cannot be paid")
	// ErrNotSession: the challenge is for another method or intent.
	ErrNotSession = errors.New("channel: not a tempo/session challenge")
	// ErrExpired: the challenge has expired, or its expiry cannot be read, which counts as expired.
	ErrExpired = errors.New("channel: the challenge has expired")
)

// Offer is a session challenge as our side understands it: what is sold, for how much, and who wants
// the money where. It is the server's word; nothing of it is agreed yet.
type Offer struct {
	// ChallengeID and Realm identify the challenge. Expires is zero where it does not expire.
	ChallengeID, Realm string
	Expires            time.Time
	// BindsBody says that the challenge holds for one request body only.
	BindsBody bool

	Protocol voucher.Protocol
	// ChainID is zero where a v1 challenge names none.
	ChainID uint64
	// Escrow is the zero address where the challenge names none.
	Escrow   common.Address
	Payee    common.Address
	Operator common.Address
	Token    common.Address
	// FeePayer says that the server pays the fees of opens and top-ups. FeeToken is what it asks fees to be paid
	// in otherwise; zero means Token.
	FeePayer bool
	FeeToken common.Address

	// Price is what one unit costs, in base units of Token; UnitType says what a unit is.
	Price    voucher.Amount
	UnitType string
	// Suggested is the deposit that the server suggests, MinDelta the growth between vouchers that it insists
	// on; zero where it names none.
	Suggested, MinDelta voucher.Amount

	// ChannelID is a channel that the server says can be used again; zero where it names none.
	ChannelID common.Hash
	// Hints are the server's flat numbers for ChannelID. They prove nothing. Nil where it gives none.
	Hints *Word
	// Snapshot is what the server says of a channel that can be used again; nil where it gives none.
	Snapshot *Snapshot
}

// ParseOffer reads a session challenge. The errors are [ErrNotSession] and [ErrOffer].
func ParseOffer(c wire.Challenge) (Offer, error) {
	if c.Method != "tempo" || c.Intent != "session" {
		return Offer{}, fmt.Errorf("%w: %s/%s", ErrNotSession, c.Method, c.Intent)
	}
	r, err := c.SessionRequest()
	if err != nil {
		return Offer{}, fmt.Errorf("%w: %w", ErrOffer, err)
	}
	d := r.MethodDetails
	o := Offer{
		ChallengeID: c.ID, Realm: c.Realm, BindsBody: c.Digest != "",
		Payee: r.Recipient, Token: r.Currency, Price: r.Amount, UnitType: r.UnitType,
		Suggested: value(r.SuggestedDeposit), MinDelta: value(d.MinVoucherDelta), ChainID: value(d.ChainID), FeePayer: d.FeePayer,
		Operator: value(d.Operator), FeeToken: value(d.FeeToken), ChannelID: value(d.ChannelID), Escrow: value(d.EscrowContract),
	}
	if t, ok, err := c.ExpiresAt(); err != nil {
		return Offer{}, fmt.Errorf("%w: %w", ErrExpired, err)
	} else if ok {
		o.Expires = t
	}
	switch d.SessionProtocol {
	case "", "v1":
		o.Protocol = voucher.V1
	case "v2":
		o.Protocol = voucher.V2
	default:
		return Offer{}, fmt.Errorf("%w: session protocol %q is not known", ErrOffer, d.SessionProtocol)
	}
	if o.Protocol == voucher.V2 && o.ChainID == 0 {
		return Offer{}, fmt.Errorf("%w: a v2 challenge must name its chain", ErrOffer)
	}
	switch {
	case o.Payee == common.Address{}, o.Token == common.Address{}:
		return Offer{}, fmt.Errorf("%w: it names no payee or no token", ErrOffer)
	case o.Payee == o.Token:
		return Offer{}, fmt.Errorf("%w: the payee is the token", ErrOffer)
	case o.Protocol.Max().Less(o.Price):
		return Offer{}, fmt.Errorf("%w: the price %s does not fit a %s channel", ErrOffer, o.Price, o.Protocol)
	}
	if d.AcceptedCumulative != nil || d.Spent != nil {
		o.Hints = &Word{Accepted: value(d.AcceptedCumulative), Spent: value(d.Spent)}
	}
	if d.SessionSnapshot != nil {
		s := ParseSnapshot(*d.SessionSnapshot)
		o.Snapshot = &s
	}
	return o, nil
}

// ParseSnapshot reads a snapshot as a challenge or a Payment-Session-Snapshot header has it.
func ParseSnapshot(w wire.Snapshot) Snapshot {
	s := Snapshot{
		ChannelID: w.ChannelID, ChainID: w.ChainID, Escrow: w.Escrow, Descriptor: Descriptor(w.Descriptor),
		Word:     Word{Accepted: w.AcceptedCumulative, Spent: w.Spent, Units: w.Units},
		Required: w.RequiredCumulative, Deposit: w.Deposit, Settled: w.Settled, CloseRequestedAt: w.CloseRequestedAt,
	}
	if v := w.HighestVoucher; v != nil {
		s.Voucher = &voucher.Signed{Voucher: voucher.Voucher{ChannelID: v.ChannelID, Cumulative: v.CumulativeAmount}, Signature: v.Signature}
	}
	return s
}

// Live refuses an offer that has expired at now.
func (o Offer) Live(now time.Time) error {
	if !o.Expires.IsZero() && !now.Before(o.Expires) {
		return fmt.Errorf("%w at %s", ErrExpired, o.Expires.Format(time.RFC3339))
	}
	return nil
}

// Scope is the scope in which a payer uses the offer.
func (o Offer) Scope(origin string, payer, signer common.Address) Scope {
	return Scope{
		Origin: origin, Protocol: o.Protocol, ChainID: o.ChainID, Escrow: o.Escrow, Payee: o.Payee,
		Operator: o.Operator, Token: o.Token, Payer: payer, Signer: signer,
	}
}

// SameTerms reports whether two offers sell to the same payee through the same channel: only the price
// may differ.
func (o Offer) SameTerms(p Offer) bool {
	return o.Scope("", common.Address{}, common.Address{}) == p.Scope("", common.Address{}, common.Address{})
}

// value is what a pointer points to, or the zero value.
func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}
