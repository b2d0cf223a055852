package ledger_test

import (
	"context"
	"iter"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/bubble"
	"github.com/seed-5fe1f529/tallystick/internal/budget"
	"github.com/seed-5fe1f529/tallystick/internal/ledger"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// TestRecordsThatCannotBeRead could have used up any budget, so no ceiling rises until they can be
// read or are moved away. What is authorized already is paid and closed with.
func TestRecordsThatCannotBeRead(t *testing.T) {
	for name, text := range map[string]string{
		"damaged": "{", "of a newer version": `{"version":2}`,
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Run(t, func(t *testing.T) {
				own := lim
				own.Ahead = u(50)
				b := newBench(t, own)
				a := b.open(t, 10_000)
				_, v, err := a.Reserve(t.Context(), b.terms(), price(50))
				require.NoError(t, err)
				require.NoError(t, b.Flush(t.Context()))
				b.store.Store = old(t, b.store.Store)
				b = b.again()
				a, err = b.Account(t.Context(), a.ID())
				require.NoError(t, err)
				key := rule.StateKey(common.Hash{0xff})
				_, err = b.store.Put(t.Context(), key, []byte(text), 0)
				require.NoError(t, err)
				_, same, err := a.Reserve(t.Context(), b.terms(), price(50))
				require.NoError(t, err)
				assert.Equal(t, v, same)
				_, _, err = a.Reserve(t.Context(), b.terms(), price(1))
				require.ErrorIs(t, err, channel.ErrRecord)
				require.ErrorContains(t, err, key)
				_, err = b.Rooms(t.Context(), b.terms(), b.scope)
				require.ErrorIs(t, err, channel.ErrRecord)
				_, err = b.Plan(t.Context(), b.terms(), b.scope, nil, price(1), exactly(1))
				require.ErrorIs(t, err, channel.ErrRecord)
				_, err = a.CloseVoucher(t.Context(), voucher.Amount{})
				require.NoError(t, err)
				assert.Equal(t, u(100), a.State().Authorized())

				fixed := b.state(t, 9, 10)
				data, err := fixed.Encode()
				require.NoError(t, err)
				b.Ledger = ledger.New(
					&renamed{b.store, key, rule.StateKey(fixed.ID), data}, b.judge, own,
				)
				a, err = b.Account(t.Context(), a.ID())
				require.NoError(t, err)
				_, _, err = a.Reserve(t.Context(), b.terms(), price(1))
				require.NoError(t, err)
			})
		})
	}
}

// TestDamageFreesNothing: what a channel used of a limit counts although its record cannot be read any
// more, for sessions that begin later, too.
func TestDamageFreesNothing(t *testing.T) {
	for _, text := range []string{"{", `{"version":2}`} {
		own := lim
		own.All.Hour = u(300)
		b := newBench(t, own)
		a := b.at(t, 1, here, 1)
		_, _, err := a.Reserve(t.Context(), b.terms(), price(300))
		require.NoError(t, err)
		_, rev, err := b.store.Get(t.Context(), rule.StateKey(a.ID()))
		require.NoError(t, err)
		_, err = b.store.Put(t.Context(), rule.StateKey(a.ID()), []byte(text), rev)
		require.NoError(t, err)
		b = b.again()
		_, _, err = b.at(t, 2, there, 1).Reserve(t.Context(), b.terms(), price(1))
		require.ErrorIs(t, err, channel.ErrLimit)
	}
}

// TestBudgetsThatCannotBeRead refuse what would count in them, and are named. Moved away, they are
// made again from the records of the channels.
func TestBudgetsThatCannotBeRead(t *testing.T) {
	for scope, key := range map[string]string{
		"all": budget.All, "origin": budget.For(here, &channel.Scope{})[1], "payee": budget.For("", &channel.Scope{Payee: common.Address{1}})[2],
	} {
		for what, text := range map[string]string{
			"damaged": "{", "of a newer version": `{"version":2}`,
			"of another": `{"version":1,"key":"budget/origin/00"}`,
		} {
			t.Run(scope+" "+what, func(t *testing.T) {
				own := lim
				own.Origin.Day, own.Payee.Day = u(100), u(100)
				b := newBench(t, own)
				a := b.open(t, 10_000)
				_, _, err := a.Reserve(t.Context(), b.terms(), price(60))
				require.NoError(t, err)
				data, rev, err := b.store.Get(t.Context(), key)
				require.NoError(t, err)
				_, err = b.store.Put(t.Context(), key, []byte(text), rev)
				require.NoError(t, err)
				anew := func() *ledger.Account {
					b = b.again()
					a, err := b.Account(t.Context(), a.ID())
					require.NoError(t, err)
					return a
				}
				for _, a := range []*ledger.Account{a, anew()} {
					_, _, err = a.Reserve(t.Context(), b.terms(), price(1))
					require.ErrorIs(t, err, channel.ErrRecord)
					require.ErrorContains(t, err, key)
				}
				_, err = b.Rooms(t.Context(), b.terms(), b.scope)
				require.ErrorContains(t, err, key)

				_, err = b.store.Put(t.Context(), key, data, rev+1)
				require.NoError(t, err)
				_, _, err = anew().Reserve(t.Context(), b.terms(), price(41))
				require.ErrorIs(t, err, channel.ErrLimit, "restored")

				b.store.Store = old(t, b.store.Store)
				_, _, err = anew().Reserve(t.Context(), b.terms(), price(41))
				require.ErrorIs(t, err, channel.ErrLimit, "made again")
				_, _, err = anew().Reserve(t.Context(), b.terms(), price(40))
				require.NoError(t, err)
			})
		}
	}
}

// TestBudgetsThatVanish: a record that a session has seen, and that is gone or was set back, refuses
// what would count in it.
func TestBudgetsThatVanish(t *testing.T) {
	own := lim
	own.All.Day = u(100)
	b := newBench(t, own)
	before := old(t, b.store)
	a := b.open(t, 10_000)
	_, _, err := a.Reserve(t.Context(), b.terms(), price(10))
	require.NoError(t, err)
	b.store.Store = before
	_, err = b.Rooms(t.Context(), b.terms(), b.scope)
	require.ErrorIs(t, err, channel.ErrRecord)
	require.ErrorContains(t, err, "budget/all")
}

// renamed is a store in which one record has been put right.
type renamed struct {
	store.Store
	broken, key string
	data        []byte
}

func (r *renamed) List(ctx context.Context, prefix string) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		for e, err := range r.Store.List(ctx, prefix) {
			if e.Key == r.broken {
				e.Key, e.Data = r.key, r.data
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

// TestUnreadableRecordIsReadAgainSoon: a record that could not be read for a moment stops rises for
// a moment, however long a listing takes.
func TestUnreadableRecordIsReadAgainSoon(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		b := newBench(t, lim)
		f := &flaky{Store: b.store}
		b.Ledger = ledger.New(f, b.judge, lim)
		a := b.open(t, 10_000)
		f.bad.Store(true)
		_, _, err := a.Reserve(t.Context(), b.terms(), price(1))
		require.ErrorIs(t, err, channel.ErrRecord)
		require.ErrorIs(t, err, errDisk)
		f.bad.Store(false)
		time.Sleep(10 * time.Second)
		_, _, err = a.Reserve(t.Context(), b.terms(), price(1))
		require.NoError(t, err)
	})
}

// flaky is a store that lists slowly, and one of whose records cannot be read at times.
type flaky struct {
	store.Store
	bad atomic.Bool
}

func (f *flaky) List(ctx context.Context, prefix string) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		time.Sleep(5 * time.Second)
		for e, err := range f.Store.List(ctx, prefix) {
			if f.bad.Load() {
				e.Data, err = nil, errDisk
			}
			if !yield(e, err) {
				return
			}
		}
	}
}
