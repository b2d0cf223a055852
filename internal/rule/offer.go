package rule

import (
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/wire"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// ParseOffer reads a session challenge. The errors are [channel.ErrNotSession] and
// [channel.ErrOffer].
func ParseOffer(c wire.Challenge) (channel.Offer, error) {
	if c.Method != "tempo" || c.Intent != "session" {
		return channel.Offer{}, fmt.Errorf("%w: %s/%s", channel.ErrNotSession, c.Method, c.Intent)
	}
	r, err := c.SessionRequest()
	if err != nil {
		return channel.Offer{}, fmt.Errorf("%w: %w", channel.ErrOffer, err)
	}
	d := r.MethodDetails
	o := channel.Offer{
		ChallengeID: c.ID, Realm: c.Realm, BindsBody: c.Digest != "",
		Payee: r.Recipient, Token: r.Currency, Price: r.Amount, UnitType: r.UnitType,
		Suggested: value(r.SuggestedDeposit), MinDelta: value(d.MinVoucherDelta),
		ChainID: value(d.ChainID), FeePayer: d.FeePayer,
		Operator: value(d.Operator), FeeToken: value(d.FeeToken), ChannelID: value(d.ChannelID),
		Escrow: value(d.EscrowContract),
	}
	if o.Expires, _, err = c.ExpiresAt(); err != nil {
		return channel.Offer{}, fmt.Errorf("%w: %w", channel.ErrExpired, err)
	}
	switch d.SessionProtocol {
	case "", "v1":
		o.Protocol = voucher.V1
	case "v2":
		o.Protocol = voucher.V2
	default:
		return channel.Offer{}, fmt.Errorf(
			"%w: session protocol %q is not known", channel.ErrOffer, d.SessionProtocol,
		)
	}
	if o.Protocol == voucher.V2 && o.ChainID == 0 {
		return channel.Offer{}, fmt.Errorf(
			"%w: a v2 challenge must name its chain", channel.ErrOffer,
		)
	}
	switch {
	case o.Payee == common.Address{}, o.Token == common.Address{}:
		return channel.Offer{}, fmt.Errorf("%w: it names no payee or no token", channel.ErrOffer)
	case o.Payee == o.Token:
		return channel.Offer{}, fmt.Errorf("%w: the payee is the token", channel.ErrOffer)
	case o.Protocol.Max().Less(o.Price):
		return channel.Offer{}, fmt.Errorf(
			"%w: the price %s does not fit a %s channel", channel.ErrOffer, o.Price, o.Protocol,
		)
	}
	if d.AcceptedCumulative != nil || d.Spent != nil {
		o.Hints = &channel.Report{Accepted: value(d.AcceptedCumulative), Spent: value(d.Spent)}
	}
	if d.SessionSnapshot != nil {
		s := ParseSnapshot(*d.SessionSnapshot)
		o.Snapshot = &s
	}
	return o, nil
}

// ParseSnapshot reads the snapshot of a challenge or of a Payment-Session-Snapshot header.
func ParseSnapshot(w wire.Snapshot) channel.Snapshot {
	s := channel.Snapshot{
		ChannelID: w.ChannelID, ChainID: w.ChainID, Escrow: w.Escrow,
		Descriptor: channel.Descriptor(w.Descriptor),
		Report:     channel.Report{Accepted: w.AcceptedCumulative, Spent: w.Spent, Units: w.Units},
		Required:   w.RequiredCumulative, Deposit: w.Deposit, Settled: w.Settled,
		CloseRequestedAt: w.CloseRequestedAt,
	}
	if v := w.HighestVoucher; v != nil {
		s.Voucher = &voucher.Signed{
			Voucher:   voucher.Voucher{ChannelID: v.ChannelID, Cumulative: v.CumulativeAmount},
			Signature: v.Signature,
		}
	}
	return s
}

// Live returns [channel.ErrExpired] for an offer that has expired at now.
func Live(o channel.Offer, now time.Time) error {
	if !o.Expires.IsZero() && !now.Before(o.Expires) {
		return fmt.Errorf("%w at %s", channel.ErrExpired, o.Expires.Format(time.RFC3339))
	}
	return nil
}

// ScopeOf returns the scope in which a payer uses the offer.
func ScopeOf(o channel.Offer, origin string, payer, signer common.Address) channel.Scope {
	return channel.Scope{
		Origin: origin, Protocol: o.Protocol, ChainID: o.ChainID, Escrow: o.Escrow, Payee: o.Payee,
		Operator: o.Operator, Token: o.Token, Payer: payer, Signer: signer,
	}
}

// SameTerms reports whether two offers can be paid from the same channel: only the price and the
// unit may differ.
func SameTerms(o, p channel.Offer) bool {
	return ScopeOf(o, "", common.Address{}, common.Address{}) == ScopeOf(
		p, "", common.Address{}, common.Address{},
	)
}

// value returns what a pointer points to, or the zero value.
func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}
