package origin

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// Host returns the host of a URL as [Of] spells it, an IPv6 address without brackets.
func Host(u *url.URL) (string, error) {
	name, _, err := host(u)
	return name, err
}

// Loopback reports whether the host of a URL is this machine: localhost, or a loopback address. An address with a
// root dot is not one: net/http resolves it as a name.
func Loopback(u *url.URL) bool {
	name, rooted, err := host(u)
	if err != nil {
		return false
	}
	if name == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(name)
	return err == nil && ip.IsLoopback() && !rooted
}

// host returns the canonical host of a URL, and whether it was written with a root dot.
func host(u *url.URL) (name string, rooted bool, err error) {
	name = u.Hostname()
	if strings.HasPrefix(u.Host, "[") {
		ip, err := netip.ParseAddr(name)
		if err != nil || !ip.Is6() {
			return "", false, fmt.Errorf("host %s is not an IPv6 address", quote(u.Host))
		}
		if ip.Zone() != "" {
			return "", false, fmt.Errorf("host %s has a zone, which names an interface of this machine", quote(u.Host))
		}
		return ip.Unmap().String(), false, nil
	}
	// As net/http does: a name in ASCII is dialed as it is, another one is converted.
	if !ascii(name) {
		if !utf8.ValidString(name) {
			return "", false, fmt.Errorf("host %s is not UTF-8", quote(u.Host))
		}
		if name, err = idna.Lookup.ToASCII(name); err != nil {
			return "", false, fmt.Errorf("host %s has no ASCII form", quote(u.Host))
		}
	}
	name, rooted = strings.CutSuffix(strings.ToLower(name), ".")
	if ip, err := netip.ParseAddr(name); err == nil && ip.Is4() {
		return ip.String(), rooted, nil
	}
	if err := checkName(name); err != nil {
		return "", false, fmt.Errorf("host %s %w", quote(u.Host), err)
	}
	return name, rooted, nil
}

// maxName and maxLabel are the limits of the DNS (RFC 1035, section 2.3.4), in bytes.
const (
	maxName  = 253
	maxLabel = 63
)

// checkName refuses what cannot be a host name. A name that ends in a number is refused too (WHATWG URL, section
// 3.5): some resolvers read it as an IPv4 address in an old spelling, such as 127.1 or 0x7f000001.
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

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
