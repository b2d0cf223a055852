package lies

import (
	"bytes"
	"errors"
	"strings"
	"time"

	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/hook"
	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/message"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Lies of streams, most of them before the content.
const (
	// StreamMarch asks for one unit more again and again, and delivers nothing.
	StreamMarch Lie = "stream-march"
	// StreamTrickle asks for one unit more again and again, and delivers an empty event for each.
	StreamTrickle Lie = "stream-trickle"
	// StreamComments asks for one unit more again and again, and delivers a comment for each.
	StreamComments Lie = "stream-comments"
	// StreamRepeats asks ten thousand times for the voucher that it has.
	StreamRepeats Lie = "stream-repeats"
	// StreamSilent asks for a voucher, gets it, and sends nothing more.
	StreamSilent Lie = "stream-silent"
	// StreamPings asks for a voucher, gets it, and sends comments without end.
	StreamPings Lie = "stream-pings"
	// StreamCut cuts the connection after one event that was paid for.
	StreamCut Lie = "stream-cut"
	// StreamBytes sends everything byte by byte.
	StreamBytes Lie = "stream-bytes"
	// StreamFlood sends ten thousand empty events first.
	StreamFlood Lie = "stream-flood"
	// StreamEmpty ends at once without an event.
	StreamEmpty Lie = "stream-empty"
	// StreamLine sends a payment frame of sixteen megabytes without a line end.
	StreamLine Lie = "stream-line"
	// StreamName sends an event name of sixteen megabytes.
	StreamName Lie = "stream-name"
	// StreamQuotes sends a message whose text looks like a need-voucher frame.
	StreamQuotes Lie = "stream-quotes"
	// StreamReceipts sends a hundred receipts first that report a million as accepted and spent.
	StreamReceipts Lie = "stream-receipts"
	// StreamReceiptFlood sends twenty thousand such receipts.
	StreamReceiptFlood Lie = "stream-receipt-flood"
	// StreamEarlyReceipt sends a receipt first that reports that nothing was spent.
	StreamEarlyReceipt Lie = "stream-early-receipt"
	// StreamMixed sends an event with two names; the second asks for a voucher of a million.
	StreamMixed Lie = "stream-mixed"
)

var streamTable = table{
	StreamMarch:    {Stream: march("")},
	StreamTrickle:  {Stream: march("data:\n\n")},
	StreamComments: {Stream: march(": patience\n\n")},
	StreamRepeats: {Stream: func(m hook.Stream) error {
		for range 10_000 {
			if err := m.Demand(m.Accepted()); err != nil {
				return err
			}
		}
		return errCut
	}},
	StreamSilent: {Stream: func(m hook.Stream) error {
		if err := m.Demand(m.Accepted().AddCapped(m.Price())); err != nil {
			return err
		}
		<-m.Context().Done()
		return m.Context().Err()
	}},
	StreamPings: {Stream: func(m hook.Stream) error {
		err := m.Demand(m.Accepted().AddCapped(m.Price()))
		for err == nil && m.Sleep(10*time.Millisecond) {
			err = m.Send([]byte(": ping\n\n"))
		}
		return errors.Join(err, errCut)
	}},
	StreamCut: {Stream: func(m hook.Stream) error {
		return errors.Join(m.Send(message.Event("message", "one")), errCut)
	}},
	StreamBytes: {Pieces: func(frame string) []string { return strings.Split(frame, "") }},
	StreamFlood: sends(
		func(hook.Stream) []byte { return []byte(strings.Repeat("data:\n\n", 10_000)) },
	),
	StreamEmpty: {Stream: func(hook.Stream) error { return hook.ErrEnd }},
	StreamLine: {Stream: func(m hook.Stream) error {
		return errors.Join(sendHuge(m, needPrefix+"data: "), errCut)
	}},
	StreamName: {Stream: func(m hook.Stream) error {
		return errors.Join(sendHuge(m, "event: payment-"), m.Send([]byte("\ndata: x\n\n")))
	}},
	StreamQuotes: sends(func(hook.Stream) []byte {
		return message.Event("message", "\n"+needPrefix+"data: {}\n")
	}),
	StreamReceipts: sends(func(m hook.Stream) []byte {
		return bytes.Repeat(m.ReceiptFrame(million, million), 100)
	}),
	StreamReceiptFlood: sends(func(m hook.Stream) []byte {
		return bytes.Repeat(m.ReceiptFrame(million, million), 20_000)
	}),
	StreamEarlyReceipt: sends(func(m hook.Stream) []byte {
		return m.ReceiptFrame(voucher.Amount{}, voucher.Amount{})
	}),
	StreamMixed: sends(func(m hook.Stream) []byte {
		return append([]byte("event: message\n"), m.NeedFrame(million)...)
	}),
}

var million = voucher.Units(1_000_000)

// errCut cuts a stream.
var errCut = errors.New("clienttest: the stream is cut")

// sends sends one frame before the content.
func sends(frame func(hook.Stream) []byte) hook.Hooks {
	return hook.Hooks{Stream: func(m hook.Stream) error { return m.Send(frame(m)) }}
}

// march asks for one unit more than the stream has, without end, and sends frame for each.
func march(frame string) func(hook.Stream) error {
	return func(m hook.Stream) error {
		for {
			if err := m.Demand(m.Accepted().AddCapped(m.Price())); err != nil {
				return err
			}
			if frame == "" {
				continue
			}
			if err := m.Send([]byte(frame)); err != nil {
				return err
			}
		}
	}
}

// sendHuge sends sixteen megabytes without a line end after begin.
func sendHuge(m hook.Stream, begin string) error {
	if err := m.Send([]byte(begin)); err != nil {
		return err
	}
	for range 256 {
		if err := m.Send([]byte(strings.Repeat("x", 64<<10))); err != nil {
			return err
		}
	}
	return nil
}
