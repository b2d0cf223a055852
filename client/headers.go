package client

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

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

// maxCookies bounds how many cookies of answers before the last one are kept.
const maxCookies = 64

// keepCookies puts cookies that came earlier before those of the response, which replace them in a
// jar.
func keepCookies(resp *http.Response, earlier []string) {
	if resp.Header == nil {
		resp.Header = http.Header{}
	}
	earlier = earlier[:min(len(earlier), maxCookies)]
	resp.Header["Set-Cookie"] = slices.Concat(earlier, resp.Header["Set-Cookie"])
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
