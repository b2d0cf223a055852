package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/internal/ledger"
	"github.com/seed-5fe1f529/tallystick/internal/purchase"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/internal/wire"
	"github.com/seed-5fe1f529/tallystick/store/journal"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// topUpForRequest raises the deposit so that it covers the offer. If the payee refused a voucher as used
// up, the deposit also makes room for the price on top of it; what the payee says is not signed.
func (a *attempt) topUpForRequest(ctx context.Context) purchase.Event {
	view := func() rule.State {
		s := a.without()
		s.Claimed = s.Claimed.Max(a.presented)
		return s
	}
	done, err := a.topUp(ctx, a.challenge.request, view)
	e := purchase.Event{Kind: purchase.ToppedUp, Err: err}
	e.Busy = done == topUpImpossible && err == nil
	e.Written = done == topUpShown
	return e
}

// topUpResult is how a top-up ended.
type topUpResult uint8

const (
	topUpDone       topUpResult = iota // others raised the deposit, or no transaction left
	topUpImpossible                    // the channel is not there, or closed
	topUpShown                         // the payee has seen the transaction; after an error it may still be mined
)

// topUp raises the deposit so that it covers req, one request at a time: the others look again then. A
// recorded transaction is presented until the payee or the chain has decided it; a second one is never
// signed for the same need. view returns the channel as the request has to see it.
func (a *attempt) topUp(ctx context.Context, req rule.Request, view func() rule.State) (topUpResult, error) {
	end, err := a.s.flights.begin(ctx, "topup "+a.account.ID().Hex(), &a.waited)
	if err != nil || end == nil {
		return topUpDone, err // nil: another request did; look again
	}
	defer end()
	account := a.account
	state := account.State()
	if a.s.cfg.Chain != nil { // others may have raised the deposit, or it was before the store was restored
		read, err := a.s.sync(ctx, account, syncOptions{})
		if err != nil {
			return topUpDone, err
		}
		if state = read.after; !state.Payable() || state.Phase() == channel.NotSeen {
			return topUpImpossible, nil
		}
	}
	if !state.ToppingUp.Pending() {
		if err := a.askPolicy(ctx, true); err != nil {
			return topUpDone, err
		}
		planned := view()
		busy, err := a.recordTopUp(ctx, planned, req.Price, func(wish rule.Wish) (rule.Plan, error) {
			return a.s.ledger.Plan(ctx, a.terms, planned.Scope, &planned, req, wish)
		})
		switch {
		case errors.Is(err, escrow.ErrNoChannel):
			// Never opened, whatever the payee said, or closed since.
			read, chainErr := a.s.sync(ctx, account, syncOptions{})
			if after := read.after; chainErr == nil && (!after.Payable() || after.Phase() == channel.NotSeen) {
				return topUpImpossible, nil
			}
			return topUpDone, err
		case err != nil || busy:
			return topUpDone, err // nil: it is covered by now
		}
		state = account.State()
	} else {
		a.s.ledger.Leave(state.Scope, state.ToppingUp, voucher.Amount{})
	}
	return a.presentTopUp(ctx, account, state)
}

// recordTopUp plans, signs and records a top-up of the channel as it was planned for, for a request of a
// price. If the record has
// another deposit by now, or a top-up under way, the amount was planned for what is no more, and the
// transaction is dropped.
func (a *attempt) recordTopUp(
	ctx context.Context, planned rule.State, price voucher.Amount, plan func(rule.Wish) (rule.Plan, error),
) (busy bool, err error) {
	account, offer := a.account, a.challenge.offer
	var amount voucher.Amount
	var tx *escrow.TopUp
	busy, err = a.s.fund(ctx, transfer{
		kind: journal.KindTopUp, offer: offer, scope: planned.Scope,
		fees: ledger.FeeUse{Terms: ledger.Terms{Limits: a.terms.Limits, Charge: a.charge, Origin: a.terms.Origin}, Scope: planned.Scope, Price: price},
		plan: plan,
		prepare: func(ctx context.Context, add voucher.Amount, agree func(context.Context, escrow.Fee) error) (err error) {
			amount = add
			tx, err = a.s.cfg.Chain.PrepareTopUp(ctx, escrow.TopUpParams{
				Protocol: planned.Protocol, ChainID: planned.ChainID, Escrow: planned.Escrow, Payer: a.s.cfg.Payer,
				Descriptor: planned.Descriptor, ChannelID: planned.ID, FeeToken: offer.FeeToken, Additional: add, Sponsored: offer.FeePayer,
				Agree: agree,
			})
			return err
		},
		record: func(fee func(common.Hash, escrow.Fee) (rule.Fee, error)) (rule.Funding, bool, error) {
			cost, err := fee(tx.TxHash, tx.Fee)
			if err != nil {
				return rule.Funding{}, false, err
			}
			f := rule.Funding{
				Amount: amount, Raw: tx.Raw, Hash: tx.TxHash, ValidBefore: tx.ValidBefore,
				FeeToken: tx.Fee.Token, MaxFee: tx.Fee.Max,
			}
			overtaken := false
			err = account.Update(ctx, func(s rule.State) rule.State {
				if overtaken = s.Deposit != planned.Deposit || s.ToppingUp.Pending() || !s.Payable(); overtaken {
					return s
				}
				return s.Funded(f).Costing(cost, time.Now().Unix())
			})
			return f, !overtaken, err
		},
	})
	if err == nil && !busy {
		a.noteFee(ctx, account.State().ToppingUp)
	}
	return busy, err
}

// presentTopUp shows the recorded top-up to the payee, and confirms it by its answer or by the chain.
func (a *attempt) presentTopUp(ctx context.Context, account *ledger.Account, state rule.State) (topUpResult, error) {
	start, brings := time.Now(), state.ToppingUp.Before.AddCapped(state.ToppingUp.Amount)
	a.s.tell(ctx, Event{Kind: EventToppingUp, Origin: a.origin.Text, ChannelID: account.ID(), Deposit: brings, Fee: feeOf(state.ToppingUp)})
	answer, err := a.manage(ctx, a.methods(), func(c *challenge) (string, error) {
		return c.echo.Payload(wire.TopUp(account.ID(), wireDescriptor(state), state.ToppingUp.Raw, state.ToppingUp.Amount))
	})
	if a.s.cfg.Chain != nil {
		a.s.cfg.Chain.Forget(account.ID()) // what was read of it is older
	}
	if err == nil && answer.ok() {
		if err := account.Update(ctx, rule.State.ToppedUp); err != nil {
			return topUpShown, err
		}
		a.s.recordFunding(ctx, journal.KindTopUp, account.State(), state.ToppingUp, OutcomeAccepted, start, answer.receipt)
	} else {
		// Refused, or no answer: it may be mined all the same.
		read, chainErr := a.s.sync(ctx, account, syncOptions{})
		if chainErr != nil || !state.Deposit.Less(read.after.Deposit) {
			a.s.recordFunding(ctx, journal.KindTopUp, account.State(), read.after.ToppingUp, OutcomeUnknown, start, nil)
			return topUpShown, errors.Join(fmt.Errorf("top up of channel %s by %s: %w", account.ID(), state.Currency().Format(state.ToppingUp.Amount), ErrPending), answer.err(err), chainErr)
		}
	}
	a.s.readFeesBeside(ctx, account, true)
	a.s.tell(ctx, Event{Kind: EventToppedUp, Origin: a.origin.Text, ChannelID: account.ID(), Deposit: account.State().Deposit, Fee: feeOf(state.ToppingUp), Receipt: answer.receipt})
	return topUpShown, nil
}

// topUp raises a deposit that is too small for required, which is within what was agreed to, while the stream waits.
func (m *meter) topUp(required voucher.Amount) error {
	return m.bounded(func() error {
		req := rule.Request{Price: m.a.price, MinDelta: m.a.challenge.offer.MinDelta, Floor: required}
		m.a.waited = 0 // each top-up of the stream waits for itself
		done, err := m.a.topUp(m.ctx, req, m.a.account.State)
		if err == nil && done == topUpImpossible {
			err = fmt.Errorf("%w: channel %s", channel.ErrNotPayable, m.a.account.ID())
		}
		return err
	})
}
