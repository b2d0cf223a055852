package client_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/store/filestore"
	"github.com/seed-5fe1f529/tallystick/store/journal"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// tripFunc is a round tripper that is a func, and appendFunc a journal that is one.
type (
	tripFunc   func(*http.Request) (*http.Response, error)
	appendFunc func(journal.Entry) error
)

func (f tripFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
func (f appendFunc) Append(_ context.Context, e journal.Entry) error { return f(e) }

// TestTypedNilsAreErrors: an interface that holds a nil pointer or func is not nil, and would panic
// when it is first used, perhaps after money moved.
func TestTypedNilsAreErrors(t *testing.T) {
	p := newPayer(t, clienttest.New(t, clienttest.Config{}))
	for name, c := range map[string]struct {
		field string
		set   func(*client.Config)
	}{
		"a voucher key": {
			"Config.Signer", func(c *client.Config) { c.Signer = (*voucher.KeySigner)(nil) },
		},
		"another voucher key": {
			"Config.Signer", func(c *client.Config) { c.Signer = (*penSigner)(nil) },
		},
		"a funding key": {
			"Config.Payer", func(c *client.Config) { c.Payer = (*voucher.KeySigner)(nil) },
		},
		"another funding key": {
			"Config.Payer", func(c *client.Config) { c.Payer = (*penPayer)(nil) },
		},
		"a node": {
			"Config.Chain", func(c *client.Config) { c.Chain = (*escrow.Client)(nil) },
		},
		"another node": {"Config.Chain", func(c *client.Config) { c.Chain = (*fees)(nil) }},
		"a store in memory": {
			"Config.Store", func(c *client.Config) { c.Store = (*store.Mem)(nil) },
		},
		"a store of files": {
			"Config.Store", func(c *client.Config) { c.Store = (*filestore.Store)(nil) },
		},
		"a journal": {
			"Config.Journal", func(c *client.Config) { c.Journal = (*journal.File)(nil) },
		},
		"a journal func": {
			"Config.Journal", func(c *client.Config) { c.Journal = appendFunc(nil) },
		},
		"a transport": {
			"Config.Base", func(c *client.Config) { c.Base = (*http.Transport)(nil) },
		},
		"a transport of ours": {
			"Config.Base", func(c *client.Config) { c.Base = (*client.Transport)(nil) },
		},
		"a transport func": {"Config.Base", func(c *client.Config) { c.Base = tripFunc(nil) }},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := p.cfg
			c.set(&cfg)
			s, err := client.New(cfg)
			require.ErrorContains(t, err, c.field)
			assert.Nil(t, s)
		})
	}
}

// TestTransportWithoutASessionOrABase fails each request with an error, and closes its body.
func TestTransportWithoutASessionOrABase(t *testing.T) {
	p := newPayer(t, clienttest.New(t, clienttest.Config{}))
	for name, c := range map[string]struct {
		transport client.Transport
		field     string
	}{
		"no session": {client.Transport{}, "Transport.Session"},
		"a nil base": {
			client.Transport{Session: p.session, Base: (*http.Transport)(nil)}, "Transport.Base",
		},
		"a nil base, ours": {
			client.Transport{Session: p.session, Base: (*client.Transport)(nil)}, "Transport.Base",
		},
		"a nil base, func": {
			client.Transport{Session: p.session, Base: tripFunc(nil)}, "Transport.Base",
		},
	} {
		t.Run(name, func(t *testing.T) {
			body := &closing{}
			resp, err := c.transport.RoundTrip(
				p.request(t.Context(), http.MethodPost, "/data", body),
			)
			require.ErrorContains(t, err, c.field)
			assert.Nil(t, resp)
			assert.True(t, body.closed)
		})
	}
}

// closing is a body that notes that it was closed.
type closing struct{ closed bool }

func (c *closing) Read([]byte) (int, error) { return 0, http.ErrBodyReadAfterClose }
func (c *closing) Close() error             { c.closed = true; return nil }
