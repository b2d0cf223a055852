package client

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/internal/ledger"
	"github.com/seed-5fe1f529/tallystick/internal/purchase"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store/journal"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// A transaction that puts money into a channel has one life: it is planned within the limits, prepared
// and signed, recorded, presented to the payee, and confirmed by the payee or the chain. Each step can
// be resumed from the record: what was recorded is presented again, never signed a second time.

// transfer is a funding transaction before it is presented.
type transfer struct {
	// kind, offer and scope are those of the transaction, of what it is made for and of the channel.
	kind  journal.Kind
	offer channel.Offer
	scope channel.Scope
	// fees are what its fee is held to.
	fees ledger.FeeUse
	// plan reserves the amount under the limits; zero means that nothing has to be done.
	plan func(rule.Wish) (rule.Plan, error)
	// prepare signs the transaction for the amount, if its fee is agreed to.
	prepare func(ctx context.Context, amount voucher.Amount, agree func(context.Context, escrow.Fee) error) error
	// record stores the transaction with its fee, and returns it; false if another process was first.
	record func(fee func(common.Hash, escrow.Fee) (rule.Fee, error)) (rule.Funding, bool, error)
}

// prepareWait bounds how long a funding key and the chain may take to prepare a transaction.
const prepareWait = time.Minute

// wish returns what funding for an offer should put in, beyond what is needed. A fee that is not known, is
// paid in another token, or by a sponsor, counts nothing.
func (s *Session) wish(ctx context.Context, o channel.Offer) rule.Wish {
	w := rule.Wish{Suggested: o.Suggested, Exact: s.cfg.FundAsNeeded}
	inToken := o.FeeToken == (common.Address{}) || o.FeeToken == o.Token
	if tells, ok := s.cfg.Chain.(feeTeller); ok && !w.Exact && inToken && !o.FeePayer {
		w.Open, w.Fee, _ = tells.FundingFee(ctx, o.ChainID, o.Protocol)
	}
	return w
}

// fund plans, prepares and records a transfer. busy reports that nothing was recorded because another
// request or process was first. Nothing that was signed leaves before it is recorded. A key that ignores
// its context is left behind, and what it signs is dropped.
func (s *Session) fund(ctx context.Context, t transfer) (busy bool, err error) {
	wish := s.wish(ctx, t.offer)
	once := func() (busy bool, err error) {
		plan, err := t.plan(wish)
		amount := plan.Amount
		if err != nil || amount.IsZero() {
			return err == nil, err
		}
		if plan.Costly {
			s.reportCostly(ctx, t.offer, plan, wish.Fee)
		}
		hold, recorded, leaves := feeHold{s: s, kind: t.kind, use: t.fees}, false, false
		defer func() {
			if !recorded {
				s.ledger.Unplan(t.scope, amount)
			}
			if !leaves {
				hold.end(ctx)
			}
		}()
		switch {
		case s.cfg.Chain == nil:
			return false, ErrNoChain
		case s.cfg.Payer == nil:
			return false, ErrNoPayer
		}
		bounded, cancel := context.WithTimeout(ctx, prepareWait)
		defer cancel()
		prepared := make(chan error, 2) // whichever is first: it is prepared, or nobody waits any more
		context.AfterFunc(bounded, func() { prepared <- context.Cause(bounded) })
		go func() { prepared <- t.prepare(bounded, amount, hold.agree) }()
		if err = <-prepared; err != nil {
			return false, err
		}
		f, recorded, err := t.record(hold.of)
		leaves = recorded || err != nil // a store that failed may have it
		if err != nil || !recorded {
			return err == nil, err
		}
		s.ledger.Leave(t.scope, f, amount)
		return false, nil
	}
	busy, err = once()
	if over, ok := errors.AsType[*channel.LimitError](err); ok && over.Limit == "Total" && wish.Reserve.Less(over.Fee) {
		wish.Reserve = over.Fee // a smaller deposit leaves room for it
		busy, err = once()
	}
	return busy, err
}

// open prepares a new channel for the offer. The signed transaction is recorded before anything leaves,
// and is presented with the request. One request opens for a scope; the others wait for its answer, and
// select the channel again then.
func (a *attempt) open(ctx context.Context) purchase.Event {
	e := purchase.Event{Kind: purchase.Opened}
	offer, scope := a.challenge.offer, a.challenge.scope
	if e.Err = a.askPolicy(ctx, true); e.Err == nil && a.opening == nil {
		a.opening, e.Err = a.s.flights.begin(ctx, rule.ScopeKey(scope), &a.waited)
		e.Busy = a.opening == nil
	}
	if e.Err != nil || e.Busy {
		return e
	}
	before, err := a.s.ledger.Lookup(ctx, scope) // nil, or a channel that cannot be paid from
	if e.Busy = before != nil && before.State().Payable(); err != nil || e.Busy {
		a.land()
		e.Err = err
		return e
	}
	var tx *escrow.Opening
	var state rule.State
	var account *ledger.Account
	e.Busy, e.Err = a.s.fund(ctx, transfer{
		kind: journal.KindOpen, offer: offer, scope: scope,
		fees: ledger.FeeUse{Terms: ledger.Terms{Limits: a.terms.Limits, Charge: a.charge, Origin: a.terms.Origin}, Scope: scope, Price: offer.Price},
		plan: func(wish rule.Wish) (rule.Plan, error) {
			return a.s.ledger.Plan(ctx, a.terms, scope, nil, a.challenge.request, wish)
		},
		prepare: func(ctx context.Context, amount voucher.Amount, agree func(context.Context, escrow.Fee) error) (err error) {
			tx, err = a.s.cfg.Chain.PrepareOpen(ctx, escrow.OpenParams{
				Protocol: offer.Protocol, ChainID: offer.ChainID, Escrow: offer.Escrow, Payer: a.s.cfg.Payer,
				Payee: offer.Payee, Operator: offer.Operator, Token: offer.Token, FeeToken: offer.FeeToken,
				AuthorizedSigner: scope.Signer, Deposit: amount, Sponsored: offer.FeePayer,
				Agree: agree,
			})
			return err
		},
		record: func(fee func(common.Hash, escrow.Fee) (rule.Fee, error)) (rule.Funding, bool, error) {
			state, err = rule.New(offer.Protocol, offer.ChainID, offer.Escrow, tx.Descriptor, scope, rule.Funding{
				Amount: tx.Deposit, Raw: tx.Raw, Hash: tx.TxHash, ValidBefore: tx.ValidBefore,
				FeeToken: tx.Fee.Token, MaxFee: tx.Fee.Max,
			})
			if err == nil && !tx.Fee.Max.IsZero() {
				var cost rule.Fee
				cost, err = fee(tx.TxHash, tx.Fee)
				state = state.Costing(cost, time.Now().Unix())
			}
			if err != nil {
				return rule.Funding{}, false, err
			}
			state.CreatedAt, state.URL = time.Now().UTC(), placeOf(a.out.at)
			var added bool
			account, added, err = a.s.ledger.Add(ctx, state, before)
			return state.Opening, added, err
		},
	})
	if e.Err != nil || e.Busy {
		return a.unopened(ctx, e)
	}
	a.use(ctx, account)
	if offer.FeePayer == state.Opening.MaxFee.IsZero() { // it is sponsored, or costs something
		a.noteFee(ctx, state.Opening)
	}
	a.s.mu.Lock()
	a.s.opened = append(a.s.opened, state.ID)
	a.s.mu.Unlock()
	e.Channel = state.ID
	if a.s.watched {
		a.s.tell(ctx, Event{
			Kind: EventOpening, Origin: a.origin.Text, ChannelID: e.Channel, Price: offer.Price,
			Deposit: state.Deposit, Fee: feeOf(state.Opening),
		})
	}
	return e
}

// unopened lets others open. What no store took is no fault of the origin's, and if it was the fee that was
// refused, another session may have opened.
func (a *attempt) unopened(ctx context.Context, e purchase.Event) purchase.Event {
	over, limited := errors.AsType[*channel.LimitError](e.Err)
	if limited && !over.Fee.IsZero() && a.openedElsewhere(ctx) {
		e.Busy, e.Err = true, nil
	}
	a.land()
	if errors.Is(e.Err, ErrStore) {
		a.s.proofs.pardon(a.origin.Text)
	}
	return e
}

// flights let one request fund a scope or a channel at a time. The zero value is ready.
type flights struct {
	mu  sync.Mutex               // guards all
	all map[string]chan struct{} // closed when the funding transaction under way has ended
}

// flightWait bounds how long a request waits for the funding transactions of others, in all.
const flightWait = time.Minute

// begin begins the flight of a key and returns the function that ends it, to be called once. If one is
// under way, it waits for its end and returns nil, nil: look again then. It adds to waited, and the
// error is [ErrPending] if that reaches a minute, or the context's.
func (f *flights) begin(
	ctx context.Context, key string, waited *time.Duration,
) (end func(), err error) {
	f.mu.Lock()
	other := f.all[key]
	if other == nil {
		if f.all == nil {
			f.all = map[string]chan struct{}{}
		}
		done := make(chan struct{})
		f.all[key] = done
		f.mu.Unlock()
		return func() {
			f.mu.Lock()
			delete(f.all, key)
			f.mu.Unlock()
			close(done)
		}, nil
	}
	f.mu.Unlock()
	began := time.Now()
	defer func() { *waited += time.Since(began) }()
	timer := time.NewTimer(flightWait - *waited)
	defer timer.Stop()
	select {
	case <-other:
		return nil, nil
	case <-timer.C:
		return nil, fmt.Errorf("%w: other requests have been funding this channel for %s", ErrPending, flightWait)
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// placeOf returns a URL without what may be secret: no user, query or fragment.
func placeOf(u *url.URL) string {
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}).String()
}

var zeroHash common.Hash
