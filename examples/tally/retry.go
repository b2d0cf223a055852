package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/store/journal"
)

// send sends the request, and again as --retry says. All tries have one Idempotency-Key, so they are one purchase: its
// price is authorized once.
func (f *fetch) send(ctx context.Context, req *http.Request) (*http.Response, error) {
	c, err := f.client(req)
	if err != nil {
		return nil, err
	}
	for {
		f.known.tries++
		resp, err := c.Do(req)
		if f.known.tries > f.retries || !transient(ctx, resp, err) {
			return resp, err
		}
		wait := f.pause(resp)
		why := "no answer"
		if resp != nil {
			why = resp.Status
			_ = resp.Body.Close()
		}
		if !f.quiet {
			fmt.Fprintf(f.stderr, "tally: %s; try %d of %d in %s\n", why, f.known.tries+1, f.retries+1, wait)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil, stopped(ctx)
		}
		if req, err = f.copyOf(req); err != nil {
			return nil, err
		}
	}
}

// copyOf returns the request to be sent again.
func (f *fetch) copyOf(req *http.Request) (*http.Request, error) {
	again := req.Clone(req.Context())
	if req.GetBody == nil {
		return again, nil
	}
	var err error
	if again.Body, err = req.GetBody(); err != nil {
		return nil, fail(exitRead, err)
	}
	return again, nil
}

// transient reports whether the same request may go better: what curl takes for it, and a payment that may be made
// again or whose outcome is unknown.
func transient(ctx context.Context, resp *http.Response, err error) bool {
	var e *client.Error
	var timeout net.Error
	switch {
	case ctx.Err() != nil:
		return false
	case err == nil:
		return slices.Contains([]int{408, 429, 500, 502, 503, 504}, resp.StatusCode)
	case errors.As(err, &e):
		return e.Retryable() || e.Outcome == client.OutcomeUnknown
	}
	return errors.As(err, &timeout) && timeout.Timeout()
}

// lastPayment is the last line about a payment that left, or the zero one: of an earlier try, or before a redirect.
func (f *fetch) lastPayment() journal.Entry {
	for _, e := range slices.Backward(f.wallet.lines.list()) {
		left := e.Accepted() || client.Outcome(e.Outcome) == client.OutcomeUnknown ||
			client.Outcome(e.Outcome) == client.OutcomeRejected
		if left && (e.Kind == journal.KindPay || e.Kind == journal.KindStream) {
			return e
		}
	}
	return journal.Entry{}
}

// unknown reports whether it is not known what became of the last payment that left.
func (f *fetch) unknown() bool {
	return client.Outcome(f.lastPayment().Outcome) == client.OutcomeUnknown
}

// afterPayment returns an error of the transfer with what became of a payment that left before it: that a further try
// or a redirect fails hides neither that there was one nor that its outcome is not known.
func (f *fetch) afterPayment(ctx context.Context, err error) error {
	var e *client.Error
	paid := f.lastPayment()
	if paid.Kind == "" || errors.As(err, &e) {
		return err
	}
	f.noteChannel(ctx, paid.ChannelID)
	code, outcome, say := status(err), client.Outcome(paid.Outcome), speaker{f.currency}
	ended := code == exitInterrupted || code == exitTimeout && outcome != client.OutcomeUnknown
	if !ended {
		code = cmp.Or(ends[outcome], exitNoContent)
	}
	m := say.payment(&client.Error{
		Op: "pay", Origin: paid.Origin, ChannelID: paid.ChannelID, Outcome: outcome, Price: paid.Price, Err: err,
	})
	m.what, m.money = say.plain(err), "a payment left before: "+m.money
	return fail(code, m)
}

// mostPause bounds the time between two tries.
const mostPause = 10 * time.Minute

// pause is how long to wait before the next try.
func (f *fetch) pause(resp *http.Response) time.Duration {
	if f.retryDelay > 0 {
		return min(time.Duration(f.retryDelay), mostPause)
	}
	if resp != nil {
		text := resp.Header.Get("Retry-After")
		if n, err := strconv.Atoi(text); err == nil && n > 0 {
			return min(time.Duration(n), mostPause/time.Second) * time.Second
		}
		if at, err := http.ParseTime(text); err == nil {
			return min(max(time.Until(at), 0), mostPause)
		}
	}
	return min(time.Second<<min(f.known.tries-1, 20), mostPause)
}
