package main

var inPurchase = []string{"internal/purchase"}

// thePurchase is what the decision table of a request may not do.
var thePurchase = []defect{
	{
		name: "purchase: too low after others without an end", breaks: "what follows a wait for others is sent sixty-four times at most",
		pkg: "internal/purchase", fn: "Purchase.correctable", from: `p.tries.Overtaken < maxOvertaken`, to: `true`, tests: inPurchase,
	},
	{
		name: "purchase: too low after others uses up retries", breaks: "what was too small for others' sake is sent again beyond the retries",
		pkg: "internal/purchase", fn: "correct", from: `p.tries.Overtaken++`, to: `_ = p`, tests: inPurchase,
	},
	{
		name: "purchase: another unit needs no consent", breaks: "consent is for terms: payee, operator, token, escrow, chain, protocol and unit",
		pkg: "internal/purchase", fn: "Purchase.covered", from: `p.offer.Terms == p.agreed.Terms &&`, to: `p.offer.Terms.Operator == p.agreed.Terms.Operator && p.offer.Terms.Protocol == p.agreed.Terms.Protocol &&`, tests: inPurchase,
	},
	{
		name: "purchase: another payee needs no consent", breaks: "consent to one payee is none to another",
		pkg: "internal/purchase", fn: "Purchase.covered", from: `p.offer.Terms == p.agreed.Terms && `, to: ``, tests: inPurchase,
	},
	{
		name: "purchase: another fee token or sponsor needs no consent", breaks: "consent covers who pays the fees, and in which token",
		pkg: "internal/purchase", fn: "Purchase.covered", from: `p.offer.Funding == p.agreed.Funding &&
`, to: `true &&
`, tests: inPurchase,
	},
	{
		name: "purchase: another fee token needs no consent", breaks: "consent covers the token that fees are paid in",
		pkg: "internal/purchase", fn: "Purchase.covered", from: `p.offer.Funding == p.agreed.Funding &&`, to: `p.offer.Funding.Sponsored == p.agreed.Funding.Sponsored &&`, tests: inPurchase,
	},
	{
		name: "purchase: another sponsor needs no consent", breaks: "consent covers who pays the fees",
		pkg: "internal/purchase", fn: "Purchase.covered", from: `p.offer.Funding == p.agreed.Funding &&`, to: `p.offer.Funding.FeeToken == p.agreed.Funding.FeeToken &&`, tests: inPurchase,
	},
	{
		name: "purchase: consent covers a price beside the tolls", breaks: "a price is compared with the agreed sum, redirects included",
		pkg: "internal/purchase", fn: "Purchase.covered", from: `p.Charged.AddCapped(p.offer.Price)`, to: `p.offer.Price`, tests: inPurchase,
	},
	{
		name: "purchase: tolls are not in the sum", breaks: "what redirects charged belongs to what the request costs",
		pkg: "internal/purchase", fn: "answers", from: `			p.Charged = p.Charged.AddCapped(p.offer.Price)
`, to: ``, tests: inPurchase,
	},
	{
		name: "purchase: a second payment as often as it is due", breaks: "a payee is paid a second time once a request",
		pkg: "internal/purchase", fn: "Purchase.mayPayTwice", from: `!p.Twice && !recent`, to: `!recent`, tests: inPurchase,
	},
	{
		name: "purchase: a second payment within the hour", breaks: "a payee is not paid twice again for an hour",
		pkg: "internal/purchase", fn: "Purchase.mayPayTwice", from: `!p.Twice && !recent`, to: `!p.Twice`, tests: inPurchase,
	},
	{
		name: "purchase: a second payment though the price was raised", breaks: "the second payment is decided before consent, and once an hour",
		pkg: "internal/purchase", fn: "exhausted", from: `			return false // nothing was raised yet
		}
`, to: `			return false // nothing was raised yet
		}
		if e.Standing != Dead {
			return false
		}
`, tests: inPurchase,
	},
	{
		name: "purchase: a third opening", breaks: "a payee that takes no vouchers gets two deposits at most",
		pkg: "internal/purchase", fn: "Purchase.use", from: `len(p.openings) > 1, `, to: ``, tests: inPurchase,
	},
	{
		name: "purchase: an opening that is presented again is not counted", breaks: "an opening of before counts as this request's once it carries it",
		pkg: "internal/purchase", fn: "aftermath", from: `			p.openings[p.channel] = true
			return p.issue()`, to: `			return p.issue()`, tests: inPurchase,
	},
	{
		name: "purchase: a dead rise is counted", breaks: "what can never be redeemed counts no more",
		pkg: "internal/purchase", fn: "Purchase.bury", from: `p.here = p.here.Min(e.Redeemable)`, to: `_ = e.Redeemable`, tests: inPurchase,
	},
	{
		name: "purchase: a live rise is forgotten", breaks: "what a closed channel may have paid out still counts",
		pkg: "internal/purchase", fn: "Purchase.bury", from: `p.here.Min(e.Redeemable)`, to: `voucher.Amount{}`, tests: inPurchase,
	},
	{
		name: "purchase: a channel that could not be read is dead", breaks: "a failed reading of the chain proves nothing",
		pkg: "internal/purchase", fn: "Purchase.bury", from: `if e.Err == nil {`, to: `if true {`, tests: inPurchase,
	},
	{
		name: "purchase: a rise is forgotten when the channel is left", breaks: "what a request leaves on a channel is still its own",
		pkg: "internal/purchase", fn: "Purchase.at", from: `		p.raised[p.channel] = p.here
`, to: ``, tests: inPurchase,
	},
	{
		name: "purchase: elsewhere is not subtracted", breaks: "a price raises ceilings once in all",
		pkg: "internal/purchase", fn: "Purchase.issue", from: `a.Elsewhere = p.elsewhere(p.channel)`, to: `_ = p.elsewhere(p.channel)`, tests: inPurchase,
	},
	{
		name: "purchase: the other channels are not counted", breaks: "a price raises ceilings once in all, on however many channels",
		pkg: "internal/purchase", fn: "Purchase.elsewhere", from: `			sum = sum.AddCapped(amount)
`, to: `			_ = amount
`, tests: inPurchase,
	},
	{
		name: "purchase: every price may be raised twice", breaks: "a price is raised a second time by the second payment rule only",
		pkg: "internal/purchase", fn: "Purchase.elsewhere", from: `	if p.Twice {`, to: `	if true {`, tests: inPurchase,
	},
	{
		name: "purchase: an expired challenge is answered", breaks: "the expiry is checked again after what waits",
		pkg: "internal/purchase", fn: "prepared", from: `return e.Expired`, to: `return false`, tests: inPurchase,
	},
	{
		name: "purchase: no consent is consent", breaks: "what the owner refuses is not paid",
		pkg: "internal/purchase", fn: "prepared", from: `		"no consent", Consented,
		func(_ *Purchase, e *Event) bool { return e.Err != nil },`, to: `		"no consent", Consented,
		func(_ *Purchase, e *Event) bool { return e.Err != nil && e.Expired },`, tests: inPurchase,
	},
	{
		name: "purchase: a limit that refuses asks the owner", breaks: "nobody is asked about what a limit refuses",
		pkg: "internal/purchase", fn: "prepared", from: `		"a limit refuses before anybody is asked", Selected,
		func(_ *Purchase, e *Event) bool { return e.Err != nil },`, to: `		"a limit refuses before anybody is asked", Selected,
		func(_ *Purchase, e *Event) bool { return false },`, tests: inPurchase,
	},
	{
		name: "purchase: none after a credential left", breaks: "a purchase that let a credential leave does not end as none",
		pkg: "internal/purchase", fn: "Purchase.unpaid", from: `	case !p.Sent && !p.funded:`, to: `	case true:`, tests: inPurchase,
	},
	{
		name: "purchase: refused after a credential left", breaks: "a purchase that let a credential leave does not end as refused",
		pkg: "internal/purchase", fn: "Purchase.stopped", from: `		return Unknown`, to: `		return Refused`, tests: inPurchase,
	},
	{
		name: "purchase: unknown reported as rejected", breaks: "a credential without an answer has an unknown outcome",
		pkg: "internal/purchase", fn: "Purchase.stopped", from: `case p.Sent && !p.unanswered:`, to: `case p.Sent:`, tests: inPurchase,
	},
	{
		name: "purchase: what may have arrived was not sent", breaks: "a credential that may have arrived has an unknown outcome",
		pkg: "internal/purchase", fn: "answers", from: `func(p *Purchase, _ *Event) bool { return p.Sent || p.funded }`, to: `func(p *Purchase, _ *Event) bool { return false }`, tests: inPurchase,
	},
	{
		name: "purchase: a failure after a credential is a rejection", breaks: "a failure says nothing of the credential",
		pkg: "internal/purchase", fn: "answers", from: `			p.unanswered = true
			return p.end(Unknown, e)`, to: `			return p.end(Rejected, e)`, tests: inPurchase,
	},
	{
		name: "purchase: waits for other requests are not counted", breaks: "every wait that others cause is bounded",
		pkg: "internal/purchase", fn: "refusals", from: `			if p.tries.Overtaken++; !e.Higher && !e.Shared || p.tries.Overtaken > maxHurries {`, to: `			if !e.Higher {`, tests: inPurchase,
	},
	{
		name: "purchase: refusals in vain are not counted", breaks: "a payee that refuses everything ends the request soon",
		pkg: "internal/purchase", fn: "refusals", from: `			p.tries.InVain++
`, to: ``, tests: inPurchase,
	},
	{
		name: "purchase: a request is given up though higher vouchers overtook it", breaks: "a request ends only if the payee refuses it",
		pkg: "internal/purchase", fn: "prepared", from: `				p.tries.InVain = 0
`, to: `				_ = p
`, tests: inPurchase,
	},
	{
		name: "purchase: waits for a young channel are not counted", breaks: "every wait that a payee causes is bounded",
		pkg: "internal/purchase", fn: "refusals", from: `			p.tries.Early++
`, to: ``, tests: inPurchase,
	},
	{
		name: "purchase: changes of terms are not counted", breaks: "how often the terms change is bounded",
		pkg: "internal/purchase", fn: "Purchase.reoffered", from: `if p.tries.Terms++; p.tries.Terms > maxTerms {`, to: `if false {`, tests: inPurchase,
	},
	{
		name: "purchase: selections are not counted", breaks: "how often others may be first is bounded",
		pkg: "internal/purchase", fn: "Purchase.look", from: `if p.tries.Looks++; p.tries.Looks > maxLooks {`, to: `if false {`, tests: inPurchase,
	},
	{
		name: "purchase: unpaid sendings are not counted", breaks: "how often a request is sent unpaid is bounded",
		pkg: "internal/purchase", fn: "Purchase.Next", from: `			p.tries.Unpaid++
`, to: ``, tests: inPurchase,
	},
	{
		name: "purchase: set aside is skipped", breaks: "a channel that its payee does not take is set aside before another is opened",
		pkg: "internal/purchase", fn: "aftermath", from: `func(_ *Purchase, _ *Event) Action { return Action{Do: PutAside} }`, to: `func(p *Purchase, _ *Event) Action {
			p.Twice, p.gone = true, true
			return Action{Do: SendUnpaid}
		}`, tests: inPurchase,
	},
	{
		name: "purchase: a named channel is replaced", breaks: "a request that names its channel opens no other",
		pkg: "internal/purchase", fn: "aftermath", from: ` && !p.named`, to: ``, tests: inPurchase,
	},
	{
		name: "purchase: an opening is presented for other terms", breaks: "an opening is not presented for another offer",
		pkg: "internal/purchase", fn: "Purchase.reoffered", from: `	p.Carrying = false // an opening`, to: `	// an opening`, tests: inPurchase,
	},
	{
		name: "purchase: a credential answers other funding terms", breaks: "a change of the funding terms is a new decision",
		pkg: "internal/purchase", fn: "refusals", from: ` || e.Offer.Funding != p.offer.Funding`, to: ``, tests: inPurchase,
	},
	{
		name: "purchase: a top-up that was shown is refused", breaks: "a top-up that may still be mined has an unknown outcome",
		pkg: "internal/purchase", fn: "Purchase.see", from: `p.funded = p.funded || e.Written`, to: `_ = e.Written`, tests: inPurchase,
	},
}
