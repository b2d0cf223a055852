package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/seed-5fe1f529/tallystick/channel"
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
	before := p.account.State()
	if p.s.cfg.Chain != nil {
		if _, err := p.s.settle(ctx, p.account); err != nil {
			p.s.log.DebugContext(ctx, "the chain was not read", "channel", before.ID, "error", err)
		}
	}
	offer := p.known.offer
	if offer.Snapshot = p.shown(ctx); offer.Snapshot != nil {
		p.absorb(ctx, p.account, offer)
	}
	after := p.account.State()
	if after.Payable() && !before.Authorized().Less(after.Authorized()) {
		p.info.Err = fmt.Errorf("%w: channel %s, voucher %s", ErrBehind, after.ID, p.signed.Cumulative)
		p.s.tell(ctx, Event{Kind: EventBehind, Origin: p.origin, ChannelID: after.ID, Cumulative: p.signed.Cumulative, Deposit: after.Deposit, Err: p.info.Err})
		return false, nil
	}
	p.part(ctx, http.StatusPaymentRequired)
	return true, p.prepare(ctx, p.known)
}

// shown is what the payee shows of the channel when it is named, or for a proof; nil where it shows nothing of it.
func (p *payment) shown(ctx context.Context) *channel.Snapshot {
	id := p.account.ID()
	status, h, err := p.head(ctx, "tempo/session", header{wire.HeaderPaymentSession, id.Hex()})
	if err == nil && status == http.StatusPaymentRequired {
		if k, _ := p.s.recognize(p.out.req, h); k != nil && k.offer.SameTerms(p.known.offer) && k.offer.Snapshot != nil && k.offer.Snapshot.ChannelID == id {
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
