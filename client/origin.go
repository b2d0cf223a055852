package client

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// originOf is scheme://host:port in lower case, the port always written: the unit of trust.
func originOf(u *url.URL) string {
	scheme := strings.ToLower(u.Scheme)
	port := u.Port()
	if port == "" {
		port = "443"
		if scheme == "http" {
			port = "80"
		}
	}
	return scheme + "://" + net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}

func parseOrigin(s string) (string, error) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return "", fmt.Errorf("client: %q is not an origin: write https://host or https://host:port", s)
	}
	return originOf(u), nil
}

// secure reports whether a credential may be sent to u: over TLS, or to this machine.
func secure(u *url.URL) bool {
	if u.Scheme == "https" {
		return true
	}
	host := strings.ToLower(u.Hostname())
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}
