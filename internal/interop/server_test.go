package interop

import (
	"testing"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// serverFlows are our client against mppx's server. Each has a payer of its own.
var serverFlows = []struct {
	name string
	rail voucher.Protocol // zero: both
	run  func(*testing.T, *world)
}{
	{"open", 0, flowOpen},
	{"requests", 0, flowRequests},
	{"prices", 0, flowPrices},
	{"bodies", 0, flowBodies},
	{"stream", 0, flowStream},
	{"stream with a query", 0, flowStreamQuery},
	{"stream asked for as one", 0, flowStreamAccept},
	{"top-up", 0, flowTopUp},
	{"top-up in a stream", 0, flowTopUpInStream},
	{"sponsored", 0, flowSponsored},
	{"snapshot", 0, flowSnapshot},
	{"bootstrap", voucher.V2, flowBootstrap},
	{"who the payer is", 0, flowWho},
	{"settled in mid-session", 0, flowSettle},
	{"resumed in a fresh process", 0, flowResume},
	{"least growth of a voucher", 0, flowMinDelta},
	{"forgotten", 0, flowForgotten},
	{"closed together", 0, flowClose},
	{"closed alone", 0, flowForcedClose}, // moves the clock, so it is last
}

func theirServer(t *testing.T, rail voucher.Protocol) {
	w := newWorld(t, rail)
	for _, f := range serverFlows {
		if f.rail == 0 || f.rail == rail {
			t.Run(f.name, func(t *testing.T) { f.run(t, w) })
		}
	}
}
