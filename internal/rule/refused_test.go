package rule_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// refused is a channel with one request of 100 paid, and 40 more whose vouchers the signer refused:
// the ceiling is durable, and nothing of it was asked for.
func refused(t testing.TB, lim rule.Limits) rule.State {
	t.Helper()
	s, _, _ := pay(t, open(t, 10_000), 100, lim)
	kept := s
	batch := []rule.State{s}
	for range 40 {
		next, _, _, err := s.Authorize(rule.Request{Price: u(100)}, lim)
		require.NoError(t, err)
		s, batch = next, append(batch, next)
	}
	for i := range 40 {
		s = refuse(s, batch[i], batch[i+1])
	}
	require.True(t, s.Asked().AddCapped(lim.Ahead).AddCapped(u(3000)).Less(s.Authorized()))
	require.Equal(t, kept.Asked(), s.Asked())
	require.Equal(t, kept.Claimed, s.Claimed)
	return s
}

// TestRefusedVouchersAreNotSignedLater: what a signer refused stays unsigned, whatever the payee
// asks for.
func TestRefusedVouchersAreNotSignedLater(t *testing.T) {
	for name, lim := range map[string]rule.Limits{
		"nothing ahead": wide, "ahead": ahead(wide, 250),
	} {
		most := u(200).AddCapped(lim.Ahead)
		for what, req := range map[string]rule.Request{
			"a price":        {Price: u(100)},
			"a floor":        {Price: u(100), Floor: u(4100)},
			"a least growth": {Price: u(100), MinDelta: u(3000)},
		} {
			t.Run(name+"/"+what, func(t *testing.T) {
				s := refused(t, lim)
				next, c, due, err := s.Authorize(req, lim)
				if err != nil {
					assert.Equal(t, s, next)
					return
				}
				assert.False(t, most.Less(due), "due %s", due)
				for i := 0; ; i++ {
					require.Less(t, i, 5, "the payee is refused in the end")
					next = sign(t, next, due)
					if next, c, due, err = next.Overdrawn(c, due, lim); err != nil {
						break
					}
					assert.False(t, most.Less(due), "due %s", due)
				}
				require.ErrorIs(t, err, channel.ErrSpent)
				assert.False(t, next.Asked().AddCapped(lim.Ahead).Less(next.Signed))
			})
		}
		t.Run(name+"/a stream", func(t *testing.T) {
			s, c, _ := pay(t, refused(t, lim), 10, lim)
			for required := uint64(110); required < 5000; required += 10 {
				next, grown, due, err := s.AuthorizeMore(c, c.Price, u(required), u(10), lim)
				if err != nil {
					break
				}
				s, c = sign(t, next, due), grown
				require.False(
					t, s.Asked().AddCapped(lim.Ahead).Less(due), "due %s, asked %s", due, s.Asked(),
				)
			}
			_, _, _, err := s.AuthorizeMore(c, u(10), u(9000), u(10), lim)
			require.ErrorIs(t, err, channel.ErrServerReport)
		})
		t.Run(name+"/a close", func(t *testing.T) {
			s := refused(t, lim)
			due, err := s.CloseDue(u(0))
			require.NoError(t, err)
			assert.Equal(t, u(100), due)
			due, err = s.CloseDue(s.Signed.SubFloor(u(1)))
			require.NoError(t, err)
			assert.Equal(t, s.Signed, due)
			_, err = s.CloseDue(s.Signed)
			require.ErrorIs(t, err, channel.ErrNotPayable)
		})
	}
}

// TestRefusedVouchersAreNoRise: the next requests are signed for under the ceiling that is durable
// already, each with its own price raised, so a request that goes on to another channel does not
// pay twice.
func TestRefusedVouchersAreNoRise(t *testing.T) {
	s := refused(t, wide)
	s, c, due := pay(t, s, 100, wide)
	assert.Equal(t, u(200), due)
	assert.Equal(t, u(100), c.Raised)
	assert.Equal(t, u(4100), s.Authorized())
	next, _, _, err := s.Authorize(rule.Request{Price: u(100), Elsewhere: u(100)}, wide)
	require.ErrorIs(t, err, channel.ErrRaised)
	assert.Equal(t, s, next)
}

// TestAuthorizedBeforeACrash: what a killed session may have signed may be signed again, as its
// record says it was asked for.
func TestAuthorizedBeforeACrash(t *testing.T) {
	s, _, _ := pay(t, open(t, 10_000), 100, wide)
	for range 40 {
		next, _, _, err := s.Authorize(rule.Request{Price: u(100)}, wide)
		require.NoError(t, err)
		s = next
	}
	data, err := s.Encode()
	require.NoError(t, err)
	s, err = rule.Decode(data)
	require.NoError(t, err)
	due, err := s.CloseDue(u(100))
	require.NoError(t, err)
	assert.Equal(t, u(4100), due)
	_, c, due := pay(t, s.Release(rule.Claim{Price: u(4000)}), 100, wide)
	assert.Equal(t, u(200), due)
	_, _, due, err = s.Overdrawn(c, due, wide)
	require.NoError(t, err)
	assert.Equal(t, u(4100), due)
}

// TestAheadThatWasLowered: a payee has used all of an earlier, larger Limits.Ahead. The error names
// the limit, not the deposit.
func TestAheadThatWasLowered(t *testing.T) {
	lim := ahead(wide, 100)
	s, _, _ := pay(t, open(t, 10_000), 100, lim)
	s, c, due := pay(t, s, 100, lim)
	s, _, due, err := s.Overdrawn(c, due, lim)
	require.NoError(t, err)
	s = sign(t, s, due)
	require.Equal(t, u(300), s.Signed)
	_, _, _, err = s.Authorize(rule.Request{Price: u(100)}, wide)
	var over *channel.LimitError
	require.ErrorAs(t, err, &over)
	assert.Equal(t, channel.LimitError{Limit: "Ahead", Wanted: u(100)}, *over)
	_, _, _, err = s.Authorize(rule.Request{Price: u(100)}, lim)
	require.NoError(t, err)
}

// TestStreamChargedOnce: a stream whose unit is the request costs what it was agreed at, whatever
// Limits.Step and Limits.Ahead allow. A voucher that exists may be shown.
func TestStreamChargedOnce(t *testing.T) {
	lim := ahead(wide, 300)
	lim.Step = u(500)
	s, c, due := pay(t, open(t, 10_000), 10, lim)
	require.Equal(t, u(310), due)
	for required := uint64(1); required <= 5000; required += 103 {
		next, grown, due, err := s.AuthorizeMore(
			c, voucher.Amount{}, u(required), voucher.Amount{}, lim,
		)
		assert.Equal(t, s, next)
		assert.Equal(t, c, grown)
		if required <= 310 {
			require.NoError(t, err)
			assert.Equal(t, s.Signed, due)
			continue
		}
		var desync *channel.DesyncError
		require.ErrorAs(t, err, &desync)
		assert.Equal(t, u(310), desync.Ours)
		assert.True(t, due.IsZero())
	}
}
