package evidence

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/internal/wire"
	"github.com/seed-5fe1f529/tallystick/receipt"
	"github.com/seed-5fe1f529/tallystick/store/journal"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Finding is what a checked payment in a file proves, and what it only reports.
type Finding struct {
	// Offer is what the challenge offers. Signer is the voucher key that signed.
	Offer  channel.Offer
	Signer common.Address
	// Receipt is the payee's, nil if there is none. Acknowledged reports that it has amounts, that these are
	// possible, and that by them the payee accepted at least this voucher.
	Receipt      *receipt.Receipt
	Acknowledged bool
	// BindsBody reports that the challenge is for one body only, and that it is the one of the digest.
	BindsBody bool
}

// Verify checks all payments of a file and returns what each shows: that the channel is the one of its
// parts, that the challenge is for its payee, operator and token on its chain and escrow, that the
// voucher has the signature of its key, that the price is that of the challenge (of a stream, at least
// that of one piece) and, if the payment was accepted, covered by the voucher, that the receipt is for
// both, and that the digest is the one that the challenge names. The error is [ErrFalse] and names the
// payment. It needs no network.
func (f File) Verify() ([]Finding, error) {
	found := make([]Finding, 0, len(f.Payments))
	for i, p := range f.Payments {
		one, err := p.verify()
		if err != nil {
			return nil, fmt.Errorf("%w: payment %d of %d: %w", ErrFalse, i+1, len(f.Payments), err)
		}
		found = append(found, one)
	}
	return found, nil
}

func (p Payment) verify() (out Finding, err error) {
	if out.Offer, err = p.offer(); err != nil {
		return out, err
	}
	in, _ := channel.Dollar(channel.Asset{ChainID: p.ChainID, Token: p.Descriptor.Token})
	descriptor := channel.Descriptor(p.Descriptor)
	out.Signer = descriptor.Signer()
	signed := voucher.Signed{Voucher: voucher.Voucher{ChannelID: p.ChannelID, Cumulative: p.Cumulative}, Signature: p.Signature}
	if err := voucher.Verify(voucher.NewDomain(p.Protocol, p.ChainID, p.Escrow), signed, out.Signer); err != nil {
		return out, err
	}
	switch {
	case p.Kind != journal.KindPay && p.Kind != journal.KindStream:
		return out, fmt.Errorf("a %q is no payment", p.Kind)
	case p.Cumulative.Less(p.Price) && strings.HasPrefix(p.Outcome, "accepted"):
		return out, fmt.Errorf("the price is %s, and the voucher allows %s in all", in.Format(p.Price), in.Format(p.Cumulative))
	case p.Kind == journal.KindPay && p.Price != out.Offer.Price:
		return out, fmt.Errorf("the price is %s, and the challenge names %s", in.Format(p.Price), in.Format(out.Offer.Price))
	case p.Kind == journal.KindStream && p.Price.Less(out.Offer.Price):
		return out, fmt.Errorf("the price of the stream is %s, and the challenge names %s for a piece", in.Format(p.Price), in.Format(out.Offer.Price))
	}
	if out.BindsBody, err = p.bound(); err != nil {
		return out, err
	}
	out.Receipt, out.Acknowledged, err = p.receipt()
	return out, err
}

// offer reads the challenge and checks that it is for the channel.
func (p Payment) offer() (channel.Offer, error) {
	c := wire.Challenge(p.Challenge)
	if _, err := c.Format(); err != nil {
		return channel.Offer{}, err
	}
	o, err := rule.ParseOffer(c)
	if err != nil {
		return o, err
	}
	d := channel.Descriptor(p.Descriptor)
	switch {
	case p.Protocol != o.Protocol:
		return o, fmt.Errorf("the challenge is for protocol %s, the channel is of %s", o.Protocol, p.Protocol)
	case p.Protocol == voucher.V1 && (d.Operator != common.Address{} || d.ExpiringNonceHash != common.Hash{}):
		return o, errors.New("a channel of v1 has no operator and no expiring nonce")
	case d.ID(p.Protocol, p.Escrow, p.ChainID) != p.ChannelID:
		return o, errors.New("the descriptor is not that of the channel")
	case o.Payee != d.Payee, o.Operator != d.Operator:
		return o, fmt.Errorf("the challenge is for the payee %s (operator %s), the channel pays %s (operator %s)", o.Payee, o.Operator, d.Payee, d.Operator)
	case o.Token != d.Token:
		return o, fmt.Errorf("the challenge is for the token %s, the channel holds %s", o.Token, d.Token)
	case o.ChainID != 0 && o.ChainID != p.ChainID:
		return o, fmt.Errorf("the challenge is on chain %d, the channel on %d", o.ChainID, p.ChainID)
	case o.Escrow != common.Address{} && o.Escrow != p.Escrow:
		return o, fmt.Errorf("the challenge names the escrow %s, the channel is in %s", o.Escrow, p.Escrow)
	}
	return o, nil
}

// bound reports whether the challenge binds the body whose digest the payment has.
func (p Payment) bound() (bool, error) {
	switch {
	case len(p.Body) != 0 && len(p.Body) != sha256.Size:
		return false, fmt.Errorf("the digest of the body has %d bytes", len(p.Body))
	case p.Challenge.Digest == "" || len(p.Body) == 0:
		return false, nil
	}
	if named := digest(p.Body); !slices.Contains(named[:], p.Challenge.Digest) {
		return false, fmt.Errorf("the challenge is for the body %s, sent was %s", p.Challenge.Digest, named[0])
	}
	return true, nil
}

// receipt reads the receipt and checks that it is for the challenge and the channel.
func (p Payment) receipt() (*receipt.Receipt, bool, error) {
	if p.Receipt == "" {
		return nil, false, nil
	}
	r, err := receipt.ParseFrame([]byte(p.Receipt))
	switch {
	case err != nil:
		return nil, false, err
	case !r.Session:
		return &r, false, nil
	case r.ChannelID != p.ChannelID:
		return nil, false, fmt.Errorf("the receipt is for channel %s, the voucher for %s", r.ChannelID, p.ChannelID)
	case r.ChallengeID != p.Challenge.ID:
		return nil, false, errors.New("the receipt is for another challenge")
	}
	return &r, !r.Accepted.Less(p.Cumulative) && !r.Accepted.Less(r.Spent), nil
}
