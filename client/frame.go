package client

import (
	"errors"
	"fmt"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/sse"
	"github.com/seed-5fe1f529/tallystick/internal/wire"
	"github.com/seed-5fe1f529/tallystick/receipt"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// frame answers one payment frame. An error ends the stream.
func (m *meter) frame(name string, data []byte) error {
	switch name {
	case sse.Receipt:
		m.receipt(data)
		return nil
	default:
		n, err := wire.ParseNeedVoucher(data)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrStream, err)
		}
		return m.need(n)
	}
}

// receipt books a receipt frame. One that is not for this stream counts for nothing.
func (m *meter) receipt(data []byte) {
	r, err := receipt.ParseFrame(data)
	if err == nil && r.Session && r.ChallengeID == m.challenges[0] {
		r.ChallengeID = m.p.known.challenge.ID // the stream's own challenge, refreshed since for its vouchers
	}
	if err == nil {
		err = m.p.bound(r)
	}
	if err != nil {
		m.p.tellViolation(m.ctx, err)
		return
	}
	m.acknowledged()
	m.p.info.setReceipt(r)
	m.final = &r
	m.notice(StreamEvent{Kind: StreamReceipt, Receipt: &r})
	if r.Session {
		if err := m.p.account.Reconcile(m.ctx, m.p.claim, word(r)); err != nil {
			m.p.tellViolation(m.ctx, err)
		}
	}
}

// acknowledged books an opening that this stream carried: its answer has no receipt header, so the first sign
// that the payee holds the channel is a voucher that it takes, or a receipt frame.
func (m *meter) acknowledged() {
	if m.p.openTx != nil {
		m.p.opened(m.ctx)
	}
}

// need answers a need-voucher frame: by the voucher that exists, by a new one, or by a top-up and then a
// voucher.
func (m *meter) need(n wire.NeedVoucher) error {
	p := m.p
	if n.ChannelID != p.account.ID() {
		return fmt.Errorf("%w: it is for channel %s, the stream is paid from %s", ErrStream, n.ChannelID, p.account.ID())
	}
	if now := m.filter.Events(); now != m.events {
		m.events, m.asks, m.repeats = now, 0, 0
	}
	before := p.claim.Price()
	defer func() {
		if before.Less(p.claim.Price()) {
			m.asks++
		} else {
			m.repeats++
		}
	}()
	p.overtaken = 0
	for m.asks > 0 && p.overtaken < maxYields && p.account.State().Signed.Less(n.Required) && !p.claim.Alone() {
		// Another stream took what this one asked for; it is about to ask for its own.
		if err := p.stepAside(m.ctx); err != nil {
			return err
		}
	}
	if (m.asks >= maxIdleAsks && p.account.State().Signed.Less(n.Required)) || m.repeats >= maxRepeats {
		return fmt.Errorf("%w: it asked for %d vouchers in a row and brought nothing", ErrStream, m.asks+m.repeats+1)
	}
	p.overtaken = 0
	for tries := 0; tries < maxStreamTries && p.overtaken < maxOvertaken; {
		signed, err := p.claim.More(m.ctx, n.Required)
		if errors.Is(err, channel.ErrDeposit) {
			if err = m.topUp(n.Required); err != nil {
				return err
			}
			tries++
			continue
		}
		if desync := (*channel.DesyncError)(nil); errors.As(err, &desync) && !p.claim.Alone() {
			// What is missing may be another stream's next piece, which the payee has set aside already.
			if err := p.stepAside(m.ctx); err != nil {
				return err
			}
			if p.overtaken < maxOvertaken {
				continue
			}
		}
		if err != nil {
			return err
		}
		m.stall.Reset(p.s.cfg.Stall)
		again, err := m.present(signed)
		switch {
		case err != nil:
			return err
		case !again:
			m.owing = true
			m.stall.Reset(p.s.cfg.Stall)
			return nil
		}
		m.stall.Stop()
		if signed.Cumulative.Less(p.account.State().Signed) {
			if err := p.stepAside(m.ctx); err != nil {
				return err
			}
		} else {
			tries++
		}
	}
	return fmt.Errorf("%w: the payee does not take the voucher that it asked for", ErrRejected)
}

// present hands the voucher over beside the stream. again says that a higher one exists by now.
func (m *meter) present(signed voucher.Signed) (again bool, err error) {
	p := m.p
	p.signed = signed
	a, err := p.manage(m.ctx, p.order(), func(k *known) (string, error) {
		return k.echo.Payload(wire.Voucher(p.account.ID(), wireDescriptor(p.account.State()), signed.Cumulative, signed.Signature))
	})
	state := p.account.State()
	switch {
	case err != nil:
		return false, err
	case a.ok():
		m.acknowledged()
		p.account.Took(signed.Cumulative)
		if a.receipt != nil && a.receipt.Session {
			p.info.setReceipt(*a.receipt)
			if err := p.account.Reconcile(m.ctx, p.claim, word(*a.receipt)); err != nil {
				p.tellViolation(m.ctx, err)
			}
		}
		m.notice(StreamEvent{Kind: StreamVoucher, Cumulative: signed.Cumulative, Receipt: a.receipt})
		p.s.tell(m.ctx, Event{Kind: EventVoucher, Origin: p.origin, ChannelID: state.ID, Price: p.claim.Price(), Cumulative: signed.Cumulative, Deposit: state.Deposit, Outcome: Accepted, Status: a.status, Receipt: a.receipt})
		return false, nil
	case signed.Cumulative.Less(state.Signed):
		return true, nil // another request's voucher came first; present the highest
	case a.problem.Code == wire.ProblemAmountExceedsDeposit:
		_, err := p.s.settle(m.ctx, p.account)
		return true, err
	case a.equalRefused() && (!p.account.Taken().Less(signed.Cumulative) || !p.claim.Alone()):
		return false, nil // the payee has it from another request, and takes no voucher twice
	}
	m.problem = a.problem.Name()
	return false, a.err(nil)
}

// topUp puts more into the channel while the stream waits. required was found to be within what we agreed
// to, and the deposit too small for it.
func (m *meter) topUp(required voucher.Amount) error {
	p := m.p
	need := ask(p.known.offer)
	need.Floor = required
	return p.topUp(m.ctx, p.account, need, p.account.State)
}
