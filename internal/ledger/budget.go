package ledger

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Budget is the most that a group of requests may take, in memory. It counts the larger of two
// sums: the prices of the requests, and the amounts by which they raised what payees can take. A
// Budget is safe for concurrent use.
type Budget struct {
	asset  channel.Asset
	amount voucher.Amount
	parent *Budget
	number uint64 // budgets are locked in this order

	mu   sync.Mutex // guards used
	used taken
}

// taken is a sum of prices and a sum of rises, in base units.
type taken struct{ prices, rises voucher.Amount }

var budgets atomic.Uint64

// NewBudget returns a budget of amount base units of asset. What it counts, parent counts too if it
// is not nil. It refuses prices in another asset.
func NewBudget(asset channel.Asset, amount voucher.Amount, parent *Budget) *Budget {
	return &Budget{asset: asset, amount: amount, parent: parent, number: budgets.Add(1)}
}

// Left returns what can still be taken, in base units: from the budget and from all that it is part
// of.
func (b *Budget) Left() voucher.Amount {
	left := voucher.MaxAmount
	for ; b != nil; b = b.parent {
		b.mu.Lock()
		left = left.Min(b.amount.SubFloor(b.used.prices.Max(b.used.rises)))
		b.mu.Unlock()
	}
	return left
}

// refuses returns a [*channel.LimitError] if the budget does not leave as much. The caller holds
// mu.
func (b *Budget) refuses(asset channel.Asset, more taken) error {
	if b.asset != asset {
		return fmt.Errorf("the budget is in %s, the price in %s: %w", b.asset, asset,
			&channel.LimitError{Limit: channel.LimitBudget, Wanted: more.prices.Max(more.rises), Currency: dollar(asset)})
	}
	refuses := func(used, more voucher.Amount) error {
		wanted := used.AddCapped(more)
		if more.IsZero() || !b.amount.Less(wanted) {
			return nil
		}
		return &channel.LimitError{
			Limit: channel.LimitBudget, Wanted: wanted, Allowed: b.amount,
			Left: b.amount.SubFloor(used), Currency: dollar(asset),
		}
	}
	if err := refuses(b.used.prices, more.prices); err != nil {
		return err
	}
	return refuses(b.used.rises, more.rises)
}

// dollar returns the currency of an asset, without a symbol if it is no known dollar token.
func dollar(asset channel.Asset) channel.Currency {
	c, _ := channel.Dollar(asset)
	return c
}

// within returns the budgets and all that they are part of, each once, in the order in which they
// are locked.
func within(all []*Budget) (every []*Budget) {
	for _, b := range all {
		for ; b != nil; b = b.parent {
			if !slices.Contains(every, b) {
				every = append(every, b)
			}
		}
	}
	slices.SortFunc(every, func(a, b *Budget) int { return cmp.Compare(a.number, b.number) })
	return every
}

func (t taken) plus(u taken) taken {
	return taken{t.prices.AddCapped(u.prices), t.rises.AddCapped(u.rises)}
}

func (t taken) minus(u taken) taken {
	return taken{t.prices.SubFloor(u.prices), t.rises.SubFloor(u.rises)}
}
