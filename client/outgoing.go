package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"

	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/internal/wire"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// outgoing is the caller's request in a form that can be sent several times. The caller's own value is
// never changed.
type outgoing struct {
	req  *http.Request
	base http.RoundTripper
	body *replay // nil without a body
	// key is the Idempotency-Key of every paid sending of this request, and names it in the journal: the
	// caller's own, or a new one. It is set when the gate is asked first.
	key string
}

// fork takes the request over, body included.
func fork(req *http.Request, base http.RoundTripper, spool int64) *outgoing {
	o := &outgoing{req: req, base: base}
	if req.Body != nil && req.Body != http.NoBody {
		o.body = &replay{src: req.Body, fresh: true, getBody: req.GetBody, length: req.ContentLength, most: max(spool, 0)}
	}
	return o
}

// errNoResponse is returned for a round tripper that returns neither a response nor an error.
var errNoResponse = errors.New("client: the round tripper returned no response and no error")

// header is one header line to set.
type header struct{ name, value string }

// progress is how far the sending of a paid request got, as the round tripper reports it.
type progress struct{ traced, connected, written atomic.Bool }

// send sends the request once more. credential is the header that pays for it, with an empty value if
// nothing does; hint is the channel to name on an unpaid sending. wrote reports whether the request may
// have reached the server.
func (o *outgoing) send(ctx context.Context, credential header, hint string, v1Stream bool) (resp *http.Response, wrote bool, err error) {
	paid := credential.value != ""
	for try := 0; ; try++ {
		var p progress
		out, err := o.build(ctx, credential, hint, v1Stream, &p)
		if err != nil {
			return nil, false, err
		}
		resp, err = o.roundTrip(out)
		// A kept-alive connection that turned out dead before a header was written is nobody's answer.
		// The standard transport would try again by itself; build prevents that, so it is done here,
		// once. A round tripper that does not trace may have written all of it.
		wrote = !paid || !p.traced.Load() || p.written.Load()
		if ctx.Err() != nil && p.connected.Load() {
			wrote = true // HTTP/2 reports headers after it wrote them, and a canceled request does not wait
		}
		if err != nil && !wrote && try == 0 && ctx.Err() == nil && (o.body == nil || o.body.repeatable()) {
			continue
		}
		return resp, wrote, err
	}
}

// roundTrip returns a response that has a body, or an error.
func (o *outgoing) roundTrip(req *http.Request) (*http.Response, error) {
	resp, err := o.base.RoundTrip(req)
	switch {
	case err != nil:
	case resp == nil:
		err = errNoResponse
	case resp.Body == nil:
		resp.Body = http.NoBody
	}
	return resp, err
}

// look sends the request unpaid and returns what its answer says without its body.
func (o *outgoing) look(ctx context.Context, hint string) (status int, h http.Header, err error) {
	resp, _, err := o.send(ctx, header{}, hint, false)
	if err != nil {
		return 0, nil, err
	}
	discard(resp)
	return resp.StatusCode, resp.Header, nil
}

func (o *outgoing) build(ctx context.Context, credential header, hint string, v1Stream bool, p *progress) (*http.Request, error) {
	paid := credential.value != ""
	if paid {
		ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
			GetConn:      func(string) { p.traced.Store(true) },
			GotConn:      func(httptrace.GotConnInfo) { p.connected.Store(true) },
			WroteHeaders: func() { p.written.Store(true) },
		})
	}
	out := o.req.WithContext(ctx)
	if out.Header = o.req.Header.Clone(); out.Header == nil {
		out.Header = http.Header{}
	}
	out.Body = nil
	if o.body != nil {
		var err error
		if out.Body, out.ContentLength, err = o.body.next(); err != nil {
			return nil, fmt.Errorf("client: the request body for another sending: %w", err)
		}
	}
	if out.GetBody = nil; !paid {
		out.GetBody = o.req.GetBody
	}
	if _, ok := out.Header[wire.HeaderAcceptPayment]; !ok {
		out.Header[wire.HeaderAcceptPayment] = acceptSession
	}
	if !paid {
		if _, ok := out.Header[wire.HeaderPaymentSession]; !ok && hint != "" {
			out.Header[wire.HeaderPaymentSession] = []string{hint}
		}
		return out, nil
	}
	if accept, ok := out.Header["Accept-Encoding"]; ok {
		out.Header["Accept-Encoding"] = readable(accept)
	}
	if v1Stream {
		out.Header["Accept"] = []string{"*/*"}
	}
	// net/http must not send a paid request twice by itself. If a reused connection dies, it repeats
	// GET, HEAD, OPTIONS and TRACE without a body, and any request without a body that has an
	// Idempotency-Key: the price would be charged twice. A body that is not nil and empty, and a key that
	// is not spelled canonically (header names are case-insensitive, RFC 9110, 5.1), are the same on the
	// wire and look unrepeatable to it.
	delete(out.Header, "Idempotency-Key")
	out.Header["idempotency-key"] = []string{o.key}
	if own, ok := out.Header["X-Idempotency-Key"]; ok {
		delete(out.Header, "X-Idempotency-Key")
		out.Header["x-idempotency-key"] = own
	}
	if out.Body == nil {
		switch out.Method {
		case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
			out.Body = io.NopCloser(strings.NewReader(""))
		}
	}
	out.Header[http.CanonicalHeaderKey(credential.name)] = []string{credential.value}
	return out, nil
}

var acceptSession = []string{"tempo/session"}

// readable narrows an Accept-Encoding of the caller's to what payment frames can be read through.
func readable(accept []string) []string {
	for _, line := range accept {
		if strings.Contains(strings.ToLower(line), "gzip") {
			return []string{"gzip"}
		}
	}
	return []string{"identity"}
}

// wantsStream reports whether the caller asks for Server-Sent Events.
func wantsStream(h http.Header) bool {
	return strings.Contains(strings.ToLower(h.Get("Accept")), "text/event-stream")
}

// wireDescriptor returns the descriptor as credentials carry it: on v2 only.
func wireDescriptor(s rule.State) *wire.Descriptor {
	if s.Protocol != voucher.V2 {
		return nil
	}
	d := wire.Descriptor(s.Descriptor)
	return &d
}

// credential answers the challenge with the voucher, and with the opening transaction if it is carried.
func (a *attempt) credential() (string, error) {
	state, id := a.account.State(), a.account.ID()
	d := wireDescriptor(state)
	if !a.decision.Carrying {
		return a.challenge.echo.Payload(wire.Voucher(id, d, a.signed.Cumulative, a.signed.Signature))
	}
	return a.challenge.echo.Payload(wire.Open(id, d, state.Opening.Raw, a.signed.Cumulative, a.signed.Signature, state.Descriptor.AuthorizedSigner))
}
