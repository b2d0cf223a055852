package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/client/clienttest/lies"
)

// TestBudgetHoldsAgainstTakersThatDoNotServe: a payee that takes the voucher and refuses, fails or
// hangs can settle it, so the budget of a run is used up by what it took. It settles no more than
// that.
func TestBudgetHoldsAgainstTakersThatDoNotServe(t *testing.T) {
	for _, lie := range []lies.Lie{
		lies.RefuseAfterCharge, lies.RefuseAfterService, lies.GoneAfterCharge,
		lies.GoneAfterVoucher, lies.ErrorAfterCharge, lies.CutAfterCharge, lies.HangAfterCharge,
		lies.GoneAgain, lies.BusyForever, lies.ProblemBalance, lies.ProblemDelta,
		lies.ProblemSignature, lies.ProblemUnknown, lies.FlipErratic,
	} {
		for _, rail := range rails {
			for _, c := range []struct{ run, price uint64 }{{100, 100}, {250, 100}, {99, 33}} {
				t.Run(
					fmt.Sprintf("%s%s, %d in prices of %d", lie, rail, c.run, c.price),
					func(t *testing.T) {
						t.Parallel()
						srv := clienttest.New(t, clienttest.Config{})
						p := newPayer(t, srv)
						p.get(rail + "/data")
						opened := p.only().ID
						before := p.signed()
						l := p.lied()
						budget := client.NewBudget(asset(srv), u(c.run))
						ctx := client.WithBudget(t.Context(), budget)
						srv.Lie(lie)
						path := fmt.Sprintf("%s/data?price=%d", rail, c.price)
						for range 8 {
							one, cancel := context.WithTimeout(ctx, patience(lie))
							resp, err := p.in(one, path)
							_, _, _ = finish(t, resp, err)
							cancel()
						}
						grown := p.signedAbove(before)
						assert.NotEmpty(t, l.spenders())
						assert.False(t, u(c.run).Less(grown), "a run of %d signed %s", c.run, grown)
						left := budget.Left()
						assert.False(
							t, u(c.run).SubFloor(grown).Less(left), "%s signed, %s left", grown,
							left,
						)

						payee := srv.Chain.Balance(srv.Payee)
						_, err := srv.Settle(opened)
						require.NoError(t, err)
						gained := srv.Chain.Balance(srv.Payee).SubFloor(payee)
						assert.False(t, u(100+c.run).Less(gained), "the payee settled %s", gained)
					},
				)
			}
		}
	}
}

// patience is how long a request waits for a payee that does not answer.
func patience(lie lies.Lie) time.Duration {
	if lie == lies.HangAfterCharge {
		return brief
	}
	return 20 * time.Second
}

// TestBudgetsWithinEachOther: what a payee took counts in every budget around, and each of them
// stops it.
func TestBudgetsWithinEachOther(t *testing.T) {
	for _, rail := range rails {
		srv := clienttest.New(t, clienttest.Config{})
		p := newPayer(t, srv)
		p.get(rail + "/data")
		before := p.signed()
		outer := client.NewBudget(asset(srv), u(250))
		around := client.WithBudget(t.Context(), outer)
		srv.Lie(lies.RefuseAfterCharge)
		for range 3 {
			ctx := client.WithBudget(around, client.NewBudget(asset(srv), u(100)))
			for range 3 {
				resp, err := p.in(ctx, rail+"/data")
				_, _, _ = finish(t, resp, err)
			}
		}
		assert.Equal(
			t, u(200), p.signedAbove(before), "two inner budgets, and the third does not fit",
		)
		assert.Equal(t, u(50), outer.Left())
	}
}

// TestBudgetGetsBackWhatNeverLeft: a request that fails before a credential left costs its run
// nothing.
func TestBudgetGetsBackWhatNeverLeft(t *testing.T) {
	down := errors.New("down")
	for name, c := range map[string]struct {
		warm    bool
		breaks  func(p *payer, n *pen)
		outcome client.Outcome
	}{
		"the signer fails": {
			warm: true, outcome: client.OutcomeRefused,
			breaks: func(_ *payer, n *pen) { n.broken.Store(&down) },
		},
		"the keys fail for an opening": {
			outcome: client.OutcomeRefused,
			breaks:  func(_ *payer, n *pen) { n.broken.Store(&down) },
		},
		"the host cannot be reached": {
			warm: true, outcome: client.OutcomeNotSent,
			breaks: func(p *payer, _ *pen) {
				dial := func(context.Context, string, string) (net.Conn, error) { return nil, down }
				p.base = &http.Transport{DialContext: dial}
			},
		},
	} {
		for _, rail := range rails {
			t.Run(name+rail, func(t *testing.T) {
				srv := clienttest.New(t, clienttest.Config{})
				var n pen
				p := newPayer(t, srv, n.counted)
				if c.warm {
					p.get(rail + "/data")
				}
				budget := client.NewBudget(asset(srv), u(150))
				ctx := client.WithBudget(t.Context(), budget)
				base := p.base
				c.breaks(p, &n)
				for range 3 {
					e := p.refused(p.in(ctx, rail+"/data"))
					assert.Equal(t, c.outcome, e.Outcome)
					assert.Equal(t, u(150), budget.Left(), "%s", e)
				}
				p.base = base
				n.broken.Store(nil)
				p.ok(p.in(ctx, rail+"/data"))
				assert.Equal(t, u(50), budget.Left())
			})
		}
	}
}

// TestBudgetBoundsAStream, whatever Limits would let it cost unasked: its deliveries are counted,
// and it ends with an error where the budget does.
func TestBudgetBoundsAStream(t *testing.T) {
	const pieces = 90
	for name, lim := range map[string]channel.Limits{
		"nothing ahead":  {},
		"Ahead":          {Ahead: u(1000)},
		"a little Ahead": {Ahead: u(25)},
		"Step":           {Step: u(500)},
		"Ahead and Step": {Ahead: u(1000), Step: u(500)},
		"Ahead, Stream":  {Ahead: u(300), Stream: u(900)},
	} {
		for _, budget := range []uint64{50, 55, 10, 400} {
			for _, rail := range rails {
				t.Run(fmt.Sprintf("%s, %d%s", name, budget, rail), func(t *testing.T) {
					t.Parallel()
					srv := clienttest.New(t, clienttest.Config{})
					p := newPayer(t, srv, func(c *client.Config) {
						c.Limits.Ahead, c.Limits.Step = lim.Ahead, lim.Step
						if !lim.Stream.IsZero() {
							c.Limits.Stream = lim.Stream
						}
					})
					run := client.NewBudget(asset(srv), u(budget))
					ctx := client.WithBudget(t.Context(), run)
					resp, err := p.in(ctx, fmt.Sprintf("%s/stream?n=%d&price=10", rail, pieces))
					require.NoError(t, err)
					body, err := io.ReadAll(resp.Body)
					resp.Body.Close()
					s := p.only()
					assert.False(t, u(budget).Less(s.Claimed), "the run cost %s", s.Claimed)
					assert.False(t, u(budget).Less(s.Signed), "the run signed %s", s.Signed)
					require.ErrorIs(t, err, channel.ErrLimit, "it cannot have been delivered whole")
					assert.Less(t, strings.Count(string(body), "\n\n"), pieces)
					assert.False(t, u(budget).SubFloor(s.Claimed).Less(run.Left()))
				})
			}
		}
	}
}
