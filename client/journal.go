package client

import (
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

// Journal is the account of what was paid: it gets one line at the end of every operation that could cost money.
// [journal.File] is one. It is called outside all locks, on the goroutine of the caller whose operation ended, so it
// has to be safe for concurrent use, and what it takes that caller waits for. The context is not canceled with the
// operation. An error costs nobody an answer: it is an [EventJournal] and a warning in the log.
//
// A line has the receipt as the server wrote it: keep it from others as you keep receipts.
type Journal interface {
	Append(ctx context.Context, e journal.Entry) error
}

// keeps reports whether there is a journal. What a line needs is collected only then.
func (s *Session) keeps() bool { return s.cfg.Journal != nil }

// write completes a line and hands it to the journal.
func (s *Session) write(ctx context.Context, e journal.Entry) {
	if !s.keeps() {
		return
	}
	if e.Operation == "" {
		if info, ok := ctx.Value(paymentKey{}).(*Payment); ok {
			e.Operation = info.Operation
		}
	}
	if e.Operation == "" {
		e.Operation = newOperation()
	}
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

// record writes what this request did on its channel: when it has ended, or goes on with another channel. An opening that
// it carried, and that nobody has acknowledged, has a line of its own.
func (p *payment) record(ctx context.Context, kind journal.Kind, outcome Outcome, status int, r *receipt.Receipt) {
	if !p.s.keeps() || p.account == nil {
		return
	}
	rise := p.rise
	if p.claim != nil {
		rise = rise.And(p.claim.Rise())
	} else if p.openTx == nil && rise.By.IsZero() {
		return // nothing was authorized
	}
	state := p.account.State()
	if p.openTx != nil {
		in := outcome
		if outcome == Accepted || outcome == AcceptedNoContent {
			in = Unknown // no receipt said that it was opened
		}
		p.s.recordFunding(ctx, journal.KindOpen, state, state.Opening, in, p.start, nil)
	}
	if p.claim == nil && rise.By.IsZero() {
		return
	}
	e := lineOf(kind, state, rise)
	switch {
	case kind == journal.KindStream:
		e.Price = p.claim.Price()
	case p.known != nil:
		e.Price = p.known.offer.Price
	}
	e.Operation, e.Origin, e.Cumulative = p.out.operation(), p.origin, p.signed.Cumulative
	e.Outcome, e.Status, e.Problem, e.Start = string(outcome), status, p.info.Problem, p.start
	if r != nil {
		e.Receipt = string(r.Raw)
	}
	p.s.write(ctx, e)
	p.rise = ledger.Rise{}
}

// recordFunding writes a line about a transaction that puts money into a channel.
func (s *Session) recordFunding(ctx context.Context, kind journal.Kind, state rule.State, f rule.Funding, outcome Outcome, start time.Time, r *receipt.Receipt) {
	if !s.keeps() || !f.Pending() {
		return
	}
	e := lineOf(kind, state, ledger.Rise{})
	e.Outcome, e.Start, e.Amount, e.Transaction = string(outcome), start, f.Amount, f.Hash
	if e.Transaction == (common.Hash{}) {
		e.Transaction = crypto.Keccak256Hash(f.Raw)
	}
	if r != nil {
		e.Receipt = string(r.Raw)
	}
	s.write(ctx, e)
}

// recordSettled writes what the chain has decided between two looks: an opening, a top-up, an end.
func (s *Session) recordSettled(ctx context.Context, before, after rule.State) {
	if !s.keeps() {
		return
	}
	was, is := before.Phase(), after.Phase()
	switch {
	case was == channel.Opening && is == channel.Closed:
		s.recordFunding(ctx, journal.KindOpen, after, before.Opening, Rejected, time.Time{}, nil) // it can no longer be mined
	case was == channel.Opening && is != channel.Opening:
		s.recordFunding(ctx, journal.KindOpen, after, before.Opening, Accepted, time.Time{}, nil)
	case was != channel.Closed && is == channel.Closed:
		s.recordEnd(ctx, after, journal.Entry{Kind: journal.KindClose, Amount: after.CloseAmount, Transaction: after.CloseTx, Outcome: string(Refunded)})
	}
	if t := before.ToppingUp; t.Pending() && !after.ToppingUp.Pending() {
		switch {
		case before.Deposit.Less(after.Deposit):
			s.recordFunding(ctx, journal.KindTopUp, after, t, Accepted, time.Time{}, nil)
		case !t.Before.Less(after.Deposit):
			s.recordFunding(ctx, journal.KindTopUp, after, t, Rejected, time.Time{}, nil)
		}
	}
}

// recordProof writes that we were shown to have signed more than the store knew.
func (s *Session) recordProof(ctx context.Context, state rule.State, rise ledger.Rise) {
	if !s.keeps() || rise.By.IsZero() {
		return
	}
	e := lineOf(journal.KindProve, state, rise)
	e.Outcome = string(Accepted)
	s.write(ctx, e)
}

// recordFound writes that a channel came into the books that this journal has not seen opened.
func (s *Session) recordFound(ctx context.Context, state rule.State) {
	if !s.keeps() {
		return
	}
	e := lineOf(journal.KindFound, state, ledger.Rise{}.Plus(voucher.Amount{}, state.Authorized()))
	e.Outcome, e.Amount = string(Accepted), state.Deposit
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
		e.Outcome = string(Refunded)
	case outcome == Unknown && a.ok() && state.CloseTx != zeroHash:
		e.Outcome = string(Accepted) // the payee says so; the chain does not show it yet, or was not asked
	}
	if a.receipt != nil {
		e.Receipt = string(a.receipt.Raw)
	}
	s.recordEnd(ctx, state, e)
}
