package ledger_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/bubble"
	"github.com/seed-5fe1f529/tallystick/internal/ledger"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// tries reports whether the first of two requests that wait together presents the voucher that the one
// before them had.
func tries(t *testing.T, a *ledger.Account, b *bench) bool {
	t.Helper()
	first, v, err := paced(t.Context(), a, b)
	require.NoError(t, err)
	one, two := later(t, a, b), later(t, a, b)
	first.Wrote()
	time.Sleep(20 * time.Millisecond)
	first.Keep()
	again := <-one == v.Cumulative
	assert.True(t, v.Cumulative.Less(<-two))
	return again
}

// TestUnequalIsRemembered: that a payee refuses equal vouchers is known to later sessions, also for
// the next channel of the scope, for 30 days. It is not if the store failed, and then nothing else
// fails.
func TestUnequalIsRemembered(t *testing.T) {
	for name, c := range map[string]struct {
		fails   func(*faulty) *atomic.Bool
		wait    time.Duration
		replace bool
		tries   bool
	}{
		"next session": {wait: time.Hour},
		"next channel": {replace: true},
		"old":          {wait: 31 * 24 * time.Hour, tries: true},
		"not stored":   {fails: func(f *faulty) *atomic.Bool { return &f.failed }, replace: true, tries: true},
		"same channel": {fails: func(f *faulty) *atomic.Bool { return &f.failed }},
		"stored":       {fails: func(f *faulty) *atomic.Bool { return &f.stored }},
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Run(t, func(t *testing.T) {
				b := newBench(t, lim)
				a := b.open(t, 100_000)
				assert.True(t, tries(t, a, b), "the test tests nothing")
				r, _, err := paced(t.Context(), a, b)
				require.NoError(t, err)
				r.Wrote()
				if c.fails != nil {
					c.fails(b.store).Store(true)
				}
				r.Unequal(t.Context())
				if c.fails != nil {
					c.fails(b.store).Store(false)
				}
				r.Keep()
				if c.replace {
					require.NoError(t, a.Update(t.Context(), rule.State.Abandoned))
					next, added, err := b.Add(t.Context(), b.state(t, 2, 100_000), a)
					require.NoError(t, err)
					require.True(t, added)
					require.NoError(t, next.Update(t.Context(), rule.State.Acknowledged))
				}
				require.NoError(t, b.Flush(t.Context()))
				time.Sleep(c.wait)
				b = b.again()
				a, err = b.Lookup(t.Context(), b.scope)
				require.NoError(t, err)
				assert.Equal(t, c.tries, tries(t, a, b))
			})
		})
	}
}

// interposed is a store in which others change the record of a scope once, before it is written.
type interposed struct {
	store.Store
	first func()
}

func (i *interposed) Put(
	ctx context.Context, key string, data []byte, rev uint64,
) (uint64, error) {
	if i.first != nil && strings.HasPrefix(key, "scope/") {
		i.first()
		i.first = nil
	}
	return i.Store.Put(ctx, key, data, rev)
}

// TestUnequalDoesNotUndoAnOpening: another session notes a refusal while this one binds the scope to
// a new channel. The channel is not written off for that.
func TestUnequalDoesNotUndoAnOpening(t *testing.T) {
	b := newBench(t, lim)
	a := b.open(t, 100_000)
	other := b.again()
	same, err := other.Account(t.Context(), a.ID())
	require.NoError(t, err)
	r, _, err := paced(t.Context(), same, other)
	require.NoError(t, err)
	r.Wrote()
	mem := b.store.Store
	b.store.Store = &interposed{mem, func() {
		b.store.Store = mem
		r.Unequal(t.Context())
	}}
	next, added, err := b.Add(t.Context(), b.state(t, 2, 100_000), a)
	require.NoError(t, err)
	assert.True(t, added)
	found, err := b.again().Lookup(t.Context(), b.scope)
	require.NoError(t, err)
	assert.Equal(t, next.ID(), found.ID())
	data, _, err := mem.Get(t.Context(), rule.ScopeKey(b.scope))
	require.NoError(t, err)
	assert.Contains(t, string(data), `"unequal":`)
}

// TestUnequalIsNoNewsOfAWrongClock: a refusal that a record dates ahead by more than a day is not believed.
func TestUnequalIsNoNewsOfAWrongClock(t *testing.T) {
	for ahead, known := range map[time.Duration]bool{time.Hour: true, 25 * time.Hour: false, 1 << 62: false} {
		b := newBench(t, lim)
		a := b.open(t, 100_000)
		at := time.Now().Unix() + int64(ahead/time.Second)
		require.NoError(t, a.Update(t.Context(), func(s rule.State) rule.State { s.Unequal = at; return s }))
		other, err := b.again().Account(t.Context(), a.ID())
		require.NoError(t, err)
		assert.Equal(t, known, other.Apart(), "%s", ahead)
	}
}

// TestUnequalIsToldToOtherSessions: what one session learns of the payee, those that use the channel already know
// from their next read of its record on.
func TestUnequalIsToldToOtherSessions(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		b := newBench(t, lim)
		a := b.open(t, 100_000)
		session := b.again()
		other, err := session.Lookup(t.Context(), session.scope)
		require.NoError(t, err)
		pays := func(a *ledger.Account, b *bench) *ledger.Reservation {
			r, _, err := paced(t.Context(), a, b)
			require.NoError(t, err)
			r.Wrote()
			return r
		}
		pays(other, session).Keep()
		require.NoError(t, other.Update(t.Context(), nil))
		r := pays(a, b)
		r.Unequal(t.Context())
		r.Keep()
		assert.False(t, other.Apart(), "the test tests nothing")
		pays(a, b).Keep() // writes the record
		pays(other, session).Keep()
		assert.True(t, other.Apart())
		byID, err := b.again().Account(t.Context(), a.ID())
		require.NoError(t, err)
		assert.True(t, byID.Apart(), "it is known without the scope")
	})
}

// besideAtARefuser returns a channel of a payee that is known to refuse equal vouchers, in two sessions that share a
// store.
func besideAtARefuser(t *testing.T) (b *bench, a *ledger.Account, session *bench, other *ledger.Account) {
	t.Helper()
	b = newBench(t, lim)
	a = b.open(t, 100_000)
	r, _, err := paced(t.Context(), a, b)
	require.NoError(t, err)
	r.Wrote()
	r.Unequal(t.Context())
	r.Keep()
	require.NoError(t, a.Update(t.Context(), nil))
	session = b.again()
	other, err = session.Lookup(t.Context(), session.scope)
	require.NoError(t, err)
	return b, a, session, other
}

// overtaken returns a request on a whose voucher arrived after the one of a request of the other session, and whose
// price counts no more. highest is the voucher of that one.
func overtaken(
	t *testing.T, a *ledger.Account, b *bench, other *ledger.Account, session *bench,
) (late *ledger.Reservation, highest voucher.Signed) {
	t.Helper()
	late, low, err := paced(t.Context(), a, b)
	require.NoError(t, err)
	late.Wrote()
	first, highest, err := paced(t.Context(), other, session)
	require.NoError(t, err)
	first.Wrote()
	first.Keep()
	require.Equal(t, low.Cumulative.AddCapped(u(100)), highest.Cumulative)
	late.Overtaken(false)
	_, err = late.Again(t.Context(), low.Cumulative)
	require.ErrorIs(t, err, channel.ErrSpent)
	late.Release()
	require.NoError(t, a.Update(t.Context(), nil))
	return late, highest
}

// TestOvertakenWhereEqualIsRefused: a request that another session overtook presents no voucher of that one. What it
// raised is credit, of which the next request uses all but one step, and the overtaken one raises the rest.
func TestOvertakenWhereEqualIsRefused(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		b, a, session, other := besideAtARefuser(t)
		late, v := overtaken(t, a, b, other, session)
		price := u(100)
		_, err := late.Decide(t.Context(), rule.Request{Price: price})
		require.ErrorIs(t, err, channel.ErrSpent, "nobody used the credit yet")

		next, step, err := paced(t.Context(), other, session)
		require.NoError(t, err)
		next.Wrote()
		next.Keep()
		assert.Equal(t, v.Cumulative.AddCapped(u(1)), step.Cumulative)
		last, err := late.Decide(t.Context(), rule.Request{Price: price})
		require.NoError(t, err)
		assert.Equal(t, v.Cumulative.AddCapped(price), last.Cumulative, "as much as was asked for in all")

		for range 20 { // it is refused for ever, or its payee lies
			late.Wrote()
			late.Overtaken(false)
			_, _ = late.Again(t.Context(), last.Cumulative)
			late.Release()
			require.NoError(t, a.Update(t.Context(), nil))
			_, _ = late.Decide(t.Context(), rule.Request{Price: price})
		}
		assert.Equal(t, v.Cumulative.AddCapped(price), a.State().Authorized(), "three requests, three prices")
	})
}

// TestOvertakenWhileOthersCountOnIt: a request of another session uses all that an overtaken one raised. That one asks
// for no higher limit, and waits until the payee reports what the other one cost.
func TestOvertakenWhileOthersCountOnIt(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		b, a, session, other := besideAtARefuser(t)
		late, _ := overtaken(t, a, b, other, session)
		next, step, err := paced(t.Context(), other, session)
		require.NoError(t, err)
		next.Wrote()
		_, err = next.Again(t.Context(), step.Cumulative) // it does not suffice, the payee says
		require.NoError(t, err)
		for range 2 { // it looks before the second try
			_, err = late.Decide(t.Context(), price(100))
			require.ErrorIs(t, err, channel.ErrSpent)
			require.NotErrorIs(t, err, channel.ErrLimit)
		}
		assert.Equal(t, u(400), a.State().Authorized(), "four requests, four prices")
	})
}

// TestApartBesideLead: another session, with Ahead, authorized more than a session without it may step above. A
// request of that one presents what exists, and only the payee refuses it.
func TestApartBesideLead(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		b, a, session, other := besideAtARefuser(t)
		terms := session.terms()
		terms.Limits.Ahead = u(1000)
		_, v, err := other.Reserve(t.Context(), terms, price(100))
		require.NoError(t, err)
		require.NoError(t, other.Update(t.Context(), nil))
		late, same, err := paced(t.Context(), a, b)
		require.NoError(t, err)
		assert.Equal(t, v.Cumulative, same.Cumulative)
		late.Wrote()
		late.Unequal(t.Context())
		_, err = late.Again(t.Context(), same.Cumulative)
		assert.ErrorIs(t, err, channel.ErrSpent)
		assert.Equal(t, v.Cumulative, a.State().Authorized(), "it raises nothing")
	})
}
