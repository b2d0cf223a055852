package ledger_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/bubble"
	"github.com/seed-5fe1f529/tallystick/internal/ledger"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// at opens a channel of its own for an origin and a payee.
func (b *bench) at(t testing.TB, salt byte, origin string, payee byte) *ledger.Account {
	t.Helper()
	n := *b
	n.scope.Origin, n.scope.Payee = origin, common.Address{payee}
	a, added, err := b.Add(t.Context(), n.state(t, salt, 1_000_000), nil)
	require.NoError(t, err)
	require.True(t, added)
	require.NoError(t, a.Update(t.Context(), rule.State.Acknowledged))
	return a
}

func over(t testing.TB, err error) channel.LimitError {
	t.Helper()
	var e *channel.LimitError
	require.ErrorAs(t, err, &e)
	plain := *e
	plain.Currency = channel.Currency{}
	return plain
}

const (
	here  = "https://api.example.com:443"
	there = "https://other.example.com:443"
)

// TestWindows: every limit over time counts its own requests on all channels, and frees them when
// its time has passed.
func TestWindows(t *testing.T) {
	type opens func(b *bench, t testing.TB) *ledger.Account
	at := func(salt byte, origin string, payee byte) opens {
		return func(b *bench, t testing.TB) *ledger.Account { return b.at(t, salt, origin, payee) }
	}
	for name, c := range map[string]struct {
		set    string
		length time.Duration
		same   opens // counts with the first
		other  opens // does not; nil if all count
	}{
		"hour":             {"All.Hour", time.Hour, at(2, there, 9), nil},
		"day":              {"All.Day", 24 * time.Hour, at(2, there, 9), nil},
		"month":            {"All.Month", 720 * time.Hour, at(2, there, 9), nil},
		"hour of a payee":  {"Payee.Hour", time.Hour, at(2, there, 1), at(3, here, 9)},
		"month of a payee": {"Payee.Month", 720 * time.Hour, at(2, there, 1), at(3, here, 9)},
		"day of an origin": {"Origin.Day", 24 * time.Hour, at(2, here, 9), at(3, there, 1)},
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Run(t, func(t *testing.T) {
				own := lim
				require.NoError(t, own.Set(c.set, u(1000)))
				b := newBench(t, own)
				a := b.at(t, 1, here, 1)
				claim, _, err := a.Reserve(t.Context(), a.Terms(), price(600))
				require.NoError(t, err)
				claim.Keep()
				_, _, err = c.same(b, t).Reserve(t.Context(), b.terms(), price(401))
				assert.Equal(t, refusal(c.set, 1001, 1000, 400), over(t, err))
				if c.other != nil {
					_, _, err = c.other(b, t).Reserve(t.Context(), b.terms(), price(401))
					require.NoError(t, err)
				}
				_, _, err = a.Reserve(t.Context(), a.Terms(), price(400))
				require.NoError(t, err, "what is left")
				_, _, err = a.Reserve(t.Context(), a.Terms(), price(1))
				require.ErrorIs(t, err, channel.ErrLimit)

				// A restart remembers.
				b = b.again()
				a, err = b.Account(t.Context(), a.ID())
				require.NoError(t, err)
				_, _, err = a.Reserve(t.Context(), a.Terms(), price(1))
				require.ErrorIs(t, err, channel.ErrLimit)

				time.Sleep(c.length - time.Minute)
				_, _, err = a.Reserve(t.Context(), a.Terms(), price(1))
				require.ErrorIs(t, err, channel.ErrLimit)
				time.Sleep(26 * time.Hour) // what thinning merges is freed late, never early
				_, v, err := a.Reserve(t.Context(), a.Terms(), price(1000))
				require.NoError(t, err)
				assert.Equal(t, u(2000), v.Cumulative)
			})
		})
	}
}

// TestReplaysCountOnce: however often a request is decided, presented and released, the amount that
// a payee can take counts once.
func TestReplaysCountOnce(t *testing.T) {
	own := lim
	own.All.Hour = u(100)
	b := newBench(t, own)
	a := b.open(t, 10_000)
	claim, v, err := a.Reserve(t.Context(), a.Terms(), price(100))
	require.NoError(t, err)
	for range 5 {
		_, err = claim.Decide(t.Context(), price(100))
		require.NoError(t, err)
		_, err = claim.Again(t.Context(), u(0))
		require.NoError(t, err)
		claim.Release()
		claim, v, err = a.Reserve(t.Context(), a.Terms(), price(100))
		require.NoError(t, err)
	}
	assert.Equal(t, u(100), v.Cumulative)
	_, _, err = a.Reserve(t.Context(), a.Terms(), price(1))
	require.ErrorIs(t, err, channel.ErrLimit)
}

// TestAheadShrinksToTheRoom: Ahead is cut to what the limits over time leave.
func TestAheadShrinksToTheRoom(t *testing.T) {
	own := lim
	own.Ahead, own.Origin.Day = u(1000), u(250)
	b := newBench(t, own)
	a := b.open(t, 10_000)
	for range 2 {
		c, v, err := a.Reserve(t.Context(), a.Terms(), price(100))
		require.NoError(t, err)
		assert.Equal(t, u(250), v.Cumulative)
		c.Keep()
	}
	_, _, err := a.Reserve(t.Context(), a.Terms(), price(51))
	assert.Equal(t, refusal("Origin.Day", 251, 250, 0), over(t, err), "50 are authorized already")
}

// TestWindowsRace: many goroutines on many channels cannot pass a limit together.
func TestWindowsRace(t *testing.T) {
	own := lim
	own.All.Hour = u(1000)
	b := newBench(t, own)
	var accounts []*ledger.Account
	for i := range byte(4) {
		accounts = append(accounts, b.at(t, 10+i, here, i+1))
	}
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for range 10 {
				a := accounts[i%4]
				if c, _, err := a.Reserve(context.Background(), a.Terms(), price(10)); err == nil {
					c.Keep()
				} else if !errors.Is(err, channel.ErrLimit) {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	var sum voucher.Amount
	for _, a := range accounts {
		sum = sum.AddCapped(a.State().Authorized())
	}
	assert.Equal(t, u(1000), sum)
}

// TestWindowsOfTwoProcesses: what another process authorized is seen at once, on the same channel and
// on others.
func TestWindowsOfTwoProcesses(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		own := lim
		own.All.Hour = u(100)
		b := newBench(t, own)
		shared := b.at(t, 1, here, 1)
		apart := b.at(t, 2, there, 2)
		other := b.again()
		mine, err := other.Account(t.Context(), shared.ID())
		require.NoError(t, err)
		_, _, err = apart.Reserve(t.Context(), apart.Terms(), price(50))
		require.NoError(t, err)
		_, _, err = mine.Reserve(t.Context(), mine.Terms(), price(51))
		require.ErrorIs(t, err, channel.ErrLimit)
		_, _, err = mine.Reserve(t.Context(), mine.Terms(), price(30))
		require.NoError(t, err)
		// Its record is behind: the write conflicts, and the request is decided again.
		_, _, err = shared.Reserve(t.Context(), shared.Terms(), price(21))
		require.ErrorIs(t, err, channel.ErrLimit)
	})
}

// TestNearIsReported: a limit that is nearly used up is reported once, outside all locks.
func TestNearIsReported(t *testing.T) {
	own := lim
	own.Origin.Day = u(1000)
	b := newBench(t, own)
	a := b.open(t, 10_000)
	var told []ledger.Near
	b.OnNear = func(n ledger.Near) {
		told = append(told, n)
		_, _, err := a.Reserve(t.Context(), a.Terms(), price(1)) // it may pay itself
		require.NoError(t, err)
	}
	for range 9 {
		c, _, err := a.Reserve(t.Context(), a.Terms(), price(100))
		require.NoError(t, err)
		c.Keep()
	}
	require.Len(t, told, 1)
	assert.Equal(t, channel.Decision{
		Verdict: channel.Allow, Rule: "Origin.Day", Wanted: u(800), Allowed: u(1000), Left: u(300),
	}, told[0].Decision)
	assert.Equal(t, a.ID(), told[0].ChannelID)
}
