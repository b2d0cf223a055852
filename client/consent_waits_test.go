package client_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/internal/bubble"
)

// inMemory returns a payer and a server without sockets, for stories in which time passes by
// itself.
func inMemory(t *testing.T, change ...func(*client.Config)) *payer {
	t.Helper()
	return inMemoryWith(t, clienttest.Config{}, change...)
}

// inMemoryWith is inMemory on a server with other settings.
func inMemoryWith(
	t *testing.T, cfg clienttest.Config, change ...func(*client.Config),
) *payer {
	t.Helper()
	cfg.NoSockets, cfg.WallClock = true, true
	srv := clienttest.New(t, cfg)
	p := newPayer(t, srv, append([]func(*client.Config){func(c *client.Config) {
		chain, err := escrow.Dial(t.Context(), srv.RPCURL, escrow.WithTransport(srv.Transport()))
		require.NoError(t, err)
		t.Cleanup(chain.Close)
		c.Chain, c.Base = chain, srv.Transport()
	}}, change...)...)
	p.base = srv.Transport()
	return p
}

// TestOtherRequestsGoOnWhileTheOwnerThinks: nothing that others need is held while the owner is
// asked, neither the first opening of a scope nor one that a refused request carried.
func TestOtherRequestsGoOnWhileTheOwnerThinks(t *testing.T) {
	const refused = "payment-required"
	for name, c := range map[string]struct {
		warm bool
		path string // of the request whose owner thinks
		// turns answer it, on its rail and on the other one.
		turns func(rail, other string) []turn
	}{
		"before anything is opened": {path: "/data?price=900"},
		"as the opening is refused for another protocol": {turns: func(_, other string) []turn {
			return []turn{wants(refused, other+"/data", priceIs("900"))}
		}},
		"as the opening is refused for another unit": {turns: func(rail, _ string) []turn {
			return []turn{wants(refused, rail+"/data", unitIs("chunk"), priceIs("900"))}
		}},
		"as the challenge is stale": {warm: true, turns: func(rail, _ string) []turn {
			return []turn{wants("invalid-challenge", rail+"/data", priceIs("900"))}
		}},
		"as the price rises": {warm: true, turns: func(rail, _ string) []turn {
			return []turn{wants(refused, rail+"/data", priceIs("900"))}
		}},
		"as the protocol changes": {warm: true, turns: func(_, other string) []turn {
			return []turn{wants(refused, other+"/data", priceIs("900"))}
		}},
		"after a redirect": {turns: func(rail, _ string) []turn {
			return []turn{leads(http.StatusFound, rail+"/data?price=900")}
		}},
	} {
		for _, rail := range rails {
			t.Run(name+rail, func(t *testing.T) {
				srv := clienttest.New(t, clienttest.Config{})
				asked, answer := make(chan struct{}), make(chan struct{})
				p := newPayer(t, srv, func(cfg *client.Config) {
					cfg.Policy = client.AllowHosts(srv.URL)
					cfg.Limits.Ask = u(150)
					cfg.Approve = func(context.Context, client.Quote) error {
						close(asked)
						<-answer
						return nil
					}
				})
				if c.warm {
					p.get(rail + "/data")
				}
				var turns []turn
				if c.turns != nil {
					turns = c.turns(rail, map[string]string{"": "/v1", "/v1": ""}[rail])
				}
				l := p.follow(serves, append(turns, serves)...)
				done := make(chan struct{})
				go func() {
					defer close(done)
					resp, err := p.do(http.MethodGet, rail+defaulted(c.path, "/data"), nil)
					_, _, _ = finish(t, resp, err)
				}()
				select {
				case <-asked:
				case <-done:
					t.Fatal("the owner was not asked")
				}
				p.base = l.base // the others meet the server itself
				for _, other := range rails {
					ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
					p.ok(p.in(ctx, other+"/data"))
					cancel()
				}
				close(answer)
				<-done
			})
		}
	}
}

// TestChallengeThatExpiresWhileOthersDecide is not answered: a policy or an owner who takes long
// costs one more round trip, and is not asked again.
func TestChallengeThatExpiresWhileOthersDecide(t *testing.T) {
	for name, c := range map[string]struct {
		warm   bool
		policy bool   // who takes long; otherwise the owner
		path   string // of a challenge that lives for half a minute, or that the refusal replaces
		// refused answers the first credential, with other terms for half a minute.
		refused demand
		asked   int
	}{
		"owner":                     {path: "/data?ttl=30", asked: 1},
		"policy":                    {path: "/data?ttl=30", policy: true, asked: 1},
		"owner, on a channel":       {path: "/data?ttl=30", warm: true, asked: 1},
		"policy, on a channel":      {path: "/data?ttl=30", warm: true, policy: true, asked: 1},
		"owner, for a stream":       {path: "/stream?n=3&ttl=30", asked: 1},
		"policy, for a stream":      {path: "/stream?n=3&ttl=30", policy: true, asked: 1},
		"owner, of a higher price":  {warm: true, refused: priceIs("150"), asked: 2},
		"policy, of a higher price": {warm: true, refused: priceIs("150"), policy: true, asked: 2},
		"owner, of another unit":    {warm: true, refused: unitIs("chunk"), asked: 3},
		"policy, of another unit":   {warm: true, refused: unitIs("chunk"), policy: true, asked: 3},
	} {
		for _, rail := range rails {
			t.Run(name+rail, func(t *testing.T) {
				bubble.Run(t, func(t *testing.T) {
					asked := 0
					slow := func() error {
						asked++
						time.Sleep(time.Minute)
						return nil
					}
					p := inMemory(t, func(cfg *client.Config) {
						cfg.Limits.Ask = u(1)
						cfg.Policy = func(context.Context, client.Proposal) error {
							if c.policy {
								return slow()
							}
							return nil
						}
						cfg.Approve = func(context.Context, client.Quote) error {
							if !c.policy {
								return slow()
							}
							return nil
						}
					})
					if c.warm {
						p.get(rail + "/hinted")
						asked = 0
					}
					if c.refused != nil {
						p.follow(
							serves, wants("payment-required", rail+"/data?ttl=30", c.refused),
							serves,
						)
					}
					p.get(rail + defaulted(c.path, "/data"))
					assert.Equal(t, c.asked, asked)
					for _, r := range p.srv.Requests() {
						assert.NotEqual(
							t, "payment-expired", r.Problem, "a %s came too late", r.Action,
						)
					}
				})
			})
		}
	}
}

// TestChannelThatIsOpenedDuringConsent: another session opens the channel of the scope while the
// policy decides. The request pays from it and opens none.
func TestChannelThatIsOpenedDuringConsent(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	var other payer
	opened := false
	p := newPayer(t, srv, func(c *client.Config) {
		c.Policy = func(context.Context, client.Proposal) error {
			if !opened {
				opened = true
				other.get("/data")
			}
			return nil
		}
	})
	other = *p
	other.restart()
	p.get("/data")
	require.True(t, opened)
	assert.Len(t, srv.Accounts(), 1, "one deposit")
	assert.Equal(t, u(200), p.only().Authorized)
}
