package ledger

import (
	"context"
	"crypto/sha256"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Funded returns what this session has put into channels so far, or is about to, in base units.
func (l *Ledger) Funded() voucher.Amount {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.funded
}

// Plan plans how a request is paid and counts what that puts into a channel, in one step, so that
// requests that race cannot pass Limits.Total together. What leaves is then counted by Leave; give
// back the rest with Unplan. The errors are those of [rule.PlanPayment] and [Ledger.Rooms].
func (l *Ledger) Plan(
	ctx context.Context, t Terms, scope channel.Scope,
	s *rule.State, req rule.Request, suggested voucher.Amount,
) (rule.Plan, error) {
	lim, err := l.Limited(ctx, t, scope)
	if err != nil {
		return rule.Plan{}, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	p, err := rule.PlanPayment(s, req, suggested, l.funded, lim)
	if err == nil {
		l.funded = l.funded.AddCapped(p.Amount)
	}
	return p, err
}

// Unplan gives back a planned amount that was not sent.
func (l *Ledger) Unplan(amount voucher.Amount) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.funded = l.funded.SubFloor(amount)
}

// Leave counts a funding transaction that is about to leave, in place of what was planned for it.
// One transaction counts once, however often it is presented, and also if another process stored
// it.
func (l *Ledger) Leave(f rule.Funding, planned voucher.Amount) {
	key := sha256.Sum256(f.Raw)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.funded = l.funded.SubFloor(planned)
	if _, ok := l.left[key]; !ok {
		l.left[key] = struct{}{}
		l.funded = l.funded.AddCapped(f.Amount)
	}
}

// Unmined takes back a funding transaction that can never be mined, if it was counted here.
func (l *Ledger) Unmined(f rule.Funding) {
	key := sha256.Sum256(f.Raw)
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.left[key]; ok {
		delete(l.left, key)
		l.funded = l.funded.SubFloor(f.Amount)
	}
}

// Correct takes back the funding transactions that the chain has shown to be dead between two
// states of a channel. An opening that the payee acknowledged may have been mined and closed since,
// so it goes on counting.
func (l *Ledger) Correct(before, after rule.State) {
	closed := after.Phase() == channel.Closed
	decided := before.ToppingUp.Pending() && !after.ToppingUp.Pending()
	if decided && !closed && !before.ToppingUp.Before.Less(after.Deposit) {
		l.Unmined(before.ToppingUp)
	}
	if closed && before.Opening.Pending() && !after.Confirmed {
		l.Unmined(before.Opening)
	}
}
