package journal

import (
	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Spending is what was spent in one asset, in base units. An amount is spent when it was authorized: from
// then on the payee can take it, whatever it served. The fees of transactions are not in it. Each map
// adds up to Total; what has no name there has the zero key.
type Spending struct {
	// Asset is the zero value for lines of channels that the store has no record of.
	Asset channel.Asset
	Total voucher.Amount
	// Origins are as in channel.Scope.
	Origins map[string]voucher.Amount
	Payees  map[common.Address]voucher.Amount
	// Routes are by the names of Config.Route of the session, Runs by those of its budgets (Named). A voucher that ran ahead
	// (Limits.Ahead) counts for the request that authorized it.
	Routes, Runs map[string]voucher.Amount
	// Days are by the date ("2026-01-31") on which operations ended, in the location of
	// [Entry.End]: UTC for the lines of [Read].
	Days map[string]voucher.Amount
}

// NewSpending returns sums without a line.
func NewSpending(asset channel.Asset) *Spending {
	named := func() map[string]voucher.Amount { return map[string]voucher.Amount{} }
	return &Spending{
		Asset: asset, Payees: map[common.Address]voucher.Amount{},
		Origins: named(), Routes: named(), Runs: named(), Days: named(),
	}
}

// Add adds what a line authorized for a payee.
func (s *Spending) Add(e Entry, payee common.Address) {
	s.Total = s.Total.AddCapped(e.Raised)
	s.Payees[payee] = s.Payees[payee].AddCapped(e.Raised)
	for _, one := range []struct {
		by   map[string]voucher.Amount
		name string
	}{
		{s.Origins, e.Origin}, {s.Routes, e.Route}, {s.Runs, e.Run}, {s.Days, e.End.Format("2006-01-02")},
	} {
		one.by[one.name] = one.by[one.name].AddCapped(e.Raised)
	}
}
