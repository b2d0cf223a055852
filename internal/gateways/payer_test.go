//go:build unix

package gateways

import (
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

func u(n uint64) voucher.Amount { return voucher.Units(n) }

// price of a request to /data of the paid server, and of one chunk of its streams, in base units.
const (
	price = 100
	chunk = 10
)

// payer is a client that pays through a gateway.
type payer struct {
	t       *testing.T
	srv     *clienttest.Server
	g       *gateway
	session *client.Session
	base    *http.Transport
	http    *http.Client

	mu     sync.Mutex // guards events
	events map[client.EventKind]int
}

// newPayer returns a client that speaks HTTP/2 to the gateway, or only HTTP/1.
func newPayer(
	t *testing.T,
	srv *clienttest.Server,
	g *gateway,
	http2 bool,
	change ...func(*client.Config),
) *payer {
	t.Helper()
	p := &payer{t: t, srv: srv, g: g, events: map[client.EventKind]int{}}
	k, err := voucher.ParseKey(srv.Payer().Hex)
	require.NoError(t, err)
	chain, err := escrow.Dial(t.Context(), srv.RPCURL)
	require.NoError(t, err)
	t.Cleanup(chain.Close)
	p.base = connections(t, g, http2)
	cfg := client.Config{
		FundAsNeeded: true,
		Signer:       k, Payer: k, Chain: chain, Base: p.base,
		Limits: channel.Limits{
			Price: u(1000), Deposit: u(1_000_000), Total: u(1_000_000), Stream: u(100_000),
		},
		OnEvent: func(e client.Event) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.events[e.Kind]++
		},
	}
	for _, c := range change {
		c(&cfg)
	}
	p.session, err = client.New(cfg)
	require.NoError(t, err)
	p.http = p.session.Client()
	return p
}

// connections returns connections of their own to the gateway.
func connections(t *testing.T, g *gateway, http2 bool) *http.Transport {
	t.Helper()
	base := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: g.trust}, ForceAttemptHTTP2: http2,
		MaxIdleConnsPerHost: 8,
	}
	t.Cleanup(base.CloseIdleConnections)
	return base
}

// seen returns how often an event of the session came.
func (p *payer) seen(k client.EventKind) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.events[k]
}

// do sends a request and reads the answer to its end.
func (p *payer) do(method, path, body string) (resp *http.Response, got string, err error) {
	return p.over(p.http, method, path, body)
}

// over is do over other connections.
func (p *payer) over(
	c *http.Client,
	method, path, body string,
) (resp *http.Response, got string, err error) {
	var r io.Reader
	if body != "" {
		r = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(p.t.Context(), method, p.g.url+path, r)
	if err != nil {
		return nil, "", err
	}
	if resp, err = c.Do(req); err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	return resp, string(data), err
}

// get expects a paid 200 and returns its body.
func (p *payer) get(path string) string { return p.ok(http.MethodGet, path, "") }

// ok sends a request, expects a paid 200 and returns its body.
func (p *payer) ok(method, path, body string) string {
	p.t.Helper()
	resp, got, err := p.do(method, path, body)
	require.NoError(p.t, err, "%s %s: after %q", method, path, got)
	require.Equal(p.t, http.StatusOK, resp.StatusCode, "%s %s: %s", method, path, got)
	require.Equal(p.t, client.OutcomeAccepted, client.PaymentOf(resp).Outcome)
	return got
}

// only returns the one channel of the payer.
func (p *payer) only() channel.Info {
	p.t.Helper()
	var all []channel.Info
	for c, err := range p.session.Channels().All(p.t.Context()) {
		require.NoError(p.t, err)
		all = append(all, c)
	}
	require.Len(p.t, all, 1)
	return all[0]
}

// agree checks that the client, the paid server and the chain count the same, and returns what was
// spent.
func (p *payer) agree() voucher.Amount {
	p.t.Helper()
	c := p.only()
	account, ok := p.srv.Account(c.ID)
	require.True(p.t, ok)
	assert.Equal(p.t, account.Spent, c.Claimed, "what the server charged is what the client counts")
	assert.Equal(p.t, account.Accepted, c.Signed, "what the server accepted is what was signed")
	assert.Equal(p.t, p.srv.Chain.Channel(c.ID).Deposit, c.Deposit)
	return account.Spent
}

// outcomeOf returns the outcome of a request that failed.
func outcomeOf(err error) client.Outcome {
	var e *client.Error
	if errors.As(err, &e) {
		return e.Outcome
	}
	return client.OutcomeNone
}
