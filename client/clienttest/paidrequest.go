package clienttest

import (
	"net/http"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/message"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// paidRequest is a request to a paid route.
type paidRequest struct {
	incoming
	t       Terms
	metered bool

	account *account // of the channel, once the credential was accepted
	tx      common.Hash
	taken   figures // amounts for the receipt
	prepaid bool    // the first unit of a stream was charged
}

// pay handles the request: it checks the credential, charges one unit of content, and calls serve.
func (x *paidRequest) pay(serve func(*paidRequest)) {
	if x.t.Bootstrap && x.r.Method == http.MethodHead && x.bootstrap() {
		return
	}
	if x.t.Identify != AnyPayer && x.identify() {
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
		x.accepted(http.StatusOK) // FailAfter replaces it
		return
	}
	x.s.log.served(x.r.URL.Path)
	serve(x)
}

// fresh returns the challenge of a refusal. Refusals of a close contain no hints.
func (x *paidRequest) fresh() *message.Challenge {
	t := x.t
	x.lieInFresh(&t)
	if x.credential != nil && x.credential.Payload.Action() == "close" {
		t.Hints = NoHints
	}
	return x.s.sessionChallenge(t, x.r, x.isContent())
}

// take checks the credential and carries its action out. It reports whether it charged for content,
// which must then be served.
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
		return false, message.InvalidPayload("the amount exceeds the maximum of %s", x.t.Protocol)
	}
	if done, content, err := x.lieInTaking(p); done {
		return content, err
	}
	return x.Do(p)
}

// Do carries the action of the payload out.
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
		x.account, err = s.voucher(
			p,
			c.Source,
			x.t,
			func(a *account) error { return x.chargeFor(a, x.isContent()) },
		)
		return x.isContent() && !x.trapped(), err
	}
}

// Open opens a channel, and charges for content if content is true.
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

// settleUp calls chargeFor with the book's mutex.
func (x *paidRequest) settleUp(content bool) error {
	x.s.book.mu.Lock()
	defer x.s.book.mu.Unlock()
	return x.chargeFor(x.account, content)
}

// chargeFor charges for the content, if any, and stores the amounts for the receipt. The caller
// holds the book's mutex.
func (x *paidRequest) chargeFor(a *account, content bool) (err error) {
	if content {
		err = x.chargeUnit(a)
	}
	x.taken = a.figures()
	return err
}

// isContent reports whether the request is for content. A HEAD, and a POST without body and query,
// only carry a credential.
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

// trapped reports whether mppx 0.8.14 would treat this v1 voucher as management, although it asks
// for a stream, and charge it all the same.
func (x *paidRequest) trapped() bool {
	return x.metered && x.t.Protocol == voucher.V1 && !x.s.cfg.PlainV1 && x.isContent() &&
		strings.Contains(x.r.Header.Get("Accept"), "text/event-stream")
}

// chargeUnit charges one unit before the content. A v2 stream that was requested with POST is only
// charged for its chunks. The caller holds the book's mutex.
func (x *paidRequest) chargeUnit(a *account) error {
	if x.metered && x.t.Protocol == voucher.V2 && x.r.Method != http.MethodGet {
		return nil
	}
	if err := a.open(); err != nil {
		return err
	}
	if credit := a.credit(); credit.Less(x.t.Price) {
		return message.InsufficientBalance(
			"one unit costs %s, the remaining credit is %s", x.t.Price, credit).
			On(a.id)
	}
	a.charge(x.t.Price, 1)
	x.prepaid = true
	return nil
}

// receipt sets the receipt header, and keeps the response out of shared caches.
func (x *paidRequest) receipt() {
	x.w.Header().Set("Cache-Control", "private")
	if value := x.receiptHeader(x.credential.Challenge.ID, x.taken, x.tx); value != "" {
		x.w.Header().Set("Payment-Receipt", value)
	}
}
