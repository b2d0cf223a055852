package client_test

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/internal/bubble"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// stuck holds up whoever comes until it is let go.
type stuck struct {
	deaf bool // it does not obey the context
	held atomic.Bool
	here chan struct{} // closed when somebody is held up
	free chan struct{}
}

func newStuck() *stuck {
	return &stuck{here: make(chan struct{}), free: make(chan struct{})}
}

func (s *stuck) hold(ctx context.Context) error {
	if s.held.CompareAndSwap(false, true) {
		close(s.here)
	}
	if s.deaf {
		ctx = context.Background()
	}
	select {
	case <-s.free:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

type stuckSigner struct {
	voucher.Signer
	*stuck
}

func (s stuckSigner) SignVoucher(
	ctx context.Context, d *voucher.Domain, v voucher.Voucher,
) ([]byte, error) {
	if err := s.hold(ctx); err != nil {
		return nil, err
	}
	return s.Signer.SignVoucher(ctx, d, v)
}

type stuckPayer struct {
	voucher.TransactionSigner
	*stuck
}

func (s stuckPayer) SignTransaction(ctx context.Context, tx voucher.Transaction) ([]byte, error) {
	if err := s.hold(ctx); err != nil {
		return nil, err
	}
	return s.TransactionSigner.SignTransaction(ctx, tx)
}

type stuckChain struct {
	client.Chain
	*stuck
}

func (c stuckChain) PrepareOpen(
	ctx context.Context, p escrow.OpenParams,
) (*escrow.Opening, error) {
	if err := c.hold(ctx); err != nil {
		return nil, err
	}
	return c.Chain.PrepareOpen(ctx, p)
}

// TestWaitsBehindAnOpeningAreBounded: while the key or the node of a request that opens a channel
// hangs, each other request for that channel ends with its context, or within two minutes without
// one, however many wait. The one that opens ends with its context, and with a minute if its
// funding hangs.
func TestWaitsBehindAnOpeningAreBounded(t *testing.T) {
	funding := func(c *client.Config, s *stuck) { c.Payer = stuckPayer{c.Payer, s} }
	node := func(c *client.Config, s *stuck) { c.Chain = stuckChain{c.Chain, s} }
	for name, c := range map[string]struct {
		hang func(*client.Config, *stuck)
		deaf bool
		lead time.Duration // how long the one that opens may take
	}{
		"the funding key":      {hang: funding, lead: time.Minute},
		"the deaf funding key": {hang: funding, deaf: true, lead: time.Minute},
		"the node":             {hang: node, lead: time.Minute},
		"the deaf node":        {hang: node, deaf: true, lead: time.Minute},
		"the voucher key": {
			hang: func(c *client.Config, s *stuck) { c.Signer = stuckSigner{c.Signer, s} },
			lead: 10 * time.Minute, // by its context
		},
	} {
		for _, rail := range rails {
			t.Run(name+rail, func(t *testing.T) {
				bubble.Run(t, func(t *testing.T) {
					s := newStuck()
					s.deaf = c.deaf
					p := inMemory(t, func(cfg *client.Config) { c.hang(cfg, s) })
					var wg sync.WaitGroup
					ends := func(ctx context.Context, within time.Duration) {
						wg.Go(func() {
							began := time.Now()
							resp, err := p.send(p.request(ctx, http.MethodGet, rail+"/data", nil))
							_, _, err = finish(t, resp, err)
							assert.Error(t, err)
							assert.LessOrEqual(t, time.Since(began), within)
						})
					}
					lead, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
					defer cancel()
					ends(lead, c.lead)
					<-s.here
					brief, cancel := context.WithTimeout(t.Context(), time.Second)
					defer cancel()
					ends(brief, time.Second)
					for range 9 {
						ends(context.Background(), 2*time.Minute) // without a deadline
					}
					wg.Wait()
					close(s.free)
					synctest.Wait()
					p.get(rail + "/data") // the next one is served
				})
			})
		}
	}
}
