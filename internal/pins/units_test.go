package pins_test

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/internal/pins"
	"github.com/seed-5fe1f529/tallystick/store"
)

// TestRoutesThatAreTooMany: once there is no room for another route, the others are held to the
// units that were accepted of them together, and those that are remembered to their own.
func TestRoutesThatAreTooMany(t *testing.T) {
	ctx, s := t.Context(), store.NewMem()
	b := pins.New(s)
	require.NoError(t, b.Check(ctx, offer(1, on("GET /early", "request"))))
	fill(t, s, "pin/")
	require.NoError(t, b.Check(ctx, offer(1, on("GET /late", "request"))))
	routes := besides(t, fill(t, s, "unit/"), 4)

	require.NoError(t, b.Check(ctx, offer(1, on(routes[0], "page"))),
		"the first of them has any unit")
	require.NoError(t, b.Check(ctx, offer(1, on(routes[1], "page"))))
	for _, route := range routes {
		c := conflict(t, b.Check(ctx, offer(1, on(route, "chunk"))))
		assert.Equal(t, []string{"page"}, c.Units)
	}
	require.NoError(t, b.Accept(ctx, offer(1, on(routes[2], "chunk"))))
	for _, route := range routes {
		require.NoError(t, b.Check(ctx, offer(1, on(route, "chunk"))))
		require.NoError(t, b.Check(ctx, offer(1, on(route, "page"))))
		conflict(t, b.Check(ctx, offer(1, on(route, "byte"))))
	}

	for _, route := range []string{"GET /early", "GET /late"} {
		conflict(t, b.Check(ctx, offer(1, on(route, "page"))))
		require.NoError(t, b.Accept(ctx, offer(1, on(route, "page"))),
			"there is room for what an owner accepts")
		require.NoError(t, b.Check(ctx, offer(1, on(route, "page"))))
		require.NoError(t, b.Check(ctx, offer(1, on(route, "request"))))
		conflict(t, b.Check(ctx, offer(1, on(route, "chunk"))))
	}

	for _, route := range []string{"GET /early", "GET /late", routes[3]} {
		var full error
		for i := 0; i < 1000 && full == nil; i++ {
			full = b.Accept(ctx, offer(1, on(route, strings.Repeat("\x01", 50)+fmt.Sprint(i))))
		}
		require.ErrorIs(t, full, pins.ErrFull)
		require.NoError(t, b.Check(ctx, offer(1, on(route, "page"))))
	}
	for i := range pins.MaxTerms - 1 {
		require.NoError(t, b.Accept(ctx, offer(byte(i+2), on("GET /early", "request"))),
			"a full record takes as many terms as another")
	}
}

// besides returns routes that belong into a record of units.
func besides(t *testing.T, key string, n int) (routes []string) {
	t.Helper()
	for i := 0; len(routes) < n; i++ {
		s := store.NewMem()
		route := fmt.Sprint("GET /", i)
		require.NoError(t, pins.New(s).Check(t.Context(), offer(1)))
		fill(t, s, "pin/")
		require.NoError(t, pins.New(s).Check(t.Context(), offer(1, on(route, ""))))
		if _, _, err := s.Get(t.Context(), key); err == nil {
			routes = append(routes, route)
		}
	}
	return routes
}

// fill puts other routes into the one record that a store has under a prefix, until there is no
// room for another.
func fill(t *testing.T, s store.Store, prefix string) (key string) {
	t.Helper()
	for e, err := range s.List(t.Context(), prefix) {
		require.NoError(t, err)
		require.Empty(t, key, "there is one record")
		key = e.Key
		var r map[string]any
		require.NoError(t, json.Unmarshal(e.Data, &r))
		others := make([]byte, 8*map[string]int{"pin/": 384, "unit/": 4224}[prefix])
		_, _ = rand.Read(others)
		r["routes"].(map[string]any)["other"] = others
		data, err := json.Marshal(r)
		require.NoError(t, err)
		_, err = s.Put(t.Context(), key, data, e.Rev)
		require.NoError(t, err)
	}
	require.NotEmpty(t, key)
	return key
}
