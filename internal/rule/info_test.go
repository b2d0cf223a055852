package rule_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/seed-5fe1f529/tallystick/internal/rule"
)

// TestPaidAt is when the ceiling rose last, to the minute, by the clock as it is.
func TestPaidAt(t *testing.T) {
	made := time.Date(2026, 11, 30, 12, 0, 30, 0, time.UTC)
	s := rule.State{CreatedAt: made}
	assert.Equal(t, made, s.Info().PaidAt)
	for _, c := range []struct{ now, want time.Duration }{
		{time.Hour, time.Hour + 30*time.Second},
		{time.Hour + 10*time.Second, time.Hour + 30*time.Second},
		{90 * time.Hour, 90*time.Hour + 30*time.Second},
		{2 * time.Hour, 2*time.Hour + 30*time.Second}, // the clock was wrong
	} {
		s = s.Noted(s, "https://api.example:443", made.Add(c.now).Unix())
		assert.Equal(t, made.Add(c.want), s.Info().PaidAt)
	}
}
