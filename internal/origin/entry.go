package origin

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// Entry is one entry of a list of hosts: an origin, or a host without a scheme, with or without a
// port.
type Entry struct {
	scheme, host, port string // scheme and port are empty for any
}

// ParseEntry reads an entry of a list: an origin as [Parse] reads it, or a host ("api.example.com",
// "192.0.2.1", "[2001:db8::1]") with or without a port. A host covers itself only, not the names
// below it.
func ParseEntry(text string) (Entry, error) {
	if strings.Contains(text, "://") {
		o, err := Parse(text)
		if err != nil {
			return Entry{}, err
		}
		return split(o), nil
	}
	if ip, err := netip.ParseAddr(text); err == nil && ip.Is6() {
		text = "[" + text + "]"
	}
	u, err := url.Parse("http://" + text)
	if err != nil || u.Host != text || strings.HasSuffix(text, ":") {
		return Entry{}, fmt.Errorf("%s is not a host", quote(text))
	}
	o, err := Of(u)
	if err != nil {
		return Entry{}, fmt.Errorf("%s is not a host: %w", quote(text), err)
	}
	e := split(o.Text)
	e.scheme = ""
	if u.Port() == "" {
		e.port = ""
	}
	return e, nil
}

// split takes a canonical origin apart.
func split(o string) Entry {
	scheme, rest, _ := strings.Cut(o, "://")
	name, port, _ := net.SplitHostPort(rest)
	return Entry{scheme, name, port}
}

// Covers reports whether the entry covers an origin spelled as [Parse] spells it. A missing scheme
// covers both schemes, and a missing port every port.
func (e Entry) Covers(canonical string) bool {
	o := split(canonical)
	return e.host == o.host && (e.scheme == "" || e.scheme == o.scheme) && (e.port == "" ||
		e.port == o.port)
}

// Narrowest returns the entry with https in place of a missing scheme, and then 443 in place of a
// missing port.
func (e Entry) Narrowest() Entry {
	if e.scheme == "" {
		e.scheme = "https"
	}
	if e.port == "" {
		e.port = "443"
	}
	return e
}

// String returns the entry as [ParseEntry] reads it.
func (e Entry) String() string {
	text := e.host
	switch {
	case e.port != "":
		text = net.JoinHostPort(e.host, e.port)
	case strings.Contains(e.host, ":"):
		text = "[" + e.host + "]"
	}
	if e.scheme != "" {
		text = e.scheme + "://" + text
	}
	return text
}
