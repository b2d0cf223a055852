package purchase

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// row is one line of the table: after an event of a kind, when a condition holds, then an action.
type row struct {
	name string
	on   Kind
	when func(p *Purchase, e *Event) bool
	then func(p *Purchase, e *Event) Action
}

// HTTP statuses that mean something to a payment (RFC 9110, 15).
const (
	switching       = 101
	noContent       = 204
	paymentRequired = 402
	gone            = 410
)

var always = func(*Purchase, *Event) bool { return true }

// table is the decision. The first row that fits decides, so a row may rely on those above it.
var table []row

func init() {
	table = append(table, retries...)
	table = append(table, before...)
	table = append(table, prepared...)
	table = append(table, answers...)
	table = append(table, refusals...)
	table = append(table, aftermath...)
}

// Actions that several rows share.
var (
	toSend = func(*Purchase, *Event) Action { return Action{Do: SendPaid} }
	// selected notes the selected channel and goes on, with consent.
	selected = func(p *Purchase, e *Event) Action {
		p.at(e.Channel)
		p.standing, p.named, p.nameable, p.recent = e.Standing, e.Named, e.Nameable, e.Recent
		if p.aside = e.Standing == Aside; !p.covered() {
			return Action{Do: Consent}
		}
		return p.use()
	}
	toIssue = func(p *Purchase, _ *Event) Action { return p.issue() }
	toAgain = func(*Purchase, *Event) Action { return Action{Do: Again} }
)

// before are the rows up to the first credential: the start, and answers to unpaid sendings.
var before = []row{
	{
		"a remembered challenge is answered at once", Started,
		func(_ *Purchase, e *Event) bool { return e.Remembered },
		func(p *Purchase, e *Event) Action {
			p.tries.Sent, p.tries.Unpaid, p.Carrying, p.others = 0, 0, false, false
			p.at(e.Channel)
			p.standing, p.optimistic = Usable, true
			return p.issue()
		},
	},
	{
		"otherwise the request is sent without a credential", Started, always,
		func(p *Purchase, _ *Event) Action {
			p.tries.Sent, p.tries.Unpaid, p.Carrying, p.others = 0, 0, false, false
			p.standing, p.optimistic = Absent, false
			return Action{Do: SendUnpaid}
		},
	},
	{
		"no answer to an unpaid sending", Lost,
		func(p *Purchase, e *Event) bool { return !e.Paid && !p.Sent && !p.funded },
		func(_ *Purchase, e *Event) Action { return Action{Do: GiveUp, Outcome: None, Err: e.Err} },
	},
	{
		"a proof was taken: the price is asked for again", Answered,
		func(p *Purchase, e *Event) bool {
			return !e.Paid && e.Proof && e.Introduced && p.tries.Unpaid <= maxUnpaid
		},
		func(_ *Purchase, _ *Event) Action { return Action{Do: SendUnpaid} },
	},
	{
		"nothing is to be paid", Answered,
		func(_ *Purchase, e *Event) bool { return !e.Paid && e.Status != paymentRequired },
		(*Purchase).unpaid,
	},
	{
		"it is not sent without a credential again and again", Answered,
		func(p *Purchase, e *Event) bool { return !e.Paid && p.tries.Unpaid > 1+maxUnpaid },
		func(p *Purchase, _ *Event) Action { return p.handOver(ErrChanged) },
	},
	{
		"the price is named to a payer that proves who it is", Answered,
		func(p *Purchase, e *Event) bool { return !e.Paid && e.ProofAsked && p.provable(e) },
		func(_ *Purchase, _ *Event) Action { return Action{Do: Prove} },
	},
	{
		"no proof may be given", Answered,
		func(_ *Purchase, e *Event) bool { return !e.Paid && asksWho(e) },
		func(p *Purchase, e *Event) Action { return p.unproved(e.Unproved) },
	},
	{
		"no proof was given", NotProved, always,
		func(p *Purchase, e *Event) Action { return p.unproved(e.Err) },
	},
	{
		"an offer of ours that cannot be paid", Answered,
		func(_ *Purchase, e *Event) bool { return !e.Paid && !e.Offered && e.Err != nil },
		func(p *Purchase, e *Event) Action {
			p.others = e.Others
			return p.stop(e.Err)
		},
	},
	{
		"nothing that we can pay", Answered,
		func(_ *Purchase, e *Event) bool { return !e.Paid && !e.Offered },
		(*Purchase).unpaid,
	},
	{
		"an offer", Answered,
		func(_ *Purchase, e *Event) bool { return !e.Paid },
		func(p *Purchase, e *Event) Action {
			p.offer, p.others = e.Offer, e.Others
			if p.refusal != nil {
				p.refusal.Offered = false // this one is answered from here on
			}
			return Action{Do: Select}
		},
	},
}

// prepared are the rows between an offer and the voucher that answers it.
var prepared = []row{
	{
		"a limit refuses before anybody is asked", Selected,
		func(_ *Purchase, e *Event) bool { return e.Err != nil },
		func(p *Purchase, e *Event) Action { return p.stop(e.Err) },
	},
	{
		"the price is spent and the payee may not be paid twice", Selected,
		func(p *Purchase, e *Event) bool { return exhausted(p, e) && !p.mayPayTwice(e.Recent) },
		func(p *Purchase, _ *Event) Action { return p.refuse(ErrTwice) },
	},
	{
		"the price is spent and the payee is paid a second time", Selected,
		exhausted,
		func(p *Purchase, e *Event) Action {
			p.Twice = true
			return selected(p, e)
		},
	},
	{"a channel was selected", Selected, always, selected},

	{
		"no consent", Consented,
		func(_ *Purchase, e *Event) bool { return e.Err != nil },
		func(p *Purchase, e *Event) Action { return p.refuse(e.Err) },
	},
	{
		"consent, but the challenge has expired meanwhile", Consented,
		func(_ *Purchase, e *Event) bool { return e.Expired },
		func(p *Purchase, _ *Event) Action {
			p.Carrying = false
			return Action{Do: SendUnpaid}
		},
	},
	{
		"consent", Consented, always,
		func(p *Purchase, _ *Event) Action { return p.use() },
	},

	{
		"a channel was found", Searched,
		func(_ *Purchase, e *Event) bool { return e.Standing == Usable },
		func(p *Purchase, e *Event) Action {
			p.at(e.Channel)
			p.standing = e.Standing
			return p.issue()
		},
	},
	{
		"no channel was found", Searched, always,
		func(p *Purchase, _ *Event) Action {
			p.nameable = false // the payee named none
			return p.use()
		},
	},

	{
		"another request or process was first", Opened,
		func(_ *Purchase, e *Event) bool { return e.Busy },
		func(p *Purchase, _ *Event) Action { return p.look() },
	},
	{
		"no opening could be prepared", Opened,
		func(_ *Purchase, e *Event) bool { return e.Err != nil },
		func(p *Purchase, e *Event) Action { return p.stop(e.Err) },
	},
	{
		"an opening is recorded and goes with the request", Opened, always,
		func(p *Purchase, e *Event) Action {
			p.at(e.Channel)
			p.standing, p.Carrying = Pending, true
			if p.openings == nil {
				p.openings = map[common.Hash]bool{}
			}
			p.openings[p.channel] = true
			return p.issue()
		},
	},

	{
		"a voucher", Issued, always,
		func(p *Purchase, e *Event) Action {
			if e.Higher {
				p.tries.InVain = 0
			}
			return Action{Do: SendPaid}
		},
	},
	{
		"a remembered challenge cannot be answered", Denied,
		func(p *Purchase, _ *Event) bool { return p.optimistic },
		func(p *Purchase, _ *Event) Action {
			p.optimistic = false
			return Action{Do: SendUnpaid}
		},
	},
	{
		"the deposit of an opening that is under way is used up", Denied,
		func(p *Purchase, e *Event) bool { return e.Denial == DeniedDeposit && p.Carrying },
		func(p *Purchase, e *Event) Action {
			return p.stop(fmt.Errorf("%w: another request may have used up its deposit: %w", ErrPending, e.Err))
		},
	},
	{
		"the deposit is too small", Denied,
		func(_ *Purchase, e *Event) bool { return e.Denial == DeniedDeposit },
		func(p *Purchase, _ *Event) Action {
			if p.tries.Looks++; p.tries.Looks > maxLooks {
				return p.giveUp(ErrChanged)
			}
			return Action{Do: TopUp}
		},
	},
	{
		"the channel takes no vouchers any more", Denied,
		func(_ *Purchase, e *Event) bool { return e.Denial == DeniedClosed },
		func(p *Purchase, _ *Event) Action {
			p.Carrying = false
			return p.look()
		},
	},
	{
		"the price was raised elsewhere since it was selected", Denied,
		func(p *Purchase, e *Event) bool { return e.Denial == DeniedRaised && p.mayPayTwice(p.recent) },
		func(p *Purchase, _ *Event) Action {
			p.Twice = true
			return p.issue()
		},
	},
	{
		"the price was raised elsewhere", Denied,
		func(_ *Purchase, e *Event) bool { return e.Denial == DeniedRaised },
		func(p *Purchase, _ *Event) Action { return p.refuse(ErrTwice) },
	},
	{
		"everything is presented, and another session was first at a payee that takes no voucher twice", Denied,
		func(p *Purchase, e *Event) bool {
			return e.Denial == DeniedSpent && e.Apart && e.Shared && !p.Retried && p.tries.Overtaken < maxShared &&
				p.tries.Sent <= maxAnew && p.refusal != nil && (p.refusal.Problem == Unverified || p.refusal.Problem == TooLow)
		},
		func(p *Purchase, _ *Event) Action { // what it raised is credit of the next request, which raises the less
			p.tries.Overtaken++
			a := p.wait(toIssue, p.tries.Overtaken)
			a.Release = true
			return a
		},
	},
	{
		"everything is presented, and higher vouchers of ours may exist", Denied,
		func(p *Purchase, e *Event) bool {
			return e.Denial == DeniedSpent && !p.recovered && e.Alone && e.Highest
		},
		func(p *Purchase, _ *Event) Action {
			p.recovered = true
			return Action{Do: Recover}
		},
	},
	{
		"everything is presented, and others use the same credit", Denied,
		func(p *Purchase, e *Event) bool {
			return e.Denial == DeniedSpent && p.refusal != nil && p.refusal.Problem == Insufficient && p.tries.Overtaken < maxShared &&
				(!e.Alone || e.Shared)
		},
		func(p *Purchase, e *Event) Action {
			p.tries.Overtaken++
			if e.Apart { // the same one would be refused for being there
				return p.wait(toAgain, p.tries.Overtaken)
			}
			return p.wait(toSend, p.tries.Overtaken)
		},
	},
	{
		"everything is presented", Denied,
		func(_ *Purchase, e *Event) bool { return e.Denial == DeniedSpent },
		func(p *Purchase, e *Event) Action { return p.handOver(e.Err) },
	},
	{
		"a limit, the store or the signer refuses", Denied, always,
		func(p *Purchase, e *Event) Action { return p.stop(e.Err) },
	},

	{
		"the deposit is as it was planned, or others changed it", ToppedUp,
		func(_ *Purchase, e *Event) bool { return e.Err == nil && !e.Busy },
		func(p *Purchase, _ *Event) Action {
			if p.gate == Again {
				return Action{Do: Again}
			}
			return p.issue()
		},
	},
	{
		"the channel to top up is not there", ToppedUp,
		func(_ *Purchase, e *Event) bool { return e.Err == nil },
		func(p *Purchase, _ *Event) Action { return p.look() },
	},
	{
		"a top-up that was shown may still be mined", ToppedUp,
		func(p *Purchase, e *Event) bool { return e.Written && !p.Sent },
		func(p *Purchase, e *Event) Action { return p.giveUp(e.Err) },
	},
	{"no top-up", ToppedUp, always, func(p *Purchase, e *Event) Action { return p.stop(e.Err) }},

	{"an action failed", Failed, always, func(p *Purchase, e *Event) Action { return p.stop(e.Err) }},
	{"the wait is over", Waited, always, func(p *Purchase, e *Event) Action { return p.proceed(p, e) }},
}

// answers are the rows of answers to a credential that are no refusal.
var answers = []row{
	{
		"it may have arrived", Lost,
		func(p *Purchase, _ *Event) bool { return p.Sent || p.funded },
		func(p *Purchase, e *Event) Action { return p.giveUp(e.Err) },
	},
	{
		"it did not leave", Lost, always,
		func(_ *Purchase, e *Event) Action { return Action{Do: GiveUp, Outcome: NotSent, Err: e.Err} },
	},
	{
		"opened without content and without a charge: once more, with the same voucher", Answered,
		func(p *Purchase, e *Event) bool {
			return e.Status == noContent && p.Carrying && !e.Charged && e.Resendable && p.tries.Empty == 0
		},
		func(p *Purchase, _ *Event) Action {
			p.tries.Empty++
			p.Carrying = false
			return Action{Do: SendPaid, Acknowledge: true}
		},
	},
	{
		"served", Answered,
		func(_ *Purchase, e *Event) bool { return success(e) && e.Content },
		func(p *Purchase, e *Event) Action { return p.end(Accepted, e) },
	},
	{
		"taken without content", Answered,
		func(_ *Purchase, e *Event) bool { return success(e) },
		func(p *Purchase, e *Event) Action { return p.end(AcceptedNoContent, e) },
	},
	{
		"redirected and charged", Answered,
		func(_ *Purchase, e *Event) bool { return redirect(e) && e.Receipt },
		func(p *Purchase, e *Event) Action {
			p.Charged = p.Charged.AddCapped(p.offer.Price)
			p.settled, p.here = p.settled.AddCapped(p.here), voucher.Amount{}
			a := p.end(AcceptedNoContent, e)
			a.Cost = a.Cost.SubFloor(p.offer.Price) // which is in Charged
			return a
		},
	},
	{
		"redirected: the price goes on", Answered,
		func(_ *Purchase, e *Event) bool { return redirect(e) },
		func(p *Purchase, e *Event) Action {
			p.unanswered = true
			a := p.end(Unknown, e)
			a.Redirected = true
			return a
		},
	},
	{
		"failed, but a receipt says that it was taken", Answered,
		func(_ *Purchase, e *Event) bool { return !refusal(e) && e.Receipt },
		func(p *Purchase, e *Event) Action { return p.end(AcceptedNoContent, e) },
	},
	{
		"failed, and nobody knows whether it was taken", Answered,
		func(_ *Purchase, e *Event) bool { return !refusal(e) },
		func(p *Purchase, e *Event) Action {
			p.unanswered = true
			return p.end(Unknown, e)
		},
	},
}

// refusals are the rows of a 402 or 410 to a credential.
var refusals = []row{
	{
		"sent often enough", Answered,
		func(p *Purchase, _ *Event) bool { return p.tries.Sent > p.Retries+p.tries.Overtaken+p.tries.Early },
		func(p *Purchase, _ *Event) Action { return p.handOver(nil) },
	},
	{
		"the payee does not know a young channel: the chain knows whether it is closed", Answered,
		func(p *Purchase, e *Event) bool {
			return e.Gone && e.Young && !e.Finalized && !p.Carrying && p.tries.Early == 0
		},
		func(p *Purchase, _ *Event) Action { return p.read(readYoung) },
	},
	{
		"the payee may not know a young channel yet", Answered,
		func(p *Purchase, e *Event) bool {
			return e.Gone && e.Young && !e.Finalized && !p.Carrying && p.tries.Early < maxEarly
		},
		func(p *Purchase, _ *Event) Action {
			p.tries.Early++
			return p.wait(toSend, p.tries.Early)
		},
	},
	{
		"the payee takes no vouchers of the channel", Answered,
		func(_ *Purchase, e *Event) bool { return e.Gone },
		func(p *Purchase, _ *Event) Action { return p.read(readGone) },
	},
	{
		"the payee asks who the payer is, before it takes what it asked for", Answered,
		func(p *Purchase, e *Event) bool {
			return e.ProofAsked && p.provable(e) && (e.Problem == Stale || e.Problem == NoProblem)
		},
		func(p *Purchase, _ *Event) Action {
			p.Carrying = false // it is presented again for the next offer
			return Action{Do: Prove}
		},
	},
	{
		"nothing that can be answered", Answered,
		func(_ *Purchase, e *Event) bool { return !e.Offered },
		func(p *Purchase, e *Event) Action { return p.handOver(e.Err) },
	},
	{
		"other terms", Answered,
		func(p *Purchase, e *Event) bool {
			return e.Offer.Terms != p.offer.Terms || e.Offer.Funding != p.offer.Funding
		},
		func(p *Purchase, e *Event) Action { return p.reoffered(e.Offer) },
	},
	{
		"the opening was accepted all the same", Answered,
		func(p *Purchase, e *Event) bool { return p.Carrying && e.Acknowledged },
		func(p *Purchase, e *Event) Action { return p.acknowledged(e) },
	},
	{
		"the opening was refused: the chain knows whether it is there", Answered,
		func(p *Purchase, _ *Event) bool { return p.Carrying },
		func(p *Purchase, _ *Event) Action { return p.read(readRefused) },
	},
	{
		"it proves more than the record", Answered,
		func(p *Purchase, e *Event) bool { return e.Proved && !p.recovered },
		func(p *Purchase, e *Event) Action {
			p.recovered = true
			p.offer = e.Offer
			return p.startOver()
		},
	},
	{
		"another price", Answered,
		func(p *Purchase, e *Event) bool { return e.Offer.Price != p.offer.Price },
		func(p *Purchase, e *Event) Action { return p.reoffered(e.Offer) },
	},
	{
		"a higher voucher of ours went first", Answered,
		func(p *Purchase, e *Event) bool {
			return (e.Higher || e.Problem == Unverified) &&
				p.tries.Overtaken < maxOvertaken && p.tries.InVain < maxInVain
		},
		func(p *Purchase, e *Event) Action {
			p.tries.InVain++
			if p.tries.Overtaken++; !e.Higher && !e.Shared || p.tries.Overtaken > maxHurries {
				return p.wait(toAgain, p.tries.Overtaken)
			}
			return Action{Do: Again} // before those that come later
		},
	},
	{
		"above the deposit", Answered,
		func(p *Purchase, e *Event) bool {
			return e.Problem == BeyondDeposit && p.tries.Corrected < maxCorrected
		},
		func(p *Purchase, _ *Event) Action {
			p.tries.Corrected++
			return Action{Do: TopUp}
		},
	},
	{
		"the credit is used up, and other sessions use it too", Answered,
		func(p *Purchase, e *Event) bool {
			return e.Problem == Insufficient && e.Shared && p.tries.Overtaken < maxShared
		},
		func(p *Purchase, _ *Event) Action {
			p.tries.Overtaken++
			return p.wait(toAgain, p.tries.Overtaken)
		},
	},
	{
		"too low", Answered,
		func(p *Purchase, e *Event) bool {
			return (e.Problem == TooLow || e.Problem == Insufficient) && p.correctable()
		},
		correct,
	},
	{
		"a stale challenge, and a fresh one", Answered,
		func(p *Purchase, e *Event) bool {
			return e.Problem == Stale && e.Fresh && p.tries.Stale < maxStale
		},
		(*Purchase).refresh,
	},
	{
		"no reason, and a fresh challenge: the same once more", Answered,
		func(p *Purchase, e *Event) bool {
			return e.Problem == NoProblem && e.Fresh && p.tries.Stale == 0
		},
		(*Purchase).refresh,
	},
	{
		"no reason: more", Answered,
		func(p *Purchase, e *Event) bool {
			return e.Problem == NoProblem && p.correctable()
		},
		correct,
	},
	{"anything else is final", Answered, always, func(p *Purchase, e *Event) Action { return p.handOver(e.Err) }},
}

// aftermath are the rows that follow a refusal.
var aftermath = []row{
	{
		"another request reads the chain about the channel", Read,
		func(_ *Purchase, e *Event) bool { return e.Busy },
		func(p *Purchase, _ *Event) Action {
			if p.reading == readRefused { // the shell answers the offer of the refusal from here on
				p.offer, p.Carrying = p.refusal.Offer, false
			}
			return p.look()
		},
	},
	{
		"whether a recorded opening can become a channel cannot be read", Read,
		func(p *Purchase, e *Event) bool { return p.reading == readOpening && e.Err != nil },
		func(p *Purchase, e *Event) Action { return p.stop(e.Err) },
	},
	{
		"a recorded opening was refused and does not fit the offer", Read,
		func(p *Purchase, e *Event) bool {
			return p.reading == readOpening && e.Standing == Pending && e.Misfit
		},
		func(p *Purchase, e *Event) Action {
			if p.openings[p.channel] || p.named || e.Recent {
				return p.refuse(ErrPending)
			}
			p.misfit = true
			return Action{Do: PutAside}
		},
	},
	{
		"a recorded opening is not decided: the same transaction again", Read,
		func(p *Purchase, e *Event) bool { return p.reading == readOpening && e.Standing == Pending },
		func(p *Purchase, _ *Event) Action {
			p.Carrying = true
			if p.openings == nil {
				p.openings = map[common.Hash]bool{}
			}
			p.openings[p.channel] = true
			return p.issue()
		},
	},
	{
		"a recorded opening is decided", Read,
		func(p *Purchase, _ *Event) bool { return p.reading == readOpening },
		func(p *Purchase, e *Event) Action {
			if e.Standing == Dead {
				p.bury(e)
			}
			return p.look()
		},
	},
	{
		"whether a refused opening is there cannot be read", Read,
		func(p *Purchase, e *Event) bool { return p.reading == readRefused && e.Err != nil },
		func(p *Purchase, e *Event) Action { return p.stop(e.Err) },
	},
	{
		"a refused opening", Read,
		func(p *Purchase, _ *Event) bool { return p.reading == readRefused },
		func(p *Purchase, e *Event) Action {
			p.standing = e.Standing
			return p.openingRefused(p.refusal)
		},
	},
	{
		"the channel is closed: what can never have been redeemed is dead", Read,
		func(p *Purchase, e *Event) bool { return e.Standing == Dead && !p.reopened },
		func(p *Purchase, e *Event) Action {
			p.reopened = true
			p.bury(e)
			if p.refusal != nil && p.refusal.Offered && p.refusal.Offer == p.offer {
				return p.look()
			}
			return Action{Do: SendUnpaid}
		},
	},
	{
		"the channel is closed, once more", Read,
		func(_ *Purchase, e *Event) bool { return e.Standing == Dead },
		func(p *Purchase, _ *Event) Action { return p.handOver(nil) },
	},
	{
		"a young channel is not closed, as far as the chain shows", Read,
		func(p *Purchase, _ *Event) bool { return p.reading == readYoung },
		func(p *Purchase, _ *Event) Action {
			p.tries.Early++
			return p.wait(toSend, p.tries.Early)
		},
	},
	{
		"the channel is live and its payee takes no vouchers of it", Read, always,
		func(_ *Purchase, _ *Event) Action { return Action{Do: PutAside} },
	},
	{
		"an opening was set aside, and another one takes its place", SetAside,
		func(p *Purchase, _ *Event) bool { return p.misfit },
		func(p *Purchase, e *Event) Action {
			p.misfit, p.aside, p.standing, p.recent = false, true, Aside, e.Recent
			p.nameable = false // it is replaced, whatever the payee names
			return p.use()
		},
	},
	{
		"set aside, and the payee may be paid on another channel", SetAside,
		func(p *Purchase, e *Event) bool { return p.mayPayTwice(e.Recent) && !p.named && !p.Carrying },
		func(p *Purchase, _ *Event) Action {
			p.Twice = true
			p.gone = true
			return Action{Do: SendUnpaid}
		},
	},
	{"set aside", SetAside, always, func(p *Purchase, _ *Event) Action { return p.handOver(ErrTwice) }},
	{
		"the channel is found to be closed, or others have set it aside", Recovered,
		func(_ *Purchase, e *Event) bool { return e.Standing == Dead || e.Standing == Aside },
		func(p *Purchase, _ *Event) Action { return p.read(readGone) },
	},
	{
		"higher vouchers of ours were proved", Recovered,
		func(_ *Purchase, e *Event) bool { return e.Proved },
		func(p *Purchase, _ *Event) Action { return p.startOver() },
	},
	{
		"no higher voucher was proved, and others use the same credit", Recovered,
		func(p *Purchase, _ *Event) bool {
			return p.refusal != nil && p.refusal.Problem == Insufficient && p.refusal.Shared && p.tries.Overtaken < maxShared
		},
		func(p *Purchase, _ *Event) Action {
			p.tries.Overtaken++
			return p.wait(toSend, p.tries.Overtaken)
		},
	},
	{"no higher voucher was proved", Recovered, always, func(p *Purchase, e *Event) Action { return p.handOver(e.Err) }},
}

// asksWho reports whether an answer only asks who the payer is.
var asksWho = func(e *Event) bool { return e.ProofAsked && !e.Offered && e.ProofAmount.IsZero() }

// Classes of answers to a credential, and what a selected channel is short of.
var (
	success  = func(e *Event) bool { return e.Status >= 200 && e.Status < 300 || e.Status == switching }
	redirect = func(e *Event) bool { return e.Status >= 300 && e.Status < 400 }
	refusal  = func(e *Event) bool { return e.Status == paymentRequired || e.Status == gone }
	// exhausted: the channel can be paid from only by a second payment, because the rest of the price
	// and the channel's headroom do not cover the offer.
	exhausted = func(p *Purchase, e *Event) bool {
		if p.here.IsZero() && len(p.raised) == 0 && p.settled.IsZero() {
			return false // nothing was raised yet
		}
		id := e.Channel
		if e.Standing == Dead || e.Standing == Aside {
			id = common.Hash{} // another channel will pay
		}
		rest := p.offer.Price.SubFloor(p.elsewhere(id))
		return rest.AddCapped(e.Headroom).Less(p.offer.Price)
	}
)
