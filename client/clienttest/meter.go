package clienttest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/hook"
	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/message"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// ErrUnpaid means that a stream asked for a voucher and got none in time ([Config.VoucherWait]).
var ErrUnpaid = errors.New("clienttest: no voucher came for the next unit")

// Meter is one paid event stream. It belongs to one goroutine.
type Meter struct {
	x    *paidRequest
	ctx  context.Context
	flat bool // the unit is the whole stream

	prepaid  bool           // the first unit is paid and not used yet
	paid     bool           // the flat unit is charged for
	reserved voucher.Amount // for the next message
	units    uint64         // likewise
	messages int
}

// Charge reserves units at the price of the terms and waits until vouchers cover them; meanwhile it
// asks the client with one need-voucher frame, and with another where other requests on the channel
// use up what came. What is reserved is charged with the next Send or Raw, or when the stream ends
// well. The unit that a GET has paid in advance is used first. The errors are [ErrUnpaid], one of a
// channel that was closed or forgotten, and the context's.
func (m *Meter) Charge(units uint64) error {
	if m.flat {
		if m.paid || units == 0 {
			return nil
		}
		m.paid, units = true, 1
	}
	if m.prepaid && units > 0 {
		m.prepaid = false
		units--
	}
	amount, err := m.x.t.Price.Mul(units)
	if err != nil {
		return err
	}
	return m.reserve(amount, units)
}

// ChargeAmount is Charge for an amount in base units that is no multiple of the price. It counts as
// one unit, and leaves the unit that was paid in advance alone.
func (m *Meter) ChargeAmount(amount voucher.Amount) error { return m.reserve(amount, 1) }

// reserve waits for credit and sets it aside.
func (m *Meter) reserve(amount voucher.Amount, units uint64) error {
	if units == 0 {
		return nil
	}
	timeout := time.NewTimer(m.x.s.cfg.VoucherWait)
	defer timeout.Stop()
	for asked := (voucher.Amount{}); ; {
		changed, required, need, err := m.tryReserve(amount, units)
		if changed == nil {
			return err
		}
		if asked.Less(required) && !m.x.fault.SwallowNeedVoucher {
			if err := m.write(m.needVoucher(need)); err != nil {
				return err
			}
			asked = required
		}
		select {
		case <-changed:
		case <-timeout.C:
			return ErrUnpaid
		case <-m.ctx.Done():
			return m.ctx.Err()
		}
	}
}

// tryReserve sets the amount aside, or returns what to wait for, how much is needed and what the
// need-voucher frame reports.
func (m *Meter) tryReserve(amount voucher.Amount, units uint64) (changed <-chan struct{}, required voucher.Amount, need message.Document, err error) {
	book := &m.x.s.book
	book.mu.Lock()
	defer book.mu.Unlock()
	a := m.x.account
	if err := a.open(); err != nil {
		return nil, required, nil, err
	}
	if !a.credit().Less(amount) {
		a.reserved = a.reserved.AddCapped(amount)
		m.reserved, m.units = m.reserved.AddCapped(amount), m.units+units
		return nil, required, nil, nil
	}
	required = a.spent.AddCapped(a.reserved).AddCapped(amount)
	return a.changed, required, a.need(required), nil
}

// needVoucher returns the frame that asks for a voucher.
func (m *Meter) needVoucher(need message.Document) []byte {
	m.lieInNeed(need)
	return needFrame(need)
}

func needFrame(need message.Document) []byte {
	text, _ := json.Marshal(need) // cannot fail for strings
	return message.Event("payment-need-voucher", string(text))
}

// need returns what a need-voucher frame reports. The caller holds the book's mutex.
func (a *account) need(required voucher.Amount) message.Document {
	return message.Document{
		"channelId":          a.id.Hex(),
		"requiredCumulative": required.String(),
		"acceptedCumulative": a.accepted.String(),
		"deposit":            a.deposit.String(),
	}
}

// commit charges what is reserved, or gives it back.
func (m *Meter) commit(charge bool) error {
	book := &m.x.s.book
	book.mu.Lock()
	defer book.mu.Unlock()
	a := m.x.account
	amount, units := m.reserved, m.units
	m.reserved, m.units = voucher.Amount{}, 0
	a.reserved = a.reserved.SubFloor(amount)
	if !charge || units == 0 {
		return nil
	}
	if err := a.open(); err != nil {
		return err
	}
	a.charge(amount, units)
	return nil
}

// Send sends one message event. Each line of data is a data line, so that data cannot forge an
// event.
func (m *Meter) Send(data string) error { return m.Raw(message.Event("message", data)) }

// Raw sends bytes as they are. They count as one message.
func (m *Meter) Raw(frames []byte) error {
	if err := m.ctx.Err(); err != nil {
		return err // what the client cannot get any more is not charged
	}
	if err := m.commit(true); err != nil {
		return err
	}
	if err := m.write(frames); err != nil {
		return err
	}
	if m.messages++; m.messages == m.x.fault.CutAfter {
		panic(http.ErrAbortHandler)
	}
	return nil
}

// write puts bytes on the wire at once.
func (m *Meter) write(frame []byte) error {
	if m.x.w.lose {
		panic(http.ErrAbortHandler)
	}
	for _, piece := range m.lieInPieces(string(frame)) {
		if _, err := io.WriteString(m.x.w, piece); err != nil {
			return err
		}
		if err := http.NewResponseController(m.x.w).Flush(); err != nil {
			return err
		}
	}
	return nil
}

// stream serves an exchange as an event stream: what run sends, and a receipt at the end. Where run
// fails, other than for want of a voucher, the connection is cut instead.
func (x *paidRequest) stream(run func(m *Meter, r *http.Request) error) {
	m := &Meter{x: x, ctx: x.r.Context(), prepaid: x.prepaid, flat: x.t.Unit == "request"}
	h := x.w.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("Cache-Control", "no-cache, no-transform")
	defer func() { _ = m.commit(false) }() // also when the connection is cut
	// Once the header has left, net/http lets nobody read the body; and it sees a client go away
	// only after the body was read.
	body, err := io.ReadAll(io.LimitReader(x.r.Body, maxEcho))
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	x.r.Body = io.NopCloser(bytes.NewReader(body))
	if err := m.write(nil); err != nil {
		return
	}
	err = m.lieInStream()
	if err == nil {
		err = run(m, x.r)
	}
	if err == nil {
		err = m.commit(true)
	}
	if err != nil && !errors.Is(err, ErrUnpaid) && !errors.Is(err, hook.ErrEnd) {
		panic(http.ErrAbortHandler)
	}
	_ = x.settleUp(false)
	if x.s.cfg.Receipts != NoReceipts {
		_ = m.write(message.Event("payment-receipt", string(x.receiptOf(x.credential.Challenge.ID, x.taken, x.tx))))
	}
}
