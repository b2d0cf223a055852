package client_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/internal/bubble"
)

// TestKeysAreBounded: the purchases that ended longest ago are forgotten first, those in flight
// never. If all are in flight, one more is not remembered, and is paid as without a key.
func TestKeysAreBounded(t *testing.T) { bubble.Run(t, keysAreBounded) }

func keysAreBounded(t *testing.T) {
	var k client.Keys
	enter := func(id byte, n int) (func(bool), bool) {
		end, again, err := k.Enter(t.Context(), id, n)
		require.NoError(t, err)
		return end, again
	}
	open, _ := enter(1, 0)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err := k.Enter(gone, 1, 0)
	require.ErrorIs(t, err, context.Canceled)
	for n := range client.MaxKeyed - 1 {
		end, again := enter(2, n)
		assert.False(t, again)
		end(true)
	}
	assert.Equal(t, client.MaxKeyed, k.Len())
	end, again := enter(2, 0) // makes it the last that ended
	assert.True(t, again)
	end(true)
	for n := range 10 {
		end, _ := enter(3, n)
		end(true)
	}
	assert.Equal(t, client.MaxKeyed, k.Len())
	for n := range 12 {
		end, again := enter(2, n)
		assert.Equal(t, n == 0 || n > 10, again, "%d", n)
		end(false)
	}
	open(true)
	_, again = enter(1, 0)
	assert.True(t, again, "it was in flight")

	k = client.Keys{}
	var ends []func(bool)
	for n := range client.MaxKeyed {
		ends = append(ends, k.First(1, n))
	}
	assert.Nil(t, k.First(2, 0))
	none, _ := enter(2, 0)
	assert.Nil(t, none)
	assert.Equal(t, client.MaxKeyed, k.Len())
	ends[7](true)
	assert.NotNil(t, k.First(2, 0))
	assert.Equal(t, client.MaxKeyed, k.Len())
	assert.Nil(t, k.First(1, 0), "in flight")
	assert.Nil(t, k.First(1, 7), "there is no room")
}

// TestKeysAreForgotten after a while, and at once if nothing was signed; who waits begins anew
// then.
func TestKeysAreForgotten(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		var k client.Keys
		enter := func() (func(bool), bool) {
			end, again, err := k.Enter(t.Context(), 1, 1)
			assert.NoError(t, err)
			return end, again
		}
		end, _ := enter()
		time.Sleep(2 * client.KeyedFor) // in flight
		end(true)
		time.Sleep(client.KeyedFor - 1)
		end, again := enter()
		assert.True(t, again)
		end(true)
		time.Sleep(client.KeyedFor)
		end, again = enter()
		assert.False(t, again)

		var all sync.WaitGroup
		for range 3 {
			all.Go(func() {
				end, again := enter()
				assert.False(t, again)
				end(false)
			})
		}
		ctx, cancel := context.WithCancel(t.Context())
		all.Go(func() {
			_, _, err := k.Enter(ctx, 1, 1)
			assert.ErrorIs(t, err, context.Canceled)
		})
		synctest.Wait()
		cancel()
		synctest.Wait()
		assert.Equal(t, 1, k.Len())
		end(false)
		all.Wait()
		assert.Zero(t, k.Len())
	})
}
