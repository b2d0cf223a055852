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
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store/journal"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// RequestClose begins to close a channel without the payee: it sends the request to the chain and waits
// for it to be mined. [escrow.GracePeriod] later [Channels.Withdraw] gets back what the payee has not
// settled by then. The errors are those of [escrow.Client.RequestClose].
func (c *Channels) RequestClose(ctx context.Context, id common.Hash) error {
	c.s.beside.spare(ctx, id)
	return c.s.force(ctx, "request close", journal.KindRequestClose, id, Chain.RequestClose)
}

// Withdraw ends a channel whose close was requested [escrow.GracePeriod] ago. The errors are those of
// [escrow.Client.Withdraw].
func (c *Channels) Withdraw(ctx context.Context, id common.Hash) error {
	err := c.s.force(ctx, "withdraw", journal.KindWithdraw, id, Chain.Withdraw)
	var reverted *escrow.RevertError
	e, ok := errors.AsType[*Error](err)
	if ok && errors.As(err, &reverted) && reverted.Reason == "CloseNotReady" {
		e.Err = fmt.Errorf(
			"%w: no close was requested, or less than %v ago", e.Err, escrow.GracePeriod,
		)
	}
	return err
}

// Bounds of what is asked of Config.Chain outside requests. An [escrow.Client] needs less for all its
// tries; another Chain may have no bounds of its own.
const (
	chainReadWait = time.Minute
	chainSendWait = 5 * time.Minute
)

func (s *Session) force(ctx context.Context, op string, kind journal.Kind, id common.Hash, send func(Chain, context.Context, escrow.CloseParams) (escrow.Receipt, error)) error {
	account, err := s.ledger.Account(ctx, id)
	if err != nil {
		return err
	}
	state := account.State()
	fail := func(err error) *Error {
		outcome := OutcomeRefused
		switch {
		case errors.Is(err, escrow.ErrUnconfirmed):
			outcome = OutcomeUnknown
		case errors.Is(err, escrow.ErrReverted), errors.Is(err, escrow.ErrExpired), errors.Is(err, escrow.ErrNotSent):
			outcome = OutcomeRejected
		}
		return &Error{Op: op, Outcome: outcome, Origin: state.Scope.Origin, ChannelID: id, Err: err}
	}
	switch {
	case s.cfg.Chain == nil:
		return fail(ErrNoChain)
	case s.cfg.Payer == nil:
		return fail(ErrNoPayer)
	}
	if done, err := s.sentBefore(ctx, account, kind); err != nil {
		return fail(err)
	} else if done {
		return nil
	}
	start := time.Now()
	ctx, cancel := context.WithTimeout(ctx, chainSendWait)
	defer cancel()
	hold := s.holdReturn(kind, state)
	defer hold.end(ctx)
	record := func(ctx context.Context, f escrow.Fee) error { return hold.record(ctx, account, f) }
	sent, err := send(s.cfg.Chain, ctx, escrow.CloseParams{
		Protocol: state.Protocol, ChainID: state.ChainID, Escrow: state.Escrow, Payer: s.cfg.Payer, Descriptor: state.Descriptor, ChannelID: id,
		Agree: hold.agree, Record: record,
	})
	cost := hold.sent(ctx, account, sent.TxHash)
	s.sentFee(ctx, account, cost, sent, err)
	if err != nil {
		err = s.cameAbout(ctx, account, kind, sent, err)
	}
	line := journal.Entry{Kind: kind, Transaction: sent.TxHash, Fee: journal.Fee{Token: cost.Token, Max: cost.Max}, Outcome: string(OutcomeAccepted), Start: start}
	if err != nil {
		failed := fail(err)
		if line.Outcome = string(failed.Outcome); failed.Outcome != OutcomeRefused {
			s.recordEnd(ctx, state, line)
		}
		return failed
	}
	s.recordEnd(ctx, state, line)
	if err := s.syncMined(ctx, account, kind); err != nil {
		return &Error{Op: op, Outcome: OutcomeAccepted, Origin: state.Scope.Origin, ChannelID: id, Err: fmt.Errorf("it was mined, but the chain could not be read again: %w", err)}
	}
	return nil
}

// sentBefore asks the chain for the earlier transactions of a kind whose fate is not known. done reports that one
// of them did what it was for. If one can still be mined the error is [escrow.ErrUnconfirmed]: with another
// beside it, both would be, and both cost a fee.
func (s *Session) sentBefore(ctx context.Context, account *ledger.Account, kind journal.Kind) (done bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, chainReadWait)
	defer cancel()
	for _, f := range account.State().FeesDue() {
		if f.Kind != string(kind) {
			continue
		}
		r, found, err := s.cfg.Chain.Confirm(ctx, f.Hash)
		switch {
		case err != nil:
			return false, fmt.Errorf("%w: %s: %w", escrow.ErrUnconfirmed, f.Hash, err)
		case !found && r.Time < f.ValidBefore:
			return false, fmt.Errorf("%w: %s: it can be mined for %d seconds more", escrow.ErrUnconfirmed, f.Hash, f.ValidBefore-r.Time)
		case !found || !r.Success:
			continue
		}
		err = s.syncMined(ctx, account, kind)
		return err == nil, err
	}
	return false, nil
}

// cameAbout returns nil if the chain shows what a transaction was for, although it failed: an earlier one
// was mined and its answer lost, or the node lost track of this one. Else it returns err. The hash of a
// withdrawal whose result is not known is kept, since its receipt proves the end of the channel.
func (s *Session) cameAbout(ctx context.Context, account *ledger.Account, kind journal.Kind, sent escrow.Receipt, err error) error {
	if kind == journal.KindWithdraw && errors.Is(err, escrow.ErrUnconfirmed) {
		keep := func(st rule.State) rule.State { return st.CloseAcknowledged(sent.TxHash) }
		if storeErr := account.Update(context.WithoutCancel(ctx), keep); storeErr != nil {
			return errors.Join(err, storeErr)
		}
	}
	for _, doubtful := range []error{
		escrow.ErrNoChannel, escrow.ErrWouldRevert, escrow.ErrReverted, escrow.ErrNotSent, escrow.ErrExpired, escrow.ErrUnconfirmed,
	} {
		if !errors.Is(err, doubtful) {
			continue
		}
		read, readErr := s.sync(ctx, account, syncOptions{quiet: true})
		switch st := read.after; {
		case readErr != nil:
		case st.Phase() == channel.Closed && kind == journal.KindWithdraw:
			return nil
		case st.Phase() == channel.Closing && st.CloseRequestedAt != 0 && kind == journal.KindRequestClose:
			return nil
		}
		break
	}
	return err
}

// syncMined books what the chain shows after a transaction of ours was mined. That a withdrawal was mined
// is proof that the channel ended, unless the chain shows it all the same.
func (s *Session) syncMined(ctx context.Context, account *ledger.Account, kind journal.Kind) error {
	o := syncOptions{quiet: true}
	if kind == journal.KindWithdraw {
		c, err := s.readState(ctx, account.State())
		if err != nil {
			return err
		}
		c.Ended = !c.Exists
		o.read = &c
	}
	_, err := s.sync(ctx, account, o)
	return err
}

// holdReturn returns the hold of the fee of a transaction that brings back what a channel holds.
func (s *Session) holdReturn(kind journal.Kind, state rule.State) *feeHold {
	return &feeHold{s: s, kind: kind, use: ledger.FeeUse{
		Terms: ledger.Terms{Origin: state.Scope.Origin}, Scope: state.Scope, Returns: true, Back: state.Info().Rest(),
	}}
}

// record stores the fee of a signed transaction in the record of its channel, before it is sent.
func (h *feeHold) record(ctx context.Context, account *ledger.Account, signed escrow.Fee) error {
	fee, err := h.of(signed.TxHash, signed)
	if err != nil || fee.Max.IsZero() { // of nothing there is nothing to store, and nothing is held
		return err
	}
	err = account.Update(ctx, func(st rule.State) rule.State { return st.Costing(fee, time.Now().Unix()) })
	h.mu.Lock()
	defer h.mu.Unlock()
	h.left = err == nil || errors.Is(err, ErrStore)
	return err
}

// sent returns the fee of a transaction after it was sent, and sees to it that it is on record: another Chain
// than an [escrow.Client] may not have called Record.
func (h *feeHold) sent(ctx context.Context, account *ledger.Account, tx common.Hash) rule.Fee {
	fee, _ := h.of(tx, escrow.Fee{})
	h.mu.Lock()
	left := h.left
	h.mu.Unlock()
	if !left && tx != zeroHash {
		_ = h.record(context.WithoutCancel(ctx), account, escrow.Fee{TxHash: tx})
	}
	return fee
}

// sentFee books what a transaction of our own was charged, as far as its end tells it. What it does not is
// read later.
func (s *Session) sentFee(ctx context.Context, account *ledger.Account, f rule.Fee, r escrow.Receipt, sendErr error) {
	if f.Max.IsZero() || f.Hash == zeroHash {
		return
	}
	var err error
	switch {
	case errors.Is(sendErr, escrow.ErrExpired), errors.Is(sendErr, escrow.ErrNotSent):
		err = s.feeKnown(ctx, account, f, voucher.Amount{}) // it can never be mined
	case sendErr == nil, errors.Is(sendErr, escrow.ErrReverted):
		err = s.feeTold(ctx, account, f, r)
	}
	if err != nil {
		s.log.WarnContext(ctx, "the fee of a transaction goes on counting with its highest", "channel", account.ID(), "transaction", f.Hash, "error", err)
	}
}
