package clienttest

import (
	"net/http"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// exchange is one request to a paid route, and its answer.
type exchange struct {
	visit
	t       Terms
	metered bool

	account *account // who pays, once the credential is taken
	tx      common.Hash
	taken   figures // of the account at that moment, for the receipt
	prepaid bool    // one unit of a stream is charged already
}

// pay goes the way of one request: the credential is taken, a unit of content charged, and serve gives
// the content.
func (x *exchange) pay(serve func(*exchange)) {
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
func (x *exchange) fresh() *challenge {
	t := x.t
	if x.credential != nil && x.credential.payload.action() == "close" {
		t.Hints = NoHints
	}
	return x.s.sessionChallenge(t, x.r, x.isContent())
}

// take checks the credential and does what it says. It reports whether it has charged for content,
// which must be served then.
func (x *exchange) take() (content bool, err error) {
	s, c := x.s, x.credential
	switch {
	case x.credentialErr != nil:
		return false, malformed("%v", x.credentialErr)
	case c == nil:
		return false, paymentRequired("a payment is required")
	}
	if err := s.checkChallenge(&c.challenge, x.t); err != nil {
		return false, err
	}
	p, err := c.payload.readPayload()
	if err != nil {
		return false, invalidPayload("%v", err)
	}
	if most := x.t.Protocol.Max(); most.Less(p.cumulative) || most.Less(p.additional) {
		return false, invalidPayload("the amount is above what %s counts", x.t.Protocol)
	}
	if done, content, err := x.tellTaking(p); done {
		return content, err
	}
	return x.do(p)
}

// do does what the payload says.
func (x *exchange) do(p *payload) (content bool, err error) {
	s, c := x.s, x.credential
	switch p.action {
	case "open":
		return x.open(p, x.isContent() && !s.cfg.ShortOpens)
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
		x.account, err = s.voucher(p, c.source, x.t, func(a *account) error { return x.chargeFor(a, x.isContent()) })
		return x.isContent() && !x.trapped(), err
	}
}

// open opens a channel, and charges for what is asked with it.
func (x *exchange) open(p *payload, content bool) (bool, error) {
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
func (x *exchange) settleUp(content bool) error {
	x.s.book.mu.Lock()
	defer x.s.book.mu.Unlock()
	return x.chargeFor(x.account, content)
}

// chargeFor charges for the content, if any, and takes the figures of the receipt. The caller holds the
// book's mutex.
func (x *exchange) chargeFor(a *account, content bool) (err error) {
	if content {
		err = x.chargeUnit(a)
	}
	x.taken = a.figures()
	return err
}

// isContent reports whether the request is for content. HEAD never is, and neither is a POST without
// body and query: they only carry a credential.
func (x *exchange) isContent() bool {
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
func (x *exchange) trapped() bool {
	return x.metered && x.t.Protocol == voucher.V1 && !x.s.cfg.PlainV1 && x.isContent() &&
		strings.Contains(x.r.Header.Get("Accept"), "text/event-stream")
}

// chargeUnit books one unit before the content is made. A v2 stream that was asked for with POST is
// charged by its chunks alone. The caller holds the book's mutex.
func (x *exchange) chargeUnit(a *account) error {
	if x.metered && x.t.Protocol == voucher.V2 && x.r.Method != http.MethodGet {
		return nil
	}
	if err := a.open(); err != nil {
		return err
	}
	if credit := a.credit(); credit.Less(x.t.Price) {
		return insufficient("one unit costs %s, and vouchers leave %s", x.t.Price, credit).on(a.id)
	}
	a.charge(x.t.Price, 1)
	x.prepaid = true
	return nil
}

// receipt puts the receipt into the header, and keeps the answer out of shared caches.
func (x *exchange) receipt() {
	x.w.Header().Set("Cache-Control", "private")
	if value := x.receiptHeader(x.credential.challenge.ID, x.taken, x.tx); value != "" {
		x.w.Header().Set("Payment-Receipt", value)
	}
}
