package clienttest

import (
	"time"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Config says how a [Server] behaves. The zero value is a good one.
type Config struct {
	// Realm names the server in its challenges. Empty means "clienttest".
	Realm string
	// Funds is what each [Server.Payer] begins with, in base units. Zero means 100,000,000.
	Funds voucher.Amount
	// TTL is how long a challenge can be answered. Zero means five minutes.
	TTL time.Duration
	// Now is the clock by which challenges expire and answers and receipts are dated. Nil means
	// time.Now. A client with a clock of its own must be given the same one, or judge by the Date
	// of the answers.
	Now func() time.Time
	// WallClock lets the chain's time pass as Now's does. Without it the chain's time stands still
	// until [Chain.Advance], so no transaction expires while a test is being debugged.
	WallClock bool
	// Header is the request header that credentials are expected in. Empty means Authorization;
	// another one is announced in the challenge.
	Header string
	// EqualVouchers says what becomes of a voucher equal to the highest one.
	EqualVouchers EqualRule
	// LowerVouchers says what becomes of a voucher below the highest one.
	LowerVouchers LowerRule
	// Receipts says what receipts look like.
	Receipts ReceiptStyle
	// BareGone sends 410 without a challenge, as the draft has it. Otherwise a fresh challenge
	// comes with it, as with every refusal.
	BareGone bool
	// ShortOpens answers an open with 204 and no content, whatever was asked for, as mpp-rs does.
	// Nothing is charged for it. Otherwise an open on a content request is served and charged at
	// once.
	ShortOpens bool
	// PlainV1 serves v1 streams without the traps of mppx 0.8.14: there a voucher that asks for
	// text/event-stream is taken for management, and still charged.
	PlainV1 bool
	// NoSockets listens nowhere: only [Server.Transport] leads to the server. It is for
	// testing/synctest, where a goroutine that waits for the network keeps the clock from moving,
	// and for tests that start a server often.
	NoSockets bool
	// VoucherWait is how long a stream waits for the voucher that it asked for before it ends. Zero
	// means a minute, as the draft suggests.
	VoucherWait time.Duration
}

// EqualRule says what becomes of a voucher equal to the highest one.
type EqualRule int

const (
	// EqualAccepted takes it again. Content needs credit that is not spent yet (mppx).
	EqualAccepted EqualRule = iota
	// EqualRefused answers delta-too-small (mpp-rs).
	EqualRefused
)

// LowerRule says what becomes of a voucher below the highest one.
type LowerRule int

const (
	// LowerByRail refuses it on v2 and accepts it on v1, as mppx does.
	LowerByRail LowerRule = iota
	// LowerRefused answers verification-failed on both rails (the tempo draft, mpp-rs).
	LowerRefused
	// LowerAccepted takes it for what it is, a voucher already known, on both rails.
	LowerAccepted
)

// ReceiptStyle says what receipts look like.
type ReceiptStyle int

const (
	// FullReceipts carry the session's accounting.
	FullReceipts ReceiptStyle = iota
	// BaseReceipts say that it worked and no more (mpp-rs over HTTP).
	BaseReceipts
	// NoReceipts sends none, neither in headers nor in streams.
	NoReceipts
)

// withDefaults fills the zero fields.
func (c Config) withDefaults() Config {
	if c.Realm == "" {
		c.Realm = "clienttest"
	}
	if c.Funds.IsZero() {
		c.Funds = voucher.Units(100_000_000)
	}
	if c.TTL == 0 {
		c.TTL = 5 * time.Minute
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Header == "" {
		c.Header = "Authorization"
	}
	if c.VoucherWait == 0 {
		c.VoucherWait = time.Minute
	}
	return c
}
