package client_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
)

// TestOpeningsOfOneRequest: one request opens one channel, and a second one only if the payee takes
// no vouchers of the first, or of the one before, while it is live on chain.
func TestOpeningsOfOneRequest(t *testing.T) {
	const refused, found = "payment-required", http.StatusFound
	for name, c := range map[string]struct {
		warm, closed bool // there is a channel; it was closed on chain since
		turns        []turn
		most         int
	}{
		"served": {turns: []turn{serves}, most: 1},
		"stale": {
			turns: []turn{wants("invalid-challenge", "/data"), serves}, most: 1,
		},
		"refused without a reason": {turns: []turn{wants("", "/data")}, most: 1},
		"an error": {
			turns: []turn{status(http.StatusInternalServerError)}, most: 1,
		},
		"redirected": {turns: around(9, leads(found, "/data")), most: 1},
		"other protocol": {
			turns: around(9, wants(refused, "/v1/data"), wants(refused, "/data")), most: 1,
		},
		"other protocol, redirected": {
			turns: around(
				30, wants(refused, "/v1/data"), leads(found, "/v1/data"), wants(refused, "/data"),
				leads(found, "/data"),
			),
			most: 1,
		},
		"other payees": {turns: []turn{
			wants(refused, "/data", payeeIs(stranger(1))),
			wants(refused, "/data", payeeIs(stranger(2))),
			wants(refused, "/data", payeeIs(stranger(3))),
		}, most: 1},
		"other payees, redirected": {turns: []turn{
			wants(refused, "/data", payeeIs(stranger(1))), leads(found, "/data"),
			wants(refused, "/data", payeeIs(stranger(2))), leads(found, "/v1/data"),
			wants(refused, "/v1/data", payeeIs(stranger(3))), leads(found, "/data"),
		}, most: 1},
		"the opening is called gone": {turns: []turn{unknown("")}, most: 1},
		"the opening is called finalized": {
			turns: []turn{unknown("session/channel-finalized"), serves}, most: 1,
		},
		"served, and gone at the target of a redirect": {turns: []turn{
			serves, leads(found, "/data"), unknown("session/channel-not-found"), serves,
		}, most: 1},
		"gone": {warm: true, turns: []turn{unknown(""), serves}, most: 1},
		"gone twice": {
			warm: true, turns: []turn{unknown(""), unknown(""), serves}, most: 1,
		},
		"gone and redirected": {
			warm: true, turns: around(20, unknown(""), leads(found, "/data")), most: 1,
		},
		"gone, other protocol": {
			warm: true, turns: around(20, unknown(""), wants(refused, "/v1/data")), most: 1,
		},
		"closed on chain": {warm: true, closed: true, turns: []turn{serves}, most: 1},
		"closed on chain, then gone, then other terms": {warm: true, closed: true, turns: []turn{
			unknown("session/channel-finalized"), unknown(""), wants(refused, "/v1/data"), serves,
		}, most: 2},
	} {
		for _, policy := range []string{"pin", "hosts"} {
			t.Run(name+", "+policy, func(t *testing.T) {
				t.Parallel()
				srv := clienttest.New(t, clienttest.Config{})
				p := newPayer(t, srv, func(cfg *client.Config) {
					if policy == "hosts" {
						cfg.Policy = client.AllowHosts(srv.URL)
					}
				})
				if c.warm {
					p.get("/data")
				}
				if c.closed { // by another program of the same payer
					other := p.twin()
					other.cfg.Store, other.store = p.store, p.store
					other.cfg.Signer = p.cfg.Signer
					other.restart()
					require.NoError(t, other.session.Channels().Close(t.Context(), p.only().ID))
				}
				before := p.signed()
				l := p.follow(wants("", "/data"), c.turns...)
				resp, err := p.do(http.MethodGet, "/data", nil)
				_, _, err = finish(t, resp, err)
				assert.LessOrEqual(t, len(l.openings()), c.most, "%v", err)
				assert.NotEmpty(t, l.spenders())
				assert.False(t, u(200).Less(p.signedAbove(before)))
			})
		}
	}
}

// TestOpeningsOfManyRequests: requests that come one after the other, each to a payee that wants to
// be paid anew, do not each lock a deposit.
func TestOpeningsOfManyRequests(t *testing.T) {
	const n = 10
	for name, do := range map[string]turn{
		"410":               unknown(""),
		"channel not found": unknown("session/channel-not-found"),
		"channel finalized": unknown("session/channel-finalized"),
		"other protocol":    wants("payment-required", "/v1/data"),
		"other payee":       wants("payment-required", "/data", payeeIs(stranger(1))),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := clienttest.New(t, clienttest.Config{})
			p := newPayer(t, srv, func(c *client.Config) { c.Policy = client.AllowHosts(srv.URL) })
			l := p.follow(wants("", "/data"), do)
			for range n {
				resp, err := p.do(http.MethodGet, "/data", nil)
				_, _, _ = finish(t, resp, err)
			}
			assert.LessOrEqual(t, len(l.openings()), 2, "deposits")
			assert.False(t, u(100*(n+1)).Less(p.signedAbove(nil)))
		})
	}
}

// TestClosesOfOurOwnAreNoTakeBacks: whoever closes a channel and goes on gets another one each
// time.
func TestClosesOfOurOwnAreNoTakeBacks(t *testing.T) {
	for name, end := range map[string]func(*client.Channels, context.Context, common.Hash) error{
		"requested on chain": (*client.Channels).RequestClose,
		"with the payee":     (*client.Channels).Close,
	} {
		for _, rail := range rails {
			t.Run(name+rail, func(t *testing.T) {
				p := newPayer(t, clienttest.New(t, clienttest.Config{}))
				for n := range 4 {
					p.get(rail + "/data")
					all := p.channels()
					require.Len(t, all, n+1)
					for _, s := range all {
						if s.Phase == channel.Open {
							require.NoError(t, end(p.session.Channels(), t.Context(), s.ID))
						}
					}
				}
			})
		}
	}
}

func status(code int) turn {
	return func(*payer, *liar, sent) *http.Response { return reply(code, fmt.Sprint(code)) }
}

// TestOpeningThatTheChainShowsFirst: the chain shows an opening, and the record with it, before the
// request that carries it is sent. The payee still gets to know of the channel.
func TestOpeningThatTheChainShowsFirst(t *testing.T) {
	var p *payer
	p = newPayer(t, clienttest.New(t, clienttest.Config{}), func(c *client.Config) {
		c.OnEvent = func(e client.Event) {
			if e.Kind == client.EventOpening {
				p.broadcast(p.stored(e.ChannelID).Opening.Raw)
				_, err := p.session.Channels().Sync(t.Context(), e.ChannelID)
				assert.NoError(t, err)
			}
		}
	})
	p.get("/v1/data")
	assert.Len(t, p.channels(), 1)
}

// stored returns the record of a channel.
func (p *payer) stored(id common.Hash) rule.State {
	p.t.Helper()
	data, _, err := p.store.Get(p.t.Context(), rule.StateKey(id))
	require.NoError(p.t, err)
	s, err := rule.Decode(data)
	require.NoError(p.t, err)
	return s
}
