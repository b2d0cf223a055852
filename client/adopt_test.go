package client_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/store"
)

// TestAdoptAnnounces: a channel that was adopted is named in the next request, and a server that holds a higher
// voucher shows it then.
func TestAdoptAnnounces(t *testing.T) {
	p := newPayer(t, clienttest.New(t, clienttest.Config{}))
	p.get("/hinted")
	p.get("/hinted")
	s := p.channels()[0]

	p.store = store.NewMem()
	k := p.cfg.Signer.(judge)
	k.store = p.store
	p.cfg.Signer, p.cfg.Store = k, p.store
	p.restart()
	require.NoError(t, p.session.Channels().Import(t.Context(), p.srv.URL, channel.Identity{Protocol: s.Protocol, ChainID: s.ChainID, Escrow: s.Escrow, ID: s.ID, Descriptor: s.Descriptor}))
	p.get("/hinted")
	require.Len(t, p.channels(), 1)
	assert.Equal(t, u(300), p.channels()[0].Signed)
	account, _ := p.srv.Account(s.ID)
	assert.Equal(t, u(300), account.Spent)
}
