package rule_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

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
		req   rule.Request
		lim   rule.Limits
		want  error
		text  string
	}{
		"zero limits": {
			open(t, 1000),
			rule.Request{Price: u(1)},
			rule.Of(channel.Limits{}), channel.ErrLimit,
			"set Limits.Price",
		},
		"zero deposit": {
			open(t, 1000),
			rule.Request{Price: u(1)},
			rule.Of(channel.Limits{Price: u(1)}),
			channel.ErrLimit, "set Limits.Deposit",
		},
		"price": {
			open(t, 10000), rule.Request{Price: u(1001)}, wide, channel.ErrLimit, "wanted 1001",
		},
		"zero price": {open(t, 1000), rule.Request{}, wide, channel.ErrOffer, "zero"},
		"deposit":    {full, rule.Request{Price: u(51)}, wide, channel.ErrDeposit, "needs 151"},
		"gone": {
			gone, rule.Request{Price: u(1)}, wide, channel.ErrNotPayable, "no longer accepted",
		},
		"closing": {
			open(t, 1000).ClosingAt(u(1)),
			rule.Request{Price: u(1)},
			wide, channel.ErrNotPayable,
			"closing",
		},
		"never opened": {
			rule.State{}, rule.Request{Price: u(1)}, wide, channel.ErrNotPayable, "unopened",
		},
		"min delta": {
			full,
			rule.Request{Price: u(10), MinDelta: u(50)},
			wide, channel.ErrLimit,
			"set Limits.Ahead to at least 40",
		},
		"floor": {
			open(t, 1000),
			rule.Request{Price: u(10), Floor: u(11)},
			wide, channel.ErrServerReport,
			"requires a voucher of 11",
		},
		"128-bit prices": {
			open(t, 1000),
			rule.Request{Price: voucher.MaxAmount},
			rule.Of(channel.Limits{Price: voucher.MaxAmount, Deposit: voucher.MaxAmount}),
			channel.ErrDeposit, "needs",
		},
	} {
		t.Run(name, func(t *testing.T) {
			next, _, due, err := c.state.Authorize(c.req, c.lim)
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

// TestOverdrawnRaisesThePriceOnce: a payee that refuses what is presented gets what exists, then
// what is authorized, and then one price, once.
func TestOverdrawnRaisesThePriceOnce(t *testing.T) {
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

// TestSteppedRaisesNoMoreThanItMust: a claim that the credit covers raises one unit, or all that its price may raise
// if the payee requires larger steps, above every voucher that the payee may have; once, and within all limits. What
// the payee requires is compared, and is in no sum.
func TestSteppedRaisesNoMoreThanItMust(t *testing.T) {
	s, first, _ := pay(t, open(t, 1000), 100, wide)
	s, claim, due := pay(t, s.Release(first), 100, wide)
	require.Equal(t, u(100), due, "credit")
	for delta, want := range map[uint64]uint64{0: 101, 1: 101, 2: 200, 100: 200} {
		next, c, due, err := s.Stepped(claim, u(100), u(delta), wide)
		require.NoError(t, err)
		assert.Equal(t, u(want), due, "%d", delta)
		assert.Equal(t, u(want), next.Authorized())
		assert.Equal(t, s.Claimed, next.Claimed, "the credit pays for it")
		_, c, due, err = next.Stepped(c, due, u(0), wide)
		if want == 200 {
			require.ErrorIs(t, err, channel.ErrSpent)
			continue
		}
		require.NoError(t, err)
		assert.Equal(t, u(102), due)
		assert.Equal(t, u(2), c.Raised)
	}
	for name, c := range map[string]struct {
		s          rule.State
		had, delta uint64
		lim        rule.Limits
		err        error
	}{
		"what callers asked for in all": {s, 200, 0, wide, channel.ErrSpent},
		"a step that is too small":      {s, 100, 101, wide, channel.ErrSpent},
		"a deposit":                     {s, 1000, 0, ahead(wide, 10_000), channel.ErrDeposit},
		"a budget":                      {s, 100, 0, leaving(wide, room(1000, 1000)), channel.ErrLimit},
		"a close":                       {s.ClosingAt(u(100)), 100, 0, wide, channel.ErrNotPayable},
		"a replaced channel":            {s.Abandoned(), 100, 0, wide, channel.ErrNotPayable},
	} {
		same, _, _, err := c.s.Stepped(claim, u(c.had), u(c.delta), c.lim)
		require.ErrorIs(t, err, c.err, name)
		assert.Equal(t, c.s, same, name)
	}
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

// TestOverdrawnStaysWithinWhatWasAsked: a ceiling whose voucher was never made is no reason to
// raise it above what callers asked for.
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

// TestRefusalsRaiseNothingBeyondRequests: a payee that took all of Limits.Ahead and frees what it did
// not charge gets no more than callers requested, although the price of the request has raised
// nothing.
func TestRefusalsRaiseNothingBeyondRequests(t *testing.T) {
	lim := ahead(wide, 100)
	s, claim, _ := pay(t, open(t, 10_000), 100, lim)
	s, claim, due := pay(t, s.Release(claim), 100, lim)
	s, _, due, err := s.Overdrawn(claim, due, lim)
	require.NoError(t, err)
	require.Equal(t, u(300), due, "200 were requested, and 100 ahead")
	s, err = sign(t, s, due).Reconcile(channel.Report{Accepted: due, Spent: u(200)}, u(0))
	require.NoError(t, err)
	s, claim, due = pay(t, s, 100, wide)
	require.Equal(t, u(300), due, "credit")
	next, _, _, err := s.Overdrawn(claim, due, wide)
	require.ErrorIs(t, err, channel.ErrSpent)
	assert.Equal(t, s, next)
	_, _, due, err = s.Overdrawn(claim, due, lim)
	require.NoError(t, err)
	assert.Equal(t, u(400), due, "300 were requested, and 100 ahead")
}

// TestAheadIsGivenOnce: a payee that had a voucher refused and got all of Ahead for it does not get
// Ahead again with the next request.
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

// TestCrashedCeilingIsPresentedInTwoSteps: what was authorized and not signed before a crash is
// presented low first, then whole, and raises nothing.
func TestCrashedCeilingIsPresentedInTwoSteps(t *testing.T) {
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
	_, err := s.MarkSigned(
		voucher.Signed{Voucher: voucher.Voucher{ChannelID: s.ID, Cumulative: u(1)}},
	)
	assert.ErrorIs(t, err, channel.ErrOverAuthorized)
}
