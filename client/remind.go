package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/internal/wire"
)

// ErrBehind: the payee refuses the highest voucher on record, and neither it nor the chain shows a higher one of ours. A
// store that was restored from a backup is behind like that. Nothing is signed for it beyond the prices of requests: each
// further request adds its own, until the payee takes one. Or get the deposit back with [Session.RequestClose] and
// [Session.Finish], and pay from a new channel meanwhile.
var ErrBehind = errors.New("client: the payee refuses the highest voucher on record and shows none of ours that is higher; if the store is from a backup, request the close of the channel on chain, or go on: each request adds its price until one is taken")

// EventBehind: the payee refuses the highest voucher on record; Err is [ErrBehind].
const EventBehind EventKind = "behind"

// remind finds out what this key has signed on the channel since its record was written, when the payee refuses all that
// the record is good for: the record may be from a backup. What counts is what the chain has settled, and a
// voucher of our own hand that the payee shows when the channel is named, or for a proof. Where one of them shows more
// than the record, or the channel is closed, the payment begins again, with its price counted from there.
func (p *payment) remind(ctx context.Context) (learned bool, err error) {
	if p.reminded || !p.claim.Alone() || p.signed.Cumulative.Less(p.account.State().Signed) {
		return false, nil
	}
	p.reminded = true
	rose := p.settled(ctx)
	offer := p.known.offer
	if offer.Snapshot = p.shown(ctx); offer.Snapshot != nil {
		rose = p.absorb(ctx, p.account, offer) || rose
	}
	if now := p.account.State(); now.Payable() && !rose {
		p.info.Err = fmt.Errorf("%w: channel %s, voucher %s", ErrBehind, now.ID, p.signed.Cumulative)
		p.s.tell(ctx, Event{Kind: EventBehind, Origin: p.origin, ChannelID: now.ID, Cumulative: p.signed.Cumulative, Deposit: now.Deposit, Err: p.info.Err})
		return false, nil
	}
	p.part(ctx, http.StatusPaymentRequired)
	return true, p.prepare(ctx, p.known)
}

// settled books what the chain says of the channel, and reports whether that proves more than was authorized then:
// what other requests authorize meanwhile does not count.
func (p *payment) settled(ctx context.Context) (rose bool) {
	c, err := p.s.onChain(ctx, p.account.State())
	if err == nil {
		_, err = p.s.book(ctx, p.account, func(s rule.State) rule.State {
			n := s.Settle(c)
			rose = s.Authorized().Less(n.Authorized())
			return n
		})
	}
	if err != nil {
		p.s.log.DebugContext(ctx, "the chain was not read", "channel", p.account.ID(), "error", err)
		return false
	}
	return rose
}

// shown is what the payee shows of the channel when it is named, or for a proof; nil where it shows nothing of it.
func (p *payment) shown(ctx context.Context) *channel.Snapshot {
	id := p.account.ID()
	status, h, err := p.head(ctx, "tempo/session", header{wire.HeaderPaymentSession, id.Hex()})
	if err == nil && status == http.StatusPaymentRequired {
		if k, _ := p.s.recognize(p.out.req, h); k != nil && rule.SameTerms(k.offer, p.known.offer) && k.offer.Snapshot != nil && k.offer.Snapshot.ChannelID == id {
			return k.offer.Snapshot
		}
	}
	if p.s.cfg.Bootstrap {
		if snap := p.s.bootstrap(ctx, p, p.known.offer); snap != nil && snap.ChannelID == id {
			return snap
		}
	}
	return nil
}
