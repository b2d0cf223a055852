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
)

// answered reads an answer to a sending without a credential.
func (a *attempt) answered(ctx context.Context) purchase.Event {
	e := purchase.Event{Kind: purchase.Answered, Status: a.resp.StatusCode}
	if e.Status != http.StatusPaymentRequired {
		return e
	}
	readEarly(a.resp)
	r := a.s.recognize(ctx, a.out.req, a.origin, a.resp.Header)
	e.Others, e.Err = r.others, r.err
	if r.found == nil {
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
	a.challenge = r.found
	e.Offered, e.Offer = true, r.found.wants
	a.s.tell(ctx, Event{Kind: EventChallenge, Origin: a.origin.Text, Price: e.Offer.Price})
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
	r := a.readReceipt(ctx)
	if e.Receipt = r != nil; e.Receipt {
		e.Charged = r.Session && !r.Spent.IsZero()
	}
	if a.decision.Carrying {
		get := a.out.req.Method == "" || a.out.req.Method == http.MethodGet
		e.Resendable = (a.out.body == nil || a.out.body.repeatable()) && (get || (r != nil && r.Session))
	}
	return e
}

// young is how long after its opening a channel may be unknown to its payee, who learns of it from
// another request.
const young = 10 * time.Second

// refused reads a 402 or 410 to a credential.
func (a *attempt) refused(ctx context.Context, e *purchase.Event) {
	problem := problemOf(a.resp, readEarly(a.resp))
	a.info.Problem = problem.Name()
	e.Problem = classOf(problem.Code)
	e.Gone = e.Status == http.StatusGone || problem.Code.Gone()
	e.Finalized = problem.Code == wire.ProblemChannelFinalized
	r := a.s.recognize(ctx, a.out.req, a.origin, a.resp.Header)
	e.Others, e.Err = r.others, r.err
	state := a.account.State()
	e.Higher, e.Shared = a.signed.Cumulative.Less(state.Signed), a.account.Shared()
	e.Young = state.Accepted.IsZero() && time.Since(state.CreatedAt) < young
	a.s.challenges.drop(a.route, a.challenge)
	if e.Gone || r.found == nil {
		return
	}
	e.Offered, e.Offer = true, r.found.wants
	e.Fresh = r.found.wire.ID != a.challenge.wire.ID
	same := rule.SameTerms(r.found.offer, a.challenge.offer)
	a.challenge = r.found
	switch snap := r.found.offer.Snapshot; {
	case !same || snap == nil || snap.ChannelID != a.account.ID():
	case a.decision.Carrying:
		e.Acknowledged = snap.Report.Accepted == a.signed.Cumulative
	default:
		e.Proved = a.absorb(ctx, r.found.offer)
	}
}

// classOf returns the class of a problem as the decision knows it.
func classOf(c wire.ProblemCode) purchase.Problem {
	switch {
	case c == wire.ProblemNone:
		return purchase.NoProblem
	case c == wire.ProblemInsufficientBalance:
		return purchase.Insufficient
	case c.TooLow():
		return purchase.TooLow
	case c == wire.ProblemAmountExceedsDeposit:
		return purchase.BeyondDeposit
	case c == wire.ProblemVerificationFailed:
		return purchase.Unverified
	case c.Stale():
		return purchase.Stale
	default:
		return purchase.OtherProblem
	}
}

// readReceipt reads the receipt of the answer to our credential. It returns nil if there is none for
// this challenge and this channel.
func (a *attempt) readReceipt(ctx context.Context) *receipt.Receipt {
	a.receipt = nil
	text := a.resp.Header.Get(wire.HeaderPaymentReceipt)
	if text == "" {
		return nil
	}
	r, err := receipt.Parse(text)
	if err == nil {
		err = a.bound(r)
	}
	if err != nil {
		a.reportViolation(ctx, err)
		return nil
	}
	a.info.mu.Lock()
	a.info.receipt, a.receipt = &r, &r
	a.info.mu.Unlock()
	return &r
}

// bound checks that a receipt answers this request's challenge on this request's channel.
func (a *attempt) bound(r receipt.Receipt) error {
	switch {
	case !r.Session:
		return nil // an acknowledgement without numbers
	case r.ChannelID != a.account.ID():
		return fmt.Errorf("%w: a receipt for channel %s on an answer for channel %s", channel.ErrServerReport, r.ChannelID, a.account.ID())
	case r.ChallengeID != a.challenge.wire.ID:
		return fmt.Errorf("%w: a receipt for another challenge", channel.ErrServerReport)
	}
	return nil
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
	go b.readAhead()
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

// readAhead reads the beginning of the body.
func (b *earlyBody) readAhead() {
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

// problemOf returns the problem details of a refusal whose body is text.
func problemOf(resp *http.Response, text []byte) wire.Problem {
	kind := resp.Header.Get("Content-Type")
	if !strings.HasPrefix(strings.ToLower(kind), "application/problem+json") {
		return wire.Problem{}
	}
	problem, _ := wire.ParseProblem(kind, text)
	return problem
}

// discard reads the rest of a small body, so that its connection can be used again, and closes it. A
// body that was waited for before is only closed.
func discard(resp *http.Response) {
	if b, ok := resp.Body.(*earlyBody); !ok || !b.late {
		stop := time.AfterFunc(refusalWait, func() { _ = resp.Body.Close() })
		_, _ = io.CopyN(io.Discard, resp.Body, maxRefusal)
		stop.Stop()
	}
	_ = resp.Body.Close()
}
