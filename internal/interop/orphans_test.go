package interop

import (
	"context"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// orphans: the store is lost. The channel is found in the logs of the chain (v2: anvil's), and the keeper brings
// back what it holds.
func orphans(t *testing.T, rail voucher.Protocol) {
	w := newWorld(t, rail)
	p := w.newPayer(t)
	p.get("/data")
	lost := p.only()
	p.cfg.Store = store.NewMem()
	p.restart()
	found := map[channel.Found][]common.Hash{}
	for f, err := range p.session.Channels().Find(t.Context(), false) {
		require.NoError(t, err)
		assert.Zero(t, f.Strange)
		if f.Found != channel.FoundNothing {
			found[f.Found] = append(found[f.Found], f.Channel.ID)
		}
	}
	require.Equal(t, map[channel.Found][]common.Hash{channel.FoundAdded: {lost.ID}}, found)
	assert.Equal(t, lost.Descriptor, p.only().Descriptor)
	assert.Equal(t, lost.Deposit, p.only().Deposit)

	before := w.chain.balance(t, p.address)
	require.NoError(t, p.session.Channels().RequestClose(t.Context(), lost.ID))
	pending, _, err := p.session.Channels().Sweep(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 1, pending)
	p.restart()
	w.advance(t, 15*time.Minute+time.Second)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	require.NoError(t, p.session.Channels().SweepUntilDone(ctx))
	after, err := p.session.Channels().Sync(t.Context(), lost.ID)
	require.NoError(t, err)
	assert.Equal(t, channel.Closed, after.Phase)
	assert.Zero(t, w.chain.channel(t, rail, lost.ID).deposit)
	assert.Less(t, before, w.chain.balance(t, p.address), "the deposit, less two fees")
}
