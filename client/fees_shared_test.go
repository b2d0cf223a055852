package client_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/internal/bubble"
)

// slowOpenings are signed a while after their fees were agreed to, by a key in another place, say.
type slowOpenings struct {
	client.Chain
	wait time.Duration
	err  error // what becomes of it
}

func (s slowOpenings) PrepareOpen(ctx context.Context, o escrow.OpenParams) (*escrow.Opening, error) {
	tx, err := s.Chain.PrepareOpen(ctx, o)
	time.Sleep(s.wait)
	if s.err != nil {
		return nil, s.err
	}
	return tx, err
}

// TestFeesOfSessionsThatStartAtOnce: sessions of one store get openings ready for the same channel, and the limits
// on fees leave room for one. One session opens, and the others pay from its channel.
func TestFeesOfSessionsThatStartAtOnce(t *testing.T) {
	for rail, hour := range map[string]uint64{"": 25_000, "/v1": 60_000} {
		bubble.Run(t, func(t *testing.T) {
			p := inMemoryWith(t, clienttest.Config{BaseFee: realFee}, func(c *client.Config) {
				c.Limits = feeLimits
				c.Limits.Fees = channel.FeeLimits{Transaction: u(60_000), Hour: u(hour)}
				c.Chain = slowOpenings{Chain: c.Chain, wait: time.Second}
			})
			var group sync.WaitGroup
			for range 8 {
				session, err := client.New(p.cfg)
				require.NoError(t, err)
				group.Go(func() {
					resp, err := session.Client().Get(p.srv.URL + rail + "/data")
					if assert.NoError(t, err) {
						assert.Equal(t, http.StatusOK, resp.StatusCode)
						assert.NoError(t, resp.Body.Close())
					}
					client.AwaitFees(session)
					assert.NoError(t, session.Close(t.Context()))
				})
			}
			group.Wait()
			assert.Len(t, p.srv.Accounts(), 1)
			_, fees := p.used()
			assert.Equal(t, p.charged(), fees)
		})
	}
}

// TestFeeThatIsRefusedAtOnce: nobody waits for an opening of another session if there is none or it was a minute
// ago, and five seconds at most for one that comes to nothing.
func TestFeeThatIsRefusedAtOnce(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		p := inMemoryWith(t, clienttest.Config{BaseFee: realFee}, func(c *client.Config) {
			c.Limits = feeLimits
			c.Limits.Fees = channel.FeeLimits{Transaction: u(60_000), Hour: u(60_000)}
		})
		with := func(chain client.Chain) *client.Session {
			cfg := p.cfg
			cfg.Chain = chain
			s, err := client.New(cfg)
			require.NoError(t, err)
			t.Cleanup(func() { assert.NoError(t, s.Close(context.WithoutCancel(t.Context()))) })
			return s
		}
		slow := with(slowOpenings{p.cfg.Chain, 30 * time.Second, assert.AnError})
		silent := with(&gatedReceipts{p.cfg.Chain, nil}) // never learns what it was charged
		get := func(s *client.Session, path string) (time.Duration, error) {
			began := time.Now()
			resp, err := s.Client().Get(p.srv.URL + path)
			if err == nil {
				assert.NoError(t, resp.Body.Close())
			}
			return time.Since(began), err
		}
		refused := func(wait time.Duration) {
			took, err := get(p.session, "/data")
			assert.Equal(t, "Fees.Hour", limitOf(t, err).Limit)
			assert.InDelta(t, wait, took, float64(200*time.Millisecond))
		}
		var group sync.WaitGroup
		group.Go(func() {
			_, err := get(slow, "/v1/data")
			assert.ErrorIs(t, err, assert.AnError)
		})
		time.Sleep(time.Second)
		refused(5 * time.Second)
		group.Wait()
		_, err := get(silent, "/v1/data")
		require.NoError(t, err)
		time.Sleep(time.Minute)
		refused(0)
	})
}
