package ledger_test

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/internal/bubble"
	"github.com/seed-5fe1f529/tallystick/internal/ledger"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// pairs reports whether two requests that wait together get one voucher.
func pairs(t *testing.T, a *ledger.Account, b *bench) bool {
	t.Helper()
	first, _, err := paced(t.Context(), a, b)
	require.NoError(t, err)
	one, two := later(t, a, b), later(t, a, b)
	first.Wrote()
	time.Sleep(20 * time.Millisecond)
	first.Keep()
	return <-one == <-two
}

// TestUnequalIsRemembered: that a payee refuses equal vouchers is known to later sessions, also for
// the next channel of the scope, for 30 days. It is not if the store failed, and then nothing else
// fails.
func TestUnequalIsRemembered(t *testing.T) {
	for name, c := range map[string]struct {
		fails   func(*faulty) *atomic.Bool
		wait    time.Duration
		replace bool
		pairs   bool
	}{
		"next session": {wait: time.Hour},
		"next channel": {replace: true},
		"old":          {wait: 31 * 24 * time.Hour, pairs: true},
		"not stored":   {fails: func(f *faulty) *atomic.Bool { return &f.failed }, pairs: true},
		"stored":       {fails: func(f *faulty) *atomic.Bool { return &f.stored }},
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Run(t, func(t *testing.T) {
				b := newBench(t, lim)
				a := b.open(t, 100_000)
				assert.True(t, pairs(t, a, b), "the test tests nothing")
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
				assert.Equal(t, c.pairs, pairs(t, a, b))
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

// TestOnlyAnswersTeach: requests that were lost, or cut off, do not show that the payee serves two with
// one voucher, however long it is waited for them. An answer does.
func TestOnlyAnswersTeach(t *testing.T) {
	for name, c := range map[string]struct {
		lost  [2]bool
		slow  bool          // the second is not answered yet
		later time.Duration // when the others come
		share bool
	}{
		"both lost":            {[2]bool{true, true}, false, 0, false},
		"both lost, and later": {[2]bool{true, true}, false, 3 * time.Second, false},
		"one lost":             {[2]bool{true, false}, false, 0, false},
		"one lost, and later":  {[2]bool{true, false}, false, 3 * time.Second, false},
		"one lost, one slow":   {[2]bool{true, false}, true, 3 * time.Second, false},
		"both answered":        {[2]bool{}, false, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Run(t, func(t *testing.T) {
				b := newBench(t, lim)
				a := b.open(t, 100_000)
				var pair [2]*ledger.Reservation
				var group sync.WaitGroup
				first, _, err := paced(t.Context(), a, b)
				require.NoError(t, err)
				for i := range pair {
					group.Go(func() {
						r, _, err := paced(t.Context(), a, b)
						assert.NoError(t, err)
						pair[i] = r
					})
				}
				synctest.Wait()
				first.Wrote()
				time.Sleep(20 * time.Millisecond)
				first.Keep()
				group.Wait()
				for _, r := range pair {
					r.Wrote()
				}
				time.Sleep(20 * time.Millisecond)
				for i, r := range pair {
					if c.slow && i == 1 {
						defer r.Keep()
						continue
					}
					if c.lost[i] {
						r.Unserved()
					}
					r.Keep()
				}
				time.Sleep(c.later)
				var given []<-chan voucher.Amount
				blocker, _, err := paced(t.Context(), a, b)
				require.NoError(t, err)
				for range 3 {
					given = append(given, later(t, a, b))
				}
				blocker.Wrote()
				time.Sleep(20 * time.Millisecond)
				blocker.Keep()
				seen := map[voucher.Amount]bool{}
				for _, g := range given {
					seen[<-g] = true
				}
				assert.Equal(t, c.share, len(seen) == 1, "%d vouchers", len(seen))
			})
		})
	}
}
