package client

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/ledger"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/receipt"
	"github.com/seed-5fe1f529/tallystick/store/journal"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// write completes a line and hands it to the journal.
func (s *Session) write(ctx context.Context, e journal.Entry) {
	if s.cfg.Journal == nil {
		return
	}
	if info, ok := ctx.Value(paymentKey{}).(*Payment); ok {
		e.Operation, e.Route = cmp.Or(e.Operation, info.Operation), cmp.Or(e.Route, info.route)
	}
	if e.Operation == "" {
		e.Operation = randomName()
	}
	run, _ := ctx.Value(runKey{}).(string)
	e.Run = label(run)
	e.End = time.Now().UTC()
	if e.Start = e.Start.UTC(); e.Start.IsZero() {
		e.Start = e.End
	}
	if err := s.hand(ctx, e); err != nil {
		s.tell(ctx, Event{Kind: EventJournal, Origin: e.Origin, ChannelID: e.ChannelID, Err: fmt.Errorf("client: the journal has no line for operation %s: %w", e.Operation, err)})
	}
}

// hand gives a line away. A journal that panics stops no payment.
func (s *Session) hand(ctx context.Context, e journal.Entry) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("it panicked: %v", r)
		}
	}()
	return s.cfg.Journal.Append(context.WithoutCancel(ctx), e)
}

// lineOf begins a line about a channel on which rise was done.
func lineOf(kind journal.Kind, state rule.State, rise ledger.Rise) journal.Entry {
	e := journal.Entry{Kind: kind, Origin: state.Scope.Origin, ChannelID: state.ID, Before: rise.Before, After: rise.After, Raised: rise.By}
	if rise.By.IsZero() {
		e.Before, e.After = state.Authorized(), state.Authorized()
	}
	return e
}

// record writes what the request did on the channel that pays: when it has ended, or goes on with
// another channel. An opening that it carried, and that nobody has acknowledged, has a line of its own.
func (a *attempt) record(ctx context.Context, kind journal.Kind, outcome Outcome, r *receipt.Receipt) {
	if a.s.cfg.Journal == nil || a.account == nil {
		return
	}
	reserved, status := a.reserved, 0
	if a.resp != nil {
		status = a.resp.StatusCode
	}
	rise := a.unwritten(reserved)
	carried := a.decision.Carrying
	if (reserved == nil || outcome == OutcomeRefused) && !carried && rise.By.IsZero() {
		return // nothing was authorized
	}
	state := a.account.State()
	if carried {
		in := outcome
		if outcome == OutcomeAccepted || outcome == OutcomeAcceptedNoContent {
			in = OutcomeUnknown // no receipt said that it was opened
		}
		a.s.recordFunding(ctx, journal.KindOpen, state, state.Opening, in, a.start, nil)
	}
	if reserved == nil {
		return
	}
	e := lineOf(kind, state, rise)
	if e.Price = a.price; kind == journal.KindStream {
		e.Price = reserved.Price()
	}
	e.Operation, e.Origin, e.Cumulative = a.out.key, a.origin.Text, a.signed.Cumulative
	e.Outcome, e.Status, e.Problem, e.Start = string(outcome), status, a.info.Problem, a.start
	if r != nil {
		e.Receipt = string(r.Raw)
	}
	e.Route = a.s.routeOf(a.out.req)
	if a.s.cfg.Evidence {
		e.Evidence = a.evidence(state, &e, r)
	}
	a.s.write(ctx, e)
}

// noteWritten notes what the journal has of a reservation that may go on.
func (a *attempt) noteWritten() {
	if a.reserved == nil {
		return
	}
	if a.written == nil {
		a.written = map[*ledger.Reservation]ledger.Rise{}
	}
	a.written[a.reserved] = a.reserved.Rise()
}

// unwritten returns what the reservation raised since its last line in the journal.
func (a *attempt) unwritten(r *ledger.Reservation) ledger.Rise {
	if r == nil {
		return ledger.Rise{}
	}
	rise, was := r.Rise(), a.written[r]
	if was.By.IsZero() {
		return rise
	}
	rise.Before, rise.By = was.After, rise.By.SubFloor(was.By)
	return rise
}

// recordFunding writes a line about a transaction that puts money into a channel.
func (s *Session) recordFunding(ctx context.Context, kind journal.Kind, state rule.State, f rule.Funding, outcome Outcome, start time.Time, r *receipt.Receipt) {
	if s.cfg.Journal == nil || !f.Pending() {
		return
	}
	e := lineOf(kind, state, ledger.Rise{})
	e.Outcome, e.Start, e.Amount, e.Transaction, e.Fee = string(outcome), start, f.Amount, f.Hash, feeOf(f)
	if e.Transaction == (common.Hash{}) {
		e.Transaction = crypto.Keccak256Hash(f.Raw)
	}
	if r != nil {
		e.Receipt = string(r.Raw)
	}
	s.write(ctx, e)
}

// recordSettled writes what the chain has decided between two looks: an opening, a top-up, and an end,
// unless quiet leaves that to the caller.
func (s *Session) recordSettled(ctx context.Context, before, after rule.State, quiet bool) {
	closed := after.Phase() == channel.Closed && before.Phase() != channel.Closed
	undecided := before.Opening.Pending() && !before.Confirmed
	switch {
	case undecided && closed && !after.Confirmed:
		s.recordFunding(ctx, journal.KindOpen, after, before.Opening, OutcomeRejected, time.Time{}, nil) // it can no longer be mined
	case undecided && !after.Opening.Pending() && !closed:
		s.recordFunding(ctx, journal.KindOpen, after, before.Opening, OutcomeAccepted, time.Time{}, nil)
	case closed && !quiet:
		s.recordEnd(ctx, after, journal.Entry{Kind: journal.KindClose, Amount: after.CloseAmount, Transaction: after.CloseTx, Outcome: string(OutcomeRefunded)})
	}
	t := before.ToppingUp
	switch {
	case !t.Pending() || after.ToppingUp.Pending():
	case before.Deposit.Less(after.Deposit):
		s.recordFunding(ctx, journal.KindTopUp, after, t, OutcomeAccepted, time.Time{}, nil)
	case !t.Before.Less(after.Deposit):
		s.recordFunding(ctx, journal.KindTopUp, after, t, OutcomeRejected, time.Time{}, nil)
	}
}

// recordProof writes that we were shown to have signed more than the store knew.
func (s *Session) recordProof(ctx context.Context, state rule.State, rise ledger.Rise) {
	if s.cfg.Journal == nil || rise.By.IsZero() {
		return
	}
	e := lineOf(journal.KindProve, state, rise)
	e.Outcome = string(OutcomeAccepted)
	s.write(ctx, e)
}

// recordFound writes that a channel came into the books that this journal has not seen opened.
func (s *Session) recordFound(ctx context.Context, state rule.State) {
	if s.cfg.Journal == nil {
		return
	}
	e := lineOf(journal.KindFound, state, ledger.Rise{}.Plus(voucher.Amount{}, state.Authorized()))
	e.Outcome, e.Amount = string(OutcomeAccepted), state.Deposit
	s.write(ctx, e)
}

// recordEnd writes a step of a channel's end.
func (s *Session) recordEnd(ctx context.Context, state rule.State, e journal.Entry) {
	e.Origin, e.ChannelID = state.Scope.Origin, state.ID
	e.Before, e.After = state.Authorized(), state.Authorized()
	s.write(ctx, e)
}

// recordClose writes how a close with the payee's help ended.
func (s *Session) recordClose(ctx context.Context, state rule.State, outcome Outcome, start time.Time, a answer) {
	e := journal.Entry{
		Kind: journal.KindClose, Cumulative: state.CloseAmount, Amount: state.CloseAmount, Transaction: state.CloseTx,
		Outcome: string(outcome), Status: a.status, Problem: a.problem.Name(), Start: start,
	}
	switch {
	case state.Phase() == channel.Closed:
		e.Outcome = string(OutcomeRefunded)
	case outcome == OutcomeUnknown && a.ok() && state.CloseTx != zeroHash:
		e.Outcome = string(OutcomeAccepted) // the payee says so; the chain does not show it yet, or was not asked
	}
	if a.receipt != nil {
		e.Receipt = string(a.receipt.Raw)
	}
	s.recordEnd(ctx, state, e)
}
