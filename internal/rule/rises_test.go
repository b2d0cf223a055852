package rule_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// payFor raises the ceiling for a request of an origin, and stores the record.
func payFor(t require.TestingT, s rule.State, origin string, amount uint64, at int64) rule.State {
	lim := rule.Of(channel.Limits{Price: voucher.MaxAmount, Deposit: voucher.MaxAmount})
	next, _, _, err := s.Authorize(rule.Request{Price: u(amount)}, lim)
	require.NoError(t, err)
	data, err := next.Noted(s, origin, at).Encode()
	require.NoError(t, err)
	s, err = rule.Decode(data)
	require.NoError(t, err)
	return s
}

// TestRisesByOrigin: a channel that is used for another origin than its own counts for both.
func TestRisesByOrigin(t *testing.T) {
	s := open(t, 1_000_000)
	s = payFor(t, s, here, 100, start)
	assert.NotContains(
		t, string(encode(t, s)), "rigins", "no record of before is written another way",
	)
	s = payFor(t, s, there, 20, start+60)
	s = payFor(t, s, here, 100, start+120)
	s = payFor(t, s, there, 3, start+2*hour)
	for _, c := range []struct {
		origin string
		now    int64
		window time.Duration
		want   uint64
	}{
		{here, start + 180, time.Hour, 223}, // a rise that is marked later counts
		{there, start + 180, time.Hour, 23},
		{there, start + 2*hour, time.Hour, 3},
		{there, start + 2*hour, 24 * time.Hour, 23},
		{there, start + 3*hour + day, 24 * time.Hour, 0},
		{here, start + 2*hour, 24 * time.Hour, 223},
		{"https://third.example.com:443", start + 2*hour, 24 * time.Hour, 0},
	} {
		assert.Equal(t, u(c.want), s.Rises().For(c.origin, c.now, c.window), "%v", c)
	}
	assert.Equal(t, u(223), s.Rises().Total)
	assert.NotZero(t, s.Rises().Within(start+month, time.Duration(month)*time.Second))
	assert.Zero(t, s.Rises().Within(start+month+3*hour, time.Duration(month)*time.Second))
}

// TestManyForeignOrigins: those that have no history of their own count for one another, never too
// little.
func TestManyForeignOrigins(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		origins := []string{here}
		for i := range 20 {
			origins = append(origins, fmt.Sprintf("https://%d.example.com:443", i))
		}
		type rise struct {
			at     int64
			amount uint64
			origin string
		}
		var all []rise
		s := rule.State{
			Confirmed: true, Deposit: voucher.MaxAmount, Protocol: voucher.V1,
			Scope: channel.Scope{Origin: here},
		}
		now := start
		for range rapid.IntRange(1, 40).Draw(t, "rises") {
			now += rapid.SampledFrom([]int64{0, 60, 1800, 40_000, 1_000_000}).Draw(t, "wait")
			r := rise{
				now, rapid.Uint64Range(1, 100).Draw(t, "amount"),
				rapid.SampledFrom(origins).Draw(t, "origin"),
			}
			all = append(all, r)
			s = payFor(t, s, r.origin, r.amount, now)
			for _, origin := range origins {
				for _, length := range []int64{hour, day, month} {
					var least, most uint64
					for _, r := range all {
						if now-length < r.at && (origin == here || origin == r.origin) {
							least += r.amount
						}
						if now-length-4*day < r.at {
							most += r.amount
						}
					}
					got := s.Rises().For(origin, now, time.Duration(length)*time.Second)
					require.False(
						t, got.Less(u(least)), "%s in %d s: %s, rose %d", origin, length, got,
						least,
					)
					require.False(
						t, u(most).Less(got), "%s in %d s: %s, rose at most %d", origin, length,
						got, most,
					)
				}
			}
		}
	})
}

func encode(t require.TestingT, s rule.State) []byte {
	data, err := s.Encode()
	require.NoError(t, err)
	return data
}

// TestRecordStaysSmall: a store takes 64 KiB. A busy month, clocks that go back, many origins with
// long names and many sessions fit in.
func TestRecordStaysSmall(t *testing.T) {
	s := open(t, 1)
	s.Deposit, s.Protocol = voucher.MaxAmount, voucher.V1
	s.Descriptor.Salt = [32]byte{}
	s.Opening = rule.Funding{Raw: make([]byte, 2048)}
	s.ToppingUp = s.Opening
	now := start
	for _, back := range []int64{0, 400 * day, 400 * day, 400 * day} {
		now -= back
		for i := range int64(35 * 24 * 6) {
			now += 600
			if i > 34*24*6 {
				now -= 540
			}
			origin := fmt.Sprintf("https://%d.%s.example.com:443", i%12, strings.Repeat("long", 50))
			next, _, _, err := s.Authorize(
				rule.Request{Price: u(1 << 50)},
				rule.Of(channel.Limits{Price: u(1 << 50), Deposit: voucher.MaxAmount}),
			)
			require.NoError(t, err)
			s = next.Noted(s, origin, now)
		}
	}
	for i := range 100 {
		s = s.InFlight(fmt.Sprintf("%s %d", strings.Repeat("host.", 24), i), u(1<<60), now)
	}
	data := encode(t, s)
	assert.Less(t, len(data), 60<<10)
	read, err := rule.Decode(data)
	require.NoError(t, err)
	assert.Equal(t, s.Rises(), read.Rises())
	t.Logf("%d bytes, %d marks", len(data), marks(t, s))
}
