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
	bootstrap   bool   // asks for its channel with a HEAD first
	imports     bool   // the channel of the prelude is taken in from a file
	finds       bool   // the channel of the prelude is found on the chain
	keeps       bool   // sweeps when it starts, and closes by requests and sweeps
	beside      bool   // tops up beside requests, but for its heirs
	limited     bool   // has limits for all payments, an origin and a payee, but for its prelude
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
	who       = rail{"v2", "/who", "/who/units"}
	boot      = rail{"v2", "/boot", "/boot/units"}
	hinted    = rail{"v2", "/hinted", "/hinted/units"}
)

// flows are all of them, by their names.
var flows = func() map[string]flow {
	all := map[string]flow{}
	add := func(name string, f flow, rails ...rail) {
		for _, r := range rails {
			f.data, f.units = r.data, r.units
			f.exact = !f.forced && !f.keeps && r != v1 && r != assisted
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
	add("top-up beside", flow{beside: true, fund: 1_000, prelude: get(7), act: (*play).topUpBeside}, v2, v1, sponsored)
	add("stream", flow{fund: 120, prelude: get(1), act: stream(5)}, v2, v1, sponsored)
	add("close", flow{closes: 1, prelude: get(1), act: (*play).shut}, v2, v1)
	add("forced close", flow{closes: 1, forced: true, prelude: get(1), act: (*play).shut}, v2, v1)
	add("open again", flow{closes: 1, prelude: func(c *play, ctx context.Context) {
		_ = c.get(ctx)
		c.shut(ctx)
	}, act: get(1)}, v2, v1)
	cold := func(c *play, ctx context.Context) {
		_ = c.get(ctx)
		c.forget(ctx)
	}
	add("resume by proof", flow{prelude: cold, act: get(2)}, who)
	add("resume by bootstrap", flow{bootstrap: true, prelude: cold, act: get(1)}, boot)
	add("import", flow{imports: true, prelude: cold, act: func(c *play, ctx context.Context) {
		if c.takeIn(ctx) == nil { // a payment without it would open another channel
			_ = c.get(ctx)
		}
	}}, hinted)
	add("find and import", flow{finds: true, imports: true, prelude: cold, act: func(c *play, ctx context.Context) {
		c.find(ctx)
		if c.takeIn(ctx) == nil { // no log shows what the channel is for
			_ = c.get(ctx)
		}
	}}, hinted)
	add("keep a top-up", flow{keeps: true, fund: 200, prelude: get(2), act: func(c *play, ctx context.Context) {
		_ = c.get(ctx)
		c.sweep(ctx)
	}}, v2)
	requested := func(sweep func(*play, context.Context)) func(*play, context.Context) {
		return func(c *play, ctx context.Context) {
			for _, s := range c.channels(ctx) {
				_ = c.act(ctx, "close", func(ctx context.Context) error { return c.requestClose(ctx, s.ID) })
			}
			c.p.tell(note{Kind: kindAdvance})
			sweep(c, ctx)
		}
	}
	add("limits", flow{limited: true, act: get(2)}, v2)
	add("further limits", flow{limited: true, prelude: get(1), act: get(2)}, v2)
	add("keep a close", flow{closes: 1, keeps: true, prelude: get(1), act: requested((*play).sweep)}, v1)
	add("keep until done", flow{closes: 1, keeps: true, prelude: get(1), act: requested((*play).sweepUntilDone)}, v2)
	add("keep forever", flow{closes: 1, keeps: true, prelude: get(1), act: requested((*play).sweepForever)}, v1)
	return all
}()

func flowNames() []string { return slices.Sorted(maps.Keys(flows)) }
