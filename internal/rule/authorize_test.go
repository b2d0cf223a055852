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

func TestAuthorizeCountsPrices(t *testing.T) {
	s := open(t, 10_000)
	for n := uint64(1); n <= 5; n++ {
		var due voucher.Amount
		s, _, due = pay(t, s, 100, wide)
		assert.Equal(t, u(n*100), due)
		assert.Equal(t, u(n*100), s.Authorized())
		assert.Equal(t, u(n*100), s.Signed)
	}
}

func TestAuthorizeUsesCreditFirst(t *testing.T) {
	s, claim, _ := pay(t, open(t, 10_000), 100, wide)
	s = s.Release(claim)
	next, _, due := pay(t, s, 60, wide)
	assert.Equal(t, u(100), due, "the voucher that exists")
	assert.Equal(t, u(100), next.Authorized(), "nothing new was authorized")
	_, _, due = pay(t, next, 60, wide)
	assert.Equal(t, u(120), due, "what is left of the credit counts")
}

func TestAheadServesManyRequestsWithOneVoucher(t *testing.T) {
	lim := ahead(wide, 6400)
	s, _, first := pay(t, open(t, 100_000), 100, lim)
	assert.Equal(t, u(6500), first)
	for range 64 {
		var due voucher.Amount
		s, _, due = pay(t, s, 100, lim)
		assert.Equal(t, first, due)
	}
	_, _, due := pay(t, s, 100, lim)
	assert.Equal(t, u(6600+6400), due)
}

func TestAuthorizeRefuses(t *testing.T) {
	full, _, _ := pay(t, open(t, 150), 100, wide)
	gone := open(t, 1000).Abandoned()
	for name, c := range map[string]struct {
		state rule.State
		ask   rule.Request
		lim   rule.Limits
		want  error
		text  string
	}{
		"zero limits":    {open(t, 1000), rule.Request{Price: u(1)}, rule.Of(channel.Limits{}), channel.ErrLimit, "set Limits.Price"},
		"zero deposit":   {open(t, 1000), rule.Request{Price: u(1)}, rule.Of(channel.Limits{Price: u(1)}), channel.ErrLimit, "set Limits.Deposit"},
		"price":          {open(t, 10000), rule.Request{Price: u(1001)}, wide, channel.ErrLimit, "wanted 1001"},
		"zero price":     {open(t, 1000), rule.Request{}, wide, channel.ErrOffer, "zero"},
		"deposit":        {full, rule.Request{Price: u(51)}, wide, channel.ErrDeposit, "needs 151"},
		"gone":           {gone, rule.Request{Price: u(1)}, wide, channel.ErrNotPayable, "no longer taken"},
		"closing":        {open(t, 1000).ClosingAt(u(1)), rule.Request{Price: u(1)}, wide, channel.ErrNotPayable, "closing"},
		"never opened":   {rule.State{}, rule.Request{Price: u(1)}, wide, channel.ErrNotPayable, "unopened"},
		"min delta":      {full, rule.Request{Price: u(10), MinDelta: u(50)}, wide, channel.ErrLimit, "set Limits.Ahead to at least 40"},
		"floor":          {open(t, 1000), rule.Request{Price: u(10), Floor: u(11)}, wide, channel.ErrServerReport, "requires a voucher of 11"},
		"128-bit prices": {open(t, 1000), rule.Request{Price: voucher.MaxAmount}, rule.Of(channel.Limits{Price: voucher.MaxAmount, Deposit: voucher.MaxAmount}), channel.ErrDeposit, "needs"},
	} {
		t.Run(name, func(t *testing.T) {
			next, _, due, err := c.state.Authorize(c.ask, c.lim)
			require.ErrorIs(t, err, c.want)
			assert.ErrorContains(t, err, c.text)
			assert.True(t, due.IsZero())
			assert.Equal(t, c.state, next, "a refusal changes nothing")
		})
	}
}

func TestMinDeltaIsPaidFromAhead(t *testing.T) {
	lim := ahead(wide, 40)
	s, _, due := pay(t, open(t, 1000), 10, rule.Of(channel.Limits{Price: u(10), Deposit: u(1000)}))
	require.Equal(t, u(10), due)
	_, _, due, err := s.Authorize(rule.Request{Price: u(10), MinDelta: u(50)}, lim)
	require.NoError(t, err)
	assert.Equal(t, u(60), due)
}

// TestOverdrawn: a payee that refuses what is presented gets what exists, then what is authorized, and
// then one price, once.
func TestOverdrawn(t *testing.T) {
	s, claim, due := pay(t, open(t, 1000), 100, wide)
	_, _, _, err := s.Overdrawn(claim, due, wide)
	assert.ErrorIs(t, err, channel.ErrSpent, "the price raised the ceiling already")

	s = s.Release(claim)
	s, claim, due = pay(t, s, 100, wide)
	require.Equal(t, u(100), due, "credit")
	next, claim, due, err := s.Overdrawn(claim, due, wide)
	require.NoError(t, err)
	assert.Equal(t, u(200), due)
	assert.Equal(t, u(200), next.Authorized())
	assert.Equal(t, u(200), next.Claimed, "all of it counts as used")
	next = sign(t, next, due)
	_, _, _, err = next.Overdrawn(claim, due, wide)
	assert.ErrorIs(t, err, channel.ErrSpent)

	_, _, due, err = next.Overdrawn(claim, u(150), wide)
	require.NoError(t, err)
	assert.Equal(t, u(200), due, "a higher voucher exists: present it")
}

// TestOverdrawnOnAClosingChannel: a refusal raises nothing on a channel that is being closed.
func TestOverdrawnOnAClosingChannel(t *testing.T) {
	s, claim, _ := pay(t, open(t, 1000), 100, wide)
	s = s.Release(claim)
	s, claim, due := pay(t, s, 100, wide)
	_, _, _, err := s.ClosingAt(u(100)).Overdrawn(claim, due, wide)
	assert.ErrorIs(t, err, channel.ErrNotPayable)
	_, _, _, err = s.Abandoned().Overdrawn(claim, due, wide)
	assert.ErrorIs(t, err, channel.ErrNotPayable)
}

func TestOverdrawnStaysWithinLimits(t *testing.T) {
	s, claim, _ := pay(t, open(t, 150), 100, wide)
	s = s.Release(claim)
	s, claim, due := pay(t, s, 100, wide)
	_, _, _, err := s.Overdrawn(claim, due, wide)
	assert.ErrorIs(t, err, channel.ErrDeposit)
}

// TestOverdrawnStaysWithinWhatWasAsked: a ceiling whose voucher was never made is no reason to raise it
// above what callers asked for.
func TestOverdrawnStaysWithinWhatWasAsked(t *testing.T) {
	s, _, _, err := open(t, 10_000).Authorize(rule.Request{Price: u(100)}, wide)
	require.NoError(t, err)
	s = refuse(s, open(t, 10_000), s)
	s, claim, due := pay(t, s, 100, wide)
	require.Equal(t, u(100), due)
	require.Equal(t, u(100), s.Asked())
	next, _, _, err := s.Overdrawn(claim, due, wide)
	require.ErrorIs(t, err, channel.ErrSpent)
	assert.Equal(t, u(100), next.Authorized())
}

// TestAheadIsGivenOnce: a payee that had a voucher refused and got all of Ahead for it does not get Ahead again with
// the next request.
func TestAheadIsGivenOnce(t *testing.T) {
	lim := ahead(wide, 100)
	s, claim, due := pay(t, open(t, 10_000), 100, lim)
	require.Equal(t, u(200), due)
	s, claim, due = pay(t, s.Release(claim), 100, lim)
	require.Equal(t, u(200), due, "credit")
	s, _, due, err := s.Overdrawn(claim, due, lim)
	require.NoError(t, err)
	require.Equal(t, u(300), due, "200 were asked for, and 100 ahead")
	s, _, due = pay(t, sign(t, s, due), 100, lim)
	assert.Equal(t, u(400), due, "300 were asked for, and 100 ahead")
	assert.Equal(t, u(300), s.Asked())
}

// TestClimbAfterCrash: what was authorized and not signed before a crash is presented low first, then
// whole, and raises nothing.
func TestClimbAfterCrash(t *testing.T) {
	lim := ahead(wide, 500)
	crashed, _, due, err := open(t, 10_000).Authorize(rule.Request{Price: u(100)}, lim)
	require.NoError(t, err)
	require.Equal(t, u(600), due)
	stored, err := crashed.Encode()
	require.NoError(t, err)
	s, err := rule.Decode(stored)
	require.NoError(t, err)

	s, claim, due := pay(t, s, 100, lim)
	assert.Equal(t, u(200), due)
	assert.Equal(t, u(600), s.Authorized())
	next, _, due, err := s.Overdrawn(claim, due, lim)
	require.NoError(t, err)
	assert.Equal(t, u(600), due)
	assert.Equal(t, u(600), next.Authorized())
}

func TestMarkSignedRefusesMoreThanAuthorized(t *testing.T) {
	s := open(t, 1000)
	_, err := s.MarkSigned(voucher.Signed{Voucher: voucher.Voucher{ChannelID: s.ID, Cumulative: u(1)}})
	assert.ErrorIs(t, err, channel.ErrOverAuthorized)
}

// TestTheRule drives the pure core with random asks, refusals, receipts and lies, and holds it to what is
// promised: the ceiling never passes what callers asked for plus Ahead, the deposit, or the limit, and
// never falls.
func TestTheRule(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		lim := rule.Of(channel.Limits{Price: u(50), Deposit: u(5000), Stream: u(800), Step: u(rapid.Uint64Range(0, 50).Draw(rt, "step")), Ahead: u(rapid.Uint64Range(0, 300).Draw(rt, "ahead"))})
		s := open(t, rapid.Uint64Range(1, 8000).Draw(rt, "deposit"))
		deposit := s.Deposit
		var asked voucher.Amount
		type held struct {
			rule.Claim
			due voucher.Amount
		}
		var claims []held
		amount := rapid.Custom(func(rt *rapid.T) voucher.Amount {
			return u(rapid.OneOf(rapid.Uint64Range(0, 60), rapid.Uint64Range(0, 10_000), rapid.Just(^uint64(0))).Draw(rt, "n"))
		})
		most := func(ahead voucher.Amount) voucher.Amount {
			return s.Signed.Max(s.Authorized().Min(asked.AddCapped(ahead)))
		}
		mark := func(next rule.State, due voucher.Amount) {
			s = next
			require.False(rt, most(lim.Ahead).Less(due), "due %s, asked %s", due, asked)
			if s.Signed.Less(due) {
				var err error
				s, err = s.MarkSigned(voucher.Signed{Voucher: voucher.Voucher{ChannelID: s.ID, Cumulative: due}, Signature: []byte{1}})
				require.NoError(rt, err)
			}
		}
		before := s.Authorized()
		rt.Repeat(map[string]func(*rapid.T){
			"ask": func(rt *rapid.T) {
				a := rule.Request{Price: amount.Draw(rt, "price"), MinDelta: amount.Draw(rt, "delta")}
				next, c, due, err := s.Authorize(a, lim)
				if err != nil {
					require.Equal(rt, s, next)
					return
				}
				if s.Signed.Less(due) && rapid.Bool().Draw(rt, "the signer refuses") {
					s = refuse(next, s, next)
					return
				}
				asked = asked.AddCapped(a.Price)
				mark(next, due)
				claims = append(claims, held{c, due})
			},
			"close": func(rt *rapid.T) {
				if due, err := s.CloseDue(amount.Draw(rt, "refused")); err == nil {
					require.False(rt, most(u(0)).Less(due), "close at %s, asked %s", due, asked)
				}
			},
			"refuse": func(rt *rapid.T) {
				if len(claims) == 0 {
					return
				}
				i := rapid.IntRange(0, len(claims)-1).Draw(rt, "claim")
				next, c, due, err := s.Overdrawn(claims[i].Claim, claims[i].due, lim)
				if err != nil {
					return
				}
				claims[i] = held{c, due}
				mark(next, due)
			},
			"renew": func(rt *rapid.T) {
				if len(claims) == 0 {
					return
				}
				i := rapid.IntRange(0, len(claims)-1).Draw(rt, "claim")
				was := claims[i].Claim
				next, c, due, err := s.Renew(claims[i].Claim, rule.Request{Price: amount.Draw(rt, "price")}, lim)
				if err != nil {
					return
				}
				require.Equal(rt, c.Price.Max(was.Asked), c.Asked)
				asked = asked.SubFloor(was.Asked).AddCapped(c.Asked)
				claims[i] = held{c, due}
				mark(next, due)
			},
			"need voucher": func(rt *rapid.T) {
				if len(claims) == 0 {
					return
				}
				i := rapid.IntRange(0, len(claims)-1).Draw(rt, "claim")
				was := claims[i].Price
				next, c, due, err := s.AuthorizeMore(claims[i].Claim, amount.Draw(rt, "delivered"), amount.Draw(rt, "required"), u(10), lim)
				if err != nil {
					return
				}
				asked = asked.AddCapped(c.Price.SubFloor(was))
				claims[i] = held{c, due}
				mark(next, due)
			},
			"catch up": func(rt *rapid.T) {
				if len(claims) == 0 {
					return
				}
				i := rapid.IntRange(0, len(claims)-1).Draw(rt, "claim")
				was := claims[i].Price
				s, claims[i].Claim = s.CatchUp(claims[i].Claim, amount.Draw(rt, "total"), amount.Draw(rt, "most"), lim)
				asked = asked.AddCapped(claims[i].Price.SubFloor(was))
			},
			"receipt": func(rt *rapid.T) {
				next, _ := s.Reconcile(channel.Report{Accepted: amount.Draw(rt, "accepted"), Spent: amount.Draw(rt, "spent")}, amount.Draw(rt, "in flight"))
				require.Equal(rt, s.Authorized(), next.Authorized(), "a receipt raised the ceiling")
				require.False(rt, s.Claimed.Less(next.Claimed), "a receipt raised what is claimed")
				s = next
			},
			"release": func(rt *rapid.T) {
				if len(claims) > 0 {
					s = s.Release(claims[0].Claim)
					claims = claims[1:]
				}
			},
			"crash": func(rt *rapid.T) {
				data, err := s.Encode()
				require.NoError(rt, err)
				s, err = rule.Decode(data)
				require.NoError(rt, err)
				claims = nil
			},
			"": func(rt *rapid.T) {
				a := s.Authorized()
				require.False(rt, a.Less(before), "the ceiling fell")
				before = a
				require.False(rt, a.Less(s.Signed), "signed above authorized")
				require.Equal(rt, asked, s.Asked())
				require.False(rt, asked.AddCapped(lim.Ahead).Less(s.Signed), "signed %s for %s asked and %s ahead", s.Signed, asked, lim.Ahead)
				require.False(rt, lim.Deposit.Min(deposit).Less(a), "authorized above the deposit")
			},
		})
	})
}

// TestRenewCountsOnce: another price, or another look at the deposit, does not make one request two.
func TestRenewCountsOnce(t *testing.T) {
	s, claim, _ := pay(t, open(t, 10_000), 100, wide)
	for range 3 {
		next, renewed, due, err := s.Renew(claim, rule.Request{Price: u(100)}, wide)
		require.NoError(t, err)
		assert.Equal(t, u(100), due)
		assert.Equal(t, u(100), next.Asked())
		_, _, _, err = next.Overdrawn(renewed, due, wide)
		assert.ErrorIs(t, err, channel.ErrSpent, "the price has raised the ceiling already")
		s, claim = next, renewed
	}
	s, claim, due, err := s.Renew(claim, rule.Request{Price: u(150)}, wide)
	require.NoError(t, err)
	assert.Equal(t, u(150), due)
	assert.Equal(t, u(150), s.Asked())
	same, kept, _, err := s.Renew(claim, rule.Request{Price: u(1001)}, wide)
	require.ErrorIs(t, err, channel.ErrLimit)
	assert.Equal(t, s, same)
	assert.Equal(t, claim, kept)
}

// TestPriceThatFallsAndRises: one request is asked 1000, then 1, then 1000 again, and its voucher is refused as used up. All
// of it is one price.
func TestPriceThatFallsAndRises(t *testing.T) {
	s, c, _ := pay(t, open(t, 10_000), 1000, wide)
	for _, price := range []uint64{1, 1000} {
		var err error
		s, c, _, err = s.Renew(c, rule.Request{Price: u(price)}, wide)
		require.NoError(t, err)
	}
	assert.Equal(t, u(1000), s.Asked())
	_, _, _, err := s.Overdrawn(c, u(1000), wide)
	require.ErrorIs(t, err, channel.ErrSpent)

	// What was asked for and delivered is signed for by others; it stays asked for.
	s, c, _ = pay(t, open(t, 10_000), 10, wide)
	s, c = s.CatchUp(c, u(30), u(30), wide)
	s, _, _ = pay(t, s, 10, wide)
	require.Equal(t, u(40), s.Signed)
	s, _, _, err = s.Renew(c, rule.Request{Price: u(10)}, wide)
	require.NoError(t, err)
	assert.Equal(t, u(40), s.Asked())
}

// TestRenewRemembersWhatWasRaised: others asked and were not charged, so there is room under what was asked for in all. One
// claim takes its own price of it, also when it is decided again in between.
func TestRenewRemembersWhatWasRaised(t *testing.T) {
	s := open(t, 10_000)
	for range 2 {
		var c rule.Claim
		s, c, _ = pay(t, s, 100, wide)
		s = s.Release(c)
	}
	s, c, due := pay(t, s, 100, wide)
	s, c, due, err := s.Overdrawn(c, due, wide)
	require.NoError(t, err)
	require.Equal(t, u(200), due)
	s, c, _, err = s.Renew(c, rule.Request{Price: u(100)}, wide)
	require.NoError(t, err)
	_, _, _, err = s.Overdrawn(c, s.Authorized(), wide)
	require.ErrorIs(t, err, channel.ErrSpent)
}
