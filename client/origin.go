package client

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/origin"
)

// noOrigin returns the error for a URL without an origin.
func noOrigin(err error) error { return fmt.Errorf("%w: the URL has no origin: %w", ErrPolicy, err) }

// originOf returns the origin of a request's URL. The error is an ErrPolicy: what has no origin is
// on no list and under no limit, and is not paid.
func originOf(u *url.URL) (origin.Origin, error) {
	o, err := origin.Of(u)
	if err != nil {
		return o, noOrigin(err)
	}
	return o, nil
}

// showOrigin returns the origin of a URL for a message, or its host if it has none.
func showOrigin(u *url.URL) string {
	o, err := origin.Of(u)
	if err != nil {
		return u.Host
	}
	return o.Text
}

// canonicalOrigins returns the limits of Config.Origins by the canonical spelling of their origins.
func canonicalOrigins(given map[string]channel.Limits) (map[string]channel.Limits, error) {
	limits := make(map[string]channel.Limits, len(given))
	for name, own := range given {
		o, err := origin.Parse(name)
		if err != nil {
			return nil, fmt.Errorf("client: Config.Origins: %w", err)
		}
		if own.Currency != (channel.Currency{}) {
			return nil, fmt.Errorf("client: Config.Origins[%q] names %s: it is for the known dollar tokens", name, own.Currency)
		}
		if own.All != (channel.Windows{}) || !own.Total.IsZero() {
			return nil, fmt.Errorf("client: Config.Origins[%q] sets All or Total, "+
				"which are for all origins together; set Origin", name)
		}
		if _, twice := limits[o]; twice {
			return nil, fmt.Errorf("client: Config.Origins has %s twice, in two spellings", o)
		}
		limits[o] = own
	}
	return limits, nil
}

// chosen reports whether the caller chose the origin of a request. http.Client follows a redirect
// with a new request that refers to the response which led to it; the first request is the caller's
// own.
func chosen(req *http.Request) bool {
	first := req
	for first.Response != nil {
		if first = first.Response.Request; first == nil {
			return false // the first request cannot be seen
		}
	}
	if first == req {
		return true
	}
	from, err := origin.Of(first.URL)
	if err != nil {
		return false
	}
	to, err := origin.Of(req.URL)
	return err == nil && from.Text == to.Text
}

// spelledOut returns a URL with an Opaque as one without: with the path and the query of what is sent.
// A host in it is not dialed.
func spelledOut(u *url.URL) *url.URL {
	path, query, ok := strings.Cut(u.Opaque, "?")
	if named, is := strings.CutPrefix(path, "//"); is {
		_, path, _ = strings.Cut(named, "/")
		path = "/" + path
	}
	out := &url.URL{Scheme: u.Scheme, Host: u.Host, Path: path, RawQuery: u.RawQuery}
	if plain, err := url.PathUnescape(path); err == nil {
		out.Path, out.RawPath = plain, path
	}
	if ok {
		out.RawQuery = strings.TrimSuffix(query+"&"+u.RawQuery, "&")
	}
	return out
}
