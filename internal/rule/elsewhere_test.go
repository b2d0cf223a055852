package rule_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// TestPriceRaisedElsewhere: what a request raised on other channels is not raised here again.
func TestPriceRaisedElsewhere(t *testing.T) {
	used, _, _ := pay(t, open(t, 10_000), 300, wide) // all of it is used
	credit, claim, _ := pay(t, open(t, 10_000), 300, wide)
	credit = credit.Release(claim) // 300 are signed, nothing is used
	some, _, _ := pay(t, credit, 240, wide)
	owing, c, _ := pay(t, open(t, 10_000), 300, wide)
	owing, _ = owing.CatchUp(c, u(320), u(320), wide) // a stream took 20 more
	for name, c := range map[string]struct {
		state      rule.State
		price      uint64
		elsewhere  uint64
		lim        rule.Limits
		due        uint64
		raised     uint64
		authorized uint64
		err        error
	}{
		"nothing elsewhere":      {used, 100, 0, wide, 400, 100, 400, nil},
		"all of it":              {used, 100, 100, wide, 0, 0, 300, channel.ErrRaised},
		"more than the price":    {used, 100, 900, wide, 0, 0, 300, channel.ErrRaised},
		"a part":                 {used, 100, 60, wide, 0, 0, 300, channel.ErrRaised},
		"credit covers it":       {credit, 100, 100, wide, 300, 0, 300, nil},
		"credit covers the rest": {some, 100, 60, wide, 340, 40, 340, nil},
		"and no more":            {some, 100, 61, wide, 0, 0, 300, channel.ErrRaised},
		"ahead is beside it":     {used, 100, 100, ahead(wide, 100), 400, 0, 400, nil},
		"as far as it goes":      {used, 100, 100, ahead(wide, 99), 0, 0, 300, channel.ErrRaised},
		"arrears are beside it":  {owing, 100, 0, wide, 420, 100, 420, nil},
		"and are not its price":  {owing, 100, 100, wide, 0, 0, 300, channel.ErrRaised},
		"nothing on a new one":   {open(t, 10_000), 100, 1, wide, 0, 0, 0, channel.ErrRaised},
		"a limit is named first": {open(t, 10_000), 1001, 1001, wide, 0, 0, 0, channel.ErrLimit},
	} {
		t.Run(name, func(t *testing.T) {
			req := rule.Request{Price: u(c.price), Elsewhere: u(c.elsewhere)}
			next, claim, due, err := c.state.Authorize(req, c.lim)
			if c.err != nil {
				require.ErrorIs(t, err, c.err)
				assert.Equal(t, c.state, next)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, u(c.due), due)
			assert.Equal(t, u(c.authorized), next.Authorized())
			assert.Equal(t, u(c.raised), claim.Raised)
			assert.Equal(t, u(c.elsewhere), claim.Elsewhere)
		})
	}
}

// TestRequestThatComesBack: a request raised its price here, went elsewhere and comes back. What it
// left here is still its own.
func TestRequestThatComesBack(t *testing.T) {
	s, c, due := pay(t, open(t, 10_000), 100, wide)
	require.Equal(t, u(100), c.Raised)
	s, c, due2, err := s.Renew(c, rule.Request{Price: u(100), Elsewhere: u(100)}, wide)
	require.NoError(t, err)
	assert.Equal(t, due, due2)
	_, _, _, err = s.Overdrawn(c, due, wide)
	require.ErrorIs(t, err, channel.ErrSpent, "it has nothing left to give")
	_, kept, _, err := s.Renew(c, rule.Request{Price: u(150), Elsewhere: u(100)}, wide)
	require.ErrorIs(t, err, channel.ErrRaised, "50 of 150 are left, and 100 were raised here")
	assert.Equal(t, c, kept)
	_, c, due, err = s.Renew(c, rule.Request{Price: u(150)}, wide)
	require.NoError(t, err)
	assert.Equal(t, u(150), due)
	assert.Equal(t, u(150), c.Raised)
}

// TestOverdrawnElsewhere: a payee that refuses what exists gets what the price has left, once.
func TestOverdrawnElsewhere(t *testing.T) {
	s, claim, _ := pay(t, open(t, 10_000), 100, wide)
	s, c, due, err := s.Release(
		claim,
	).Authorize(rule.Request{Price: u(100), Elsewhere: u(70)}, wide)
	require.NoError(t, err)
	require.Equal(t, u(100), due, "credit")
	s, c, due, err = s.Overdrawn(c, due, wide)
	require.NoError(t, err)
	assert.Equal(t, u(130), due)
	assert.Equal(t, u(30), c.Raised)
	_, _, _, err = sign(t, s, due).Overdrawn(c, due, wide)
	require.ErrorIs(t, err, channel.ErrSpent)
	require.ErrorIs(t, err, channel.ErrRaised)
}

// TestOnePriceOnManyChannels: whatever answers move a request between channels and prices, its own
// price raises what may be signed by the highest price in all, and what is signed stays within what
// callers asked for and ahead.
func TestOnePriceOnManyChannels(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		lim := ahead(wide, rapid.SampledFrom([]uint64{0, 0, 30, 200}).Draw(rt, "ahead"))
		type place struct {
			rule.State
			claim rule.Claim
			due   voucher.Amount
			open  bool
			begun voucher.Amount // what may be signed without the request and without Ahead
		}
		places := make([]place, 3)
		for i := range places {
			s := open(t, 10_000)
			for range rapid.IntRange(0, 3).Draw(rt, "others") {
				next, c, due, err := s.Authorize(
					rule.Request{Price: u(rapid.Uint64Range(1, 80).Draw(rt, "price"))}, lim,
				)
				require.NoError(rt, err)
				switch rapid.IntRange(0, 2).Draw(rt, "end") {
				case 0:
					s = refuse(next, s, next)
				case 1:
					s = sign(t, next, due).Release(c)
				default:
					s = sign(t, next, due)
				}
			}
			places[i] = place{State: s, begun: s.Signed}
			if !lim.Ahead.IsZero() { // ahead of what callers asked for, charged or not
				places[i].begun = s.Signed.Max(s.Asked())
			}
		}
		price, last := rapid.Uint64Range(1, 100).Draw(rt, "agreed"), -1
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			i := rapid.IntRange(0, 2).Draw(rt, "channel")
			p := &places[i]
			var elsewhere voucher.Amount
			for j := range places {
				if j != i {
					elsewhere = elsewhere.AddCapped(places[j].claim.Raised)
				}
			}
			req := rule.Request{
				Price: u(rapid.Uint64Range(1, price).Draw(rt, "now")), Elsewhere: elsewhere,
				Floor:    u(rapid.Uint64Range(0, 500).Draw(rt, "floor")),
				MinDelta: u(rapid.Uint64Range(0, 50).Draw(rt, "delta")),
			}
			var next rule.State
			var c rule.Claim
			var due voucher.Amount
			var err error
			switch overdrawn := rapid.Bool().Draw(rt, "refused"); {
			case !p.open:
				next, c, due, err = p.Authorize(req, lim)
			case overdrawn && last == i:
				next, c, due, err = p.Overdrawn(p.claim, p.due, lim)
			default:
				next, c, due, err = p.Renew(p.claim, req, lim)
			}
			if err != nil {
				require.Equal(rt, p.State, next)
				continue
			}
			most := p.Signed.Max(next.Authorized().Min(next.Asked().AddCapped(lim.Ahead)))
			require.False(rt, most.Less(due), "due %s of %s", due, most)
			last = i
			p.State, p.claim, p.due, p.open = sign(t, next, due), c, due, true
		}
		var raised voucher.Amount
		for i := range places {
			p := &places[i]
			raised = raised.AddCapped(p.claim.Raised)
			grown := p.Signed.SubFloor(p.begun).SubFloor(lim.Ahead)
			require.False(
				rt, p.claim.Raised.Less(grown), "signed %s more, raised %s", grown, p.claim.Raised,
			)
		}
		require.False(rt, u(price).Less(raised), "raised %s of %d", raised, price)
	})
}
