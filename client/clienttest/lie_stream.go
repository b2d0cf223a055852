package clienttest

import (
	"encoding/json"
	"errors"
	"strings"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Lies in need-voucher frames that are due.
var (
	NeedAll       = lie("need-all", "A stream that needs one unit requires all of the deposit.", needs(func(d document) { d["requiredCumulative"] = d["deposit"] }))
	NeedMax       = lie("need-max", "A stream that needs one unit requires all that can be written down.", needs(func(d document) { d["requiredCumulative"] = voucher.V2.Max().String() }))
	NeedLess      = lie("need-less", "A stream that needs one unit requires nothing.", needs(func(d document) { d["requiredCumulative"] = "0" }))
	NeedOther     = lie("need-other", "A stream asks for a voucher of another channel.", needs(func(d document) { d["channelId"] = madeUp("channel").Hex() }))
	NeedPoor      = lie("need-poor", "A stream that asks for a voucher says that the deposit is one base unit.", needs(func(d document) { d["deposit"] = "1" }))
	NeedRich      = lie("need-rich", "A stream that asks for a voucher says that the deposit is without end.", needs(func(d document) { d["deposit"] = voucher.V2.Max().String() }))
	NeedAccepted  = lie("need-accepted", "A stream that asks for a voucher says that all of the deposit was accepted.", needs(func(d document) { d["acceptedCumulative"] = d["deposit"] }))
	NeedForgot    = lie("need-forgot", "A stream that asks for a voucher says that none was accepted so far.", needs(func(d document) { d["acceptedCumulative"] = "0" }))
	NeedNegative  = lie("need-negative", "A stream requires less than nothing.", needs(func(d document) { d["requiredCumulative"] = "-10" }))
	NeedHex       = lie("need-hex", "A stream requires a hexadecimal amount.", needs(func(d document) { d["requiredCumulative"] = "0xff" }))
	NeedHalf      = lie("need-half", "A stream asks for a voucher and does not say of how much.", needs(func(d document) { delete(d, "requiredCumulative") }))
	NeedOfAnother = lie("need-of-another", "A stream asks for a voucher of somebody else's channel, or of an older one.", deed{need: func(m *Meter, d document) {
		if b := m.x.s.book.other(m.x.account); b != nil {
			d["channelId"] = b.id.Hex()
		}
	}})
	NeedLines  = lie("need-lines", "A frame that asks for a voucher has its JSON on several lines.", needFrames(func(text string) string { return strings.ReplaceAll(text, `,"`, ",\ndata: \"") }))
	NeedDouble = lie("need-double", "A frame that asks for a voucher has one number twice, and they differ.", needFrames(func(text string) string {
		return strings.Replace(text, `{"`, `{"requiredCumulative":"1","`, 1)
	}))
	NeedHuge = lie("need-huge", "A frame that asks for a voucher is a megabyte long.", needs(func(d document) { d["comment"] = strings.Repeat("x", 1<<20) }))
)

// needFrames changes the text of frames that ask for a voucher.
func needFrames(change func(string) string) deed {
	return deed{pieces: func(frame string) []string {
		if strings.HasPrefix(frame, "event: payment-need-voucher\n") {
			frame = change(frame)
		}
		return []string{frame}
	}}
}

func needs(change func(document)) deed {
	return deed{need: func(_ *Meter, d document) { change(d) }}
}

// Lies of streams, before their content.
var (
	StreamMarch = lie("stream-march", "A stream asks for one unit more, again and again, and delivers nothing.", streams(func(m *Meter) error {
		return m.march(func() error { return nil })
	}))
	StreamTrickle = lie("stream-trickle", "A stream asks for one unit more, again and again, and delivers an empty event for each.", streams(func(m *Meter) error {
		return m.march(func() error { return m.write([]byte("data:\n\n")) })
	}))
	StreamComments = lie("stream-comments", "A stream asks for one unit more, again and again, and delivers a comment for each.", streams(func(m *Meter) error {
		return m.march(func() error { return m.write([]byte(": patience\n\n")) })
	}))
	StreamRepeats = lie("stream-repeats", "A stream asks ten thousand times for the voucher that it has.", streams(func(m *Meter) error {
		for range 10_000 {
			if err := m.demand(m.had()); err != nil {
				return err
			}
		}
		return errCut
	}))
	StreamSilent = lie("stream-silent", "A stream asks for a voucher, gets it, and says nothing more.", streams(func(m *Meter) error {
		if err := m.demand(m.had().AddCapped(m.x.t.Price)); err != nil {
			return err
		}
		<-m.ctx.Done()
		return m.ctx.Err()
	}))
	StreamCut = lie("stream-cut", "A stream is cut after one event that was paid for.", streams(func(m *Meter) error {
		return errors.Join(m.write(event("message", "one")), errCut)
	}))
	StreamBytes = lie("stream-bytes", "All that a stream sends comes byte by byte.", deed{pieces: func(frame string) []string { return strings.Split(frame, "") }})
	StreamFlood = lie("stream-flood", "A stream begins with ten thousand empty events, which nobody asked for.", streams(func(m *Meter) error {
		return m.write([]byte(strings.Repeat("data:\n\n", 10_000)))
	}))
	StreamEmpty = lie("stream-empty", "A stream ends at once, without an event.", streams(func(*Meter) error { return ErrUnpaid }))
	StreamLine  = lie("stream-line", "A stream has a payment frame of sixteen megabytes without a line end.", streams(func(m *Meter) error {
		if err := m.write([]byte("event: payment-need-voucher\ndata: ")); err != nil {
			return err
		}
		for range 256 {
			if err := m.write([]byte(strings.Repeat("x", 64<<10))); err != nil {
				return err
			}
		}
		return errCut
	}))
	StreamName = lie("stream-name", "A stream has an event name of sixteen megabytes.", streams(func(m *Meter) error {
		if err := m.write([]byte("event: payment-")); err != nil {
			return err
		}
		for range 256 {
			if err := m.write([]byte(strings.Repeat("x", 64<<10))); err != nil {
				return err
			}
		}
		return m.write([]byte("\ndata: x\n\n"))
	}))
	StreamQuotes = lie("stream-quotes", "The text of a message looks like a need-voucher frame.", streams(func(m *Meter) error {
		return m.write(event("message", "\nevent: payment-need-voucher\ndata: {}\n"))
	}))
	StreamReceipts = lie("stream-receipts", "A stream begins with a hundred receipts for everything.", streams(func(m *Meter) error {
		for range 100 {
			f := figures{id: m.x.account.id, accepted: voucher.Units(1_000_000), spent: voucher.Units(1_000_000)}
			if err := m.write(event("payment-receipt", string((&visit{s: m.x.s}).receiptOf(m.x.credential.challenge.ID, f, madeUp("transaction"))))); err != nil {
				return err
			}
		}
		return nil
	}))
	StreamEarlyReceipt = lie("stream-early-receipt", "A stream begins with a receipt that says that nothing was spent.", streams(func(m *Meter) error {
		f := figures{id: m.x.account.id}
		return m.write(event("payment-receipt", string((&visit{s: m.x.s}).receiptOf(m.x.credential.challenge.ID, f, madeUp("transaction")))))
	}))
	StreamMixed = lie("stream-mixed", "One event has two names, the last of which asks for a voucher for everything.", streams(func(m *Meter) error {
		frame := "event: message\nevent: payment-need-voucher\ndata: " + strings.TrimPrefix(string(m.frame(voucher.Units(1_000_000))), "event: payment-need-voucher\ndata: ")
		return m.write([]byte(frame))
	}))
)

// errCut cuts a stream.
var errCut = errors.New("clienttest: the stream is cut")

func streams(before func(*Meter) error) deed { return deed{stream: before} }

// had is the highest voucher of the stream's channel.
func (m *Meter) had() voucher.Amount {
	m.x.s.book.mu.Lock()
	defer m.x.s.book.mu.Unlock()
	return m.x.account.accepted
}

// frame asks for a voucher of required.
func (m *Meter) frame(required voucher.Amount) []byte {
	m.x.s.book.mu.Lock()
	defer m.x.s.book.mu.Unlock()
	text, _ := json.Marshal(document{
		"channelId": m.x.account.id.Hex(), "requiredCumulative": required.String(),
		"acceptedCumulative": m.x.account.accepted.String(), "deposit": m.x.account.deposit.String(),
	})
	return event("payment-need-voucher", string(text))
}

// demand asks for a voucher of required and waits until it is there.
func (m *Meter) demand(required voucher.Amount) error {
	if err := m.write(m.frame(required)); err != nil {
		return err
	}
	for {
		m.x.s.book.mu.Lock()
		accepted, changed := m.x.account.accepted, m.x.account.changed
		m.x.s.book.mu.Unlock()
		if !accepted.Less(required) {
			return nil
		}
		select {
		case <-changed:
		case <-m.ctx.Done():
			return m.ctx.Err()
		}
	}
}

// march demands one unit more than it has, for ever, and gives between.
func (m *Meter) march(between func() error) error {
	for {
		if err := m.demand(m.had().AddCapped(m.x.t.Price)); err != nil {
			return err
		}
		if err := between(); err != nil {
			return err
		}
	}
}
