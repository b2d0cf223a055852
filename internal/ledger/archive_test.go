package ledger_test

import (
	"context"
	"errors"
	"iter"
	"strings"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/ledger"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/store/records"
	"github.com/seed-5fe1f529/tallystick/store/storetest"
)

// ended books that the chain shows a channel as closed, and shown that it shows one that is open.
func ended(s rule.State) rule.State { return s.Settle(rule.OnChain{Finalized: true, Time: 1000}) }

func shown(s rule.State) rule.State {
	return s.Settle(rule.OnChain{Exists: true, Deposit: u(1000), Time: 1000})
}

// acknowledged is a change of a channel that is closed.
func acknowledged(s rule.State) rule.State { return s.CloseAcknowledged(common.Hash{7}) }

// archive is a bench over a store that can move records.
func archive(t testing.TB, s store.Store) *bench {
	b := newBench(t, lim)
	b.judge.store = s
	b.Ledger = ledger.New(s, b.judge, lim)
	return b
}

// on is another session over a store.
func (b *bench) on(s store.Store) *ledger.Ledger { return ledger.New(s, b.judge, b.Limits()) }

// keysOf returns where the records of channels are.
func keysOf(t testing.TB, s store.Store) (keys []string) {
	t.Helper()
	for _, prefix := range []string{rule.ChannelKeys, rule.ArchiveKeys} {
		for e, err := range s.List(t.Context(), prefix) {
			require.NoError(t, err)
			keys = append(keys, e.Key)
		}
	}
	return keys
}

func live(t testing.TB, l *ledger.Ledger, most int) (ids []common.Hash) {
	t.Helper()
	for s, err := range l.Live(t.Context(), most) {
		require.NoError(t, err)
		ids = append(ids, s.ID)
	}
	return ids
}

func each(t testing.TB, l *ledger.Ledger) (ids []common.Hash) {
	t.Helper()
	for s, err := range l.Each(t.Context()) {
		require.NoError(t, err)
		ids = append(ids, s.ID)
	}
	return ids
}

func TestClosedChannelIsArchived(t *testing.T) {
	ctx, mem := t.Context(), store.NewMem()
	b := archive(t, mem)
	a := b.open(t, 1000)
	_, _, err := a.Reserve(ctx, b.terms(), price(100))
	require.NoError(t, err)
	places := rule.Places(a.ID())
	require.Equal(t, places[:1], keysOf(t, mem))

	require.NoError(t, a.Update(ctx, ended))
	assert.Equal(t, places[1:2], keysOf(t, mem))
	assert.Empty(t, live(t, b.Ledger, 0))
	assert.Equal(t, []common.Hash{a.ID()}, each(t, b.Ledger))

	later := b.on(mem)
	again, err := later.Account(ctx, a.ID())
	require.NoError(t, err, "it is found by its id")
	assert.Equal(t, channel.Closed, again.State().Phase())
	assert.Equal(t, u(100), again.State().Authorized())
	alias, err := later.Lookup(ctx, b.scope)
	require.NoError(t, err)
	assert.Same(t, again, alias, "and by its scope")
	_, _, err = again.Reserve(ctx, b.terms(), price(1))
	require.ErrorIs(t, err, channel.ErrNotPayable)
	require.NoError(t, again.Update(ctx, acknowledged))
	assert.Equal(t, places[1:2], keysOf(t, mem), "it can still be written")

	// The scope goes on with another channel. The closed one never comes back by being opened again.
	next, added, err := later.Add(ctx, b.state(t, 2, 1000), alias)
	require.NoError(t, err)
	assert.True(t, added)
	now, err := later.Lookup(ctx, b.scope)
	require.NoError(t, err)
	assert.Same(t, next, now)
	old, _, err := b.on(mem).Add(ctx, b.state(t, 1, 1000), next)
	require.NoError(t, err)
	assert.Equal(t, channel.Closed, old.State().Phase())
	assert.Len(t, keysOf(t, mem), 2)
}

// TestArchivedUnderASession checks that a session which holds a channel goes on with its record
// wherever others have moved it.
func TestArchivedUnderASession(t *testing.T) {
	ctx, mem := t.Context(), store.NewMem()
	b := archive(t, mem)
	a := b.open(t, 1000)
	r, _, err := a.Reserve(ctx, b.terms(), price(100))
	require.NoError(t, err)
	places := rule.Places(a.ID())

	other, err := b.on(mem).Account(ctx, a.ID())
	require.NoError(t, err)
	require.NoError(t, other.Update(ctx, ended))
	require.Equal(t, places[1:2], keysOf(t, mem))

	_, _, err = a.Reserve(ctx, b.terms(), price(100))
	require.ErrorIs(t, err, channel.ErrNotPayable, "nothing is signed on a channel that another session saw closed")
	r.Release()
	require.NoError(t, a.Update(ctx, nil))
	require.NoError(t, a.Update(ctx, acknowledged))
	assert.Equal(t, places[1:2], keysOf(t, mem))

	// The chain shows it after all.
	require.NoError(t, other.Update(ctx, shown))
	require.Equal(t, places[2:], keysOf(t, mem))
	assert.Equal(t, []common.Hash{a.ID()}, live(t, b.Ledger, 10), "so it is looked after again")
	require.NoError(t, a.Update(ctx, func(s rule.State) rule.State { s.Units++; return s }))
	_, _, err = a.Reserve(ctx, b.terms(), price(100))
	require.NoError(t, err)
	assert.Equal(t, common.Hash{7}, other.State().CloseTx, "both have the same record")

	require.NoError(t, a.Update(ctx, ended))
	require.NoError(t, other.Update(ctx, nil))
	assert.Equal(t, places[2:], keysOf(t, mem), "it does not move again")
	assert.Equal(t, []common.Hash{a.ID()}, live(t, b.Ledger, 10))
}

// between is a store that calls a function between two reads.
type between struct {
	*store.Mem
	then func(key string)
}

func (s *between) Get(ctx context.Context, key string) ([]byte, uint64, error) {
	data, rev, err := s.Mem.Get(ctx, key)
	s.then(key)
	return data, rev, err
}

// TestArchivedBetweenTwoReads moves a record at each read: it is found all the same.
func TestArchivedBetweenTwoReads(t *testing.T) {
	ctx, mem := t.Context(), store.NewMem()
	b := archive(t, mem)
	id := b.open(t, 1000).ID()
	mover, err := b.on(mem).Account(ctx, id)
	require.NoError(t, err)
	s := &between{Mem: mem}
	places := rule.Places(id)
	for i, change := range []func(rule.State) rule.State{ended, shown} {
		moved := false
		s.then = func(key string) {
			if !moved && key == places[i] {
				moved = true
				require.NoError(t, mover.Update(ctx, change))
			}
		}
		found, err := b.on(s).Account(ctx, id)
		require.NoError(t, err)
		require.True(t, moved)
		assert.Equal(t, mover.ID(), found.ID())
		s.then = func(string) {}
		require.NoError(t, found.Update(ctx, func(s rule.State) rule.State { s.Units++; return s }))
		assert.Equal(t, places[i+1:i+2], keysOf(t, mem))
		require.NoError(t, mover.Update(ctx, func(s rule.State) rule.State { s.Units++; return s }))
	}
	assert.EqualValues(t, 4, mover.State().Units)
}

// TestBrokenMoves breaks every write of an end and of a channel that is shown again. The channel has
// one record at every moment, one that may hold money is never in the archive only, and the same
// session and the next go on with it.
func TestBrokenMoves(t *testing.T) {
	for _, how := range []storetest.Fault{storetest.Failed, storetest.FailedButStored} {
		for n := 1; ; n++ {
			ctx, mem := t.Context(), store.NewMem()
			f := storetest.NewFaulty(mem)
			b := archive(t, f)
			a := b.open(t, 1000)
			f.FailPut(n, how)
			check := func(l *ledger.Ledger) {
				keys := keysOf(t, mem)
				require.Len(t, keys, 1, "write %d, %v", n, how)
				data, _, err := mem.Get(ctx, keys[0])
				require.NoError(t, err)
				s, err := rule.Decode(data)
				require.NoError(t, err)
				if strings.HasPrefix(keys[0], rule.ArchiveKeys) {
					assert.True(t, s.Finished(), "write %d, %v", n, how)
				}
				found, err := l.Account(ctx, a.ID())
				require.NoError(t, err)
				assert.Equal(t, s.Phase(), found.State().Phase())
			}
			for _, change := range []func(rule.State) rule.State{ended, shown, ended} {
				err := a.Update(ctx, change)
				check(b.on(mem))
				if err != nil {
					require.ErrorIs(t, err, storetest.ErrFault)
					require.NoError(t, a.Update(ctx, change), "the session goes on")
				}
				check(b.on(mem))
				check(b.Ledger)
			}
			if !f.Fired() {
				require.Greater(t, n, 5)
				break
			}
		}
	}
}

// TestOldChannelsAreArchived checks that the records of a store without an archive move into it, a
// bounded number at a time, whoever has them in memory.
func TestOldChannelsAreArchived(t *testing.T) {
	ctx, mem := t.Context(), store.NewMem()
	plain := struct{ store.Store }{mem} // as of a program that does not move them
	b := archive(t, plain)
	var all, open []common.Hash
	var held *ledger.Account
	for i := range byte(20) {
		a := b.at(t, i+1, here, i+1)
		all = append(all, a.ID())
		if i%4 == 0 {
			open = append(open, a.ID())
			continue
		}
		held = a
		require.NoError(t, a.Update(ctx, ended))
	}
	require.Len(t, live(t, b.on(plain), 100), 20, "a store that does not move records lists them")
	l := b.on(mem)
	inMemory, err := l.Account(ctx, held.ID())
	require.NoError(t, err)
	assert.Len(t, live(t, l, 0), 20)
	assert.Len(t, live(t, l, 6), 14)
	assert.Len(t, live(t, l, 6), 8)
	assert.ElementsMatch(t, open, live(t, l, 6))
	assert.ElementsMatch(t, open, live(t, l, 6))
	assert.ElementsMatch(t, all, each(t, l))
	require.NoError(t, inMemory.Update(ctx, func(s rule.State) rule.State { s.Units++; return s }))
	require.NoError(t, held.Update(ctx, func(s rule.State) rule.State { s.Units++; return s }))
	assert.EqualValues(t, 2, held.State().Units)
	assert.Len(t, each(t, l), 20)
	for _, id := range all {
		_, err := b.on(mem).Account(ctx, id)
		require.NoError(t, err)
	}
}

// TestArchivingAtOnce lets many sessions close, list and archive the same channels.
func TestArchivingAtOnce(t *testing.T) {
	ctx, mem := t.Context(), store.NewMem()
	b := archive(t, mem)
	var ids []common.Hash
	for i := range byte(16) {
		ids = append(ids, b.at(t, i+1, here, i+1).ID())
	}
	var done sync.WaitGroup
	for i := range 6 {
		l := b.on(mem)
		done.Go(func() {
			for j := range ids {
				a, err := l.Account(ctx, ids[(j*(1+2*(i%3))+i)%len(ids)])
				if !assert.NoError(t, err) {
					return
				}
				assert.NoError(t, a.Update(ctx, ended))
				seen := map[common.Hash]bool{}
				for s, err := range l.Each(ctx) {
					assert.NoError(t, err)
					assert.False(t, seen[s.ID], "listed twice")
					seen[s.ID] = true
				}
				assert.Len(t, seen, len(ids), "none is missed")
				for _, err := range l.Live(ctx, 3) {
					assert.NoError(t, err)
				}
			}
		})
	}
	done.Wait()
	assert.Empty(t, live(t, b.on(mem), 0))
	assert.ElementsMatch(t, ids, each(t, b.on(mem)))
}

// TestArchivedChannelsCount for the limits over time: what was authorized was authorized.
func TestArchivedChannelsCount(t *testing.T) {
	ctx, mem := t.Context(), store.NewMem()
	b := archive(t, mem)
	own := lim
	own.All.Month = u(300)
	b.Ledger = ledger.New(mem, b.judge, own)
	a := b.open(t, 1000)
	_, _, err := a.Reserve(ctx, b.terms(), price(250))
	require.NoError(t, err)
	require.NoError(t, a.Update(ctx, ended))
	require.Equal(t, []string{rule.Places(a.ID())[1]}, keysOf(t, mem))

	later := b.on(mem)
	next, _, err := later.Add(ctx, b.state(t, 2, 1000), a)
	require.NoError(t, err)
	require.NoError(t, next.Update(ctx, rule.State.Acknowledged))
	_, _, err = next.Reserve(ctx, b.terms(), price(51))
	require.ErrorIs(t, err, channel.ErrLimit)
	_, _, err = next.Reserve(ctx, b.terms(), price(50))
	require.NoError(t, err)
}

// meanwhile is a store where something happens after the channels that may hold money were listed.
type meanwhile struct {
	*store.Mem
	then func()
}

func (s *meanwhile) List(ctx context.Context, prefix string) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		for e, err := range s.Mem.List(ctx, prefix) {
			if !yield(e, err) {
				return
			}
		}
		if then := s.then; then != nil && prefix == rule.ChannelKeys {
			s.then = nil
			then()
		}
	}
}

// TestMovedWhileItIsListed: a record that moves into the archive, or out of it, while all are listed is
// listed once, and counts for the limits over time.
func TestMovedWhileItIsListed(t *testing.T) {
	for name, move := range map[string][]func(rule.State) rule.State{
		"into the archive": {ended}, "out of the archive": {ended, shown}, "both": {ended, shown},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, mem := t.Context(), store.NewMem()
			b := archive(t, mem)
			a := b.open(t, 1000)
			_, _, err := a.Reserve(ctx, b.terms(), price(250))
			require.NoError(t, err)
			if name == "out of the archive" {
				require.NoError(t, a.Update(ctx, move[0]))
				move = move[1:]
			}
			for _, look := range []func(s *meanwhile){
				func(s *meanwhile) { assert.Len(t, each(t, b.on(s)), 1) },
				func(s *meanwhile) {
					n := 0
					for info, err := range records.Channels(ctx, s) {
						require.NoError(t, err)
						assert.Equal(t, a.ID(), info.ID)
						n++
					}
					assert.Equal(t, 1, n)
				},
				func(s *meanwhile) {
					rooms, err := b.on(s).Rooms(ctx, b.terms(), b.scope)
					require.NoError(t, err)
					assert.Equal(t, u(250), rooms[0].Used)
				},
			} {
				s := &meanwhile{Mem: old(t, mem).(*store.Mem)}
				mover, err := b.on(s.Mem).Account(ctx, a.ID())
				require.NoError(t, err)
				s.then = func() {
					for _, change := range move {
						require.NoError(t, mover.Update(ctx, change))
					}
				}
				look(s)
				assert.Nil(t, s.then)
				assert.Len(t, keysOf(t, s), 1)
			}
		})
	}
}

// TestUnreadableArchive checks that a damaged record in the archive is said, hides no other, and is
// not taken for one that does not exist.
func TestUnreadableArchive(t *testing.T) {
	ctx, mem := t.Context(), store.NewMem()
	b := archive(t, mem)
	a, other := b.at(t, 1, here, 1), b.at(t, 2, here, 2)
	require.NoError(t, a.Update(ctx, ended))
	require.NoError(t, other.Update(ctx, ended))
	key := rule.Places(a.ID())[1]
	_, rev, err := mem.Get(ctx, key)
	require.NoError(t, err)
	_, err = mem.Put(ctx, key, []byte(`{"version":99}`), rev)
	require.NoError(t, err)

	l := b.on(mem)
	_, err = l.Account(ctx, a.ID())
	require.ErrorIs(t, err, channel.ErrRecord)
	var good, bad int
	for _, err := range l.Each(ctx) {
		if err == nil {
			good++
			continue
		}
		bad++
		assert.ErrorContains(t, err, key)
		assert.False(t, errors.Is(err, store.ErrNotFound))
	}
	assert.Equal(t, []int{1, 1}, []int{good, bad})
}
