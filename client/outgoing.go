package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/internal/wire"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// outgoing is the caller's request in a form that can be sent several times. The caller's own
// value is never changed.
type outgoing struct {
	req  *http.Request
	at   *url.URL // its URL, without an Opaque
	base http.RoundTripper
	body *replay // nil without a body
	// key is the Idempotency-Key of every paid sending of this request, and names it in the journal:
	// the caller's own, or a new one. It is set when the gate is asked first.
	key string
	// wrote is called when the headers of a paid sending were written.
	wrote func()
}

// fork takes the request over, body included. summed is for the digest of the body.
func fork(req *http.Request, base http.RoundTripper, spool int64, summed bool) *outgoing {
	o := &outgoing{req: req, at: req.URL, base: base}
	if req.URL.Opaque != "" {
		o.at = spelledOut(req.URL)
	}
	if req.Body != nil && req.Body != http.NoBody {
		o.body = &replay{src: req.Body, getBody: req.GetBody, length: req.ContentLength}
		o.body.fresh, o.body.most, o.body.summed = true, max(spool, 0), summed
	}
	return o
}

// errNoResponse is returned for a round tripper that returns neither a response nor an error.
var errNoResponse = errors.New("client: the round tripper returned no response and no error")

// header is one header line to set.
type header struct{ name, value string }

// send sends the request once more. credential is the header that pays for it, with an empty value
// if nothing does; hint is the channel to name on an unpaid sending. The response has a body. got
// is how far a paid sending got that failed; it is sent again here if that cannot pay it twice.
func (o *outgoing) send(
	ctx context.Context, credential header, hint string, v1Stream bool,
) (resp *http.Response, got reach, err error) {
	for try := 1; ; try++ {
		var p progress
		out, err := o.build(ctx, credential, hint, v1Stream, &p)
		if err != nil {
			return nil, got, err
		}
		resp, err = o.base.RoundTrip(out)
		switch {
		case err != nil:
		case resp == nil:
			err = errNoResponse
		case resp.Body == nil:
			resp.Body = http.NoBody
		}
		if err == nil || credential.value == "" {
			return resp, arrived, err
		}
		now, again, err := p.reached(err, ctx.Err() != nil || canceled(o.req), try)
		got = max(got, now)
		if !again || (o.body != nil && !o.body.repeatable()) ||
			(now == refused && pause(ctx, refusedPause+try) != nil) {
			return nil, got, err
		}
	}
}

// canceled reports whether the Cancel of a request was closed. [http.Client] closes it at its
// Timeout, and that may be before the context ends.
func canceled(req *http.Request) bool {
	select {
	case <-req.Cancel: //nolint:staticcheck // see above
		return true
	default:
		return false
	}
}

// look sends the request unpaid and returns what its answer says without its body.
func (o *outgoing) look(ctx context.Context, hint string) (status int, h http.Header, err error) {
	resp, _, err := o.send(ctx, header{}, hint, false)
	if err != nil {
		return 0, nil, unwrapURL(err)
	}
	discard(resp)
	return resp.StatusCode, resp.Header, nil
}

// build returns the request as it is sent: as the caller made it, with the headers that [Transport]
// lists.
func (o *outgoing) build(
	ctx context.Context, credential header, hint string, v1Stream bool, p *progress,
) (*http.Request, error) {
	paid := credential.value != ""
	if paid {
		ctx = p.trace(ctx, o.wrote)
	}
	out := o.req.WithContext(ctx)
	if out.Header = o.req.Header.Clone(); out.Header == nil {
		out.Header = http.Header{}
	}
	out.Body = nil
	if o.body != nil {
		var err error
		if out.Body, err = o.body.next(ctx); err != nil {
			return nil, fmt.Errorf("client: the request body for another sending: %w", err)
		}
	}
	if _, ok := valuesOf(out.Header, wire.HeaderAcceptPayment); !ok {
		out.Header[wire.HeaderAcceptPayment] = acceptSession
	}
	if !paid {
		if _, ok := valuesOf(out.Header, wire.HeaderPaymentSession); !ok && hint != "" {
			out.Header[wire.HeaderPaymentSession] = []string{hint}
		}
		return out, nil
	}
	out.GetBody = nil // the body is made again here
	if accept, ok := valuesOf(out.Header, "Accept-Encoding"); ok {
		replace(out.Header, "Accept-Encoding", readable(accept)...)
	}
	if v1Stream {
		replace(out.Header, "Accept", "*/*")
	}
	replace(out.Header, "Idempotency-Key", o.key)
	replace(out.Header, credential.name, credential.value)
	return out, nil
}

var acceptSession = []string{"tempo/session"}

// wireDescriptor returns the descriptor as credentials carry it: on v2 only.
func wireDescriptor(s rule.State) *wire.Descriptor {
	if s.Protocol != voucher.V2 {
		return nil
	}
	d := wire.Descriptor(s.Descriptor)
	return &d
}

// credential answers the challenge with the voucher, and with the opening transaction if it is
// carried: also if the chain shows it already, since the payee may know of it from us only.
func (a *attempt) credential() (string, error) {
	state := a.account.State()
	d := wireDescriptor(state)
	if !a.decision.Carrying {
		return a.challenge.echo.Payload(wire.Voucher(state.ID, d, a.signed.Cumulative, a.signed.Signature))
	}
	return a.challenge.echo.Payload(wire.Open(state.ID, d, a.carried, a.signed.Cumulative, a.signed.Signature, state.Descriptor.AuthorizedSigner))
}

// valuesOf returns the values of a header, however the caller spelled its name as a key of the
// map: in HTTP the name is the same in any case (RFC 9110, 5.1). ok reports whether it is there.
func valuesOf(h http.Header, name string) (values []string, ok bool) {
	if values, ok = h[name]; ok {
		return values, true
	}
	for key, v := range h {
		if strings.EqualFold(key, name) {
			values, ok = append(values, v...), true
		}
	}
	return values, ok
}

// replace sets a header in the place of all spellings of its name.
func replace(h http.Header, name string, values ...string) {
	name = http.CanonicalHeaderKey(name)
	for key := range h {
		if key != name && strings.EqualFold(key, name) {
			delete(h, key)
		}
	}
	h[name] = values
}

// readable narrows an Accept-Encoding of the caller's to the codings that payment frames can be
// read through, with the weights that the caller gave them (RFC 9110, 12.5.3). It returns what is
// narrow enough as it is. Where the caller accepts anything it leaves gzip, and where it would
// leave nothing, identity.
func readable(accept []string) []string {
	var kept []string
	all := strings.ToLower(strings.Join(accept, ","))
	narrow, named := true, strings.Contains(all, "gzip")
	for member := range strings.SplitSeq(all, ",") {
		member = strings.Trim(member, " \t")
		coding, weight, _ := strings.Cut(member, ";")
		switch coding = strings.TrimRight(coding, " \t"); {
		case coding == "gzip", coding == "x-gzip", coding == "identity",
			coding == "*" && refusedWeight(weight):
			kept = append(kept, member)
			continue
		case coding == "*" && !named:
			kept = append(kept, strings.TrimSuffix("gzip;"+weight, ";"))
		}
		narrow = false
	}
	switch {
	case len(kept) == 0:
		return []string{"identity"}
	case narrow:
		return accept
	}
	return []string{strings.Join(kept, ", ")}
}

// refusedWeight reports whether the parameters of a coding refuse it.
func refusedWeight(params string) bool {
	name, value, _ := strings.Cut(strings.Trim(params, " \t"), "=")
	q, err := strconv.ParseFloat(value, 64)
	return strings.EqualFold(name, "q") && err == nil && q == 0
}

// wantsStream reports whether the caller asks for Server-Sent Events.
func wantsStream(h http.Header) bool {
	accept, _ := valuesOf(h, "Accept")
	return strings.Contains(strings.ToLower(strings.Join(accept, ",")), "text/event-stream")
}
