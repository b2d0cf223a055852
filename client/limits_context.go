package client

import (
	"context"
	"fmt"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/ledger"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

type (
	limitsKey struct{}
	budgetKey struct{}
	runKey    struct{}
)

// WithLimits returns a context whose requests use other limits: every field of lim that is not zero
// replaces that of the session. A limit may be lowered freely. If a limit is above the session's, the
// request fails with a [channel.LimitError] before anything is signed, unless Config.Raise allows as
// much. Nested WithLimits can only lower the outer limits. A request that is to be paid in another asset
// than lim is for fails with [channel.ErrAsset].
func WithLimits(ctx context.Context, lim channel.Limits) context.Context {
	outer, _ := ctx.Value(limitsKey{}).([]channel.Limits)
	return context.WithValue(ctx, limitsKey{}, append(outer[:len(outer):len(outer)], lim))
}

// Budget is an amount that several requests may spend together: one run of an agent, one job. It is
// in memory, starts with its whole amount, and is safe for concurrent use. What counts is what the
// payees can take: for each request the larger of the sum of its prices and the amount by which it
// raised vouchers, and the fees of the transactions that are made for it, with the most that they can
// be until that is known. A refusal by the payee gives nothing back, since the payee has the voucher. A
// request whose credential was certainly not sent gives back what it raised, unless another request
// may present a voucher that covers it.
type Budget struct {
	spent *ledger.Budget
	run   string
}

// NewBudget returns a budget of amount base units of an asset: a token on a chain, as an offer
// names them ([channel.Offer], [Session.Quote]). A request that is to be paid in another asset is
// refused under it.
func NewBudget(asset channel.Asset, amount voucher.Amount) *Budget {
	return &Budget{spent: ledger.NewBudget(asset, amount, nil)}
}

// Named returns the same budget under the name of a run, for example a job or a task of an agent: both
// spend one amount. The journal names the run in the lines of the requests that [WithBudget] gives it,
// and [Session.Spending] adds up what each run spent. The name is stored as it is, so it must have no
// secret in it.
func (b *Budget) Named(run string) *Budget { return &Budget{b.spent, run} }

// Left returns what the budget leaves, in base units.
func (b *Budget) Left() voucher.Amount { return b.spent.Left() }

// WithBudget returns a context whose requests spend b. A request that does not fit fails with a
// [channel.LimitError] about [channel.LimitBudget], and nothing is signed for it. A budget within
// another spends both, and the inner one that has a name gives it to the request. A nil b changes nothing.
func WithBudget(ctx context.Context, b *Budget) context.Context {
	if b == nil {
		return ctx
	}
	if b.run != "" {
		ctx = context.WithValue(ctx, runKey{}, b.run)
	}
	outer, _ := ctx.Value(budgetKey{}).([]*ledger.Budget)
	return context.WithValue(ctx, budgetKey{}, append(outer[:len(outer):len(outer)], b.spent))
}

// limits returns what a request to an origin is held to if it is paid in a currency: the limits of the
// config, overridden by those of the origin, and by those of the context within what the owner allows.
// The zero currency is one that is not known yet, of the known dollar tokens. The error is a
// [channel.LimitError], or [channel.ErrAsset] if the context has limits and they are for another asset.
func (s *Session) limits(
	ctx context.Context, origin string, currency channel.Currency,
) (channel.Limits, error) {
	lim, own, most := rule.Limits{Limits: s.cfg.Limits}, s.cfg.Origins[origin], s.cfg.Raise
	other, isOther := s.others[currency.Asset]
	if isOther {
		lim, own, most = rule.Limits{Limits: other}, channel.Limits{}, channel.Limits{}
	}
	lim.Currency = currency
	lim, err := lim.Override(own, own)
	if err != nil {
		return channel.Limits{}, err
	}
	outer, _ := ctx.Value(limitsKey{}).([]channel.Limits)
	for _, own := range outer {
		switch {
		case own.Currency.Asset == currency.Asset, own.Currency == channel.Currency{} && !isOther:
		case currency == channel.Currency{}:
			continue
		default:
			return channel.Limits{}, fmt.Errorf("%w: %s: WithLimits has limits of another one", channel.ErrAsset, currency)
		}
		if lim, err = lim.Override(own, most); err != nil {
			return channel.Limits{}, fmt.Errorf(
				"client: WithLimits raises a limit that Config.Raise does not: %w", err,
			)
		}
		most = channel.Limits{}
	}
	return lim.Limits, nil
}

// Budgets returns what the limits over time, including those of the context, leave for all payments of
// the store in the known dollar tokens together: a month, a day, an hour. The error is a
// [channel.LimitError] if the context wants more than it may have, or the store's.
func (s *Session) Budgets(ctx context.Context) ([]channel.Room, error) {
	return s.BudgetsIn(ctx, channel.Asset{})
}

// BudgetsIn is like [Session.Budgets] for the payments in an asset, which has limits and budgets of its
// own (Config.Assets). The known dollar tokens share theirs, and so does the zero asset. The error is
// [channel.ErrAsset] if there are no limits for the asset.
func (s *Session) BudgetsIn(ctx context.Context, asset channel.Asset) ([]channel.Room, error) {
	lim, scope, err := s.shared(ctx, asset)
	if err != nil {
		return nil, err
	}
	rooms, err := s.ledger.Rooms(ctx, ledger.Terms{Limits: lim}, scope)
	return rooms[:3], err
}

// FeeBudgetsIn is like [Session.BudgetsIn] for what transactions cost whose fees are paid in the asset: what
// Limits.Fees leave of a month, a day, an hour. Fees count in the other budgets, too.
func (s *Session) FeeBudgetsIn(ctx context.Context, asset channel.Asset) ([]channel.Room, error) {
	lim, scope, err := s.shared(ctx, asset)
	if err != nil {
		return nil, err
	}
	return s.ledger.FeeRooms(ctx, lim, scope)
}

// shared returns the limits of an asset that all origins share, and a scope in it.
func (s *Session) shared(ctx context.Context, asset channel.Asset) (channel.Limits, channel.Scope, error) {
	currency := s.others[asset].Currency
	if _, dollar := channel.Dollar(asset); asset != currency.Asset && !dollar {
		return channel.Limits{}, channel.Scope{}, fmt.Errorf("%w: there are no limits for %s", channel.ErrAsset, asset)
	}
	lim, err := s.limits(ctx, "", currency)
	return lim, channel.Scope{ChainID: currency.ChainID, Token: currency.Token}, err
}
