package pins_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/pins"
	"github.com/seed-5fe1f529/tallystick/store"
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
			moved := slices.Concat(c.other,
				[]func(*pins.Offer){func(o *pins.Offer) { o.Terms.Escrow[5]++ }})
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
