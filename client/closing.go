package client

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/internal/ledger"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/internal/wire"
	"github.com/seed-5fe1f529/tallystick/store/journal"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Channels yields every channel on record, closed ones included. A record that cannot be read is yielded
// as an error, and the iteration goes on.
func (s *Session) Channels(ctx context.Context) iter.Seq2[channel.Info, error] {
	return func(yield func(channel.Info, error) bool) {
		for state, err := range s.ledger.Each(ctx) {
			if !yield(state.Info(), err) {
				return
			}
		}
	}
}

// Refresh asks the chain about a channel and returns what is known then.
func (s *Session) Refresh(ctx context.Context, id common.Hash) (channel.Info, error) {
	account, err := s.ledger.Account(ctx, id)
	if err != nil {
		return channel.Info{}, err
	}
	state, err := s.settle(ctx, account)
	return state.Info(), err
}

// CloseChannel closes a channel with the payee's help, for what was really used: the payee captures
// that and the rest of the deposit comes back. The close is written down before it is sent, and the channel
// stays listed as closing until the chain confirms it.
//
// A payee that refuses gives [ErrRejected]: the channel is as before, and [Session.RequestClose] gets the
// money back without it. A receipt that does not fit, or none, while the chain does not show the close, gives
// [ErrClose].
func (s *Session) CloseChannel(ctx context.Context, id common.Hash) (err error) {
	account, err := s.ledger.Account(ctx, id)
	if err != nil {
		return err
	}
	outcome, start := Refused, time.Now()
	var a answer
	defer func() {
		if outcome != Refused {
			s.recordClose(ctx, account.State(), outcome, start, a)
		}
		if err != nil {
			st := account.State()
			err = &Error{Op: "close", Outcome: outcome, Origin: st.Scope.Origin, ChannelID: id, Cumulative: st.CloseAmount, Err: err}
		}
	}()
	state := account.State()
	if s.cfg.Chain != nil {
		if state, err = s.settle(ctx, account); err != nil {
			return err
		}
	}
	if state.Phase() == channel.Closed {
		return nil
	}
	if state.Phase() != channel.Open && !state.CloseSent {
		return fmt.Errorf("%w: channel %s is %s", channel.ErrNotPayable, id, state.Phase())
	}
	p, err := s.closing(ctx, account)
	if err != nil {
		return err
	}
	// No voucher is signed for a channel that is closing, so what the close says is the last word.
	if err := account.Update(ctx, func(st rule.State) rule.State { return st.ClosingAt(st.CloseAmount) }); err != nil {
		return err
	}
	a, err = p.sendClose(ctx)
	if err != nil && !p.info.sent && !state.CloseSent {
		return errors.Join(err, account.Update(context.WithoutCancel(ctx), rule.State.CloseRefused)) // as before
	}
	outcome = Unknown
	if err != nil {
		return err // it may have arrived: the channel stays closing
	}
	if !a.ok() {
		after, chainErr := s.look(ctx, account)
		if chainErr == nil && after.Phase() == channel.Closed {
			return nil
		}
		outcome = Rejected
		if err := account.Update(ctx, rule.State.CloseRefused); err != nil {
			return err
		}
		return errors.Join(fmt.Errorf("%w; request the close on chain and withdraw", a.err(nil)), chainErr)
	}
	return s.confirmClose(ctx, account, a)
}

// closing makes the payment that carries a close: to where the channel was opened, under a challenge of the
// same terms.
func (s *Session) closing(ctx context.Context, account *ledger.Account) (*payment, error) {
	state := account.State()
	if state.URL == "" {
		return nil, fmt.Errorf("client: channel %s has no URL to close at; request the close on chain and withdraw", state.ID)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, state.URL, nil)
	if err != nil {
		return nil, err
	}
	origin, err := originOf(req.URL)
	if err != nil {
		return nil, err
	}
	p := &payment{
		s: s, out: &outgoing{req: req, base: s.cfg.Base, repeatable: true}, origin: origin,
		account: account, info: &Payment{},
	}
	for _, method := range []string{http.MethodHead, http.MethodGet} {
		req.Method = method
		status, h, err := p.out.look(ctx, state.ID.Hex())
		if err != nil {
			return nil, unwrapURL(err)
		}
		if status != http.StatusPaymentRequired {
			continue
		}
		k, err := s.recognize(req, h)
		if err != nil {
			return nil, err
		}
		if k == nil {
			continue
		}
		if err := s.place(ctx, req.URL, &k.offer); err != nil {
			return nil, err
		}
		if rule.ScopeOf(k.offer, p.origin, s.payer, s.ledger.Signer()) != state.Scope {
			return nil, fmt.Errorf("%w: %s offers other terms now than channel %s was opened for", channel.ErrOffer, p.origin, state.ID)
		}
		p.known = k
		p.absorb(ctx, account, k.offer)
		req.Method = http.MethodPost
		return p, nil
	}
	return nil, fmt.Errorf("%w: %s sends no challenge to close a channel under", ErrRejected, p.origin)
}

// maxCloses bounds how many vouchers are presented for one close, each higher than the one before.
const maxCloses = 4

// sendClose presents the close voucher, and higher ones that exist or may exist where the payee has spent more than
// we know of.
func (p *payment) sendClose(ctx context.Context) (a answer, err error) {
	var refused voucher.Amount
	for try := 1; ; try++ {
		signed, err := p.account.CloseVoucher(ctx, refused)
		if err != nil {
			if a.status != 0 && errors.Is(err, channel.ErrNotPayable) {
				return a, nil // nothing higher exists: the refusal stands
			}
			return a, err
		}
		if err := p.account.Update(ctx, func(st rule.State) rule.State { return st.ClosingAt(signed.Cumulative) }); err != nil {
			return a, err
		}
		p.info.sent = true
		a, err = p.manage(ctx, postFirst, func(k *known) (string, error) {
			return k.echo.Payload(wire.Close(p.account.ID(), wireDescriptor(p.account.State()), signed.Cumulative, signed.Signature))
		})
		if err != nil || a.ok() || try == maxCloses || a.status != http.StatusPaymentRequired {
			return a, err
		}
		refused = signed.Cumulative.Max(voucher.Units(1)) // zero would mean the first try
	}
}

// confirmClose checks the close receipt, and asks the chain.
func (s *Session) confirmClose(ctx context.Context, account *ledger.Account, a answer) error {
	state := account.State()
	receiptErr := checkCloseReceipt(state, a)
	if receiptErr == nil {
		tx := a.receipt.TxHash
		if err := account.Update(ctx, func(st rule.State) rule.State { return st.CloseAcknowledged(tx) }); err != nil {
			return err
		}
		if s.cfg.Chain == nil {
			return nil
		}
	}
	for try := 0; ; try++ {
		after, err := s.look(ctx, account)
		if err == nil && after.Phase() == channel.Closed {
			return nil
		}
		if try == 4 {
			return errors.Join(fmt.Errorf("%w: the chain does not show it yet", ErrClose), receiptErr, err)
		}
		select {
		case <-time.After(250 * time.Millisecond):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func checkCloseReceipt(state rule.State, a answer) error {
	switch r := a.receipt; {
	case r == nil || !r.Session:
		return fmt.Errorf("%w: no receipt came with it", ErrClose)
	case r.TxHash == zeroHash:
		return fmt.Errorf("%w: the receipt names no transaction", ErrClose)
	case r.Accepted != state.CloseAmount:
		return fmt.Errorf("%w: the receipt says %s was accepted, sent was %s", ErrClose, r.Accepted, state.CloseAmount)
	case state.CloseAmount.Less(r.Spent):
		return fmt.Errorf("%w: the receipt says %s was spent, more than the %s sent", ErrClose, r.Spent, state.CloseAmount)
	}
	return nil
}

// RequestClose begins to close a channel without the payee: it sends the request to the chain and waits
// for it to be mined. [escrow.GracePeriod] later [Session.Withdraw] brings back what the payee has not
// settled by then. The errors are those of [escrow.Client.RequestClose].
func (s *Session) RequestClose(ctx context.Context, id common.Hash) error {
	return s.force(ctx, "request close", journal.KindRequestClose, id, (*escrow.Client).RequestClose)
}

// Withdraw ends a channel whose close was requested [escrow.GracePeriod] ago. The errors are those of
// [escrow.Client.Withdraw].
func (s *Session) Withdraw(ctx context.Context, id common.Hash) error {
	return s.force(ctx, "withdraw", journal.KindWithdraw, id, (*escrow.Client).Withdraw)
}

func (s *Session) force(ctx context.Context, op string, kind journal.Kind, id common.Hash, send func(*escrow.Client, context.Context, escrow.CloseParams) (escrow.Receipt, error)) error {
	account, err := s.ledger.Account(ctx, id)
	if err != nil {
		return err
	}
	state := account.State()
	fail := func(err error) *Error {
		outcome := Refused
		switch {
		case errors.Is(err, escrow.ErrUnconfirmed):
			outcome = Unknown
		case errors.Is(err, escrow.ErrReverted), errors.Is(err, escrow.ErrExpired), errors.Is(err, escrow.ErrNotSent):
			outcome = Rejected
		}
		return &Error{Op: op, Outcome: outcome, Origin: state.Scope.Origin, ChannelID: id, Err: err}
	}
	switch {
	case s.cfg.Chain == nil:
		return fail(ErrNoChain)
	case s.cfg.Payer == nil:
		return fail(ErrNoPayer)
	}
	start := time.Now()
	sent, err := send(s.cfg.Chain, ctx, escrow.CloseParams{
		Protocol: state.Protocol, ChainID: state.ChainID, Escrow: state.Escrow, Payer: s.cfg.Payer, Descriptor: state.Descriptor, ChannelID: id,
	})
	line := journal.Entry{Kind: kind, Transaction: sent.TxHash, Outcome: string(Accepted), Start: start}
	if err != nil {
		failed := fail(err)
		if line.Outcome = string(failed.Outcome); failed.Outcome != Refused {
			s.recordEnd(ctx, state, line)
		}
		return failed
	}
	s.recordEnd(ctx, state, line)
	if _, err := s.look(ctx, account); err != nil {
		return &Error{Op: op, Outcome: Accepted, Origin: state.Scope.Origin, ChannelID: id, Err: fmt.Errorf("it was mined, but the chain could not be read again: %w", err)}
	}
	return nil
}
