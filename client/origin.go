package client

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/seed-5fe1f529/tallystick/voucher"
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

// ParseOrigin reads an origin, scheme://host or scheme://host:port, and writes it as proposals, events and Config.Origins have
// it: in lower case and always with its port. What comes after the port is dropped.
func ParseOrigin(s string) (string, error) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return "", fmt.Errorf("client: %q is not an origin: write https://host or https://host:port", s)
	}
	return originOf(u), nil
}

// foreignRealm reports whether a realm names a host that is neither the one that was asked nor a domain above it. A realm that
// is no host name is a title; nothing can be said of it.
func foreignRealm(realm string, asked *url.URL) bool {
	name := strings.ToLower(realm)
	if u, err := url.Parse(name); err == nil && u.Host != "" {
		name = u.Host
	}
	if host, _, err := net.SplitHostPort(name); err == nil {
		name = host
	}
	if !strings.Contains(name, ".") || strings.ContainsAny(name, " /") {
		return false
	}
	host := strings.ToLower(asked.Hostname())
	return host != name && !strings.HasSuffix(host, "."+name)
}

// chosen reports whether the caller asked this origin. http.Client follows a redirect with a new request that knows
// the answer which led to it; the first of them is the caller's own.
func chosen(req *http.Request) bool {
	first := req
	for first.Response != nil {
		if first = first.Response.Request; first == nil {
			return false // who asked cannot be seen
		}
	}
	return first == req || originOf(first.URL) == originOf(req.URL)
}

// tolls is what the redirects that led to req have cost already. All of it is one request of the caller's, for which
// Limits.Price speaks: a server that charges and redirects to itself does not get the price ten times.
func tolls(req *http.Request) (sum voucher.Amount) {
	for resp := req.Response; resp != nil; resp = resp.Request.Response {
		p := PaymentOf(resp)
		if p == nil {
			break
		}
		if p.Outcome == AcceptedNoContent {
			sum = sum.AddCapped(p.Price)
		}
	}
	return sum
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
