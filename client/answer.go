package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/purchase"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/internal/wire"
	"github.com/seed-5fe1f529/tallystick/receipt"
	"github.com/seed-5fe1f529/tallystick/store/journal"
)

// answered reads an answer to a sending without a credential.
func (a *attempt) answered(ctx context.Context) purchase.Event {
	e := purchase.Event{Kind: purchase.Answered, Status: a.resp.StatusCode}
	if a.who != nil {
		a.heed(a.resp, false)
	}
	if e.Status != http.StatusPaymentRequired {
		return e
	}
	readEarly(a.resp)
	r := a.s.recognize(ctx, a.out.req, a.origin, a.resp.Header)
	e.Others, e.Err = r.others, r.err
	if r.found == nil {
		if r.err == nil {
			a.readAsked(ctx, &e)
		}
		return e
	}
	switch req := a.out.req; { // it must not be paid, whatever is offered
	case req.Response != nil && !chosen(req):
		e.Err = ErrRedirect
		return e
	case a.out.body != nil && !a.out.body.repeatable():
		e.Err = errors.Join(ErrBody, errNotRepeatable)
		return e
	}
	if a.byKey && a.keyed == nil {
		if e.Err = a.join(ctx); e.Err != nil {
			return e
		}
	}
	a.challenge = r.found
	e.Offered, e.Offer = true, r.found.wants
	if a.s.watched {
		a.s.tell(ctx, Event{Kind: EventChallenge, Origin: a.origin.Text, Currency: a.challenge.offer.Currency, Price: e.Offer.Price})
	}
	return e
}

// answeredPaid reads an answer to a credential.
func (a *attempt) answeredPaid(ctx context.Context) purchase.Event {
	e := purchase.Event{
		Kind: purchase.Answered, Paid: true, Status: a.resp.StatusCode,
		Content: a.resp.StatusCode != http.StatusNoContent,
	}
	if e.Status == http.StatusPaymentRequired || e.Status == http.StatusGone {
		a.refused(ctx, &e)
		return e
	}
	if e.Status == http.StatusUnauthorized && a.displaces(a.challenge.wire) {
		e.Err = ErrAuthorization
	}
	if text := a.resp.Header.Get(wire.HeaderPaymentReceipt); text != "" {
		r, err := receipt.Parse(text)
		a.receipt = a.checkReceipt(ctx, r, err)
	}
	r := a.receipt
	if r != nil {
		a.info.mu.Lock()
		a.info.receipt = r
		a.info.mu.Unlock()
		e.Receipt, e.Charged = true, r.Session && !r.Spent.IsZero()
	}
	if a.decision.Carrying {
		get := a.out.req.Method == "" || a.out.req.Method == http.MethodGet
		e.Resendable = (a.out.body == nil || a.out.body.repeatable()) && (get || (r != nil && r.Session))
	}
	return e
}

// displaces reports whether the credential for a challenge takes the place of an Authorization that
// the caller's request has.
func (a *attempt) displaces(c wire.Challenge) bool {
	own, _ := valuesOf(a.out.req.Header, wire.HeaderAuthorization)
	return c.CredentialHeader() == wire.HeaderAuthorization && strings.Join(own, "") != ""
}

// checkReceipt returns a receipt that was read, with what error. It returns nil, and reports why, if it is
// not for this challenge on this channel.
func (a *attempt) checkReceipt(ctx context.Context, r receipt.Receipt, err error) *receipt.Receipt {
	switch id := a.account.State().ID; {
	case err != nil, !r.Session: // without numbers it only acknowledges
	case r.ChannelID != id:
		err = fmt.Errorf("%w: a receipt for channel %s on an answer for channel %s", channel.ErrServerReport, r.ChannelID, id)
	case r.ChallengeID != a.challenge.wire.ID:
		err = fmt.Errorf("%w: a receipt for another challenge", channel.ErrServerReport)
	}
	if err != nil {
		a.reportViolation(ctx, err)
		return nil
	}
	return &r
}

const (
	// maxRefusal bounds how much of the body of a refusal is read before it is decided about.
	maxRefusal = 64 << 10
	// refusalWait bounds how long that may take, and how long the rest of a body is waited for that
	// nobody reads.
	refusalWait = 400 * time.Millisecond
)

// earlyBody is the body of a refusal whose beginning is still being read. Whoever reads it gets all of it,
// as it comes.
type earlyBody struct {
	io.ReadCloser               // the rest
	came          chan struct{} // has a value if more of the beginning came
	done          chan struct{} // closed when the beginning was read
	late          bool          // it was waited for long enough

	mu   sync.Mutex // guards what follows until done is closed
	head []byte     // the beginning
	at   int        // how much of it was handed out
	err  error      // that ended it
}

// readEarly reads the beginning of the response's body, within the bounds above, so that its problem
// details can be used and its connection is free. It leaves a body in its place that still has all
// bytes, and returns what was read; nil if that takes too long.
func readEarly(resp *http.Response) []byte {
	b := &earlyBody{ReadCloser: resp.Body, came: make(chan struct{}, 1), done: make(chan struct{})}
	resp.Body = b
	go func() {
		defer close(b.done)
		chunk := make([]byte, 4<<10)
		for len(b.head) < maxRefusal && b.err == nil {
			n, err := b.ReadCloser.Read(chunk[:min(len(chunk), maxRefusal-len(b.head))])
			b.mu.Lock()
			b.head, b.err = append(b.head, chunk[:n]...), err
			b.mu.Unlock()
			select {
			case b.came <- struct{}{}:
			default:
			}
		}
	}()
	timer := time.NewTimer(refusalWait)
	defer timer.Stop()
	select {
	case <-timer.C:
		b.late = true
		return nil
	case <-b.done:
		return b.head
	}
}

func (b *earlyBody) Read(p []byte) (int, error) {
	for {
		b.mu.Lock()
		n := copy(p, b.head[b.at:])
		b.at += n
		b.mu.Unlock()
		if n > 0 || len(p) == 0 {
			return n, nil
		}
		select {
		case <-b.came:
		case <-b.done:
			switch {
			case b.at < len(b.head):
			case b.err != nil:
				return 0, b.err
			default:
				return b.ReadCloser.Read(p)
			}
		}
	}
}

// discard reads the rest of a small body, so that its connection can be used again, and closes it. A
// body that was waited for before, or read to its end, is only closed.
func discard(resp *http.Response) {
	if b, ok := resp.Body.(*earlyBody); !ok || (!b.late && b.err == nil) {
		stop := time.AfterFunc(refusalWait, func() { _ = resp.Body.Close() })
		_, _ = io.CopyN(io.Discard, resp.Body, maxRefusal)
		stop.Stop()
	}
	_ = resp.Body.Close()
}

// acknowledge books the payee's acceptance of the opening.
func (a *attempt) acknowledge(ctx context.Context) {
	err := a.account.Update(ctx, rule.State.Acknowledged)
	if err != nil {
		a.s.log.WarnContext(ctx, "an opened channel could not be recorded as open; the chain will be read next time", "channel", a.account.ID(), "error", err)
	}
	state := a.account.State()
	if a.s.cfg.Journal != nil {
		a.s.recordFunding(ctx, journal.KindOpen, state, state.Opening, OutcomeAccepted, a.start, nil)
	}
	if a.s.watched {
		a.s.tell(ctx, Event{
			Kind: EventOpened, Origin: a.origin.Text, ChannelID: state.ID, Deposit: state.Deposit, Fee: feeOf(state.Opening), Err: err,
		})
	}
	if !state.Opening.MaxFee.IsZero() {
		a.s.readFeesBeside(ctx, a.account, true)
	}
	if a.opening != nil {
		a.opening()
		a.opening = nil
	}
}
