package purchase

import (
	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Bounds of second tries of one request. Each is for a case that an honest payee can bring about.
const (
	maxStale     = 2   // the challenge was stale; the same voucher answers the fresh one
	maxTerms     = 2   // the terms or the price changed
	maxOvertaken = 64  // a higher voucher of ours arrived first
	maxInVain    = 16  // likewise, in a row, although nothing higher was found to present
	maxShared    = 16  // others used up the credit
	maxHurries   = 4   // and the highest is presented at once
	maxAnew      = 4   // sendings, after which nothing is raised again for what others used of it
	maxCorrected = 3   // the voucher or the deposit was too small
	maxEarly     = 8   // the payee does not know a channel yet that another request opened
	maxUnpaid    = 2   // sendings without a credential, after the first
	maxLooks     = 256 // other requests changed the channel in between
)

// Tries counts second tries, by their reason.
type Tries struct {
	Sent, Unpaid, Stale, Terms, Overtaken, InVain, Corrected, Early, Empty, Looks int
}

// Purchase is one request of a caller. The zero value is ready. It is not safe for concurrent use: each
// step belongs to the goroutine of the request.
type Purchase struct {
	// Retries is how often the request is sent again at most after its first credential, beside the
	// waits for other requests.
	Retries int

	// What follows is set by Next and read by its caller.

	// Sent reports that a credential left, as far as the events say.
	Sent bool
	// Carrying reports that the next paid sending carries the opening transaction.
	Carrying bool
	// Charged is what redirects charged before, and Total that and the price of the current offer:
	// the sum that the request would cost, in base units.
	Charged, Total voucher.Amount
	// Twice reports that the request is paid a second time. Replaces reports that it opens a
	// channel in place of one that its payee does not take while it is live. Either happens once an
	// hour; see [Purchase.Forbid].
	Twice, Replaces bool
	// Retried reports that the caller made the request before ([Purchase.Resume]), and Paid that an
	// earlier try was served, or was charged on its way: nothing more is raised for it.
	Retried, Paid bool

	tries Tries

	offer     Offer // the one being answered
	agreed    Offer // what consent covers; Price is that of one unit
	consented bool
	total     voucher.Amount // what consent covers in all, redirects included

	channel  common.Hash // the current channel
	standing Standing
	named    bool
	nameable bool
	aside    bool // the scope's channel was set aside and is not closed
	recent   bool

	here     voucher.Amount                 // by what it raised the ceiling of the current channel
	raised   map[common.Hash]voucher.Amount // and those of the channels that it left
	settled  voucher.Amount                 // what was raised for what redirects charged
	openings map[common.Hash]bool           // those that left, or may have, and are not proved dead
	reopened bool                           // a dead channel was replaced once
	gone     bool                           // the payee takes no vouchers of a live channel
	misfit   bool                           // a recorded opening is set aside that cannot be presented

	doubt      bool // nobody knows whether an earlier try was charged
	optimistic bool // answers a remembered challenge
	anew       bool // the price is reserved anew
	recovered  bool
	proved     bool // a proof was given, or is
	unanswered bool // a credential left that was not answered
	funded     bool // a top-up left
	others     bool // the last answer offers methods that are not ours
	proceed    func(*Purchase, *Event) Action
	reading    reading
	gate       Do     // the last request to the gate
	event      Event  // the last one
	refusal    *Event // the last refusal of a credential
}

// reading is why the chain is read.
type reading uint8

const (
	readOpening reading = iota // whether a recorded opening can still become a channel
	readRefused                // whether a refused opening is on chain all the same
	readGone                   // what became of a channel that its payee does not take
	readYoung                  // likewise, and the payee may not know it yet
)

// Next decides what to do after e: the first row of the table that fits.
func (p *Purchase) Next(event Event) Action {
	p.event = event // its own memory: what the rows are given does not escape
	e := &p.event
	p.see(e)
	if e.Proof {
		p.proved = true
	}
	for i := range table {
		r := &table[i]
		if r.on != e.Kind || !r.when(p, e) {
			continue
		}
		a := r.then(p, e)
		a.Row = r.name
		switch a.Do {
		case SendPaid:
			p.tries.Sent++
		case SendUnpaid:
			p.tries.Unpaid++
		case Prove:
			p.proved = true
		case Search, Recover:
			a.Proof = !p.proved
		case Issue, Again:
			p.gate, a.Present = a.Do, p.Paid
		}
		if p.Retried && (a.Do == HandOver || a.Do == GiveUp) {
			a.Outcome = p.overall(a.Outcome, e)
		}
		p.Total = p.Charged.AddCapped(p.offer.Price)
		return a
	}
	a := p.giveUp(e.Err)
	a.Row = "anything else"
	return a
}

// Sendings returns how often the request was sent with a credential since its last redirect.
func (p *Purchase) Sendings() int { return p.tries.Sent }

// see notes what an event shows, whatever is decided.
func (p *Purchase) see(e *Event) {
	switch {
	case e.Kind == Issued, e.Kind == Denied:
		p.here = e.Raised
	case e.Kind == Started:
		p.refusal = nil // it was of the hop before
		if e.Remembered {
			p.offer = e.Offer
		}
	case e.Kind == ToppedUp:
		p.funded = p.funded || e.Written
	case e.Kind == Lost && e.Paid && e.Written:
		p.Sent, p.unanswered = true, true
	case e.Kind == Answered && e.Paid:
		p.Sent, p.optimistic = true, false
		if refusal(e) {
			last := *e
			p.refusal, p.others, p.unanswered = &last, e.Others, false
		}
	}
	if e.Remembered || (e.Kind == Consented && e.Err == nil) { // consent covers the current offer
		p.agreed, p.consented, p.total = p.offer, true, p.Charged.AddCapped(p.offer.Price)
	}
}

// covered reports whether consent covers the current offer: the same terms, at the agreed sum or
// less.
func (p *Purchase) covered() bool {
	return p.consented && p.offer.Terms == p.agreed.Terms && p.offer.Funding == p.agreed.Funding &&
		!p.total.Less(p.Charged.AddCapped(p.offer.Price))
}

// elsewhere is the part of the price that was raised already, other than on the channel.
func (p *Purchase) elsewhere(id common.Hash) voucher.Amount {
	sum := p.settled
	if id != p.channel {
		sum = sum.AddCapped(p.here)
	}
	for other, amount := range p.raised {
		if other != id {
			sum = sum.AddCapped(amount)
		}
	}
	paid := p.Charged
	if p.Twice {
		paid = paid.AddCapped(p.offer.Price)
	}
	return sum.SubFloor(paid)
}

// mayPayTwice reports whether the second payment rule allows another payment.
func (p *Purchase) mayPayTwice(recent bool) bool { return !p.Twice && !recent }

func (p *Purchase) giveUp(err error) Action {
	return Action{Do: GiveUp, Outcome: p.stopped(), Err: err}
}

// handOver returns the response that is at hand. err is the reason why this side did not pay.
func (p *Purchase) handOver(err error) Action {
	return Action{Do: HandOver, Outcome: p.stopped(), Err: err, Cost: p.Charged}
}

// refuse hands the response over if it offers what others can pay, or if a credential was refused
// before; otherwise it fails the request.
func (p *Purchase) refuse(err error) Action {
	if p.others || p.Sent {
		return p.handOver(err)
	}
	return p.giveUp(err)
}

// stopped is the outcome of a purchase that this side ends.
func (p *Purchase) stopped() Outcome {
	switch {
	case p.Sent && !p.unanswered:
		return Rejected
	case p.Sent, p.funded:
		return Unknown
	case p.Carrying:
		return NotSent
	default:
		return Refused
	}
}

func (p *Purchase) issue() Action {
	a := Action{Do: Issue, Anew: p.anew}
	if p.anew = false; len(p.raised) > 0 || !p.settled.IsZero() {
		a.Elsewhere = p.elsewhere(p.channel)
	}
	return a
}

func (p *Purchase) read(why reading) Action {
	p.reading = why
	return Action{Do: ReadChain}
}

// look selects the channel again because others changed it.
func (p *Purchase) look() Action {
	if p.tries.Looks++; p.tries.Looks > maxLooks {
		return p.giveUp(ErrChanged)
	}
	return Action{Do: Select}
}

// provable reports whether a proof may answer: for a charge of exactly zero, once in all.
func (p *Purchase) provable(e *Event) bool {
	return asksWho(e) && e.Unproved == nil && !p.proved
}

// unproved hands over an answer that asks who the payer is.
func (p *Purchase) unproved(err error) Action {
	if err == nil {
		err = ErrProved
	}
	a := Action{Do: HandOver, Outcome: None, Err: err}
	if p.Sent || p.funded {
		a.Outcome = p.stopped()
	}
	return a
}

// wait lets others go first.
func (p *Purchase) wait(then func(*Purchase, *Event) Action, try int) Action {
	p.proceed = then
	return Action{Do: Wait, Try: try}
}

// use goes on with the selected channel, once there is consent. If it cannot be paid from, and the payee
// names none, another one is opened, if this request may open one more: one in all, and a second one if
// the payee takes no vouchers of the first.
func (p *Purchase) use() Action {
	switch {
	case p.standing == Usable:
		return p.issue()
	case p.standing == Pending:
		return p.read(readOpening)
	case p.nameable:
		return Action{Do: Search}
	case len(p.openings) > 1, len(p.openings) == 1 && !p.gone:
		return p.refuse(ErrOpenings)
	case p.aside && p.recent && !p.Twice:
		return p.refuse(ErrTwice)
	}
	p.Replaces = p.Replaces || p.aside
	return Action{Do: Open}
}

// Forbid takes the second payment or the second deposit back that was just decided, because another
// request of the payee had one at the same time, and ends the purchase.
func (p *Purchase) Forbid() Action {
	p.Twice, p.Replaces = false, false
	return p.refuse(ErrTwice)
}

// at makes id the current channel. What was raised on the one before is kept, for when the request
// comes back to it.
func (p *Purchase) at(id common.Hash) {
	if id == p.channel {
		return
	}
	if !p.here.IsZero() {
		if p.raised == nil {
			p.raised = map[common.Hash]voucher.Amount{}
		}
		p.raised[p.channel] = p.here
	}
	p.channel, p.here = id, p.raised[id]
	delete(p.raised, id)
}

// unpaid hands over an answer that nothing was paid for.
func (p *Purchase) unpaid(e *Event) Action {
	switch {
	case !p.Sent && !p.funded:
		return Action{Do: HandOver, Outcome: None, Err: e.Err}
	case !p.Charged.IsZero() && !p.unanswered && p.refusal == nil && success(e):
		return Action{Do: HandOver, Outcome: Accepted, Cost: p.Charged} // a redirect was charged, and led here
	}
	return p.handOver(nil)
}

// end hands over an answer to a credential.
func (p *Purchase) end(o Outcome, e *Event) Action {
	a := Action{Do: HandOver, Outcome: o, Err: e.Err, Acknowledge: p.Carrying && e.Receipt, Cost: p.Charged.AddCapped(p.offer.Price)}
	if p.Twice {
		a.Cost = a.Cost.AddCapped(p.offer.Price)
	}
	p.Carrying = p.Carrying && !e.Receipt
	return a
}

// stop ends the purchase with an error of this side, unless the answer offers what others can pay.
func (p *Purchase) stop(err error) Action {
	if p.others {
		return p.handOver(err)
	}
	return p.giveUp(err)
}

// bury notes that the channel is closed. What can never have been redeemed of it counts no more.
func (p *Purchase) bury(e *Event) {
	if e.Err == nil {
		p.here = p.here.Min(e.Redeemable)
	}
	delete(p.openings, p.channel)
	p.Carrying = false
}

// reoffered answers an offer with other terms or another price.
func (p *Purchase) reoffered(o Offer) Action {
	if p.tries.Terms++; p.tries.Terms > maxTerms {
		return p.handOver(nil)
	}
	p.Carrying = false // an opening stays recorded, and is not presented for another offer
	p.offer = o
	return Action{Do: Select}
}

// startOver reserves the price anew: what was raised for it is below an older signature of ours.
func (p *Purchase) startOver() Action {
	p.here, p.anew = voucher.Amount{}, true
	return Action{Do: Select}
}

// acknowledged goes on after a refusal that shows that the opening was accepted.
func (p *Purchase) acknowledged(e *Event) Action {
	p.Carrying = false
	a := Action{Do: SendPaid}
	switch {
	case e.Offer.Price != p.offer.Price:
		a = p.reoffered(e.Offer)
	case !p.correctable():
		a = p.handOver(nil)
	default:
		p.tries.Corrected++
	}
	a.Acknowledge = true
	return a
}

// openingRefused goes on after the chain was read about a refused opening.
func (p *Purchase) openingRefused(e *Event) Action {
	switch {
	case p.standing == Usable:
		return p.acknowledged(e)
	case p.offer.Price.Less(e.Offer.Price):
		return p.handOver(nil) // an opening goes with the price that was agreed to
	case (e.Problem == Stale || e.Problem == NoProblem) && p.tries.Stale < maxStale:
		return p.refresh(e)
	}
	return p.handOver(nil)
}

// correctable reports whether one more correction may be made. One that follows a wait for others counts
// as one more of these: what was too small was theirs by then.
func (p *Purchase) correctable() bool {
	if p.tries.Overtaken > 0 {
		return p.tries.Overtaken < maxOvertaken
	}
	return p.tries.Corrected < maxCorrected
}

// correct asks the gate for more.
func correct(p *Purchase, _ *Event) Action {
	if p.tries.Overtaken > 0 {
		p.tries.Overtaken++
	} else {
		p.tries.Corrected++
	}
	return Action{Do: Again}
}

// refresh answers the fresh challenge with the same voucher.
func (p *Purchase) refresh(e *Event) Action {
	p.tries.Stale++
	p.offer = e.Offer
	return Action{Do: SendPaid}
}
