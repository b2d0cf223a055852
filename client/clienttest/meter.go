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

// ErrUnpaid means that a stream asked for a voucher and did not get it within [Config.VoucherWait].
var ErrUnpaid = errors.New("clienttest: no voucher for the next unit in time")

// Meter writes and charges one paid event stream. It is not safe for concurrent use.
type Meter struct {
	x    *paidRequest
	ctx  context.Context
	flat bool // the unit is the whole stream

	prepaid  bool           // the first unit is paid and unused
	paid     bool           // the flat unit was charged
	reserved voucher.Amount // for the next message
	units    uint64         // likewise
	messages int
}

// Charge reserves units at the price of the terms. It waits until vouchers cover them and sends a
// need-voucher frame; it sends another one if other requests use up the credit. Reserved units are
// charged with the next Send or Raw, or at the end of a stream without error. The unit that a GET
// has paid in advance is used first. The errors are [ErrUnpaid], that of a closed or forgotten
// channel, and that of the context.
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

// ChargeAmount is like Charge for an amount in base units, which counts as one unit. It does not
// use the unit that was paid in advance.
func (m *Meter) ChargeAmount(amount voucher.Amount) error { return m.reserve(amount, 1) }

// reserve waits for credit and reserves it.
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

// tryReserve reserves the amount. If there is not enough credit, it returns a channel to wait for,
// the required voucher, and the content of the need-voucher frame.
func (m *Meter) tryReserve(
	amount voucher.Amount,
	units uint64,
) (changed <-chan struct{}, required voucher.Amount, need message.Document, err error) {
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

// needVoucher returns a need-voucher frame, after the lies.
func (m *Meter) needVoucher(need message.Document) []byte {
	m.lieInNeed(need)
	return needFrame(need)
}

func needFrame(need message.Document) []byte {
	text, _ := json.Marshal(need) // cannot fail for strings
	return message.Event("payment-need-voucher", string(text))
}

// need returns the content of a need-voucher frame. The caller holds the book's mutex.
func (a *account) need(required voucher.Amount) message.Document {
	return message.Document{
		"channelId":          a.id.Hex(),
		"requiredCumulative": required.String(),
		"acceptedCumulative": a.accepted.String(),
		"deposit":            a.deposit.String(),
	}
}

// commit charges the reserved amount or releases it.
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

// Send sends one message event. Each line of data becomes a data line, so that data cannot forge an
// event.
func (m *Meter) Send(data string) error { return m.Raw(message.Event("message", data)) }

// Raw sends bytes unchanged. They count as one message.
func (m *Meter) Raw(frames []byte) error {
	if err := m.ctx.Err(); err != nil {
		return err // do not charge what the client cannot receive
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

// write sends bytes at once.
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

// stream serves an event stream: the output of run and a receipt at the end. If run returns an
// error other than ErrUnpaid, the connection is cut instead.
func (x *paidRequest) stream(run func(m *Meter, r *http.Request) error) {
	m := &Meter{x: x, ctx: x.r.Context(), prepaid: x.prepaid, flat: x.t.Unit == "request"}
	h := x.w.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("Cache-Control", "no-cache, no-transform")
	defer func() { _ = m.commit(false) }() // also if the connection is cut
	// After the header was sent, net/http does not allow reading the body, and before the body was
	// read it does not notice that the client disconnects.
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
		final := string(x.receiptOf(x.credential.Challenge.ID, x.taken, x.tx))
		_ = m.write(message.Event("payment-receipt", final))
	}
}
