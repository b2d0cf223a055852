package ledger

import (
	"context"
	"errors"
	"time"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/budget"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// FeeUse is what a fee is reserved for.
type FeeUse struct {
	// Terms are what the request is held to, or the zero Terms. Their limits are those for the fee token.
	Terms Terms
	// Scope is the channel's.
	Scope channel.Scope
	// Price is what the request costs that the transaction is made for, if the limits of the fee token are
	// for it, too.
	Price voucher.Amount
	// Returns is set for a transaction that brings money back, at least Back if it is in the fee token. The
	// limits on fees refuse it if it costs as much. No other limit does.
	Returns bool
	Back    voucher.Amount
}

// heldFee is a fee that this session reserved, and of which it does not know what was charged.
type heldFee struct {
	charge *Charge
	group  string // of funded; empty if it counts in none
}

// ReserveFee counts the most that a transaction can be charged, before it is signed: in the budgets of the
// request, in Total and in the limits over time. It returns the fee with its part of these. The errors are
// those of [budget.Budgets.CountFee], and [channel.ErrAsset]; nothing is reserved then.
func (l *Ledger) ReserveFee(ctx context.Context, use FeeUse, f rule.Fee) (rule.Fee, error) {
	scope, lim := use.Scope, rule.Limits{Limits: use.Terms.Limits}
	scope.Token = f.Token
	asset := channel.Asset{ChainID: scope.ChainID, Token: scope.Token}
	free := use.Returns && f.Max.Less(use.Back)
	if err := lim.For(asset); err != nil {
		if use.Returns {
			return f, nil // there are no limits that could refuse it, or count it
		}
		return f, err
	}
	if most, _ := lim.FeeBudgets(); most.Less(f.Max) && !free {
		return f, overFee(lim, "Fees.Transaction", f.Max, voucher.Amount{}, most)
	}
	held := heldFee{charge: use.Terms.Charge}
	lease := budget.ForFee(&scope)
	if !use.Returns {
		held.group = lease[0]
	}
	if err := held.charge.takeFee(asset, f.Max); err != nil {
		return f, err
	}
	err := l.fundFee(lim, held.group, f.Max)
	if err == nil {
		f.Part, f.At, err = l.windows.CountFee(ctx, budget.Fee{
			Limits: &lim.Limits, Lease: lease, Most: f.Max, Price: use.Price, Returns: use.Returns, Free: free,
		})
		if err != nil {
			l.unfundFee(held.group, f.Max)
		}
	}
	if err != nil {
		held.charge.giveFee(f.Max)
		return f, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fees[f.Part] = held
	return f, nil
}

// FeesUnderWay reports whether other sessions are known to have reserved fees in the token of the scope lately:
// one of them may be opening the channel.
func (l *Ledger) FeesUnderWay(scope channel.Scope) bool {
	return l.windows.FeesUnderWay(budget.ForFee(&scope), func(name string) bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		_, own := l.fees[name]
		return own
	})
}

// SettleFee counts what a transaction was charged in place of the most that it could be: nothing, if it
// never left or can never be mined. The record of the channel must say so first, if it has the fee. The
// scope is the channel's. The errors are those of [budget.Budgets.CorrectFee]: more counts then.
func (l *Ledger) SettleFee(ctx context.Context, scope channel.Scope, f rule.Fee, charged voucher.Amount) error {
	l.mu.Lock()
	held, own := l.fees[f.Part]
	delete(l.fees, f.Part)
	l.mu.Unlock()
	if less := f.Max.SubFloor(charged); own {
		l.unfundFee(held.group, less)
		held.charge.giveFee(less)
	}
	if f.Part == "" {
		return nil
	}
	scope.Token = f.Token
	return l.windows.CorrectFee(ctx, budget.ForFee(&scope), f.Part, charged)
}

// fundFee counts a fee in Total.
func (l *Ledger) fundFee(lim rule.Limits, group string, fee voucher.Amount) error {
	if group == "" {
		return nil
	}
	total := lim.Total
	if total.IsZero() {
		total = lim.Deposit
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if total.Less(l.funded[group].AddCapped(fee)) {
		return overFee(lim, "Total", fee, l.funded[group], total)
	}
	l.funded[group] = l.funded[group].AddCapped(fee)
	return nil
}

func (l *Ledger) unfundFee(group string, fee voucher.Amount) {
	if group == "" {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.funded[group] = l.funded[group].SubFloor(fee)
}

// overFee returns the error for a fee that is above what a limit leaves.
func overFee(lim rule.Limits, limit string, fee, used, allowed voucher.Amount) error {
	wanted := used.AddCapped(fee)
	return &channel.LimitError{
		Limit: limit, Wanted: wanted, Allowed: allowed, Left: allowed.SubFloor(used), Enough: wanted.AddCapped(fee),
		Fee: fee, Currency: lim.Currency,
	}
}

// takeFee takes the fee of a transaction that is made for the request from its budgets. It is taken beside
// its prices and its rises. A budget of a known dollar token pays for fees in any of them.
func (c *Charge) takeFee(asset channel.Asset, fee voucher.Amount) error {
	if c == nil {
		return nil
	}
	defer c.lock()()
	for _, b := range c.budgets {
		own := asset
		if _, dollars := channel.Dollar(asset); dollars && b.asset != asset {
			if _, dollars = channel.Dollar(b.asset); dollars {
				own = b.asset
			}
		}
		if err := b.refuses(own, taken{fee, fee}); err != nil {
			return feeError(err, fee)
		}
	}
	for _, b := range c.budgets {
		b.used = b.used.plus(taken{fee, fee})
	}
	return nil
}

// feeError returns the error of a budget as one about a fee.
func feeError(err error, fee voucher.Amount) error {
	if over, ok := errors.AsType[*channel.LimitError](err); ok {
		over.Fee = fee
	}
	return err
}

// giveFee gives back what of a fee was not charged.
func (c *Charge) giveFee(less voucher.Amount) {
	if c == nil {
		return
	}
	defer c.lock()()
	for _, b := range c.budgets {
		b.used = b.used.minus(taken{less, less})
	}
}

// FeeRooms returns what the limits on fees leave for transactions in the asset of a scope: a month, a day
// and an hour. The errors are those of [Ledger.Rooms].
func (l *Ledger) FeeRooms(ctx context.Context, limits channel.Limits, scope channel.Scope) ([]channel.Room, error) {
	lease := budget.ForFee(&scope)
	if err := l.windows.Read(ctx, &limits, lease); err != nil {
		return nil, err
	}
	l.windows.Lock()
	defer l.windows.Unlock()
	rooms := l.windows.FeeRooms(&limits, lease, time.Now().Unix())
	return rooms[:], nil
}
