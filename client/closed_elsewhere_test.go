package client_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/internal/wire"
	"github.com/seed-5fe1f529/tallystick/store"
)

// closedElsewhere closes the payer's channel from another store, so that its own knows nothing of
// it.
func (p *payer) closedElsewhere() {
	p.t.Helper()
	s := p.only()
	cfg := p.cfg
	cfg.Store, cfg.Journal, cfg.OnEvent = store.NewMem(), nil, nil
	cfg.Signer = p.cfg.Signer.(judge).KeySigner
	other, err := client.New(cfg)
	require.NoError(p.t, err)
	require.NoError(p.t, other.Channels().Import(p.t.Context(), p.srv.URL+"/data", channel.Identity{
		Protocol: s.Protocol, ChainID: s.ChainID, Escrow: s.Escrow, ID: s.ID, Descriptor: s.Descriptor,
	}))
	require.NoError(p.t, other.Channels().RequestClose(p.t.Context(), s.ID))
	p.srv.Chain.Advance(15 * time.Minute)
	require.NoError(p.t, other.Channels().Withdraw(p.t.Context(), s.ID))
}

// TestChannelClosedElsewhere: three exchanges at most until the next channel is open, however young
// the closed one is, whatever receipts say, and with or without a challenge in the refusal.
func TestChannelClosedElsewhere(t *testing.T) {
	for name, cfg := range map[string]clienttest.Config{
		"as mppx":          {},
		"no receipts":      {Receipts: clienttest.NoReceipts},
		"base receipts":    {Receipts: clienttest.BaseReceipts},
		"a bare 410":       {BareGone: true},
		"bare, no receipt": {BareGone: true, Receipts: clienttest.NoReceipts},
	} {
		for _, rail := range bothRails {
			for _, forgotten := range []bool{false, true} {
				for _, restarted := range []bool{false, true} {
					t.Run(name+rail, func(t *testing.T) {
						p := newPayer(t, clienttest.New(t, cfg))
						p.get(rail + "/data")
						old := p.only().ID
						p.closedElsewhere()
						if forgotten {
							p.srv.Forget(old)
						}
						if restarted {
							p.restart()
						}
						before := len(p.srv.Requests())
						p.get(rail + "/data")
						assert.LessOrEqual(t, len(p.srv.Requests())-before, 3, p.exchanges())
						closed, now := p.by(old)
						assert.Equal(t, channel.Closed, closed.Phase)
						assert.Equal(t, u(100), now.Signed)
					})
				}
			}
		}
	}
}

// TestChannelClosedElsewhereAtAnotherPrice: the challenge of the refusal is not answered if it offers
// anything else than what was agreed to.
func TestChannelClosedElsewhereAtAnotherPrice(t *testing.T) {
	p := newPayer(t, clienttest.New(t, clienttest.Config{}))
	p.get("/data")
	old := p.only().ID
	p.closedElsewhere()
	l := p.lied()
	l.after = func(_ int, _ sent, resp *http.Response) {
		if resp.StatusCode == http.StatusGone {
			l.forge(resp, func(_ *wire.Challenge, request map[string]any) { request["amount"] = "500" })
		}
	}
	p.get("/data")
	_, now := p.by(old)
	assert.Equal(t, u(100), now.Signed)
}
