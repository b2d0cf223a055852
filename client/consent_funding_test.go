package client_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/internal/bubble"
	"github.com/seed-5fe1f529/tallystick/internal/wire"
)

// fee is how the fee of a funding transaction is paid.
type fee struct {
	token     common.Address
	sponsored bool
}

// fees are what the policy accepted for funding, and what was signed with it.
type fees struct {
	client.Chain
	refuse fee // is not accepted

	mu       sync.Mutex // guards what follows
	accepted []fee
	signed   []fee
}

var errFee = errors.New("not this fee")

func (f *fees) policy(_ context.Context, q client.Proposal) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	wanted := fee{q.Offer.FeeToken, q.Offer.FeePayer}
	switch {
	case !q.Funding:
		return nil
	case wanted == f.refuse:
		return errFee
	}
	f.accepted = append(f.accepted, wanted)
	return nil
}

func (f *fees) sign(token common.Address, sponsored bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.signed = append(f.signed, fee{token, sponsored})
}

func (f *fees) PrepareOpen(ctx context.Context, p escrow.OpenParams) (*escrow.Opening, error) {
	f.sign(p.FeeToken, p.Sponsored)
	return f.Chain.PrepareOpen(ctx, p)
}

func (f *fees) PrepareTopUp(ctx context.Context, p escrow.TopUpParams) (*escrow.TopUp, error) {
	f.sign(p.FeeToken, p.Sponsored)
	return f.Chain.PrepareTopUp(ctx, p)
}

// feeChange is a fee that changes while a channel is funded.
type feeChange struct {
	path   string // with the fee of before
	demand demand
	to     fee
}

// fundingStory is when the fee changes within a request.
type fundingStory struct {
	before int // honest requests, whose deposit the query names
	query  string
	slow   bool // the owner takes longer than the first challenge of the query lives
	// from is the first challenge to a request without a credential that has the new fee; zero if
	// the refusals of turns have it.
	from  int
	turns func(path string, change demand) []turn
}

func fundingStories() map[string]fundingStory {
	honest := func(string, demand) []turn { return []turn{serves} }
	gone := func(string, demand) []turn {
		return []turn{unknown("session/channel-not-found"), serves}
	}
	refuses := func(problem string) func(string, demand) []turn {
		return func(path string, change demand) []turn {
			return []turn{wants(problem, path, change), serves}
		}
	}
	return map[string]fundingStory{
		"at first":                      {from: 1, turns: honest},
		"at first, for a top-up":        {before: 1, query: "?deposit=150", from: 1, turns: honest},
		"while the owner thinks":        {query: "?ttl=30", slow: true, from: 2, turns: honest},
		"as the opening is stale":       {turns: refuses("invalid-challenge")},
		"as the opening is refused":     {turns: refuses("payment-required")},
		"as the opening has no problem": {turns: refuses("")},
		"as the deposit is too small": {
			before: 1,
			turns:  refuses("session/amount-exceeds-deposit"),
		},
		"as a known channel is gone": {before: 1, from: 1, turns: gone},
		"as a channel is gone":       {before: 1, query: "?price=101", from: 2, turns: gone},
		"before a redirect": {turns: func(path string, change demand) []turn {
			return []turn{
				wants("invalid-challenge", path, change), leads(http.StatusFound, path), serves,
			}
		}},
		"after a redirect": {turns: func(path string, change demand) []turn {
			return []turn{
				leads(http.StatusFound, path), wants("invalid-challenge", path, change), serves,
			}
		}},
	}
}

// alphaUSD is a dollar token of the test chain's network, so there are limits for it.
var alphaUSD = common.HexToAddress("0x20c0000000000000000000000000000000000001")

// TestFeesAreConsentedToBeforeFunding: a fee token or a sponsor that changes within a request is
// put before the policy and the owner before a transaction is signed with it.
func TestFeesAreConsentedToBeforeFunding(t *testing.T) {
	other := alphaUSD
	instead := func(r map[string]any) {
		sponsorIs(false)(r)
		feeTokenIs(other)(r)
	}
	for name, change := range map[string]feeChange{
		"fee token":                       {"/data", feeTokenIs(other), fee{token: other}},
		"a sponsor":                       {"/data", sponsorIs(true), fee{sponsored: true}},
		"no sponsor":                      {"/sponsored", sponsorIs(false), fee{}},
		"fee token in place of a sponsor": {"/sponsored", instead, fee{token: other}},
	} {
		for when, story := range fundingStories() {
			for _, rail := range rails {
				one := change
				one.path = rail + change.path
				t.Run(name+", "+when+rail, func(t *testing.T) {
					bubble.Run(t, func(t *testing.T) { story.run(t, one, false) })
					bubble.Run(t, func(t *testing.T) { story.run(t, one, true) })
				})
			}
		}
	}
}

func (c fundingStory) run(t *testing.T, change feeChange, accepted bool) {
	var o owner
	if c.slow {
		o.decide = func(client.Quote) error {
			time.Sleep(time.Minute)
			return nil
		}
	}
	f := &fees{refuse: change.to}
	if accepted {
		f.refuse = fee{token: stranger(9)}
	}
	p := inMemory(t, o.asks(1), func(cfg *client.Config) {
		f.Chain = cfg.Chain
		cfg.Chain, cfg.Policy = f, f.policy
	})
	for range c.before {
		p.get(change.path + strings.ReplaceAll(c.query, "price=101", ""))
	}
	l := p.follow(serves, c.turns(change.path, change.demand)...)
	challenges := 0
	l.after = func(_ int, s sent, resp *http.Response) {
		if s.Paid != nil {
			return
		}
		if challenges++; c.from > 0 && challenges >= c.from {
			l.forge(resp, func(_ *wire.Challenge, r map[string]any) { change.demand(r) })
		}
	}
	before := len(f.signed)
	resp, err := p.do(http.MethodGet, change.path+c.query, nil)
	_, _, err = finish(t, resp, err)
	for _, signed := range f.signed {
		assert.Contains(t, f.accepted, signed, "signed without consent (%v)", err)
		assert.True(t, slices.ContainsFunc(o.quotes, func(q client.Quote) bool {
			return q.Offer.FeeToken == signed.token && q.Offer.FeePayer == signed.sponsored
		}), "the owner did not approve %v", signed)
	}
	if !accepted {
		assert.NotContains(t, f.signed, change.to)
	}
	assert.LessOrEqual(t, len(f.signed)-before, 1)
	if accepted && c.from > 0 {
		assert.Contains(
			t, f.signed, change.to, "nothing was funded so: the test tests nothing (%v)", err,
		)
	}
}

// TestFeeOfAStreamsTopUpIsConsentedTo: a stream that begins on a channel with enough deposit funds
// it later, with a fee that the policy was not asked about at first.
func TestFeeOfAStreamsTopUpIsConsentedTo(t *testing.T) {
	other := alphaUSD
	for name, c := range map[string]struct {
		demand demand
		to     fee
	}{
		"fee token": {feeTokenIs(other), fee{token: other}},
		"a sponsor": {sponsorIs(true), fee{sponsored: true}},
	} {
		for _, rail := range rails {
			t.Run(name+rail, func(t *testing.T) {
				srv := clienttest.New(t, clienttest.Config{})
				f := &fees{refuse: c.to}
				p := newPayer(t, srv, func(cfg *client.Config) {
					f.Chain = cfg.Chain
					cfg.Chain, cfg.Policy = f, f.policy
				})
				p.get(rail + "/data?deposit=150")
				p.lied().demands(c.demand)
				body, e := p.broken(
					p.do(http.MethodGet, rail+"/stream?n=20&price=10&deposit=150", nil),
				)
				require.ErrorIs(t, e, errFee)
				require.ErrorIs(t, e, client.ErrPolicy)
				assert.Equal(
					t, 5, strings.Count(body, "\n\n"), "what the deposit covers is delivered",
				)
				assert.Equal(t, []fee{{}}, f.signed)
				assert.Equal(t, u(150), p.only().Signed)

				f.refuse = fee{token: stranger(9)} // if the policy agrees, the top-up is signed
				resp, err := p.do(http.MethodGet, rail+"/stream?n=20&price=10&deposit=150", nil)
				_, _, _ = finish(t, resp, err) // the server has no such token, and is no sponsor
				assert.Contains(t, f.signed, c.to)
			})
		}
	}
}
