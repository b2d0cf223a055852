package client

import (
	"context"
	"time"

	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/internal/ledger"
	"github.com/seed-5fe1f529/tallystick/internal/purchase"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store/journal"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// open prepares a new channel for the offer. The signed transaction is recorded before anything leaves,
// and is presented with the request. One request opens for a scope; the others wait for its answer.
func (a *attempt) open(ctx context.Context) purchase.Event {
	e := purchase.Event{Kind: purchase.Opened}
	if e.Err = a.allowFunding(ctx); e.Err != nil {
		return e
	}
	before, ready, err := a.lead(ctx)
	if err != nil || !ready {
		e.Busy, e.Err = err == nil, err
		return e
	}
	var tx *escrow.Opening
	var account *ledger.Account
	offer, scope := a.challenge.offer, a.scope()
	e.Busy, e.Err = a.s.fund(ctx, transfer{
		plan: func() (voucher.Amount, error) {
			plan, err := a.s.ledger.Plan(ctx, a.terms, scope, nil, request(offer), offer.Suggested)
			return plan.Amount, err
		},
		prepare: func(ctx context.Context, amount voucher.Amount) (err error) {
			tx, err = a.s.cfg.Chain.PrepareOpen(ctx, escrow.OpenParams{
				Protocol: offer.Protocol, ChainID: offer.ChainID, Escrow: offer.Escrow, Payer: a.s.cfg.Payer,
				Payee: offer.Payee, Operator: offer.Operator, Token: offer.Token, FeeToken: offer.FeeToken,
				AuthorizedSigner: a.s.ledger.Signer(), Deposit: amount, Sponsored: offer.FeePayer,
			})
			return err
		},
		record: func() (rule.Funding, bool, error) {
			state, err := rule.New(offer.Protocol, offer.ChainID, offer.Escrow, tx.Descriptor, scope, rule.Funding{
				Amount: tx.Deposit, Raw: tx.Raw, Hash: tx.TxHash, ValidBefore: tx.ValidBefore,
			})
			if err != nil {
				return rule.Funding{}, false, err
			}
			state.CreatedAt, state.URL = time.Now().UTC(), placeOf(a.out.req.URL)
			var added bool
			account, added, err = a.s.ledger.Add(ctx, state, before)
			return state.Opening, added, err
		},
	})
	if e.Err != nil || e.Busy {
		a.land()
		return e
	}
	a.use(ctx, account)
	a.s.noteOpened(account.ID())
	e.Channel = account.ID()
	a.s.tell(ctx, Event{Kind: EventOpening, Origin: a.origin, ChannelID: e.Channel, Price: offer.Price, Deposit: account.State().Deposit})
	return e
}

// lead makes this request the one that funds its scope. ready is false if another one did: the channel
// has to be selected again then. before is the channel that the scope uses and that cannot be paid
// from, nil if it has none.
func (a *attempt) lead(ctx context.Context) (before *ledger.Account, ready bool, err error) {
	if a.opening == nil {
		if a.opening, err = a.s.flights.begin(ctx, rule.ScopeKey(a.scope())); err != nil || a.opening == nil {
			return nil, false, err
		}
	}
	before, err = a.s.ledger.Lookup(ctx, a.scope())
	if err != nil || (before != nil && before.State().Payable()) {
		a.land()
		return nil, false, err
	}
	return before, true, nil
}

// acknowledge books the payee's acceptance of the opening.
func (a *attempt) acknowledge(ctx context.Context) {
	err := a.account.Update(ctx, rule.State.Acknowledged)
	if err != nil {
		a.s.log.WarnContext(ctx, "an opened channel could not be recorded as open; the chain will be read next time", "channel", a.account.ID(), "error", err)
	}
	state := a.account.State()
	a.s.recordFunding(ctx, journal.KindOpen, state, state.Opening, OutcomeAccepted, a.start, nil)
	a.s.tell(ctx, Event{Kind: EventOpened, Origin: a.origin, ChannelID: state.ID, Deposit: state.Deposit, Err: err})
	a.land()
}

// readChain reads the channel that pays on chain and books what it shows. An opening that is not
// decided is led by this request from then on: it carries the same transaction again.
func (a *attempt) readChain(ctx context.Context) purchase.Event {
	e := purchase.Event{Kind: purchase.Read, Channel: a.account.ID(), Recent: a.paidTwice()}
	if a.opening == nil && standingOf(a.account.State()) == purchase.Pending {
		f, err := a.s.flights.begin(ctx, rule.ScopeKey(a.scope()))
		if err != nil || f == nil {
			e.Err, e.Busy = err, err == nil
			e.Standing = standingOf(a.account.State())
			return e
		}
		a.opening = f
	}
	read, err := a.s.sync(ctx, a.account, syncOptions{})
	e.Err, e.Standing = err, standingOf(read.after)
	if e.Standing == purchase.Pending {
		a.s.ledger.Leave(read.after.Opening, voucher.Amount{})
		a.s.noteOpened(e.Channel)
	}
	if r := a.reservation(); r != nil {
		lowest := a.signed.Cumulative.SubFloor(r.Raised())
		e.Redeemable = read.after.Settled.Min(a.signed.Cumulative).SubFloor(lowest)
	}
	return e
}

// putAside stops using a channel whose payee takes no vouchers of it. Its record stays, and it is
// listed until the chain shows that it is closed.
func (a *attempt) putAside(ctx context.Context) purchase.Event {
	a.s.challenges.unhint(a.origin, a.account.ID())
	if err := a.account.Update(ctx, rule.State.Abandoned); err != nil {
		return purchase.Event{Kind: purchase.Failed, Err: err}
	}
	a.s.tell(ctx, Event{Kind: EventGone, Origin: a.origin, ChannelID: a.account.ID(), Deposit: a.account.State().Deposit})
	return purchase.Event{Kind: purchase.SetAside, Recent: a.paidTwice()}
}
