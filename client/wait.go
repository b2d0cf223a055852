package client

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/seed-5fe1f529/tallystick/internal/purchase"
)

// wait lets other requests of the channel go first.
func (a *attempt) wait(ctx context.Context, try int) purchase.Event {
	if err := pause(ctx, try); err != nil {
		return purchase.Event{Kind: purchase.Failed, Err: err}
	}
	return purchase.Event{Kind: purchase.Waited}
}

// pause waits a little longer each time: whoever presents the highest voucher while another is signed is
// overtaken again.
func pause(ctx context.Context, try int) error {
	longest := time.Millisecond << min(try, 7)
	timer := time.NewTimer(rand.N(longest))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
