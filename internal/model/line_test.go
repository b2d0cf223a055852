package model_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/internal/wire"
	"github.com/seed-5fe1f529/tallystick/receipt"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// line is the way from one life to the server. It looks at what leaves, loses what is to be lost, lets the life die
// before or after a sending, and lets other calls happen while one is under way.
type line struct{ l *life }

var (
	errLine = errors.New("model: the connection is lost")
	errWait = errors.New("model: more sendings than a call may have")
)

// maxSends bounds what one call of the caller may send.
const maxSends = 90

func (ln line) RoundTrip(req *http.Request) (*http.Response, error) {
	l := ln.l
	w := l.w
	if req.Body != nil {
		defer req.Body.Close()
	}
	if l.dead {
		return nil, errDead
	}
	l.sends++
	dies := l.sends == l.diesAtSend
	if c := w.call(); c != nil {
		if c.sends++; c.sends > maxSends {
			w.broken(errWait.Error(), "%s %s", req.Method, req.URL)
		}
	}
	paid := w.leaves(l, req)
	if dies && !l.afterwards {
		l.die()
	}
	whim := w.draw(40, "whim")
	if resp, err := w.instead(whim, req, paid); resp != nil || err != nil {
		w.note("    %s %s %s: whim %d: %s", req.Method, req.URL, spent{paid}, whim, outcome{resp, err}.String())
		if dies {
			l.die()
		}
		w.read(resp)
		return resp, err
	}
	out := w.original(req, paid)
	resp, err := w.srv.Transport().RoundTrip(out)
	if err == nil {
		resp.Request = req
	}
	if dies {
		l.die()
	}
	if err == nil {
		w.arrives(whim, req, paid, resp)
	}
	w.note("    %s %s %s: whim %d: %s", req.Method, req.URL, spent{paid}, whim, outcome{resp, err}.String())
	if whim == 39 && paid != nil && paid.Payload.Action == "voucher" && len(w.under) < 3 {
		began := time.Now()
		w.request() // while the answer is on its way
		if c := w.call(); c != nil {
			c.nested += time.Since(began)
		}
	}
	return resp, err
}

// leaves looks at a request that is about to leave, and returns its credential.
func (w *world) leaves(l *life, req *http.Request) *wire.Credential {
	home := strings.HasPrefix(req.URL.String(), w.srv.URL+"/")
	for name, values := range req.Header {
		own := name == "Authorization" || name == "Payment-Authorization"
		if !own && strings.Contains(strings.Join(values, " "), "Payment ey") {
			w.broken("a credential in a header of the server's choice", "%s", name)
		}
	}
	for _, name := range []string{"Authorization", "Payment-Authorization"} {
		text := req.Header.Get(name)
		if text == "" {
			continue
		}
		if !home {
			w.broken("a credential at a foreign origin", "%s", req.URL)
		}
		c, err := wire.ParseCredential(text)
		if err != nil {
			w.broken("a credential that cannot be read", "%v", err)
		}
		w.consented(l, &c, req)
		w.spends(l, &c, req.Method == http.MethodHead || req.Method == http.MethodPost && req.ContentLength <= 0)
		return &c
	}
	if !home && req.Header.Get(wire.HeaderPaymentSession) != "" {
		w.broken("a channel is named at a foreign origin", "%s", req.URL)
	}
	return nil
}

// spends looks at a credential that is about to leave. One that goes beside a stream says nothing of the price: its challenge
// is answered with a voucher that was agreed to by the stream's own.
func (w *world) spends(l *life, c *wire.Credential, beside bool) {
	p := c.Payload
	r, err := c.Challenge.SessionRequest()
	if err != nil {
		w.broken("a credential for a challenge that cannot be read", "%v", err)
	}
	if p.Action == "" {
		ago := time.Since(l.proof)
		if !r.Amount.IsZero() || c.Challenge.Realm != "clienttest" || ago < 10*time.Minute {
			w.broken("a proof that is not for nothing, here, once in a while", "%s, %s, %s after the last", r.Amount, c.Challenge.Realm, ago)
		}
		l.proof = time.Now()
		return
	}
	record, ok := w.record(p.ChannelID)
	if !ok {
		w.broken("a credential for a channel that is not on record", "%s", p.ChannelID)
	}
	if p.Action == "topUp" {
		if !bytes.Equal(record.ToppingUp.Raw, p.Transaction) {
			w.broken("a top-up that is not on record", "%s", p.ChannelID)
		}
		return
	}
	if !w.made[voucher.Voucher{ChannelID: p.ChannelID, Cumulative: p.CumulativeAmount}] {
		w.broken("a voucher that nobody signed", "%s", p.CumulativeAmount)
	}
	if record.Authorized().Less(p.CumulativeAmount) {
		w.broken("a voucher above what the store holds", "%s above %s", p.CumulativeAmount, record.Authorized())
	}
	w.rises(l, p.ChannelID, p.CumulativeAmount)
	if p.Action == "open" {
		if !bytes.Equal(record.Opening.Raw, p.Transaction) && !record.Confirmed {
			w.broken("an opening that is not on record", "%s", p.ChannelID)
		}
		w.openings[p.ChannelID] = true
	}
	if call := w.call(); call != nil && p.Action != "close" {
		call.paid = true
		call.channels[p.ChannelID] = true
	}
	if call := w.call(); call != nil && !beside {
		if w.lim.Price.Less(r.Amount) {
			w.broken("a price above the limit was answered", "%s", r.Amount)
		}
		call.price = call.price.Max(r.Amount)
	}
}

// arrives looks at an answer, after the server's whims.
func (w *world) arrives(whim int, req *http.Request, paid *wire.Credential, resp *http.Response) {
	if w.hostile {
		w.afterwards(whim, req, paid, resp)
	}
	w.read(resp)
}

// read notes what an answer says that the client is going to believe.
func (w *world) read(resp *http.Response) {
	if resp == nil {
		return
	}
	if all, _ := wire.ParseChallenges(resp.Header); len(all) > 0 {
		for _, c := range all {
			if o, err := rule.ParseOffer(c); err == nil && !w.lim.Price.Less(o.Price) {
				w.offered = w.offered.Max(o.Price)
				if call := w.call(); call != nil {
					call.named = call.named.Max(o.Price)
				}
			}
		}
	}
	if c := w.call(); c != nil {
		c.redirected = c.redirected || resp.StatusCode/100 == 3
		if strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
			c.stream = true
		}
	}
}

// spent and outcome are lines of the story.
type spent struct{ c *wire.Credential }

func (s spent) String() string {
	if s.c == nil {
		return "unpaid"
	}
	p := s.c.Payload
	return fmt.Sprintf("%s %.6s %s", p.Action, p.ChannelID.Hex()[2:], p.CumulativeAmount.AddCapped(p.AdditionalDeposit))
}

type outcome struct {
	resp *http.Response
	err  error
}

func (o outcome) String() string {
	if o.err != nil {
		return o.err.Error()
	}
	text := o.resp.Status
	if all, _ := wire.ParseChallenges(o.resp.Header); len(all) > 0 {
		if r, err := all[0].SessionRequest(); err == nil {
			text += fmt.Sprintf(", asks %s", r.Amount)
		}
	}
	if r, err := receipt.Parse(o.resp.Header.Get(wire.HeaderPaymentReceipt)); err == nil {
		text += fmt.Sprintf(", receipt %s of %s", r.Spent, r.Accepted)
	}
	return text
}

// node is the way from one life to the chain.
type node struct{ l *life }

func (n node) RoundTrip(req *http.Request) (*http.Response, error) {
	w := n.l.w
	if n.l.dead {
		return nil, errDead
	}
	trouble := 0
	if !w.sound {
		trouble = w.draw(64, "node")
	}
	if trouble == 63 {
		if req.Body != nil {
			_ = req.Body.Close()
		}
		return nil, errLine
	}
	resp, err := w.srv.Transport().RoundTrip(req)
	if err == nil && trouble == 62 {
		_, _ = io.Copy(io.Discard, resp.Body) // it was done, and nobody learns of it
		_ = resp.Body.Close()
		return nil, errLine
	}
	return resp, err
}

// known are the channels of which the server may speak: those that it has an opening of.
func (w *world) known() (ids []common.Hash) {
	for _, a := range w.srv.Accounts() {
		ids = append(ids, a.ChannelID)
	}
	return ids
}
