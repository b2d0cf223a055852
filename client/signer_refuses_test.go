package client_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/client/clienttest/lies"
	"github.com/seed-5fe1f529/tallystick/internal/bubble"
)

// afterRefusals is what a payee does once the signer of its payer works again. It returns how much
// its payer agreed to meanwhile.
type afterRefusals func(p *payer, rail string) uint64

// liesOnce is one request to a payee that lies.
func liesOnce(lie lies.Lie) afterRefusals {
	return func(p *payer, rail string) uint64 {
		p.srv.Lie(lie)
		resp, err := p.do(http.MethodGet, rail+"/data", nil)
		_, _, _ = finish(p.t, resp, err)
		assert.NotZero(p.t, p.srv.Lied(lie))
		p.srv.Lie()
		return onePrice
	}
}

// TestWhatTheSignerRefusedStaysUnsigned: the signer is down for forty requests, and their callers
// learn that nothing was signed. No request for more afterwards gets a signature of it.
func TestWhatTheSignerRefusedStaysUnsigned(t *testing.T) {
	stream := func(p *payer, rail string) uint64 {
		terms := piece
		terms.Protocol = p.only().Protocol
		p.srv.Handle("/more", p.srv.Metered(
			terms, func(m *clienttest.Meter, _ *http.Request) error {
				id := p.srv.Accounts()[0].ChannelID
				return errors.Join(
					m.Charge(1), m.Send("x"), m.Raw([]byte(needs(id, 4000))), m.Send("never"),
				)
			},
		))
		_, e := p.broken(p.do(http.MethodGet, "/more", nil))
		require.ErrorIs(p.t, e, channel.ErrServerReport)
		return 10
	}
	closes := func(p *payer, _ string) uint64 {
		p.srv.Lie(lies.CloseRefused)
		err := p.session.Channels().Close(p.t.Context(), p.only().ID)
		require.ErrorIs(p.t, err, client.ErrRejected)
		assert.NotZero(p.t, p.srv.Lied(lies.CloseRefused))
		return 0
	}
	for name, then := range map[string]afterRefusals{
		"insufficient balance": liesOnce(lies.ProblemBalance),
		"delta too small":      liesOnce(lies.ProblemDelta),
		"invalid signature":    liesOnce(lies.ProblemSignature),
		"an unknown problem":   liesOnce(lies.ProblemUnknown),
		"gone":                 liesOnce(lies.GoneQuietly),
		"too late, for ever":   liesOnce(lies.FreshChallenges),
		"redirects":            liesOnce(lies.RedirectDrip),
		"a stream":             stream,
		"a close":              closes,
	} {
		for how, c := range map[string]struct{ together, restarts bool }{
			"together":                  {together: true},
			"together, then a restart":  {together: true, restarts: true},
			"one by one":                {},
			"one by one, then the same": {restarts: true},
		} {
			for _, rail := range rails {
				t.Run(strings.Join([]string{name, how, rail}, ", "), func(t *testing.T) {
					bubble.Run(t, func(t *testing.T) {
						refusedThen(t, rail, c.together, c.restarts, then)
					})
				})
			}
		}
	}
}

func refusedThen(t *testing.T, rail string, together, restarts bool, then afterRefusals) {
	down := errors.New("the key service is down")
	var broken atomic.Bool
	p := inMemory(t, func(c *client.Config) {
		c.Signer = signerFunc{c.Signer, func(context.Context) error {
			if !broken.Load() {
				return nil
			}
			time.Sleep(time.Second) // so that others wait for it, and are decided together
			return down
		}}
	})
	p.get(rail + "/data")
	first := p.only().ID
	broken.Store(true)
	var wg sync.WaitGroup
	var tried atomic.Int64 // with the voucher that exists
	for range 40 {
		wg.Go(func() {
			e := p.refused(p.do(http.MethodGet, rail+"/data", nil))
			assert.ErrorIs(t, e, down)
			if e.Outcome == client.OutcomeRejected && together {
				assert.EqualValues(t, 1, tried.Add(1))
				return
			}
			assert.Equal(t, client.OutcomeRefused, e.Outcome)
		})
		if !together {
			wg.Wait()
		}
	}
	wg.Wait()
	broken.Store(false)
	s := p.only()
	assert.Equal(t, u(onePrice), s.Signed)
	assert.Equal(t, u(onePrice), s.Asked)
	assert.Equal(t, u(onePrice), s.Claimed)
	if restarts {
		require.NoError(t, p.session.Close(t.Context()))
		p.restart()
	}
	agreed := onePrice + then(p, rail)
	for _, s := range p.channels() {
		if s.ID == first {
			assert.False(t, u(agreed).Less(s.Signed), "signed %s, agreed to %d", s.Signed, agreed)
		}
		assert.False(t, s.Asked.Less(s.Signed), "signed %s, requested %s", s.Signed, s.Asked)
	}
}
