package rule_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
)

func TestReconcileOnlyLowers(t *testing.T) {
	s, _, _ := pay(t, open(t, 10_000), 100, wide)
	s, _, _ = pay(t, s, 100, wide)
	for name, c := range map[string]struct {
		report    channel.Report
		inFlight  uint64
		claimed   uint64
		violation string
	}{
		"as claimed":        {channel.Report{Accepted: u(200), Spent: u(200)}, 0, 200, ""},
		"less was spent":    {channel.Report{Accepted: u(200), Spent: u(120)}, 0, 120, ""},
		"one is in flight":  {channel.Report{Accepted: u(100), Spent: u(50)}, 100, 150, ""},
		"nothing was spent": {channel.Report{Accepted: u(200)}, 0, 0, ""},
		"accepted above ours": {
			channel.Report{Accepted: u(201), Spent: u(1)}, 0, 200, "more than was ever authorized",
		},
		"spent above accepted": {
			channel.Report{Accepted: u(100), Spent: u(101)}, 0, 200, "more was spent than accepted",
		},
	} {
		t.Run(name, func(t *testing.T) {
			next, err := s.Reconcile(c.report, u(c.inFlight))
			assert.Equal(t, u(c.claimed), next.Claimed)
			assert.Equal(t, s.Authorized(), next.Authorized())
			assert.Equal(t, s.Deposit, next.Deposit)
			if c.violation == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, channel.ErrServerReport)
			assert.ErrorContains(t, err, c.violation)
			later, err := next.Reconcile(channel.Report{Accepted: u(200)}, u(0))
			require.NoError(t, err)
			assert.Equal(
				t, u(200), later.Claimed, "a server that contradicted itself is not believed again",
			)
		})
	}
}

// TestSpentIsMonotonic: an old receipt, or one that counts a single request, lowers nothing.
func TestSpentIsMonotonic(t *testing.T) {
	s, _, _ := pay(t, open(t, 10_000), 100, wide)
	s, err := s.Reconcile(channel.Report{Accepted: u(100), Spent: u(100), Units: 1}, u(0))
	require.NoError(t, err)
	s, _, _ = pay(t, s, 100, wide)
	s, err = s.Reconcile(channel.Report{Accepted: u(100), Spent: u(40), Units: 1}, u(0))
	require.NoError(t, err)
	assert.Equal(t, u(200), s.Claimed)
	assert.Equal(t, u(100), s.Spent)
}

func TestNeedVoucherFrames(t *testing.T) {
	lim := wide
	s, claim, _ := pay(t, open(t, 10_000), 10, lim)
	for name, c := range map[string]struct {
		required uint64
		lim      rule.Limits
		due      uint64
		want     error
	}{
		"it has not seen the voucher": {10, lim, 10, nil},
		"one unit":                    {20, lim, 20, nil},
		"forged: the whole deposit":   {10_000, lim, 0, channel.ErrServerReport},
		"one above one unit":          {21, lim, 0, channel.ErrServerReport},
		"a larger step is allowed": {
			50,
			rule.Of(channel.Limits{Price: u(10), Deposit: u(10_000), Stream: u(1000), Step: u(40)}),
			50, nil,
		},
		"and not a larger one": {
			51,
			rule.Of(channel.Limits{Price: u(10), Deposit: u(10_000), Stream: u(1000), Step: u(40)}),
			0, channel.ErrServerReport,
		},
		"Ahead covers it": {21, ahead(lim, 30), 50, nil},
		"no stream limit": {
			20, rule.Of(channel.Limits{Price: u(10), Deposit: u(10_000)}), 0, channel.ErrLimit,
		},
		"the stream limit": {
			20, rule.Of(channel.Limits{Price: u(10), Deposit: u(10_000), Stream: u(19)}), 0,
			channel.ErrLimit,
		},
		"the deposit": {
			20, rule.Of(channel.Limits{Price: u(10), Deposit: u(15), Stream: u(100)}), 0,
			channel.ErrLimit,
		},
	} {
		t.Run(name, func(t *testing.T) {
			next, grown, due, err := s.AuthorizeMore(claim, u(0), u(c.required), u(10), c.lim)
			assert.Equal(t, u(c.due), due)
			if c.want != nil {
				require.ErrorIs(t, err, c.want)
				assert.Equal(t, s, next)
				assert.Equal(t, claim, grown)
				return
			}
			require.NoError(t, err)
		})
	}
	shallow, claim, _ := pay(t, open(t, 15), 10, lim)
	_, _, _, err := shallow.AuthorizeMore(claim, u(10), u(20), u(10), lim)
	assert.ErrorIs(t, err, channel.ErrDeposit)
}

// TestUnaskedDeliveryIsCounted: what a stream took out of another's voucher is counted when
// somebody is short for it, within the stream's limit, and the next ask signs for it.
func TestUnaskedDeliveryIsCounted(t *testing.T) {
	lim := wide
	lim.Stream = u(40)
	s, stream, _ := pay(t, open(t, 10_000), 10, lim)
	s, other, due := pay(t, s, 100, lim)
	require.Equal(t, u(110), due)
	_, _, _, err := s.Overdrawn(other, due, lim)
	require.ErrorIs(t, err, channel.ErrSpent)

	s, stream = s.CatchUp(stream, u(30), u(125), lim)
	assert.Equal(t, u(25), stream.Price, "no more than somebody is short of")
	s, stream = s.CatchUp(stream, u(900), u(1000), lim)
	assert.Equal(t, u(40), stream.Price, "Limits.Stream")
	assert.Equal(t, u(110), s.Authorized(), "counting signs nothing")

	next, _, due, err := s.Overdrawn(other, due, lim)
	require.NoError(t, err)
	assert.Equal(t, u(140), due)
	assert.Equal(t, u(140), next.Authorized())

	next, grown, due, err := s.AuthorizeMore(stream, u(30), u(130), u(10), lim)
	require.NoError(t, err)
	assert.Equal(t, stream.Price, grown.Price, "its own next piece is claimed already")
	assert.Equal(t, stream.Raised, grown.Raised)
	assert.Equal(t, u(140), due)
	assert.Equal(t, u(140), next.Authorized())
}

// TestStreamWithoutDeliveryStopsAtItsLimit: a stream that asks again and again gets one unit a
// frame, and never past the stream's limit.
func TestStreamWithoutDeliveryStopsAtItsLimit(t *testing.T) {
	lim := wide
	lim.Stream = u(100)
	s, claim, due := pay(t, open(t, 10_000), 10, lim)
	for {
		next, grown, more, err := s.AuthorizeMore(
			claim, u(0), u(0).AddCapped(due).AddCapped(u(10)), u(10), lim,
		)
		if err != nil {
			require.ErrorIs(t, err, channel.ErrLimit)
			break
		}
		s, claim, due = sign(t, next, more), grown, more
	}
	assert.Equal(t, u(100), s.Authorized())
}

func TestDeliveredCountsWithinWhatIsSigned(t *testing.T) {
	lim := ahead(wide, 50)
	s, claim, _ := pay(t, open(t, 10_000), 10, lim)
	s, claim = s.CatchUp(claim, u(30), s.Signed, lim)
	assert.Equal(t, u(30), s.Claimed)
	assert.Equal(t, u(30), claim.Price)
	s, claim = s.CatchUp(claim, u(30), s.Signed, lim)
	assert.Equal(t, u(30), s.Claimed)
	s, claim = s.CatchUp(claim, u(900), s.Signed, lim)
	assert.Equal(t, u(60), s.Claimed, "no further than the voucher")
	assert.Equal(t, u(60), claim.Price)
	assert.Equal(t, u(60), s.Authorized())
}

func TestCloseDueRisesWithRefusals(t *testing.T) {
	s, _, _ := pay(t, open(t, 10_000), 100, wide)
	used, err := s.Reconcile(channel.Report{Accepted: u(100), Spent: u(60)}, u(0))
	require.NoError(t, err)
	settled := used.Settle(rule.OnChain{Exists: true, Deposit: u(10_000), Settled: u(80)})
	v1 := settled
	v1.Protocol = 1
	further, _, _ := pay(t, open(t, 10_000), 60, ahead(wide, 100))
	further, err = further.Reconcile(channel.Report{Accepted: u(160), Spent: u(90)}, u(0))
	require.NoError(t, err)
	crashed, _, _, err := open(t, 10_000).Authorize(rule.Request{Price: u(60)}, ahead(wide, 100))
	require.NoError(t, err)
	unsigned, _, _ := pay(t, refuse(crashed, open(t, 10_000), crashed), 60, wide)
	for name, c := range map[string]struct {
		state   rule.State
		refused uint64
		due     uint64
		want    error
	}{
		"what was used":             {used, 0, 60, nil},
		"refused: the voucher":      {used, 60, 100, nil},
		"what we know was used":     {further, 0, 60, nil},
		"refused: what it charged":  {further, 60, 90, nil},
		"refused twice":             {used, 100, 0, channel.ErrNotPayable},
		"may have been signed":      {crashed, 60, 160, nil},
		"no more than that":         {crashed, 160, 0, channel.ErrNotPayable},
		"the signer refused more":   {unsigned, 60, 0, channel.ErrNotPayable},
		"never below settled":       {settled, 0, 80, nil},
		"v1 closes above settled":   {v1, 0, 0, channel.ErrNotPayable},
		"v1 after a refusal":        {v1, 60, 100, nil},
		"nothing to close":          {rule.State{}, 0, 0, channel.ErrNotPayable},
		"closing is closed again":   {used.ClosingAt(u(60)), 0, 60, nil},
		"nothing used, nothing due": {open(t, 10), 0, 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			due, err := c.state.CloseDue(u(c.refused))
			if c.want != nil {
				require.ErrorIs(t, err, c.want)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, u(c.due), due)
		})
	}
}
