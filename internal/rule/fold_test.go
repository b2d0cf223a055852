package rule_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
)

// TestFoldMergesSessions: the record that another session wrote, plus what this one did since it
// last read it.
func TestFoldMergesSessions(t *testing.T) {
	base, _, _ := pay(t, open(t, 10_000), 100, wide)
	mine, _, _ := pay(t, base, 10, wide)
	theirs, _, _ := pay(t, base, 20, wide)
	since := rule.Additions{Counts: rule.Counts{}.Changed(&base, &mine)}.Learned(mine)
	assert.Equal(t, mine.Claimed, base.Fold(since).Claimed)
	assert.Equal(t, mine.Asked(), base.Fold(since).Asked())

	got := theirs.Fold(since)
	assert.Equal(t, u(130), got.Claimed)
	assert.Equal(t, u(130), got.Asked())
	assert.Equal(t, u(120), got.Authorized(), "the record's ceiling counts")
	assert.Equal(t, u(120), got.Signed)

	released := since
	released.Released = u(10)
	assert.Equal(t, u(120), theirs.Fold(released).Claimed, "our own, so nobody else frees it")
	freed, err := mine.Reconcile(channel.Report{Accepted: u(100), Spent: u(50)}, u(10))
	require.NoError(t, err)
	require.Equal(t, u(60), freed.Claimed)
	reported := since.Learned(freed)
	merged := theirs.Fold(reported)
	assert.Equal(t, u(130), merged.Claimed, "the other may have freed the same")
	assert.Equal(t, u(50), merged.Spent)
	reported.Freed, reported.Signed = u(50), u(0)
	assert.Equal(t, u(60), base.Fold(reported).Claimed, "the other wrote something else")

	older := base.Fold(since)
	assert.Equal(
		t, u(110), older.Authorized(),
		"a signature of ours is never forgotten, even by an older record",
	)
	assert.Equal(t, mine.Voucher, older.Voucher)
	assert.True(t, base.Fold(rule.Additions{Untrusted: true}).Untrusted)
	told := rule.Additions{Unequal: 7}
	assert.EqualValues(t, 7, base.Fold(told).Unequal)
	theirs.Unequal = 8
	assert.EqualValues(t, 8, theirs.Fold(told).Unequal, "the newest refusal counts")
	assert.EqualValues(t, 8, told.Learned(theirs).Unequal)
}

// TestCountsAreTakenBack: counts and their inverse change nothing, and what followed is what is
// left.
func TestCountsAreTakenBack(t *testing.T) {
	counts := rapid.Custom(func(t *rapid.T) rule.Counts {
		n := func(label string) uint64 { return rapid.Uint64Max(1000).Draw(t, label) }
		return rule.Counts{
			Claimed: u(n("claimed")), Released: u(n("released")), Freed: u(n("freed")),
			Asked: u(n("asked")), Withdrawn: u(n("withdrawn")),
			Unsigned: u(n("unsigned")), Used: u(n("used")),
		}
	})
	s, _, _ := pay(t, open(t, 10_000_000), 1000, wide)
	for range 5 {
		s, _, _ = pay(t, s, 1000, wide)
	}
	s, _, _, err := s.Authorize(rule.Request{Price: u(1000)}, wide) // not signed yet
	require.NoError(t, err)
	rapid.Check(t, func(t *rapid.T) {
		c, d := counts.Draw(t, "c"), counts.Draw(t, "d")
		assert.Equal(t, c, c.Plus(d).Minus(d))
		fold := func(c rule.Counts) rule.State { return s.Fold(rule.Additions{Counts: c}) }
		assert.Equal(t, s, fold(c.Plus(c.Inverse())))
		after := fold(c)
		assert.Equal(t, after, s.Fold(rule.Additions{Counts: rule.Counts{}.Changed(&s, &after)}))
	})
}
