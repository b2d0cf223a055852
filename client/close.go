package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/ledger"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/internal/wire"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Close closes a channel with the payee's help, for what was really used: the payee redeems that and
// the rest of the deposit comes back. The close is recorded before it is sent, and the channel stays
// listed as closing until the chain confirms it.
//
// If the payee refuses, the error is [ErrRejected]: the channel is as before, and
// [Channels.RequestClose] gets the money back without the payee. If no receipt came, or one that
// does not fit, and the chain does not show the close, the error is [ErrClose]. A close ends within
// 90 seconds, whatever the payee and the node do; the error wraps [context.DeadlineExceeded] then.
// These errors are in an [*Error]. The error is store.ErrNotFound if the channel is not on record,
// and nil if it is closed already.
//
// The requests of a close carry no headers of earlier requests. If the payee is behind a gateway that
// wants a key, use [WithHeader].
func (c *Channels) Close(ctx context.Context, id common.Hash) error {
	account, err := c.s.ledger.Account(ctx, id)
	if err != nil {
		return err
	}
	c.s.beside.spare(ctx, id)
	closing := &closing{s: c.s, account: account, outcome: OutcomeRefused, start: time.Now()}
	bounded, cancel := context.WithTimeoutCause(ctx, closeWait, errCloseWait)
	defer cancel()
	if err = closing.run(ctx, bounded); err != nil && context.Cause(bounded) == errCloseWait { //nolint:errorlint // this very one
		err = errors.Join(errCloseWait, err)
	}
	st := account.State()
	if closing.outcome != OutcomeRefused {
		c.s.recordClose(ctx, st, closing.outcome, closing.start, closing.answer)
	}
	if err != nil {
		return &Error{Op: "close", Outcome: closing.outcome, Origin: st.Scope.Origin, ChannelID: id, Cumulative: st.CloseAmount, Err: err}
	}
	return nil
}

// closeWait bounds a close with the payee's help. The payee has managementWait for each of a challenge
// and the close itself; the rest is for a node that answers slowly.
const closeWait = 90 * time.Second

var errCloseWait = fmt.Errorf("client: the close was not decided within %s: %w", closeWait, context.DeadlineExceeded)

// closing is one close with the payee's help.
type closing struct {
	s       *Session
	account *ledger.Account
	outcome Outcome
	start   time.Time
	answer  answer
	left    bool // a close left
}

// run closes the channel. What payee and node are asked ends with bounded, and what their answers mean is
// stored until ctx ends.
func (c *closing) run(ctx, bounded context.Context) error {
	state := c.account.State()
	if c.s.cfg.Chain != nil {
		read, err := c.s.sync(bounded, c.account, syncOptions{})
		if err != nil {
			return err
		}
		state = read.after
	}
	if state.Phase() == channel.Closed {
		return nil
	}
	if p := state.Phase(); p != channel.Open && p != channel.NotSeen && !state.CloseSent {
		return fmt.Errorf("%w: channel %s is %s", channel.ErrNotPayable, state.ID, state.Phase())
	}
	if state.URL == "" {
		return fmt.Errorf("client: channel %s has no URL to close at; request the close on chain and withdraw", state.ID)
	}
	a, err := c.s.managing(bounded, c.account, "close")
	if err != nil {
		return err
	}
	// No voucher is signed for a channel that is closing, so the close has the last amount.
	if err := c.account.Update(ctx, func(st rule.State) rule.State { return st.ClosingAt(st.CloseAmount) }); err != nil {
		return err
	}
	c.answer, err = c.send(bounded, a)
	if err != nil && !c.left && !state.CloseSent {
		return errors.Join(err, c.account.Update(context.WithoutCancel(ctx), rule.State.CloseRefused)) // as before
	}
	if c.outcome = OutcomeUnknown; err != nil {
		return err // it may have arrived: the channel stays closing
	}
	if c.answer.ok() {
		return c.confirm(ctx, bounded)
	}
	return c.refused(ctx, bounded)
}

// refused books that the payee refused to close, unless the chain shows the close all the same.
func (c *closing) refused(ctx, bounded context.Context) error {
	read, chainErr := c.s.sync(bounded, c.account, syncOptions{quiet: true})
	if chainErr == nil && read.after.Phase() == channel.Closed {
		return nil
	}
	c.outcome = OutcomeRejected
	if err := c.account.Update(ctx, rule.State.CloseRefused); err != nil {
		return err
	}
	return errors.Join(fmt.Errorf("%w; request the close on chain and withdraw", c.answer.err(nil)), chainErr)
}

// maxCloses bounds how many vouchers are presented for one close, each higher than the one before.
const maxCloses = 4

// send presents the close voucher, and higher ones that exist or may exist if the payee has charged more
// than we know of.
func (c *closing) send(ctx context.Context, a *attempt) (last answer, err error) {
	var refused voucher.Amount
	for try := 1; ; try++ {
		signed, err := c.account.CloseVoucher(ctx, refused)
		if err != nil {
			if last.status != 0 && errors.Is(err, channel.ErrNotPayable) {
				return last, nil // nothing higher exists: the refusal stands
			}
			return last, err
		}
		if err := c.account.Update(ctx, func(st rule.State) rule.State { return st.ClosingAt(signed.Cumulative) }); err != nil {
			return last, err
		}
		c.left = true
		last, err = a.manage(ctx, a.methods(), func(k *challenge) (string, error) {
			return k.echo.Payload(wire.Close(c.account.ID(), wireDescriptor(c.account.State()), signed.Cumulative, signed.Signature))
		})
		if err != nil || last.ok() || try == maxCloses || last.status != http.StatusPaymentRequired {
			return last, err
		}
		refused = signed.Cumulative.Max(voucher.Units(1)) // zero would mean the first try
	}
}

// confirm checks the close receipt, and reads the chain.
func (c *closing) confirm(ctx, bounded context.Context) error {
	s, account := c.s, c.account
	receiptErr := checkCloseReceipt(account.State(), c.answer)
	if receiptErr == nil {
		tx := c.answer.receipt.TxHash
		if err := account.Update(ctx, func(st rule.State) rule.State { return st.CloseAcknowledged(tx) }); err != nil {
			return err
		}
		if s.cfg.Chain == nil {
			return nil
		}
	}
	for try := 0; ; try++ {
		read, err := s.sync(bounded, account, syncOptions{quiet: true})
		if err == nil && read.after.Phase() == channel.Closed {
			return nil
		}
		if try == 4 {
			return errors.Join(fmt.Errorf("%w: the chain does not show it yet; close it again, or request the close on chain", ErrClose), receiptErr, err)
		}
		select {
		case <-time.After(250 * time.Millisecond):
		case <-bounded.Done():
			return errors.Join(fmt.Errorf("%w: the chain was not read to the end: %w", ErrClose, context.Cause(bounded)), receiptErr)
		}
	}
}

func checkCloseReceipt(state rule.State, a answer) error {
	written := state.Currency().Format
	switch r := a.receipt; {
	case r == nil || !r.Session:
		return fmt.Errorf("%w: no receipt came with it", ErrClose)
	case r.TxHash == zeroHash:
		return fmt.Errorf("%w: the receipt names no transaction", ErrClose)
	case r.Accepted != state.CloseAmount:
		return fmt.Errorf("%w: the receipt says %s were accepted, sent were %s", ErrClose, written(r.Accepted), written(state.CloseAmount))
	case state.CloseAmount.Less(r.Spent):
		return fmt.Errorf("%w: the receipt says %s were spent, more than the %s sent", ErrClose, written(r.Spent), written(state.CloseAmount))
	}
	return nil
}

// closesAtOnce bounds how many channels are closed side by side.
const closesAtOnce = 8

// sideBySide calls do for 0 to n-1, some at a time, and returns when all have returned.
func sideBySide(n int, do func(int)) {
	var all sync.WaitGroup
	slots := make(chan struct{}, closesAtOnce)
	for i := range n {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			do(i)
		})
	}
	all.Wait()
}
