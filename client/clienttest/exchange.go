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
	prepaid bool // one unit of a stream is charged already
}

// pay goes the way of one request: the credential is taken, the unit charged, and serve gives the
// content.
func (x *exchange) pay(serve func(*exchange)) {
	if x.t.Bootstrap && x.r.Method == http.MethodHead && x.bootstrap() {
		return
	}
	content, err := x.take()
	if err == nil && content {
		err = x.chargeUnit()
	}
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

// take checks the credential and does what it says. It reports whether content is paid for with it.
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
	switch p.action {
	case "open":
		open := s.openV2
		if x.t.Protocol == voucher.V1 {
			open = s.openV1
		}
		x.account, x.tx, err = open(p, x.t)
		return x.isContent() && !s.cfg.ShortOpens, err
	case "topUp":
		x.account, x.tx, err = s.topUp(p, x.t)
		return false, err
	case "close":
		x.account, x.tx, err = s.close(p, x.t)
		return false, err
	default:
		if x.account, err = s.voucher(p, c.source, x.t); err != nil {
			return false, err
		}
		if x.trapped() {
			return false, x.chargeUnit()
		}
		return x.isContent(), nil
	}
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
// charged by its chunks alone.
func (x *exchange) chargeUnit() error {
	if x.metered && x.t.Protocol == voucher.V2 && x.r.Method != http.MethodGet {
		return nil
	}
	x.s.book.mu.Lock()
	defer x.s.book.mu.Unlock()
	a := x.account
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

// figures reads the account that pays.
func (x *exchange) figures() figures {
	x.s.book.mu.Lock()
	defer x.s.book.mu.Unlock()
	return x.account.figures()
}

// receipt puts the receipt into the header, and keeps the answer out of shared caches.
func (x *exchange) receipt() {
	x.w.Header().Set("Cache-Control", "private")
	if value := x.s.receiptHeader(x.credential.challenge.ID, x.figures(), x.tx); value != "" {
		x.w.Header().Set("Payment-Receipt", value)
	}
}
