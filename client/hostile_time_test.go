package client_test

import (
	"context"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/client/clienttest/lies"
	"github.com/seed-5fe1f529/tallystick/internal/bubble"
	"github.com/seed-5fe1f529/tallystick/store"
)

// TestChallengeExpiresDuringApproval has an owner who takes longer than the lifetime of the
// challenge. No credential answers an expired challenge, the owner is asked once, and the request
// is served.
func TestChallengeExpiresDuringApproval(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		srv := clienttest.New(t, clienttest.Config{NoSockets: true})
		var approvals atomic.Int64
		p := newPayer(t, srv, func(c *client.Config) {
			chain, err := escrow.Dial(
				t.Context(), srv.RPCURL, escrow.WithTransport(srv.Transport()),
			)
			require.NoError(t, err)
			t.Cleanup(chain.Close)
			c.Chain, c.Limits.Ask = chain, u(50)
			c.Approve = func(context.Context, client.Quote) error {
				approvals.Add(1)
				time.Sleep(time.Minute)
				return nil
			}
		})
		p.base = srv.Transport()
		srv.Lie(lies.ExpirySoon)
		p.get("/data")
		assert.EqualValues(t, 1, approvals.Load())
		for _, r := range srv.Requests() {
			assert.NotEqual(
				t, "payment-expired", r.Problem, "a %s answered an expired challenge", r.Action,
			)
		}
	})
}

// readCounter counts the reads of a store.
type readCounter struct {
	store.Store
	reads atomic.Int64
}

func (s *readCounter) Get(ctx context.Context, key string) ([]byte, uint64, error) {
	s.reads.Add(1)
	return s.Store.Get(ctx, key)
}

// TestReceiptFloodIsBounded sends twenty thousand forged receipts in one stream. They must cause
// only a few reads of the store and a few events.
func TestReceiptFloodIsBounded(t *testing.T) {
	const most = 200
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	s := &readCounter{Store: p.store}
	var told atomic.Int64
	p.cfg.Store, p.cfg.OnEvent = s, func(client.Event) { told.Add(1) }
	p.restart()
	p.get("/data")
	srv.Lie(lies.StreamReceiptFlood)
	resp, err := p.fetch(
		t.Context(), http.MethodGet, srv.URL+"/stream/3/10", nil, "Accept", "text/event-stream",
	)
	require.NoError(t, err)
	s.reads.Store(0)
	told.Store(0)
	_, _ = io.Copy(io.Discard, resp.Body) // the client may cut it
	resp.Body.Close()
	assert.NotZero(t, srv.Lied(lies.StreamReceiptFlood))
	assert.LessOrEqual(t, s.reads.Load(), int64(most), "reads of the store")
	assert.LessOrEqual(t, told.Load(), int64(most), "events")
	assert.False(t, u(130).Less(p.only().Signed))
}
