package ledger_test

import (
	"context"
	"errors"
	"iter"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/bubble"
	"github.com/seed-5fe1f529/tallystick/internal/ledger"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store"
)

// listed is a store whose listings can be made to hang, or to fail.
type listed struct {
	store.Store
	lists atomic.Int64
	hang  chan struct{} // every listing waits for it, or for its context
	fail  error
}

func (l *listed) List(ctx context.Context, prefix string) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		if prefix == rule.ChannelKeys { // the archive is listed between two of them
			l.lists.Add(1)
		}
		if l.hang != nil {
			select {
			case <-l.hang:
			case <-ctx.Done():
				yield(store.Entry{}, context.Cause(ctx))
				return
			}
		}
		if l.fail != nil {
			yield(store.Entry{}, l.fail)
			return
		}
		for e, err := range l.Store.List(ctx, prefix) {
			if !yield(e, err) {
				return
			}
		}
	}
}

// old returns what a program that knew no budgets would have left in a store: all but their records.
func old(t testing.TB, s store.Store) store.Store {
	m := store.NewMem()
	for e, err := range s.List(t.Context(), "") {
		require.NoError(t, err)
		if !strings.HasPrefix(e.Key, "budget/") {
			_, err = m.Put(t.Context(), e.Key, e.Data, 0)
			require.NoError(t, err)
		}
	}
	return m
}

// used returns an old store whose month of 300 is used up on one channel, a new session over it, and
// a channel of that session at another origin.
func used(t *testing.T) (*bench, *listed, *ledger.Account) {
	own := lim
	own.All.Month = u(300)
	b := newBench(t, own)
	_, _, err := b.at(t, 1, here, 1).Reserve(t.Context(), b.terms(), price(300))
	require.NoError(t, err)
	id := b.at(t, 2, there, 2).ID()
	b.store.Store = old(t, b.store.Store)
	l := &listed{Store: b.store}
	b.Ledger = ledger.New(l, b.judge, own)
	a, err := b.Account(t.Context(), id)
	require.NoError(t, err)
	return b, l, a
}

// TestFirstListingIsAwaited: nobody decides before the records were listed, on whatever channel.
func TestFirstListingIsAwaited(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		b, l, a := used(t)
		third := b.at(t, 3, "https://third.example:443", 3)
		l.hang = make(chan struct{})
		got := make(chan error, 8)
		for _, account := range []*ledger.Account{a, third} {
			for range 2 {
				go func() {
					_, _, err := account.Reserve(
						t.Context(), b.terms(), price(1),
					)
					got <- err
				}()
				synctest.Wait()
			}
		}
		go func() { _, err := b.Rooms(t.Context(), b.terms(), channel.Scope{}); got <- err }()
		go func() {
			_, err := b.Plan(t.Context(), b.terms(), b.scope, nil, price(1), exactly(10))
			got <- err
		}()
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.Empty(t, got)
		assert.EqualValues(t, 1, l.lists.Load(), "one reads for all")
		close(l.hang)
		limited := 0
		for range 6 {
			if err := <-got; err != nil {
				require.ErrorIs(t, err, channel.ErrLimit)
				limited++
			}
		}
		assert.Equal(t, 5, limited, "all but the one who looks at the budgets")
		assert.True(t, a.State().Authorized().IsZero())
	})
}

// TestWhoListsGivesUp: the context of the one who reads the records ends. The others are served all
// the same, and each waits as long as its own context says.
func TestWhoListsGivesUp(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		b, l, a := used(t)
		third := b.at(t, 3, "https://third.example:443", 3)
		l.hang = make(chan struct{})
		ask := func(a *ledger.Account, patience time.Duration) <-chan error {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			got := make(chan error, 1)
			go func() {
				defer cancel()
				_, _, err := a.Reserve(ctx, b.terms(), price(1))
				got <- err
			}()
			synctest.Wait()
			return got
		}
		start := time.Now()
		first, second, beside := ask(a, time.Second), ask(third, 2*time.Second), ask(a, time.Hour)
		require.ErrorIs(t, <-first, context.DeadlineExceeded)
		assert.Equal(t, time.Second, time.Since(start))
		require.ErrorIs(t, <-second, context.DeadlineExceeded)
		assert.Equal(t, 2*time.Second, time.Since(start))
		close(l.hang)
		require.ErrorIs(t, <-beside, channel.ErrLimit)
	})
}

// TestListingThatFails refuses what would raise a ceiling, and nothing else, until one works.
func TestListingThatFails(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		b, l, a := used(t)
		l.fail = errors.New("the index is broken")
		for range 2 {
			_, _, err := a.Reserve(t.Context(), b.terms(), price(1))
			require.ErrorIs(t, err, ledger.ErrStore)
			require.ErrorIs(t, err, l.fail)
		}
		_, err := b.Plan(t.Context(), b.terms(), b.scope, nil, price(1), exactly(10))
		require.ErrorIs(t, err, ledger.ErrStore)
		assert.True(t, a.State().Authorized().IsZero())
		assert.True(t, a.State().Claimed.IsZero())
		l.fail = nil
		_, _, err = a.Reserve(t.Context(), b.terms(), price(1))
		require.ErrorIs(t, err, channel.ErrLimit)
	})
}

// TestNothingIsListedLater: what other sessions authorize on other channels counts at once, and
// without a listing, in later sessions, too: no listing works after the first.
func TestNothingIsListedLater(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		b, l, a := used(t)
		own := b.Limits()
		own.All.Month = u(1000)
		b.Ledger = ledger.New(l, b.judge, own)
		a, err := b.Account(t.Context(), a.ID())
		require.NoError(t, err)
		busy := b.again().at(t, 3, "https://third.example:443", 3)
		_, _, err = a.Reserve(t.Context(), b.terms(), price(1)) // 301 of it
		require.NoError(t, err)
		require.EqualValues(t, 2, l.lists.Load())
		l.fail = errors.New("nothing can be listed")
		_, _, err = busy.Reserve(t.Context(), b.terms(), price(600))
		require.NoError(t, err)
		_, _, err = a.Reserve(t.Context(), b.terms(), price(100))
		assert.Equal(t, refusal("All.Month", 1001, 1000, 99), over(t, err))
		_, _, err = a.Reserve(t.Context(), b.terms(), price(99))
		require.NoError(t, err)
		time.Sleep(time.Hour)
		own.All.Month = u(1001)
		later := b.again()
		later.Ledger = ledger.New(l, b.judge, own)
		fourth, terms := later.at(t, 4, here, 4), ledger.Terms{Limits: own}
		_, err = later.Limited(t.Context(), terms, later.scope, u(1))
		require.NoError(t, err)
		_, _, err = fourth.Reserve(t.Context(), terms, price(2))
		assert.Equal(t, refusal("All.Month", 1002, 1001, 1), over(t, err))
		_, _, err = fourth.Reserve(t.Context(), terms, price(1))
		require.NoError(t, err)
		assert.EqualValues(t, 2, l.lists.Load())
	})
}
