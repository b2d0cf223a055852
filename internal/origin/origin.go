// Package origin gives every origin one spelling: scheme://host:port, as net/http dials it.
//
// Lists, limits, pins, budgets and channels are kept by origin. If two spellings of one host were
// two origins, a denied host could be paid under its other name. So every origin is spelled by [Of]
// or [Parse] before it is compared or stored:
//
//   - The scheme is http or https, in lower case.
//   - A host name is in ASCII and lower case. Other letters are converted as net/http does (IDNA),
//     so bücher.example is xn--bcher-kva.example. The root dot is removed.
//   - An IP address is spelled as net/netip spells it. An IPv4-mapped one is the IPv4 address.
//   - The port is always written, as a decimal number without leading zeros.
//
// What cannot be spelled so is an error. The caller refuses to pay then.
package origin

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// Origin is the origin of a URL.
type Origin struct {
	// Text is the one spelling of the origin, Host the host in it, without the brackets of an IPv6
	// address.
	Text, Host string
	// Loopback reports whether the host is this machine: localhost, or a loopback address. An
	// address with a root dot is not one: net/http resolves it as a name.
	Loopback bool
}

// Of returns the origin of a URL. Its user name, path, query and fragment do not matter.
//
// It returns an error if the URL is not http or https, if its host is not a host name or an IP
// address, or if its port is not between 1 and 65535. The error shows the host, never the rest of
// the URL.
func Of(u *url.URL) (Origin, error) {
	scheme := strings.ToLower(u.Scheme)
	if scheme != "http" && scheme != "https" {
		return Origin{}, fmt.Errorf("scheme %s is not http or https", quote(u.Scheme))
	}
	name, rooted := u.Hostname(), false
	ip, err := netip.ParseAddr(name)
	switch {
	case strings.HasPrefix(u.Host, "["):
		ip, err = unmapped(ip)
		name = ip.String()
	case err == nil && ip.Is4():
		name = ip.String()
	default:
		name, rooted, err = hostName(name)
		ip, _ = netip.ParseAddr(name)
	}
	if err != nil {
		return Origin{}, fmt.Errorf("host %s %w", quote(u.Host), err)
	}
	port := "443"
	switch text := u.Port(); {
	case text != "":
		n, err := strconv.ParseUint(text, 10, 16)
		if err != nil || n == 0 {
			return Origin{}, fmt.Errorf("port %s is not between 1 and 65535", quote(text))
		}
		port = strconv.FormatUint(n, 10)
	case scheme == "http":
		port = "80"
	}
	return Origin{
		Text: scheme + "://" + net.JoinHostPort(name, port), Host: name,
		Loopback: name == "localhost" || (ip.IsLoopback() && !rooted),
	}, nil
}

// Parse returns the origin of a URL given as text, for example "https://api.example.com". A path, a
// query and a fragment are dropped.
//
// It returns an error if [Of] does, if the text has no scheme or no host, or if it has a user name:
// in "https://bank.example@evil.example" the host is not the name that a person reads first.
func Parse(text string) (string, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return "", fmt.Errorf("%s is not an origin: it is not a URL", quote(text))
	case u.Host == "":
		return "", fmt.Errorf("%s is not an origin: it has no scheme or no host", quote(text))
	case u.User != nil:
		return "", fmt.Errorf("%s is not an origin: it has a user name", quote(u.Redacted()))
	}
	o, err := Of(u)
	if err != nil {
		return "", fmt.Errorf("%s is not an origin: %w", quote(text), err)
	}
	return o.Text, nil
}

// Canonical returns the spelling of [Parse], or the text as it is if that is not an origin. It is
// for records of earlier versions, which kept other spellings.
func Canonical(text string) string {
	if o, err := Parse(text); err == nil {
		return o
	}
	return text
}

// unmapped returns the address of a host in brackets, the IPv4 address if it is mapped.
func unmapped(ip netip.Addr) (netip.Addr, error) {
	switch {
	case !ip.Is6():
		return ip, errors.New("is not an IPv6 address")
	case ip.Zone() != "":
		return ip, errors.New("has a zone, which names an interface of this machine")
	}
	return ip.Unmap(), nil
}

// hostName returns the canonical form of a host, and whether it was written with a root dot. It may
// turn out to be an IPv4 address.
func hostName(name string) (_ string, rooted bool, err error) {
	// As net/http does: a name in ASCII is dialed as it is, another one is converted.
	if strings.ContainsFunc(name, func(r rune) bool { return r >= utf8.RuneSelf }) {
		if !utf8.ValidString(name) {
			return "", false, errors.New("is not UTF-8")
		}
		if name, err = idna.Lookup.ToASCII(name); err != nil {
			return "", false, errors.New("has no ASCII form")
		}
	}
	name, rooted = strings.CutSuffix(strings.ToLower(name), ".")
	if ip, err := netip.ParseAddr(name); err == nil && ip.Is4() {
		return ip.String(), rooted, nil
	}
	return name, rooted, checkName(name)
}

// maxName and maxLabel are the limits of the DNS (RFC 1035, section 2.3.4), in bytes.
const (
	maxName  = 253
	maxLabel = 63
)

// checkName refuses what cannot be a host name. A name that ends in a number is refused too (WHATWG
// URL, section 3.5): some resolvers read it as an IPv4 address in an old spelling, such as 127.1 or
// 0x7f000001.
func checkName(name string) error {
	if len(name) > maxName {
		return fmt.Errorf("is longer than %d bytes", maxName)
	}
	last := ""
	for label := range strings.SplitSeq(name, ".") {
		switch {
		case label == "":
			return errors.New("has an empty part")
		case len(label) > maxLabel:
			return fmt.Errorf("has a part of more than %d bytes", maxLabel)
		case strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "":
			return errors.New("has characters that no host name has")
		}
		last = label
	}
	if numeric(last) {
		return errors.New("ends in a number and is not an IP address")
	}
	return nil
}

// numeric reports whether a label is a number, decimal or hexadecimal.
func numeric(label string) bool {
	if hex, ok := strings.CutPrefix(label, "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return strings.Trim(label, "0123456789") == ""
}

// maxQuoted is how many bytes of a foreign text an error shows.
const maxQuoted = 80

// quote shows a text in an error, cut to a length that a person reads, without a query: that may
// hold a secret.
func quote(text string) string {
	text, _, _ = strings.Cut(text, "?")
	if len(text) > maxQuoted {
		text = text[:maxQuoted] + "…"
	}
	return strconv.Quote(text)
}
