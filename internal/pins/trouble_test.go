package pins_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/pins"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/store/storetest"
)

// TestConcurrentFirstUse: of racing offers of an origin one is accepted, in all processes the same.
func TestConcurrentFirstUse(t *testing.T) {
	for range 20 {
		ctx, s := t.Context(), store.NewMem()
		var accepted atomic.Int64
		var wg sync.WaitGroup
		for payee := range byte(8) {
			b := pins.New(s)
			wg.Go(func() {
				for range 4 {
					if b.Check(ctx, offer(payee+1)) == nil {
						accepted.Store(int64(payee + 1))
					}
				}
			})
		}
		wg.Wait()
		all := list(t, s)
		require.Len(t, all, 1)
		assert.Equal(t, common.Address{byte(accepted.Load())}, all[0].Terms.Payee)
	}
}

// TestConcurrentAccepts: none of them is lost.
func TestConcurrentAccepts(t *testing.T) {
	ctx, s := t.Context(), store.NewMem()
	require.NoError(t, pins.New(s).Check(ctx, offer(1)))
	var wg sync.WaitGroup
	for payee := byte(2); payee < 40; payee++ {
		wg.Go(func() {
			assert.NoError(t, pins.New(s).Accept(ctx, offer(payee, on("GET /data",
				fmt.Sprint("unit", payee)))))
		})
	}
	wg.Wait()
	assert.Len(t, list(t, s), 39)
	for payee := byte(2); payee < 40; payee++ {
		require.NoError(t, pins.New(s).Check(ctx, offer(payee, on("GET /data", fmt.Sprint("unit",
			payee)))))
	}
}

// TestConflictsWithoutEnd end with an error.
func TestConflictsWithoutEnd(t *testing.T) {
	b := pins.New(always{store.NewMem()})
	require.ErrorContains(t, b.Check(t.Context(), offer(1)),
		"too many concurrent updates (1000 conflicts)")
}

// always is a store in which another writer is always quicker.
type always struct{ store.Store }

func (always) Put(context.Context, string, []byte, uint64) (uint64, error) {
	return 0, store.ErrConflict
}

// TestEveryWriteFails, once without and once with what was to be written stored: nothing but the
// first offer is accepted afterwards.
func TestEveryWriteFails(t *testing.T) {
	for _, how := range []storetest.Fault{storetest.Failed, storetest.FailedButStored} {
		for n := 1; ; n++ {
			ctx, s := t.Context(), storetest.NewFaulty(store.NewMem())
			s.FailPut(n, how)
			err := pins.New(s).Check(ctx, offer(1))
			if !s.Fired() {
				require.Equal(t, 2, n, "it is one write")
				break
			}
			require.Error(t, err)
			require.NoError(t, pins.New(s).Check(ctx, offer(1)))
			conflict(t, pins.New(s).Check(ctx, offer(2)))
			conflict(t, pins.New(s).Check(ctx, offer(1, on("GET /data", "chunk"))))
		}
	}
}

func TestRecordsThatCannotBeRead(t *testing.T) {
	ctx, s := t.Context(), store.NewMem()
	require.NoError(t, pins.New(s).Check(ctx, offer(1)))
	fill(t, s, "pin/")
	late := offer(1, on("GET /late", "request"))
	require.NoError(t, pins.New(s).Check(ctx, late))
	var good []store.Entry
	for e, err := range s.List(ctx, "") {
		require.NoError(t, err)
		good = append(good, e)
	}
	require.Len(t, good, 2, "a pin, and units of late routes")
	for i, e := range good {
		for _, bad := range []string{
			``, `{`, `[]`, `{}`, `{"version":3}`, `{"version":1}`, `{"version":2}`,
			strings.Replace(string(e.Data), shop, "https://x.example:443", 1),
			strings.Replace(string(e.Data), `"origin"`, `"bond":1,"origin"`, 1),
			`{"version":2,"origin":"` + shop + `","accepted":[]}`,
			`{"version":1,"origin":"` + shop + `","routes":{"request":"AAAA"}}`,
			strings.Replace(string(e.Data), `"request":"`, `"request":"AAAA`, 1),
		} {
			damaged := store.NewMem()
			for j, g := range good {
				data := g.Data
				if i == j {
					data = []byte(bad)
				}
				_, err := damaged.Put(ctx, g.Key, data, 0)
				require.NoError(t, err)
			}
			b := pins.New(damaged)
			require.ErrorIs(t, b.Check(ctx, late), channel.ErrRecord, "%s: %s", e.Key, bad)
			require.ErrorIs(t, b.Accept(ctx, late), channel.ErrRecord)
			require.NoError(t, b.Check(ctx, offer(1,
				func(o *pins.Offer) { o.Origin = "https://other.example:443" })),
				"no other origin is stopped")
			n := 0
			for _, err := range b.All(ctx) {
				if err != nil {
					require.ErrorIs(t, err, channel.ErrRecord)
					n++
				}
			}
			assert.Equal(t, strings.HasPrefix(e.Key, "pin/"), n == 1, "%s: %s", e.Key, bad)
		}
	}
}
