package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/internal/origin"
)

// connection is how a server is reached.
type connection struct {
	insecure   bool
	proxy      string
	resolve    []string
	unixSocket string
	timeout    seconds
	proxySet   bool
	to         map[string][]string // of --resolve, by host:port
	away       bool                // --resolve names an address of another machine
}

func (c *connection) flags(f *pflag.FlagSet) {
	f.Var(&c.timeout, "connect-timeout", "give up a connection that takes this many `SECONDS` (default 30)")
	f.VarP(proxyFlag{c}, "proxy", "x",
		"go through the proxy `URL`: http, https, socks5 or socks5h; empty: none, whatever the environment says")
	f.StringArrayVar(&c.resolve, "resolve", nil, "connect to an address in place of a name: `HOST:PORT:ADDRESS`")
	f.StringVar(&c.unixSocket, "unix-socket", "", "connect through the Unix domain socket `FILE`")
	f.BoolVarP(&c.insecure, "insecure", "k", false,
		"do not check certificates; then nothing is paid, but to this machine: anybody could be the payee")
}

// proxyFlag notes that it was set: an empty one is none.
type proxyFlag struct{ *connection }

// Set implements pflag.Value.
func (p proxyFlag) Set(text string) error {
	p.proxy, p.proxySet = text, true
	return nil
}

// String implements pflag.Value. A URL of a proxy may have a password.
func (proxyFlag) String() string { return "" }

// Type implements pflag.Value.
func (proxyFlag) Type() string { return "URL" }

// apply sets how a transport connects.
func (c *connection) apply(t *http.Transport) error {
	dialer := &net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}
	if c.timeout > 0 {
		dialer.Timeout = time.Duration(c.timeout)
		t.TLSHandshakeTimeout = time.Duration(c.timeout)
	}
	if c.proxySet {
		if err := c.useProxy(t); err != nil {
			return err
		}
	}
	if c.insecure {
		t.TLSClientConfig = &tls.Config{InsecureSkipVerify: true} //nolint:gosec // --insecure; see policy
	}
	if err := c.readResolve(); err != nil {
		return err
	}
	t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if c.unixSocket != "" {
			return dialer.DialContext(ctx, "unix", c.unixSocket)
		}
		all := c.to[strings.ToLower(address)]
		if all == nil {
			return dialer.DialContext(ctx, network, address)
		}
		var errs []error
		for _, one := range all {
			conn, err := dialer.DialContext(ctx, network, one)
			if err == nil {
				return conn, nil
			}
			errs = append(errs, err)
		}
		return nil, errors.Join(errs...)
	}
	if c.unixSocket != "" {
		t.Proxy = nil
	}
	return nil
}

// useProxy sets the proxy, or none.
func (c *connection) useProxy(t *http.Transport) error {
	if c.proxy == "" {
		t.Proxy = nil
		return nil
	}
	text := c.proxy
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return fail(exitUsage, errors.New("--proxy: it is not a URL: write http://host:port")) // it may have a password
	}
	switch u.Scheme {
	case "http", "https", "socks5", "socks5h":
	default:
		return fail(exitUsage, fmt.Errorf("--proxy: the scheme %q is not supported", u.Scheme))
	}
	if u.Port() == "" {
		u.Host = net.JoinHostPort(u.Hostname(), "1080") // curl's
	}
	t.Proxy = http.ProxyURL(u)
	return nil
}

// readResolve reads the values of --resolve.
func (c *connection) readResolve() error {
	c.to = map[string][]string{}
	for _, text := range c.resolve {
		host, rest, _ := strings.Cut(strings.TrimPrefix(text, "+"), ":")
		port, addresses, ok := strings.Cut(rest, ":")
		if !ok || host == "" {
			return fail(exitUsage, fmt.Errorf("--resolve: %q is not HOST:PORT:ADDRESS", text))
		}
		key := strings.ToLower(net.JoinHostPort(host, port))
		c.to[key] = nil
		for _, one := range strings.Split(addresses, ",") {
			address, err := netip.ParseAddr(strings.Trim(one, "[]"))
			if err != nil {
				return fail(exitUsage, fmt.Errorf("--resolve: %q is not an address", one))
			}
			c.away = c.away || !address.IsLoopback()
			c.to[key] = append(c.to[key], net.JoinHostPort(address.String(), port))
		}
	}
	return nil
}

// errUnproven means that nobody vouches for who the payee is.
var errUnproven = errors.New("nothing is paid to whom nobody vouches for")

// policy returns a policy that also refuses origins that could be anybody: of another machine without a check of its
// certificate, and over plain HTTP where this machine's name leads to another one.
func (c *connection) policy(next client.Policy) client.Policy {
	if !c.insecure && c.proxy == "" && !c.away {
		return next
	}
	return client.AllOf(func(_ context.Context, p client.Proposal) error {
		u, err := url.Parse(p.Origin)
		if err != nil {
			return err
		}
		at, err := origin.Of(u)
		away := c.proxy != "" || c.away
		switch {
		case err != nil:
			return err
		case u.Scheme == "https" && c.insecure && (away || !at.Loopback):
			return fmt.Errorf("%w: --insecure does not check its certificate", errUnproven)
		case u.Scheme == "http" && away:
			return fmt.Errorf("%w: --proxy or --resolve lead a plain http:// to another machine", errUnproven)
		}
		return nil
	}, next)
}
