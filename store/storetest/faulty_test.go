package storetest_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/store/storetest"
)

func TestFaultyWithoutFaults(t *testing.T) {
	storetest.Run(t, func(testing.TB) store.Store { return storetest.NewFaulty(store.NewMem()) })
}

func TestFaulty(t *testing.T) {
	ctx := t.Context()
	s := storetest.NewFaulty(store.NewMem())
	s.FailPut(2, storetest.Failed)
	s.FailPut(3, storetest.FailedButStored)

	rev, err := s.Put(ctx, "k", []byte("1"), 0)
	require.NoError(t, err)
	assert.False(t, s.Fired())

	_, err = s.Put(ctx, "k", []byte("2"), rev)
	require.ErrorIs(t, err, storetest.ErrFault)
	assert.True(t, s.Fired())
	data, same, err := s.Get(ctx, "k")
	require.NoError(t, err)
	assert.Equal(t, "1", string(data), "failed")
	assert.Equal(t, rev, same)

	_, err = s.Put(ctx, "k", []byte("3"), rev)
	require.ErrorIs(t, err, storetest.ErrFault)
	data, next, err := s.Get(ctx, "k")
	require.NoError(t, err)
	assert.Equal(t, "3", string(data), "failed but stored")
	assert.Greater(t, next, rev)

	_, err = s.Put(ctx, "k", []byte("4"), rev)
	require.ErrorIs(t, err, store.ErrConflict)
	s.FailPut(1, storetest.FailedButStored)
	_, err = s.Put(ctx, "k", []byte("5"), rev)
	require.ErrorIs(t, err, store.ErrConflict, "a refused write is refused, broken or not")
	_, err = s.Put(ctx, "k", []byte("6"), next)
	require.NoError(t, err)
	assert.Equal(t, 6, s.Puts())
	assert.Equal(t, 2, s.Gets())
}

func TestFaultyMove(t *testing.T) {
	ctx := t.Context()
	s := storetest.NewFaulty(store.NewMem())
	rev, err := s.Put(ctx, "a", []byte("1"), 0)
	require.NoError(t, err)
	s.FailPut(1, storetest.Failed)
	require.ErrorIs(t, s.Move(ctx, "a", rev, "b"), storetest.ErrFault)
	_, _, err = s.Get(ctx, "a")
	require.NoError(t, err, "failed")
	s.FailPut(1, storetest.FailedButStored)
	require.ErrorIs(t, s.Move(ctx, "a", rev, "b"), storetest.ErrFault)
	_, same, err := s.Get(ctx, "b")
	require.NoError(t, err, "failed but stored")
	assert.Equal(t, rev, same)
	assert.Equal(t, 3, s.Puts(), "a Move counts as a Put")

	bare := storetest.NewFaulty(struct{ store.Store }{store.NewMem()})
	require.ErrorIs(t, bare.Move(ctx, "a", rev, "b"), errors.ErrUnsupported)
	assert.Zero(t, bare.Puts())
}

// A writer that takes every error for "not written" conflicts with its own write. The test breaks
// each write in turn; this writer reads again and loses nothing.
func ExampleFaulty() {
	ctx := context.Background()
	story := func(s store.Store) (steps int) {
		var rev uint64
		for range 2 {
			next, err := s.Put(ctx, "k", []byte("step"), rev)
			if errors.Is(err, storetest.ErrFault) { // written or not: read again
				_, next, err = s.Get(ctx, "k")
			}
			if err == nil && next > rev {
				steps++
				rev = next
			}
		}
		return steps
	}
	for n := 1; ; n++ {
		s := storetest.NewFaulty(store.NewMem())
		s.FailPut(n, storetest.FailedButStored)
		steps := story(s)
		if !s.Fired() {
			break
		}
		fmt.Printf("write %d broken: %d steps in %d writes\n", n, steps, s.Puts())
	}
	// Output:
	// write 1 broken: 2 steps in 2 writes
	// write 2 broken: 2 steps in 2 writes
}
