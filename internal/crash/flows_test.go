package crash

import (
	"context"
	"maps"
	"slices"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// What the two kinds of content cost.
var price, piece = voucher.Units(100), voucher.Units(10)

// flow is something that a client does, in which it may die.
type flow struct {
	data, units string // where it buys answers, and streams
	fund, ahead uint64 // of the limits
	forced      bool   // closes without the payee
	closes      int    // how many channels are closed by a decision of act or prelude
	exact       bool   // the payee closes for what was charged, and not for the whole voucher
	prelude     func(c *play, ctx context.Context)
	act         func(c *play, ctx context.Context)
}

// rail is where a flow takes place.
type rail struct{ name, data, units string }

var (
	v2        = rail{"v2", "/data", "/units"}
	v1        = rail{"v1", "/v1/data", "/v1/units"}
	sponsored = rail{"v2 sponsored", "/sponsored", "/sponsored/units"}
	assisted  = rail{"v1 sponsored", "/v1/sponsored", "/v1/sponsored/units"}
)

// flows are all of them, by their names.
var flows = func() map[string]flow {
	all := map[string]flow{}
	add := func(name string, f flow, rails ...rail) {
		for _, r := range rails {
			f.data, f.units = r.data, r.units
			f.exact = !f.forced && (r == v2 || r == sponsored)
			all[name+"/"+r.name] = f
		}
	}
	get := func(n int) func(*play, context.Context) {
		return func(c *play, ctx context.Context) {
			for range n {
				_ = c.get(ctx)
			}
		}
	}
	stream := func(n int) func(*play, context.Context) {
		return func(c *play, ctx context.Context) { _ = c.stream(ctx, n) }
	}
	add("open", flow{act: get(1)}, v2, v1, sponsored, assisted)
	add("open by a stream", flow{act: stream(3)}, v2, v1)
	add("voucher", flow{prelude: get(1), act: get(2)}, v2, v1)
	add("voucher ahead", flow{ahead: 300, prelude: get(1), act: get(5)}, v2, v1)
	add("top-up", flow{fund: 200, prelude: get(2), act: get(1)}, v2, v1, sponsored, assisted)
	add("stream", flow{fund: 120, prelude: get(1), act: stream(5)}, v2, v1, sponsored)
	add("close", flow{closes: 1, prelude: get(1), act: (*play).shut}, v2, v1)
	add("forced close", flow{closes: 1, forced: true, prelude: get(1), act: (*play).shut}, v2, v1)
	add("open again", flow{closes: 1, prelude: func(c *play, ctx context.Context) {
		_ = c.get(ctx)
		c.shut(ctx)
	}, act: get(1)}, v2, v1)
	return all
}()

func flowNames() []string { return slices.Sorted(maps.Keys(flows)) }
