package client_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/store/records"
)

// anyHost makes a payer reach one paid TLS server under every host name. /free there costs nothing.
func anyHost(t *testing.T, srv *clienttest.Server, change ...func(*client.Config)) *payer {
	t.Helper()
	ok := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w,
			"ok")
	})
	mux := http.NewServeMux()
	mux.Handle("/", srv.Paid(clienttest.Terms{Price: u(100), Deposit: u(10_000)}, ok))
	mux.Handle("/free", ok)
	front := httptest.NewTLSServer(mux)
	t.Cleanup(front.Close)
	p := newPayer(t, srv, change...)
	base := &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // a test server, under names that are not its own
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", front.Listener.Addr().String())
		},
	}
	t.Cleanup(base.CloseIdleConnections)
	p.base = base
	return p
}

// aliases are URLs by an entry of a list that names their host in another spelling.
var aliases = map[string][]string{
	"https://pay.example": {
		"https://PAY.example:443/", "https://pay.example./", "https://pay.example:0443/",
		"https://pay\u3002example/", "https://\uff50ay.example/",
	},
	"pay.example": {"https://pay.example./", "https://Pay.Example"},
	"https://xn--bcher-kva.example": {
		"https://b\u00fccher.example/",
		"https://B\u00dcCHER.example.:0443/",
	},
	"https://b\u00fccher.example.": {"https://xn--bcher-kva.example/"},
	"https://127.0.0.1":            {"https://127.0.0.1./", "https://[::ffff:127.0.0.1]/"},
	"https://[::1]":                {"https://[0:0:0:0:0:0:0:1]/"},
	"::1":                          {"https://[0::1]"},
}

// TestListsHoldForTheHostThatIsDialed, however the URL or the entry spells it.
func TestListsHoldForTheHostThatIsDialed(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	for entry, urls := range aliases {
		var n pen
		p := anyHost(t, srv, n.counted,
			func(c *client.Config) { c.Policy = client.DenyHosts(entry) })
		for _, url := range urls {
			e := p.refused(p.fetch(t.Context(), http.MethodGet, url, nil))
			require.ErrorIs(t, e, client.ErrPolicy, "%s denied, %s", entry, url)
			assert.Equal(t, client.OutcomeRefused, e.Outcome)
		}
		assert.Zero(t, n.vouchers.Load()+n.transactions.Load())
		p.ok(p.fetch(t.Context(), http.MethodGet, "https://other.example/", nil))

		p = anyHost(t, srv, func(c *client.Config) { c.Policy = client.AllowHosts(entry) })
		for _, url := range urls {
			p.ok(p.fetch(t.Context(), http.MethodGet, url, nil))
		}
		require.ErrorIs(t, p.refused(p.fetch(t.Context(), http.MethodGet, "https://other.example/",
			nil)), client.ErrPolicy)
	}
}

// TestOneHostHasOneChannel, one pin, one budget and one set of limits.
func TestOneHostHasOneChannel(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := anyHost(t, srv, func(c *client.Config) {
		c.Origins = map[string]channel.Limits{"https://B\u00fccher.example.": {Origin: channel.Windows{Day: u(250)}}}
	})
	p.ok(p.fetch(t.Context(), http.MethodGet, "https://b\u00fccher.example/", nil))
	p.ok(p.fetch(t.Context(), http.MethodGet, "https://xn--bcher-kva.example.:0443/", nil))
	assert.Equal(t, u(50), p.over(p.fetch(t.Context(), http.MethodGet,
		"https://XN--bcher-kva.example/", nil)).Left)
	assert.Len(t, p.channels(), 1)
	n := 0
	for pin, err := range records.Pins(t.Context(), p.store) {
		require.NoError(t, err)
		assert.Equal(t, "https://xn--bcher-kva.example:443", pin.Origin)
		n++
	}
	assert.Equal(t, 1, n)
}

// TestHostWithoutACanonicalSpellingIsNotPaid, whatever the policy; a free answer goes through.
func TestHostWithoutACanonicalSpellingIsNotPaid(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	for _, url := range []string{
		"https://127.1", "https://0x7f000001", "https://[fe80::1%25eth0]",
		"https://pay..example", "https://pay.example:0", "https://_pay.b\u00fccher.example",
	} {
		var n pen
		p := anyHost(t, srv, n.counted, func(c *client.Config) { c.Policy = client.DenyHosts() })
		e := p.refused(p.fetch(t.Context(), http.MethodGet, url+"/", nil))
		require.ErrorIs(t, e, client.ErrPolicy, url)
		assert.Equal(t, client.OutcomeRefused, e.Outcome)
		assert.Zero(t, n.vouchers.Load()+n.transactions.Load())
		assert.Empty(t, p.channels())
		p.ok(p.fetch(t.Context(), http.MethodGet, url+"/free", nil))

		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		require.NoError(t, err)
		_, _, err = p.session.Quote(req)
		require.ErrorIs(t, err, client.ErrPolicy)
	}
}

// TestLoopbackNameNeedsNoTLS: an address with a root dot is resolved as a name, so it is not this
// machine for sure.
func TestLoopbackNameNeedsNoTLS(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	for url, paid := range map[string]bool{
		"http://localhost.":         true,
		"http://[::ffff:127.0.0.1]": true, "http://127.0.0.1.": false,
	} {
		p := newPayer(t, srv)
		p.base = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn,
			error,
		) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", srv.URL[len("http://"):])
		}}
		resp, err := p.fetch(t.Context(), http.MethodGet, url+"/data", nil)
		if paid {
			p.ok(resp, err)
			continue
		}
		require.ErrorIs(t, p.refused(resp, err), client.ErrInsecure)
	}
}

// TestOriginsOfTheConfigAreOrigins, and each of them once.
func TestOriginsOfTheConfigAreOrigins(t *testing.T) {
	p := newPayer(t, clienttest.New(t, clienttest.Config{}))
	for says, bad := range map[string]map[string]channel.Limits{
		`Config.Origins: "pay.example" is not an origin`:                        {"pay.example": {Price: u(1)}},
		`Config.Origins: "https://*.example" is not an origin`:                  {"https://*.example": {Price: u(1)}},
		"Config.Origins has https://pay.example:443 twice, in two spellings":    {"https://pay.example": {Price: u(1)}, "https://PAY.example.": {Price: u(2)}},
		"Config.Origins has https://127.0.0.1:443 twice, in two spellings":      {"https://127.0.0.1": {Price: u(1)}, "https://[::ffff:127.0.0.1]": {Price: u(2)}},
		"sets All or Total, which are for all origins together; set Origin":     {"https://pay.example": {Total: u(1)}},
		`Config.Origins: "ftp://pay.example" is not an origin: scheme "ftp" is`: {"ftp://pay.example": {}},
	} {
		cfg := p.cfg
		cfg.Origins = bad
		_, err := client.New(cfg)
		require.ErrorContains(t, err, says)
	}
}

// TestRecordsOfAnotherSpellingCount for the origin as it is spelled now, and their channels can be
// closed.
func TestRecordsOfAnotherSpellingCount(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv, func(c *client.Config) { c.Limits.Origin.Day = u(250) })
	p.get("/data")
	p.get("/data")
	old := p.only()
	for e, err := range p.store.List(t.Context(), "channel/") {
		require.NoError(t, err)
		data := bytes.ReplaceAll(e.Data, []byte(`"origin":"`+srv.URL+`"`),
			[]byte(`"origin":"`+strings.Replace(srv.URL, ".1:", ".1.:0", 1)+`"`))
		require.NotEqual(t, e.Data, data)
		_, err = p.store.Put(t.Context(), e.Key, data, e.Rev)
		require.NoError(t, err)
	}
	p.restart()
	assert.Equal(t, u(50), p.over(p.do(http.MethodGet, "/data", nil)).Left)
	require.NoError(t, p.session.Channels().Close(t.Context(), old.ID))
	assert.Equal(t, channel.Closed, p.only().Phase)
}
