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
}
