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

// Bounds of the second tries of a stream. Each is for a case that an honest payee can bring about.
const (
	// maxIdleAsks is how often a stream may require more than is signed without an event in between.
	maxIdleAsks = 4
	// maxRepeats is how often it may do so for what is signed already: requests of the same channel use
	// up what was meant for each other.
	maxRepeats = 256
	// maxYields is how often such a stream waits for the others, before it asks for more itself, and
	// maxLastYields before it ends because it may ask for no more: they go on meanwhile, and ask.
	maxYields     = 12
	maxLastYields = 96
	// maxStreamTries bounds how often one need-voucher frame is tried again after a top-up.
	maxStreamTries = 4
	// maxStreamWaits bounds how often it waits for other requests of the channel, maxHurries how often
	// an overtaken voucher is replaced without waiting.
	maxStreamWaits = 16
	maxHurries     = 4
)

// frame answers one payment frame. It is called by Read; an error ends the stream.
func (m *meter) frame(name string, data []byte) error {
	if name == sse.Receipt {
		m.receipt(data)
		return nil
	}
	n, err := wire.ParseNeedVoucher(data)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrStream, err)
	}
	return m.need(n)
}

// receipt books a receipt frame. One that is not for this stream is ignored.
func (m *meter) receipt(data []byte) {
	r, err := receipt.ParseFrame(data)
	if err == nil && r.Session && r.ChallengeID == m.opened {
		r.ChallengeID = m.a.challenge.wire.ID // the stream's own challenge, refreshed since for its vouchers
	}
	if m.a.checkReceipt(m.ctx, r, err) == nil {
		return
	}
	m.acknowledged()
	m.final = &r
	m.book(&r)
	m.notice(StreamEvent{Receipt: &r})
}

// book books a receipt that came while the stream goes on.
func (m *meter) book(r *receipt.Receipt) {
	m.a.info.mu.Lock()
	m.a.info.receipt = r
	m.a.info.mu.Unlock()
	if !r.Session {
		return
	}
	if err := m.a.account.Reconcile(m.ctx, m.a.reserved, channel.Report{Accepted: r.Accepted, Spent: r.Spent, Units: r.Units}); err != nil {
		m.a.reportViolation(m.ctx, err)
	}
}

// acknowledged books an opening that this stream carried: its answer has no receipt header, so the
// first sign that the payee holds the channel is a voucher that it accepts, or a receipt frame.
func (m *meter) acknowledged() {
	if m.a.decision.Carrying {
		m.a.decision.Carrying = false
		m.a.acknowledge(m.ctx)
	}
}

// need answers a need-voucher frame in three steps: guard, obtain the voucher, deliver it.
func (m *meter) need(n wire.NeedVoucher) error {
	m.disarm()
	if err := m.guard(n); err != nil {
		return err
	}
	reserved := m.a.reserved
	before := reserved.Price()
	defer func() {
		if before.Less(reserved.Price()) {
			m.asks.raised++
		} else {
			m.asks.repeats++
		}
	}()
	for tries, waits := 0, 0; tries < maxStreamTries && waits < maxStreamWaits; {
		step, err := m.satisfy(n, before)
		switch {
		case err != nil:
			return err
		case step == done:
			m.owe()
			return nil
		case step == overtaken && waits < maxHurries:
			waits++
		case step == waitForOthers, step == overtaken:
			if waits++; waits < maxStreamWaits {
				err = pause(m.ctx, waits)
			}
		default:
			tries++
		}
		if err != nil {
			return err
		}
	}
	return fmt.Errorf("%w: the payee does not accept the voucher that it asked for", ErrRejected)
}

// satisfy obtains the voucher and delivers it, unless the payee has taken enough since it asked and
// nothing more was reserved. before is what was reserved when the frame came.
func (m *meter) satisfy(n wire.NeedVoucher, before voucher.Amount) (step, error) {
	taken := func() bool { return !m.a.account.Taken().Less(n.Required) }
	signed, next, err := m.obtain(n)
	switch {
	case err != nil || next != deliverIt:
		return next, err
	case taken() && !before.Less(m.a.reserved.Price()):
		return done, nil
	}
	if next, err = m.deliver(signed); next == overtaken && taken() {
		next = done // by a higher one, which another request presented
	}
	return next, err
}

// guard refuses a frame for another channel, and a stream that asks without delivering. A stream whose
// voucher was used up by others first waits for them.
func (m *meter) guard(n wire.NeedVoucher) error {
	if n.ChannelID != m.a.account.ID() {
		return fmt.Errorf("%w: it is for channel %s, the stream is paid from %s", ErrStream, n.ChannelID, m.a.account.ID())
	}
	if now := m.filter.Events(); now != m.asks.events {
		m.asks = askCounter{events: now}
	}
	short := func() bool { return m.a.account.State().Signed.Less(n.Required) }
	most := maxYields
	if m.asks.raised >= maxIdleAsks {
		most = maxLastYields
	}
	for yields := 1; m.asks.raised > 0 && yields <= most && short() && !m.a.reserved.Alone(); yields++ {
		if err := pause(m.ctx, yields); err != nil {
			return err
		}
	}
	if (m.asks.raised >= maxIdleAsks && short()) || m.asks.repeats >= maxRepeats {
		return fmt.Errorf("%w: it requested %d vouchers in a row without delivering an event", ErrStream, m.asks.raised+m.asks.repeats+1)
	}
	return nil
}

// step is what a need-voucher frame does next.
type step uint8

const (
	deliverIt     step = iota // deliver the voucher
	done                      // the payee has it
	tryAgain                  // obtain a voucher again
	overtaken                 // a higher voucher came first: present the highest
	waitForOthers             // wait for other requests, then obtain a voucher again
)

// obtain gets the voucher that exists or a new one from the gate, and raises the deposit if it is too
// small.
func (m *meter) obtain(n wire.NeedVoucher) (voucher.Signed, step, error) {
	reserved := m.a.reserved
	signed, err := reserved.More(m.ctx, n.Required)
	var desync *channel.DesyncError
	switch {
	case err == nil:
		return signed, deliverIt, nil
	case errors.Is(err, channel.ErrDeposit):
		return signed, tryAgain, m.topUp(n.Required)
	case errors.As(err, &desync) && !reserved.Alone():
		// What is missing may be another stream's next piece, which the payee has set aside already.
		return signed, waitForOthers, nil
	}
	return signed, done, err
}

// deliver presents the voucher beside the stream.
func (m *meter) deliver(signed voucher.Signed) (step, error) {
	a := m.a
	a.signed = signed
	var got answer
	err := m.bounded(func() (err error) {
		got, err = a.manage(m.ctx, a.voucherMethods(), func(c *challenge) (string, error) {
			return c.echo.Payload(wire.Voucher(a.account.ID(), wireDescriptor(a.account.State()), signed.Cumulative, signed.Signature))
		})
		return err
	})
	state := a.account.State()
	switch {
	case err != nil:
		return done, err
	case got.ok():
		m.accepted(signed, got)
		return done, nil
	case signed.Cumulative.Less(state.Signed):
		return overtaken, nil
	case got.problem.Code == wire.ProblemAmountExceedsDeposit:
		_, err := a.s.sync(m.ctx, a.account, syncOptions{})
		return tryAgain, err
	case got.equalRefused() && (!a.account.Taken().Less(signed.Cumulative) || !a.reserved.Alone()):
		return done, nil // the payee has it from another request, and accepts no voucher twice
	}
	m.problem = got.problem.Name()
	return done, got.err(nil)
}

// accepted books that the payee accepted a voucher.
func (m *meter) accepted(signed voucher.Signed, got answer) {
	a := m.a
	m.acknowledged()
	a.account.Took(signed.Cumulative)
	a.last.cumulative, a.last.signature = signed.Cumulative, signed.Signature // for evidence
	if got.receipt != nil && got.receipt.Session {
		m.book(got.receipt)
	}
	m.notice(StreamEvent{Cumulative: signed.Cumulative, Receipt: got.receipt})
	state := a.account.State()
	a.s.tell(m.ctx, Event{
		Kind: EventVoucher, Origin: a.origin.Text, ChannelID: state.ID, Price: a.reserved.Price(), Cumulative: signed.Cumulative,
		Deposit: state.Deposit, Outcome: OutcomeAccepted, Status: got.status, Receipt: got.receipt,
	})
}
