package channel

import (
	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Spending is what was spent in one asset, in base units. An amount is spent when it was authorized: from
// then on the payee can take it, whatever it served. Fees of transactions are apart, in Fees. Each map
// adds up to Total; what has no name there has the zero key.
type Spending struct {
	// Asset is the zero value for lines of channels that the store has no record of.
	Asset Asset
	Total voucher.Amount
	// Origins are as in [Scope].
	Origins map[string]voucher.Amount
	Payees  map[common.Address]voucher.Amount
	// Routes are by the names of Config.Route of the session, Runs by those of its budgets (Budget.Named).
	// A voucher that ran ahead (Limits.Ahead) counts for the request that authorized it.
	Routes, Runs map[string]voucher.Amount
	// Days are by the date ("2026-01-31") on which operations ended, in the location of the
	// journal's entries: UTC for the lines of journal.Read.
	Days map[string]voucher.Amount

	// Fees is what transactions cost whose fees were paid in Asset, in the same groups: those of the
	// channels that they were made for. A fee counts when its transaction was signed: with the most that
	// can be charged, and with what was charged as soon as that is known. Sponsored
	// transactions cost nothing. In the Spending that Fees points to, it is nil itself.
	Fees *Spending
	// Reserved is for the Spending that Fees points to: the part of its Total that is the most that can be
	// charged, because what was charged is not known yet.
	Reserved voucher.Amount
}
