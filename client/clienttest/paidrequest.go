package clienttest

import (
	"net/http"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/message"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// paidRequest is one request to a paid route, and its answer.
type paidRequest struct {
	incoming
	t       Terms
	metered bool

	account *account // who pays, once the credential is taken
	tx      common.Hash
	taken   figures // of the account at that moment, for the receipt
	prepaid bool    // one unit of a stream is charged already
}

// pay goes the way of one request: the credential is taken, a unit of content charged, and serve
// gives the content.
func (x *paidRequest) pay(serve func(*paidRequest)) {
	if x.t.Bootstrap && x.r.Method == http.MethodHead && x.bootstrap() {
		return
	}
	content, err := x.take()
	if err != nil {
		x.refuse(err, x.fresh())
		return
	}
	if !content {
		x.receipt()
		x.accepted(http.StatusNoContent)
		return
	}
	if x.fault.FailAfter != 0 {
		x.accepted(http.StatusOK) // which it will not be
		return
	}
	x.s.log.served(x.r.URL.Path)
	serve(x)
}

// fresh is the challenge that comes with a refusal. One that answers a close tells nothing about
// channels.
func (x *paidRequest) fresh() *message.Challenge {
	t := x.t
	x.lieInFresh(&t)
	if x.credential != nil && x.credential.Payload.Action() == "close" {
		t.Hints = NoHints
	}
	return x.s.sessionChallenge(t, x.r, x.isContent())
}

// take checks the credential and does what it says. It reports whether it has charged for content,
// which must be served then.
func (x *paidRequest) take() (content bool, err error) {
	s, c := x.s, x.credential
	switch {
	case x.credentialErr != nil:
		return false, message.MalformedCredential("%v", x.credentialErr)
	case c == nil:
		return false, message.PaymentRequired("a payment is required")
	}
	if err := s.checkChallenge(&c.Challenge, x.t, x.anyTerms()); err != nil {
		return false, err
	}
	p, err := c.Payload.ReadPayload()
	if err != nil {
		return false, message.InvalidPayload("%v", err)
	}
	if most := x.t.Protocol.Max(); most.Less(p.Cumulative) || most.Less(p.Additional) {
		return false, message.InvalidPayload("the amount is above what %s counts", x.t.Protocol)
	}
	if done, content, err := x.lieInTaking(p); done {
		return content, err
	}
	return x.Do(p)
}

// Do does what the payload says.
func (x *paidRequest) Do(p *message.Payload) (content bool, err error) {
	s, c := x.s, x.credential
	switch p.Action {
	case "open":
		return x.Open(p, x.isContent() && !s.cfg.ShortOpens)
	case "topUp":
		if x.account, x.tx, err = s.topUp(p, x.t); err == nil {
			err = x.settleUp(false)
		}
		return false, err
	case "close":
		if x.account, x.tx, err = s.close(p, x.t); err == nil {
			err = x.settleUp(false)
		}
		return false, err
	default:
		x.account, err = s.voucher(p, c.Source, x.t, func(a *account) error { return x.chargeFor(a, x.isContent()) })
		return x.isContent() && !x.trapped(), err
	}
}

// Open opens a channel, and charges for what is asked with it.
func (x *paidRequest) Open(p *message.Payload, content bool) (bool, error) {
	open := x.s.openV2
	if x.t.Protocol == voucher.V1 {
		open = x.s.openV1
	}
	var err error
	if x.account, x.tx, err = open(p, x.t); err == nil {
		err = x.settleUp(content)
	}
	return content, err
}

// settleUp is chargeFor for an account that nobody has locked.
func (x *paidRequest) settleUp(content bool) error {
	x.s.book.mu.Lock()
	defer x.s.book.mu.Unlock()
	return x.chargeFor(x.account, content)
}

// chargeFor charges for the content, if any, and takes the figures of the receipt. The caller holds
// the book's mutex.
func (x *paidRequest) chargeFor(a *account, content bool) (err error) {
	if content {
		err = x.chargeUnit(a)
	}
	x.taken = a.figures()
	return err
}

// isContent reports whether the request is for content. HEAD never is, and neither is a POST
// without body and query: they only carry a credential.
func (x *paidRequest) isContent() bool {
	switch x.r.Method {
	case http.MethodHead:
		return false
	case http.MethodPost:
		return x.r.URL.RawQuery != "" || x.r.ContentLength != 0
	default:
		return true
	}
}

// trapped reports whether mppx 0.8.14 would take a v1 voucher for management although it asks for a
// stream, and charge it all the same.
func (x *paidRequest) trapped() bool {
	return x.metered && x.t.Protocol == voucher.V1 && !x.s.cfg.PlainV1 && x.isContent() &&
		strings.Contains(x.r.Header.Get("Accept"), "text/event-stream")
}

// chargeUnit books one unit before the content is made. A v2 stream that was asked for with POST is
// charged by its chunks alone. The caller holds the book's mutex.
func (x *paidRequest) chargeUnit(a *account) error {
	if x.metered && x.t.Protocol == voucher.V2 && x.r.Method != http.MethodGet {
		return nil
	}
	if err := a.open(); err != nil {
		return err
	}
	if credit := a.credit(); credit.Less(x.t.Price) {
		return message.InsufficientBalance("one unit costs %s, and vouchers leave %s", x.t.Price, credit).On(a.id)
	}
	a.charge(x.t.Price, 1)
	x.prepaid = true
	return nil
}

// receipt puts the receipt into the header, and keeps the answer out of shared caches.
func (x *paidRequest) receipt() {
	x.w.Header().Set("Cache-Control", "private")
	if value := x.receiptHeader(x.credential.Challenge.ID, x.taken, x.tx); value != "" {
		x.w.Header().Set("Payment-Receipt", value)
	}
}
