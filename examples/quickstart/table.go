package main

import (
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// feePool is where the chain collects transaction fees.
var feePool = common.HexToAddress("0xfeec000000000000000000000000000000000000")

// pathUSD is the token of the test chain.
var pathUSD = channel.Currency{Symbol: "pathUSD", Decimals: 6}

// balances is who holds what on chain, in base units.
type balances struct{ payer, payee, escrow, fees voucher.Amount }

func (s *story) balances() balances {
	c := s.srv.Chain
	return balances{c.Balance(s.payer.Address), c.Balance(s.srv.Payee), c.Balance(s.srv.Escrow(voucher.V2)), c.Balance(feePool)}
}

// accounts is the chain at three moments, and our own figures: what was used, counted request by request,
// and what was deposited.
type accounts struct {
	before, open, after balances
	used, deposit       voucher.Amount
}

// explain prints who owes what. The explained columns are computed from our own figures; where one differs
// from the chain that is the error.
func explain(out io.Writer, a accounts) error {
	fees := a.open.fees.SubFloor(a.before.fees) // of the open and the top-ups; the close is the payee's
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "pathUSD\tbefore\topen\texplained\tclosed\texplained\t")
	var wrong []error
	row := func(who string, before, open, openExplained, after, afterExplained voucher.Amount) {
		fmt.Fprintf(t, "%s\t", who)
		for _, held := range []voucher.Amount{before, open, openExplained, after, afterExplained} {
			fmt.Fprintf(t, "%s\t", held.FormatTokens(int(pathUSD.Decimals)))
		}
		fmt.Fprintln(t)
		if open != openExplained || after != afterExplained {
			wrong = append(wrong, fmt.Errorf("the %s's balance is not explained", who))
		}
	}
	b := a.before
	row("payer", b.payer, a.open.payer, b.payer.SubFloor(a.deposit).SubFloor(fees), a.after.payer, b.payer.SubFloor(a.used).SubFloor(fees))
	row("payee", b.payee, a.open.payee, b.payee, a.after.payee, b.payee.AddCapped(a.used))
	row("escrow", b.escrow, a.open.escrow, b.escrow.AddCapped(a.deposit), a.after.escrow, b.escrow)
	_ = t.Flush()
	fmt.Fprintf(out, `
used %s, deposited %s, fees %s. While the channel was open the payer owed the payee %s,
and the escrow held it. Closed, the payee has it, and the payer has all but that and the fees.
`, pathUSD.Format(a.used), pathUSD.Format(a.deposit), pathUSD.Format(fees), pathUSD.Format(a.used))
	return errors.Join(wrong...)
}
