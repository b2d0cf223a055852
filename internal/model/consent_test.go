package model_test

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/internal/wire"
)

var errDeclined = errors.New("model: the owner declines")

// policy is the policy of one life: one that pins, or one that accepts all terms of the server. It
// notes what it accepted.
func (l *life) policy() client.Policy {
	accept := client.PinFirstUse(disk{l})
	if l.w.trusting {
		accept = client.AllowHosts(l.w.srv.URL)
	}
	return func(ctx context.Context, p client.Proposal) error {
		if err := accept(ctx, p); err != nil {
			return err
		}
		l.accepted = append(l.accepted, p.Offer)
		return nil
	}
}

// approve is the owner: mostly quick, sometimes slow, sometimes against it.
func (l *life) approve(ctx context.Context, a client.Quote) error {
	w := l.w
	switch w.draw(6, "approval") {
	case 5:
		w.note("    the owner declines %s", a.Offer.Price)
		return errDeclined
	case 4:
		select {
		case <-time.After(20 * time.Second):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	w.note("    the owner approves %s", a.Offer.Price)
	if c := w.call(); c != nil {
		c.approved = append(c.approved, a.Offer)
	}
	return nil
}

// consented looks at a credential that is about to leave: the policy of this life accepted its terms,
// and the owner approved them for this call if the price is above Limits.Ask.
func (w *world) consented(l *life, c *wire.Credential, req *http.Request) {
	action := c.Payload.Action
	call := w.call()
	if action == "" || action == "close" || call == nil {
		return
	}
	o, err := rule.ParseOffer(c.Challenge)
	if err != nil {
		w.broken("a credential for an offer that cannot be read", "%v", err)
	}
	beside := req.Method == http.MethodHead || req.Method == http.MethodPost && req.ContentLength <= 0
	if !w.covered(l.accepted, o, beside) {
		w.broken("terms that the policy did not accept", "%s to %s for %s", action, o.Payee, o.Price)
	}
	if asked := w.lim.Ask; !asked.IsZero() && asked.Less(o.Price) && !beside && !w.covered(call.approved, o, beside) {
		w.broken("an approval was skipped", "%s to %s for %s", action, o.Payee, o.Price)
	}
}

// covered reports whether one of the offers is for these terms at that price or more. The challenge of
// a request beside a stream may name another price.
func (w *world) covered(accepted []channel.Offer, o channel.Offer, beside bool) bool {
	for _, a := range accepted {
		if w.terms(a) == w.terms(o) && (beside || !a.Price.Less(o.Price)) {
			return true
		}
	}
	return false
}

// terms returns the terms of an offer. What it leaves out is the server's own chain and escrow.
func (w *world) terms(o channel.Offer) channel.Terms {
	if o.ChainID == 0 {
		o.ChainID = w.srv.ChainID
	}
	if o.Escrow == (common.Address{}) {
		o.Escrow = w.srv.Escrow(o.Protocol)
	}
	return o.Terms()
}
