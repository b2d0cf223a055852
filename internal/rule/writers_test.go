package rule_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/internal/rule"
)

// TestWritersOfARecord: each has one entry, nothing is counted for the one who asks, and those who are no more are one
// entry together.
func TestWritersOfARecord(t *testing.T) {
	s := open(t, 1000)
	assert.True(t, s.Pending("a").IsZero())
	s = s.InFlight("a", u(10), 1).InFlight("b", u(20), 2).InFlight("c", u(40), 3)
	assert.Equal(t, u(60), s.Pending("a"))
	assert.Equal(t, u(70), s.Pending("d"))
	again := s.InFlight("a", u(5), 4)
	assert.Equal(t, []rule.Writer{{Name: "b", Pending: u(20), At: 2}, {Name: "c", Pending: u(40), At: 3}, {Name: "a", Pending: u(5), At: 4}}, again.Writers)
	assert.Equal(t, u(60), s.Pending("a"), "a state is a value")
	assert.Equal(t, u(60), s.InFlight("a", u(0), 5).Pending("d"))

	old := func(w rule.Writer) bool { return w.At < 3 }
	folded := s.Folded(old)
	assert.Equal(t, []rule.Writer{{Name: "c", Pending: u(40), At: 3}, {Pending: u(30)}}, folded.Writers)
	assert.Equal(t, folded, folded.Folded(old))
	assert.Equal(t, []rule.Writer{{Name: "c", Pending: u(40), At: 3}}, folded.Ended(old).Writers)

	data, err := folded.Encode()
	require.NoError(t, err)
	read, err := rule.Decode(data)
	require.NoError(t, err)
	assert.Equal(t, folded.Writers, read.Writers)
}
