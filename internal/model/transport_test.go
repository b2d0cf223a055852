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

// transport connects a process to the server. It checks each request, loses or changes messages,
// crashes the process before or after a request, and starts other calls in the middle of one.
type transport struct{ proc *process }

var (
	errConnection = errors.New("model: the connection is lost")
	errWait       = errors.New("model: too many requests in a call")
)

// maxSends bounds the requests of one call.
const maxSends = 90

func (t transport) RoundTrip(req *http.Request) (*http.Response, error) {
	proc := t.proc
	w := proc.w
	if req.Body != nil {
		defer req.Body.Close()
	}
	if proc.gone {
		return nil, errCrashed
	}
	proc.sends++
	crashes := proc.sends == proc.crashesAtSend
	if c := w.call(); c != nil {
		if c.sends++; c.sends > maxSends {
			w.fail(errWait.Error(), "%s %s", req.Method, req.URL)
		}
	}
	paid := w.checkRequest(proc, req)
	if crashes && !proc.after {
		proc.crash()
	}
	choice := w.draw(40, "choice")
	if resp, err := w.replace(choice, req, paid); resp != nil || err != nil {
		w.logf(
			"    %s %s %s: choice %d: %s", req.Method, req.URL, credentialText{paid}, choice,
			responseText{resp, err}.String(),
		)
		if crashes {
			proc.crash()
		}
		w.observe(resp)
		return resp, err
	}
	out := w.restoreChallenge(req, paid)
	resp, err := w.srv.Transport().RoundTrip(out)
	if err == nil {
		resp.Request = req
	}
	if crashes {
		proc.crash()
	}
	if err == nil {
		w.tamper(choice, req, paid, resp)
	}
	w.logf(
		"    %s %s %s: choice %d: %s", req.Method, req.URL, credentialText{paid}, choice,
		responseText{resp, err}.String(),
	)
	if choice == 39 && paid != nil && paid.Payload.Action == "voucher" && len(w.inFlight) < 3 {
		began := time.Now()
		w.request() // before the response arrives
		if c := w.call(); c != nil {
			c.nested += time.Since(began)
		}
	}
	return resp, err
}

// checkRequest checks a request that is about to be sent and returns its credential.
func (w *world) checkRequest(proc *process, req *http.Request) *wire.Credential {
	home := strings.HasPrefix(req.URL.String(), w.srv.URL+"/")
	for name, values := range req.Header {
		own := name == "Authorization" || name == "Payment-Authorization"
		if !own && strings.Contains(strings.Join(values, " "), "Payment ey") {
			w.fail("a credential in a header of the server's choice", "%s", name)
		}
	}
	for _, name := range []string{"Authorization", "Payment-Authorization"} {
		text := req.Header.Get(name)
		if text == "" {
			continue
		}
		if !home {
			w.fail("a credential to another origin", "%s", req.URL)
		}
		c, err := wire.ParseCredential(text)
		if err != nil {
			w.fail("an unreadable credential", "%v", err)
		}
		w.checkConsent(proc, &c, req)
		w.checkCredential(
			proc,
			&c,
			req.Method == http.MethodHead ||
				req.Method == http.MethodPost && req.ContentLength <= 0,
		)
		return &c
	}
	if !home && req.Header.Get(wire.HeaderPaymentSession) != "" {
		w.fail("a channel ID to another origin", "%s", req.URL)
	}
	return nil
}

// checkCredential checks a credential that is about to be sent. The challenge of a request beside a
// stream does not count as its price: the voucher in it was reserved at the price of the stream.
func (w *world) checkCredential(proc *process, c *wire.Credential, beside bool) {
	p := c.Payload
	r, err := c.Challenge.SessionRequest()
	if err != nil {
		w.fail("a credential for an unreadable challenge", "%v", err)
	}
	if p.Action == "" {
		ago := time.Since(proc.proof)
		if !r.Amount.IsZero() || c.Challenge.Realm != "clienttest" || ago < 10*time.Minute {
			w.fail(
				"a proof with a price, to another realm, or too soon", "%s, %s, %s after the last",
				r.Amount, c.Challenge.Realm, ago,
			)
		}
		proc.proof = time.Now()
		return
	}
	record, ok := w.record(p.ChannelID)
	if !ok {
		w.fail("a credential for a channel without a record", "%s", p.ChannelID)
	}
	if p.Action == "topUp" {
		if !bytes.Equal(record.ToppingUp.Raw, p.Transaction) {
			w.fail("a top-up without a record", "%s", p.ChannelID)
		}
		return
	}
	if !w.vouchers[voucher.Voucher{ChannelID: p.ChannelID, Cumulative: p.CumulativeAmount}] {
		w.fail("a voucher that was never signed", "%s", p.CumulativeAmount)
	}
	if record.Authorized().Less(p.CumulativeAmount) {
		w.fail(
			"a voucher above the stored sum", "%s above %s", p.CumulativeAmount,
			record.Authorized(),
		)
	}
	w.countCost(proc, p.ChannelID, p.CumulativeAmount)
	if p.Action == "open" {
		if !bytes.Equal(record.Opening.Raw, p.Transaction) && !record.Confirmed {
			w.fail("an opening without a record", "%s", p.ChannelID)
		}
		w.openings[p.ChannelID] = true
	}
	if call := w.call(); call != nil && p.Action != "close" {
		call.paid, call.paidOn = true, call.paidOn || call.redirected
		call.channels[p.ChannelID] = true
		call.protocols[record.Protocol] = true
	}
	if call := w.call(); call != nil && !beside {
		if w.lim.Price.Less(r.Amount) {
			w.fail("a payment above Limits.Price", "%s", r.Amount)
		}
		call.price = call.price.Max(r.Amount)
	}
}

// tamper may change a response, and observes it.
func (w *world) tamper(choice int, req *http.Request, paid *wire.Credential, resp *http.Response) {
	if w.hostile {
		w.change(choice, req, paid, resp)
	}
	w.observe(resp)
}

// observe records what a response tells the client.
func (w *world) observe(resp *http.Response) {
	if resp == nil {
		return
	}
	if all, _ := wire.ParseChallenges(resp.Header); len(all) > 0 {
		for _, c := range all {
			if o, err := rule.ParseOffer(c); err == nil && !w.lim.Price.Less(o.Price) {
				w.maxOffered = w.maxOffered.Max(o.Price)
				if call := w.call(); call != nil {
					call.quoted = call.quoted.Max(o.Price)
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

// credentialText and responseText format a credential and a response for the log.
type credentialText struct{ c *wire.Credential }

func (s credentialText) String() string {
	if s.c == nil {
		return "unpaid"
	}
	p := s.c.Payload
	return fmt.Sprintf(
		"%s %.6s %s", p.Action, p.ChannelID.Hex()[2:],
		p.CumulativeAmount.AddCapped(p.AdditionalDeposit),
	)
}

type responseText struct {
	resp *http.Response
	err  error
}

func (o responseText) String() string {
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

// chainTransport connects a process to the chain.
type chainTransport struct{ proc *process }

func (n chainTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	w := n.proc.w
	if n.proc.gone {
		return nil, errCrashed
	}
	trouble := 0
	if !w.noFaults {
		trouble = w.draw(64, "node")
	}
	if trouble == 63 {
		if req.Body != nil {
			_ = req.Body.Close()
		}
		return nil, errConnection
	}
	resp, err := w.srv.Transport().RoundTrip(req)
	if err == nil && trouble == 62 {
		_, _ = io.Copy(io.Discard, resp.Body) // the call took effect, but its response is lost
		_ = resp.Body.Close()
		return nil, errConnection
	}
	return resp, err
}

// knownChannels returns the channels that were opened with the server.
func (w *world) knownChannels() (ids []common.Hash) {
	for _, a := range w.srv.Accounts() {
		ids = append(ids, a.ChannelID)
	}
	return ids
}
