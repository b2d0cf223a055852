package main

// theBill is what it costs, and what others are shown of it.
var theBill = []defect{
	{
		name: "bill: a second payment costs nothing", breaks: "the cost of a request has both payments",
		pkg: "internal/purchase", fn: "Purchase.end", from: `	if p.Twice {`, to: `	if false {`, tests: inClient, run: `^TestCostOf`,
	},
	{
		name: "bill: a toll counts twice", breaks: "the cost of a request has each price once",
		pkg: "internal/purchase", fn: "answers", from: `			a.Cost = a.Cost.SubFloor(p.offer.Price) // which is in Charged
`, to: ``, tests: inClient, run: `^TestCost`,
	},
	{
		name: "bill: the first piece of a stream counts twice", breaks: "the cost of a stream is that of its pieces",
		pkg: "client", fn: "attempt.meter", from: `	a.info.cost = a.info.cost.SubFloor(a.price) // that of its first piece is in the reservation
`, to: ``, tests: inClient, run: `^TestCost`,
	},
	{
		name: "bill: evidence of what did not leave", breaks: "a voucher that never left is in no file",
		pkg: "client", fn: "attempt.send", from: `if got != stayed {`, to: `if true {`, tests: inClient, run: `^TestNoEvidence`,
	},
	{
		name: "bill: any signature is evidence", breaks: "the signature of a voucher is checked",
		pkg: "channel/evidence", fn: "Payment.verify", from: `signed, out.Signer); err != nil {`, to: `signed, out.Signer); false {`, tests: inClient, run: `^TestEvidence`,
	},
	{
		name: "bill: a challenge of another payee is evidence", breaks: "the challenge is for the payee of the channel",
		pkg: "channel/evidence", fn: "Payment.offer", from: `o.Payee != d.Payee, `, to: ``, tests: inClient, run: `^TestEvidence`,
	},
	{
		name: "bill: evidence is given away too early", breaks: "nobody can be served for a voucher that is given away",
		pkg: "examples/tally", fn: "books.harmless", from: `c.Spent.Less(c.Signed)`, to: `false`, tests: inTally, run: `^TestEvidence`,
	},
	{
		name: "bill: what is known of a fee is unlearned", breaks: "the charge that some line knows wins",
		pkg: "store/journal", fn: "funding.learn", from: `if !f.fee.Known {`, to: `if true {`, tests: []string{"store/journal"}, run: `^TestFees`,
	},
	{
		name: "bill: a fee counts twice", breaks: "a transaction is counted once, however many lines name it",
		pkg: "client", fn: "fees.add", from: `first.Fee.Known:`, to: `false:`, tests: inClient, run: `^TestSpendingOfFees`,
	},
	{
		name: "bill: a fee that is not known costs nothing", breaks: "the most that can be charged counts until the charge is known",
		pkg: "store/journal", fn: "Fee.Counted", from: `	return f.Max
`, to: `	return f.Charged
`, tests: []string{"store/journal"}, run: `^TestFees`,
	},
	{
		name: "bill: fees of another token are added", breaks: "a fee is in the sums of the token that it is paid in",
		pkg: "client", fn: "Session.Spending", from: `sums.in(of.ChainID, e.Fee.Token)`, to: `sums.in(of.ChainID, of.Token)`, tests: inClient, run: `^TestSpendingOfFees`,
	},
	{
		name: "bill: what was charged has no line", breaks: "the journal tells what each transaction was charged",
		pkg: "client", fn: "Session.feeKnown", from: `	defer s.tellFee(account.State(), f, charged)
`, to: ``, tests: inClient, run: `^TestWhatATransactionCost`,
	},
	{
		name: "bill: a receipt is not compared to the unit", breaks: "ledger --check compares each fee with the chain",
		pkg: "examples/tally", fn: "books.compareReceipts", from: `r.Fee != fee.Charged`, to: `false`, tests: inTally, run: `^TestLedgerCheckOfFees`,
	},
	{
		name: "bill: fees of the record are not compared", breaks: "ledger --check compares the fees of the lines with the record",
		pkg: "examples/tally", fn: "books.compareFees", from: `explained.Less(cost)`, to: `false`, tests: inTally, run: `^TestLedgerCheckOfFees`,
	},
}
