package purchase

// A caller may make the same request again, after its last try ended. It stays one purchase: what
// was agreed, raised and opened goes on counting.

// Resume begins another try of the request; last is how the one before ended. What bounds the
// second tries of one try starts anew. The next event is the answer to a sending without a
// credential.
//
// If a payee served a try, or was paid for a redirect, nothing more is raised for the request: the
// voucher that exists is presented, and the payee decides whether it serves it again. If nobody
// knows what became of a try, the price goes on where it was.
func (p *Purchase) Resume(last Outcome) {
	p.Retried = true
	p.Paid = p.Paid || last == Accepted || last == AcceptedNoContent || !p.Charged.IsZero()
	p.doubt = p.doubt || last == Unknown
	p.Sent, p.Carrying, p.unanswered = false, false, false
	p.tries = Tries{Unpaid: 1}
	p.funded, p.others, p.optimistic = false, false, false
	p.anew, p.recovered, p.reopened = false, false, false
	p.standing, p.refusal = Absent, nil
	p.proved = true // if a proof was needed, it was given before the offer came
}

// overall is the outcome of all tries, if the last one ended with o after e.
func (p *Purchase) overall(o Outcome, e *Event) Outcome {
	switch {
	case p.Paid && o == None && success(e), p.Paid && o == Accepted:
		return Accepted
	case p.Paid:
		return AcceptedNoContent
	case p.doubt && o != Accepted && o != AcceptedNoContent:
		return Unknown
	}
	return o
}

// retries are rows that are about another try. They come before all others.
var retries = []row{
	{
		"paid before: nothing but the same terms and channel", Selected,
		func(p *Purchase, e *Event) bool {
			return p.Paid && (e.Channel != p.channel || !p.covered() ||
				(e.Standing != Usable && e.Standing != Pending))
		},
		func(p *Purchase, _ *Event) Action { return p.refuse(ErrPaidBefore) },
	},
	{
		"paid before: the same terms and channel", Selected,
		func(p *Purchase, e *Event) bool { return p.Paid && e.Err == nil },
		selected,
	},
	{
		"paid before, and the recorded opening does not fit the offer", Read,
		func(p *Purchase, e *Event) bool {
			return p.Paid && p.reading == readOpening && e.Standing == Pending && e.Misfit
		},
		func(p *Purchase, _ *Event) Action { return p.refuse(ErrPaidBefore) },
	},
	{
		"the channel was closed between two tries", Selected,
		func(p *Purchase, e *Event) bool {
			return p.Retried && !p.reopened && !p.here.IsZero() &&
				e.Standing == Dead && e.Channel == p.channel
		},
		func(p *Purchase, _ *Event) Action { return p.read(readGone) },
	},
	{
		"everything is presented, and an earlier try may have been charged", Denied,
		func(p *Purchase, e *Event) bool {
			return p.doubt && !p.optimistic && e.Denial == DeniedSpent && e.Alone && !e.Shared
		},
		func(p *Purchase, _ *Event) Action { return p.handOver(ErrPaidBefore) },
	},
	{
		"paid before, and there is no voucher to present", Denied,
		func(p *Purchase, _ *Event) bool { return p.Paid },
		func(p *Purchase, e *Event) Action { return p.stop(e.Err) },
	},
	{
		"paid before, and redirected", Answered,
		func(p *Purchase, e *Event) bool { return p.Paid && e.Paid && redirect(e) },
		func(p *Purchase, e *Event) Action {
			a := p.end(AcceptedNoContent, e)
			a.Redirected, a.Cost = true, p.Charged
			return a
		},
	},
	{
		"paid before, and the payee wants more", Answered,
		func(p *Purchase, e *Event) bool {
			return p.Paid && e.Paid && refusal(e) && !p.presentable(e)
		},
		func(p *Purchase, _ *Event) Action { return p.handOver(ErrPaidBefore) },
	},
}

// presentable reports whether a refusal may be answered with the voucher that exists.
func (p *Purchase) presentable(e *Event) bool {
	switch {
	case e.Gone, !e.Offered, e.Offer.Terms != p.offer.Terms,
		e.Offer.Funding != p.offer.Funding, p.offer.Price.Less(e.Offer.Price):
		return false
	case e.Fresh && (e.Problem == Stale || e.Problem == NoProblem):
		return p.tries.Stale == 0
	}
	return p.Carrying || e.Higher || e.Problem == Unverified
}
