package rule_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// TestSessionsOfARecord: each has one entry, nothing is counted for the one who asks, and those who
// are no more are one entry together.
func TestSessionsOfARecord(t *testing.T) {
	s := open(t, 1000)
	assert.True(t, s.Pending("a").IsZero())
	s = s.InFlight("a", u(10), 1).InFlight("b", u(20), 2).InFlight("c", u(40), 3)
	assert.Equal(t, u(60), s.Pending("a"))
	assert.Equal(t, u(70), s.Pending("d"))
	again := s.InFlight("a", u(5), 4)
	assert.Equal(
		t,
		[]rule.Writer{
			{Name: "b", Pending: u(20), At: 2},
			{Name: "c", Pending: u(40), At: 3},
			{Name: "a", Pending: u(5), At: 4},
		},
		again.Writers,
	)
	assert.Equal(t, u(60), s.Pending("a"), "a state is a value")
	assert.Equal(t, u(60), s.InFlight("a", u(0), 5).Pending("d"))

	old := func(w rule.Writer) bool { return w.At < 3 }
	folded := s.Folded(old)
	assert.Equal(
		t, []rule.Writer{{Name: "c", Pending: u(40), At: 3}, {Pending: u(30)}}, folded.Writers,
	)
	assert.Equal(t, folded, folded.Folded(old))
	assert.Equal(t, []rule.Writer{{Name: "c", Pending: u(40), At: 3}}, folded.Ended(old).Writers)

	data, err := folded.Encode()
	require.NoError(t, err)
	read, err := rule.Decode(data)
	require.NoError(t, err)
	assert.Equal(t, folded.Writers, read.Writers)
}

// TestManySessionsShareARecord: the record stays small, and what any of them has in flight counts
// for as long as it would have alone.
func TestManySessionsShareARecord(t *testing.T) {
	s, _, _ := pay(t, open(t, 10_000_000), 1000, wide)
	var all voucher.Amount
	for i := range 2000 {
		name := fmt.Sprintf("%s %d", strings.Repeat("host.", 24), i)
		s = s.InFlight(name, u(uint64(i+1)), int64(i))
		all = all.AddCapped(u(uint64(i + 1)))
		require.Equal(t, all, s.Pending("another"))
		require.Equal(t, all.SubFloor(u(uint64(i+1))), s.Pending(name))
	}
	assert.LessOrEqual(t, len(s.Writers), 64)
	data, err := s.Encode()
	require.NoError(t, err)
	assert.Less(t, len(data), 32<<10)

	for cut := int64(0); cut < 2000; cut += 7 {
		rest := s.Ended(func(w rule.Writer) bool { return w.At < cut })
		least := voucher.Amount{}
		for i := cut; i < 2000; i++ {
			least = least.AddCapped(u(uint64(i + 1)))
		}
		require.False(t, rest.Pending("another").Less(least), "of those since %d", cut)
	}
	assert.True(
		t, s.Ended(func(w rule.Writer) bool { return w.At < 2000 }).Pending("another").IsZero(),
	)
	assert.Equal(
		t, all, s.Folded(func(w rule.Writer) bool { return w.At < 1990 }).Pending("another"),
	)
}

// TestSessionThatIsNotNamedAnyMore: it writes again, and nothing of it is counted less than once.
func TestSessionThatIsNotNamedAnyMore(t *testing.T) {
	s := open(t, 1000).InFlight("first", u(5), 1)
	for i := range 100 {
		s = s.InFlight(fmt.Sprint(i), u(1), 2)
	}
	assert.Equal(t, u(105), s.Pending("another"))
	s = s.InFlight("first", u(7), 3)
	assert.False(t, s.Pending("another").Less(u(107)))
	assert.False(t, s.Pending("first").Less(u(100)))
	assert.Equal(t, rule.Writer{Name: "first", Pending: u(7), At: 3}, s.Writers[len(s.Writers)-1])
}
