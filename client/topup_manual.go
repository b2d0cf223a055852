package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/ledger"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// TopUp raises the deposit of an open channel by amount, in base units, without a request: before a long
// stream, for example, or to make one top-up instead of several. It returns the channel as it is then.
//
// Limits.Deposit bounds what the channel holds, and Limits.Total what the session puts into channels. The
// fee is what a top-up costs: Limits.Fees, the limits over time and the budgets of the context ([WithBudget])
// bound it. A [channel.LimitError] names the limit that refused. A top-up agrees to no price, so the limits
// on prices do not matter, and Config.Approve is not called. The Policy is called, because the payee is asked
// for a challenge, at the URL that the channel was opened at. That request carries no headers of earlier
// ones: see [WithHeader].
//
// The transaction is recorded before it is sent, and is never signed a second time for one call. If the
// payee did not answer and the chain does not show it, the error is [ErrPending]: the same call again
// presents what is recorded, and adds nothing to it. A recorded top-up of another amount, which a request
// began, is completed first. If the Outcome of an error is [OutcomeAccepted], the payee has accepted it
// and only the store failed: the next [Channels.Sync] books it, and another call would add more.
//
// The error is an [*Error], or store.ErrNotFound if the channel is not on record. It is
// [channel.ErrNotPayable] for a channel that is not open, [ErrNoChain], [ErrNoPayer], and [ErrRejected] if
// the payee sends no challenge. A top-up ends within two minutes.
func (c *Channels) TopUp(ctx context.Context, id common.Hash, amount voucher.Amount) (channel.Info, error) {
	account, err := c.s.ledger.Account(ctx, id)
	if err != nil {
		return channel.Info{}, err
	}
	t := toppingUp{s: c.s, account: account, amount: amount, outcome: OutcomeRefused}
	bounded, cancel := context.WithTimeout(ctx, topUpWait)
	defer cancel()
	if err := t.run(bounded); err != nil {
		st := account.State()
		err = &Error{
			Op: "top up", Outcome: t.outcome, Origin: st.Scope.Origin, ChannelID: id, Price: amount, Currency: st.Currency(), Err: err,
		}
		return st.Info(), err
	}
	return account.State().Info(), nil
}

const (
	// topUpWait bounds a top-up that the owner asks for.
	topUpWait = 2 * time.Minute
	// topUpTries bounds how often a channel is read again because others put money into it meanwhile.
	topUpTries = 8
)

// toppingUp is a top-up that the owner asks for.
type toppingUp struct {
	s       *Session
	account *ledger.Account
	amount  voucher.Amount
	outcome Outcome
}

func (t *toppingUp) run(ctx context.Context) error {
	a, err := t.prepare(ctx)
	if err != nil {
		return err
	}
	for try := 1; ; try++ {
		done, err := t.once(ctx, a)
		if err != nil || done {
			return err
		}
		if try == topUpTries {
			return fmt.Errorf("%w: others are putting money into channel %s", ErrPending, t.account.ID())
		}
		select {
		case <-time.After(250 * time.Millisecond):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// prepare checks what can be checked before anybody is asked, and returns the attempt that carries the top-up.
func (t *toppingUp) prepare(ctx context.Context) (*attempt, error) {
	s, state := t.s, t.account.State()
	switch {
	case s.cfg.Chain == nil:
		return nil, ErrNoChain
	case s.cfg.Payer == nil:
		return nil, ErrNoPayer
	}
	if err := payable(state); err != nil {
		return nil, err
	}
	currency, err := s.currency(ctx, channel.Asset{ChainID: state.ChainID, Token: state.Descriptor.Token})
	if err != nil {
		return nil, err
	}
	terms := ledger.Terms{Origin: state.Scope.Origin}
	if terms.Limits, err = s.limits(ctx, state.Scope.Origin, currency); err != nil {
		return nil, err
	}
	if !state.ToppingUp.Pending() {
		_, err = rule.PlanTopUp(&state, t.amount, s.ledger.Funded(state.Scope), rule.Limits{Limits: terms.Limits})
		if err != nil {
			return nil, err
		}
	}
	a, err := s.managing(ctx, t.account, "top up")
	if err == nil {
		a.terms = terms
		if budgets, _ := ctx.Value(budgetKey{}).([]*ledger.Budget); len(budgets) > 0 {
			a.charge = ledger.NewCharge(budgets...) // with its fee
		}
		err = a.askPolicy(ctx, true)
	}
	return a, err
}

// payable returns an error for a channel that no money is put into: one that is not open, or is not seen.
func payable(state rule.State) error {
	if state.Phase() == channel.Open && state.Payable() {
		return nil
	}
	what := state.Phase().String()
	if state.Gone {
		what = "refused by its payee"
	}
	return fmt.Errorf("%w: channel %s is %s", channel.ErrNotPayable, state.ID, what)
}

// once makes one top-up, or completes the one on record. done reports that the deposit has the amount: a
// recorded top-up of the same amount that nobody had confirmed before is the one that an earlier call
// began.
func (t *toppingUp) once(ctx context.Context, a *attempt) (done bool, err error) {
	s, account := t.s, t.account
	end, err := s.flights.begin(ctx, "topup "+account.ID().Hex(), &a.waited)
	if err != nil || end == nil {
		return false, err // nil: a request topped it up
	}
	defer end()
	was := account.State()
	begun := t.begun(was)
	read, err := s.sync(ctx, account, syncOptions{})
	if err != nil {
		return false, err
	}
	state := read.after
	switch {
	case !state.ToppingUp.Pending() && begun && was.Deposit.Less(state.Deposit):
		return true, nil
	case payable(state) != nil:
		return false, payable(state)
	case state.ToppingUp.Pending():
		s.ledger.Leave(state.Scope, state.ToppingUp, voucher.Amount{})
		if !was.ToppingUp.Pending() {
			begun = t.begun(state) // by another process, meanwhile
		}
	default:
		busy, err := a.recordTopUp(ctx, state, voucher.Amount{}, func(rule.Wish) (rule.Plan, error) {
			return s.ledger.PlanTopUp(a.terms, &state, t.amount)
		})
		if err != nil || busy {
			return false, err
		}
		state, begun = account.State(), true
	}
	return t.present(ctx, a, state, begun)
}

// present shows the recorded top-up to the payee. begun is set if it is the one that this call is for.
func (t *toppingUp) present(ctx context.Context, a *attempt, state rule.State, begun bool) (done bool, err error) {
	t.outcome = OutcomeUnknown
	_, err = a.presentTopUp(ctx, t.account, state)
	switch {
	case err == nil:
		t.outcome = OutcomeRefused // of what is not done yet
	case begun && !errors.Is(err, ErrPending):
		t.outcome = OutcomeAccepted // the store failed after that
	}
	return begun && err == nil, err
}

// begun reports whether a channel has a top-up of the amount on record that was never confirmed.
func (t *toppingUp) begun(state rule.State) bool {
	f := state.ToppingUp
	return f.Pending() && f.Amount == t.amount && state.Deposit.Less(f.Before.AddCapped(f.Amount))
}
