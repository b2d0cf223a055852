package client_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/client/clienttest/lies"
	"github.com/seed-5fe1f529/tallystick/internal/bubble"
)

// TestSponsorThatDoesNotSponsor: an opening whose fee the payee offered to pay, and that it
// refused, does not hold up the routes on which the payer pays the fee itself, nor the other way
// round. It is put aside.
func TestSponsorThatDoesNotSponsor(t *testing.T) {
	for _, rail := range bothRails {
		for lie, path := range map[lies.Lie]string{lies.SponsorLies: "/data", lies.SponsorAppears: "/sponsored"} {
			t.Run(string(lie)+rail, func(t *testing.T) {
				p := newPayer(t, clienttest.New(t, clienttest.Config{}))
				p.srv.Lie(lie)
				resp, err := p.do(http.MethodGet, rail+"/data", nil)
				require.NoError(t, err)
				resp.Body.Close()
				assert.Equal(t, http.StatusPaymentRequired, resp.StatusCode)
				first := p.only().ID
				p.srv.Lie()
				p.get(rail + path) // no time passes on chain
				aside, now := p.by(first)
				assert.True(t, aside.Gone)
				assert.Equal(t, u(100), now.Signed)

				// The transaction that was put aside expires, and stays listed: nothing proves it dead.
				p.srv.Chain.Advance(time.Minute)
				_, err = p.session.Channels().Sync(t.Context(), first)
				require.NoError(t, err)
				aside, _ = p.by(first)
				assert.Equal(t, channel.NotSeen, aside.Phase)
				assert.True(t, aside.HoldsMoney())
				assert.False(t, aside.Payable())
			})
		}
	}
}

// TestSponsorThatDidNotAnswer: whether it sponsors is not known, so its opening is not replaced.
func TestSponsorThatDidNotAnswer(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		for _, rail := range bothRails {
			p := inMemory(t)
			p.srv.OnRequest(func(r clienttest.Request) clienttest.Fault {
				return clienttest.Fault{Hang: r.Action == "open"}
			})
			ctx, cancel := context.WithTimeout(t.Context(), brief)
			_, err := p.send(p.request(ctx, http.MethodGet, rail+"/sponsored", nil))
			require.ErrorIs(t, err, context.DeadlineExceeded)
			cancel()
			p.srv.OnRequest(nil)
			if resp, err := p.do(http.MethodGet, rail+"/data", nil); err == nil {
				resp.Body.Close()
				assert.Equal(t, http.StatusPaymentRequired, resp.StatusCode)
			}
			assert.False(t, p.only().Gone)
		}
	})
}
