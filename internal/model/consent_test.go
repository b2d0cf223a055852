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

// policy returns the policy of a process: it pins, or accepts all terms of the server. It records
// the offers that it accepted.
func (proc *process) policy() client.Policy {
	accept := client.PinFirstUse(faultyStore{proc})
	if proc.w.trusting {
		accept = client.AllowHosts(proc.w.srv.URL)
	}
	return func(ctx context.Context, p client.Proposal) error {
		if err := accept(ctx, p); err != nil {
			driven[policyRefuses]++
			return err
		}
		proc.accepted = append(proc.accepted, p.Offer)
		return nil
	}
}

// approve is the Approve callback: usually quick, sometimes slow, sometimes negative.
func (proc *process) approve(ctx context.Context, a client.Quote) error {
	w := proc.w
	switch w.draw(6, "approval") {
	case 5:
		driven[ownerDeclines]++
		w.logf("    the owner declines %s", a.Offer.Price)
		return errDeclined
	case 4:
		select {
		case <-time.After(20 * time.Second):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	driven[ownerApproves]++
	w.logf("    the owner approves %s", a.Offer.Price)
	if c := w.call(); c != nil {
		c.approved = append(c.approved, a.Offer)
	}
	return nil
}

// checkConsent checks a credential that is about to be sent: the policy of the process accepted its
// terms, and the owner approved them for this call if the price is above Limits.Ask.
func (w *world) checkConsent(proc *process, c *wire.Credential, req *http.Request) {
	action := c.Payload.Action
	call := w.call()
	if action == "" || action == "close" || call == nil {
		return
	}
	o, err := rule.ParseOffer(c.Challenge)
	if err != nil {
		w.fail("a credential for an unreadable offer", "%v", err)
	}
	beside := req.Method == http.MethodHead ||
		req.Method == http.MethodPost && req.ContentLength <= 0
	if !w.covered(proc.accepted, o, beside) {
		w.fail("terms that the policy did not accept", "%s to %s for %s", action, o.Payee, o.Price)
	}
	if original := w.lim.Ask; !original.IsZero() && original.Less(o.Price) && !beside &&
		!w.covered(call.approved, o, beside) {
		w.fail("an approval was skipped", "%s to %s for %s", action, o.Payee, o.Price)
	}
}

// covered reports whether one of the offers has the terms of o and at least its price. A request
// beside a stream may get a challenge with another price.
func (w *world) covered(accepted []channel.Offer, o channel.Offer, beside bool) bool {
	for _, a := range accepted {
		if w.terms(a) == w.terms(o) && (beside || !a.Price.Less(o.Price)) {
			return true
		}
	}
	return false
}

// terms returns the terms of an offer. Chain and escrow default to the server's.
func (w *world) terms(o channel.Offer) channel.Terms {
	if o.ChainID == 0 {
		o.ChainID = w.srv.ChainID
	}
	if o.Escrow == (common.Address{}) {
		o.Escrow = w.srv.Escrow(o.Protocol)
	}
	return o.Terms()
}
