package client

import (
	"context"
	"net/http"
	"strings"

	"github.com/seed-5fe1f529/tallystick/internal/origin"
)

type headerKey struct{}

// originHeader is what [WithHeader] gave for one origin.
type originHeader struct {
	origin string
	err    error // why it is none
	header http.Header
}

// WithHeader returns a context with headers for an origin, which is written as for [channel.ParseOrigin]: the
// key of a gateway, for example. [Channels.Close], [Channels.TopUp], [Channels.RecoverFromPayee] and
// [Session.Close] send them to that origin and to no other. Headers that describe one message, such as
// Content-Type and Range, are left out, and so is Authorization if the credential goes there. They are
// never stored or logged. If contexts within each other name the same header for an origin, the inner
// one counts. If rawurl has no origin, those calls fail with [ErrPolicy].
//
// Other requests do not need it: the vouchers and top-ups of a request carry its headers.
func WithHeader(ctx context.Context, rawurl string, h http.Header) context.Context {
	outer, _ := ctx.Value(headerKey{}).([]originHeader)
	o, err := origin.Parse(rawurl)
	if err != nil {
		err = noOrigin(err)
	}
	return context.WithValue(ctx, headerKey{}, append(outer[:len(outer):len(outer)], originHeader{o, err, h.Clone()}))
}

// givenHeader sets the headers that the context has for the origin of a request. A Host among them is
// the request's.
func givenHeader(ctx context.Context, req *http.Request, to string) error {
	all, _ := ctx.Value(headerKey{}).([]originHeader)
	for _, given := range all {
		if given.err != nil {
			return given.err
		}
		if given.origin != to {
			continue
		}
		for name, values := range managementHeader(given.header) {
			req.Header[name] = values
		}
		for name, values := range given.header {
			if strings.EqualFold(name, "Host") && len(values) > 0 {
				req.Host = values[0]
			}
		}
	}
	return nil
}
