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
	"github.com/seed-5fe1f529/tallystick/voucher"
)

const shop = "https://pay.example:443"

var (
	escrow1, escrow2 = common.HexToAddress("0xe1"), common.HexToAddress("0xe2")
	token            = common.HexToAddress("0x20c0")
)

// offer is one of a payee over version 2, charged by the request.
func offer(payee byte, change ...func(*pins.Offer)) pins.Offer {
	o := pins.Offer{Origin: shop, Route: "GET /data", Terms: channel.Terms{
		Protocol: voucher.V2, ChainID: 42431, Escrow: escrow2, Payee: common.Address{payee},
		Token: token, Unit: "request",
	}}
	for _, c := range change {
		c(&o)
	}
	return o
}

func overV1(o *pins.Offer) { o.Terms.Protocol, o.Terms.Escrow = voucher.V1, escrow1 }

func on(route, unit string) func(*pins.Offer) {
	return func(o *pins.Offer) { o.Route, o.Terms.Unit = route, unit }
}

func conflict(t *testing.T, err error) *pins.Conflict {
	t.Helper()
	var c *pins.Conflict
	require.ErrorAs(t, err, &c)
	return c
}

// list returns the pins of a store; all can be read.
func list(t *testing.T, s store.Store) (all []pins.Pin) {
	t.Helper()
	for p, err := range pins.New(s).All(t.Context()) {
		require.NoError(t, err)
		all = append(all, p)
	}
	return all
}

func TestFirstUseIsAcceptedAndOtherTermsAreNot(t *testing.T) {
	ctx, s := t.Context(), store.NewMem()
	require.NoError(t, pins.New(s).Check(ctx, offer(1)))
	b := pins.New(s) // another process
	require.NoError(t, b.Check(ctx, offer(1)))
	for name, change := range map[string]func(*pins.Offer){
		"payee":    func(o *pins.Offer) { o.Terms.Payee[3]++ },
		"operator": func(o *pins.Offer) { o.Terms.Operator[3]++ },
		"token":    func(o *pins.Offer) { o.Terms.Token[3]++ },
		"escrow":   func(o *pins.Offer) { o.Terms.Escrow[3]++ },
		"chain":    func(o *pins.Offer) { o.Terms.ChainID++ },
	} {
		other := offer(1, change)
		c := conflict(t, b.Check(ctx, other))
		assert.Equal(t, other, c.Offer, name)
		assert.False(t, c.Known, name)
		assert.Len(t, c.Accepted, 1)
		if name != "escrow" {
			conflict(t, b.Check(ctx, offer(1, change, overV1)))
		}
	}
	require.NoError(t, b.Check(ctx, offer(2,
		func(o *pins.Offer) { o.Origin = "https://other.example:443" })))
}

// TestOtherProtocolOfTheSameParties: they are accepted over it, with the escrow that they name
// there first.
func TestOtherProtocolOfTheSameParties(t *testing.T) {
	for name, c := range map[string]struct{ first, other []func(*pins.Offer) }{
		"version 2 first": {nil, []func(*pins.Offer){overV1}},
		"version 1 first": {[]func(*pins.Offer){overV1}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, s := t.Context(), store.NewMem()
			b := pins.New(s)
			require.NoError(t, b.Check(ctx, offer(1, c.first...)))
			conflict(t, b.Check(ctx, offer(2, c.other...)))
			require.NoError(t, b.Check(ctx, offer(1, c.other...)))
			assert.Len(t, list(t, s), 2)
			moved := append(c.other[:len(c.other):len(c.other)],
				func(o *pins.Offer) { o.Terms.Escrow[5]++ })
			conflict(t, b.Check(ctx, offer(1, moved...)))
			require.NoError(t, b.Accept(ctx, offer(1, moved...)))
			require.NoError(t, b.Check(ctx, offer(1, moved...)))
			require.NoError(t, b.Check(ctx, offer(1, c.first...)))
			require.NoError(t, b.Check(ctx, offer(1, c.other...)))
		})
	}
}

// TestAcceptAdds: what was accepted before stays, and nothing but what was offered is added.
func TestAcceptAdds(t *testing.T) {
	ctx, s := t.Context(), store.NewMem()
	b := pins.New(s)
	require.NoError(t, b.Check(ctx, offer(1)))
	require.NoError(t, b.Accept(ctx, conflict(t, b.Check(ctx, offer(2))).Offer))
	for range 2 {
		require.NoError(t, b.Check(ctx, offer(1)))
		require.NoError(t, b.Check(ctx, offer(2)))
	}
	assert.Len(t, conflict(t, b.Check(ctx, offer(3))).Accepted, 2)
	require.NoError(t, b.Accept(ctx, offer(2)))
	all := list(t, s)
	require.Len(t, all, 2, "nothing is accepted twice")
	assert.Equal(t, []common.Address{{1}, {2}}, []common.Address{
		all[0].Terms.Payee,
		all[1].Terms.Payee,
	})
	assert.Empty(t, all[0].Terms.Unit)
	assert.False(t, all[1].Since.Before(all[0].Since))
}

func TestUnitsAreOfARoute(t *testing.T) {
	ctx, s := t.Context(), store.NewMem()
	b := pins.New(s)
	require.NoError(t, b.Check(ctx, offer(1)))
	require.NoError(t, b.Check(ctx, offer(1, on("GET /stream", "chunk"))))
	require.NoError(t, b.Check(ctx, offer(1, on("POST /data", ""))))
	for route, unit := range map[string]string{
		"GET /data": "chunk", "GET /stream": "request",
		"POST /data": "request",
	} {
		c := conflict(t, pins.New(s).Check(ctx, offer(1, on(route, unit))))
		assert.True(t, c.Known, "the terms are as they were")
		assert.Len(t, c.Units, 1)
	}
	require.NoError(t, b.Accept(ctx, offer(1, on("GET /data", "chunk"))))
	require.NoError(t, b.Check(ctx, offer(1, on("GET /data", "chunk"))))
	require.NoError(t, b.Check(ctx, offer(1)), "the first unit stays accepted")
	assert.Equal(t, []string{"chunk", "request"}, conflict(t, b.Check(ctx, offer(1, on("GET /data",
		"byte")))).Units)

	long := strings.Repeat("x", 10_000)
	require.NoError(t, b.Check(ctx, offer(1, on("GET /long", long))))
	require.NoError(t, b.Check(ctx, offer(1, on("GET /long", long))))
	conflict(t, b.Check(ctx, offer(1, on("GET /long", long+"y"))))
}

// TestManyLongRoutes: an origin is never refused for how many routes it has or how long they are,
// and a changed unit is noticed on every one of them.
func TestManyLongRoutes(t *testing.T) {
	const n = 4_000
	ctx, s := t.Context(), store.NewMem()
	b := pins.New(s)
	route := func(i int) string { return fmt.Sprintf("GET /%s/%d", strings.Repeat("x", 2000), i) }
	for i := range n {
		require.NoError(t, b.Check(ctx, offer(1, on(route(i), []string{"request", "chunk"}[i%2]))))
	}
	records := 0
	for e, err := range s.List(ctx, "") {
		require.NoError(t, err)
		assert.Less(t, len(e.Data), 6_000)
		records++
	}
	assert.Equal(t, 257, records)
	for i := range n {
		conflict(t, b.Check(ctx, offer(1, on(route(i), []string{"chunk", "request"}[i%2]))))
	}
}

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

func TestOriginWithTooManyTerms(t *testing.T) {
	ctx, s := t.Context(), store.NewMem()
	b := pins.New(s)
	many := func(i int) pins.Offer {
		return offer(1, func(o *pins.Offer) {
			o.Terms.Payee[19], o.Terms.ChainID = byte(i),
				1<<64-1
		})
	}
	for i := range pins.MaxTerms {
		require.NoError(t, b.Accept(ctx, many(i)))
	}
	require.ErrorIs(t, b.Accept(ctx, many(pins.MaxTerms)), pins.ErrFull)
	conflict(t, b.Check(ctx, many(pins.MaxTerms)))
	for i := range pins.MaxTerms {
		require.NoError(t, b.Check(ctx, many(i)))
	}
	assert.Len(t, list(t, s), pins.MaxTerms)
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
