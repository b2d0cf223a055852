package client

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/seed-5fe1f529/tallystick/internal/purchase"
)

// Bounds of waiting for a channel that another session may be opening: how long in all, and between two looks.
const (
	openingsWait = 5 * time.Second
	openingsRest = 100 * time.Millisecond
)

// openedElsewhere reports whether another session opens the channel of the attempt, for which too little is left
// for one more fee. It waits for that as long as fees of others are under way, five seconds at most.
func (a *attempt) openedElsewhere(ctx context.Context) bool {
	rest := time.NewTicker(openingsRest)
	defer rest.Stop()
	for end := time.Now().Add(openingsWait); time.Now().Before(end) && a.s.ledger.FeesUnderWay(a.challenge.scope); {
		account, err := a.s.ledger.Lookup(ctx, a.challenge.scope)
		if err == nil && account != nil && account.State().Payable() {
			return true
		}
		select {
		case <-rest.C:
		case <-ctx.Done():
			return false
		}
	}
	return false
}

// wait lets other requests of the channel go first.
func (a *attempt) wait(ctx context.Context, do purchase.Action) purchase.Event {
	if do.Release {
		a.reserved.Release()
		_ = a.account.Update(ctx, nil) // for other sessions; if it fails, the next write tells them
	}
	if err := pause(ctx, do.Try); err != nil {
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
