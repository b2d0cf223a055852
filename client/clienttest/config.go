package clienttest

import (
	"time"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Config configures a [Server]. The zero value is ready to use.
type Config struct {
	// Realm is the realm of the challenges. Empty means "clienttest".
	Realm string
	// Funds is the initial balance of each [Server.Payer] in base units. Zero means 100,000,000.
	Funds voucher.Amount
	// TTL is the lifetime of a challenge. Zero means five minutes.
	TTL time.Duration
	// Now is the clock for the expiry of challenges and for the dates of responses and receipts.
	// Nil means time.Now. A client with another clock must judge expiry by the Date of responses.
	Now func() time.Time
	// WallClock makes the chain's time pass with Now. Otherwise it only changes with
	// [Chain.Advance], so that no transaction expires while a test is being debugged.
	WallClock bool
	// Header is the request header for credentials. Empty means Authorization; challenges announce
	// any other one.
	Header string
	// EqualVouchers selects the response to a voucher equal to the highest one.
	EqualVouchers EqualRule
	// LowerVouchers selects the response to a voucher below the highest one.
	LowerVouchers LowerRule
	// Receipts selects the form of receipts.
	Receipts ReceiptStyle
	// BareGone sends 410 without a challenge, as the draft specifies. Otherwise it contains a fresh
	// challenge, like every refusal.
	BareGone bool
	// ShortOpens answers every open with 204 and no content, without a charge, as mpp-rs does.
	// Otherwise an open with a content request is charged and served at once.
	ShortOpens bool
	// PlainV1 serves v1 streams without a defect of mppx 0.8.14, which treats a voucher that asks
	// for text/event-stream as management and charges it all the same.
	PlainV1 bool
	// NoSockets opens no sockets: the server can only be reached through [Server.Transport]. Use it
	// with testing/synctest, where a goroutine that waits for the network stops the clock, and in
	// tests that start many servers.
	NoSockets bool
	// BaseFee is the price of one gas in attodollars (10^-18 dollars). Zero means that transactions are
	// free, so that limits of a test need no room for fees. Set it to test fees and limits on them
	// (channel.Limits.Fees). At 20 billion, about what Tempo charges, an opening is charged about 12,200
	// base units of the fee token and a top-up about 2,200, and somewhat more is reserved for each before
	// it is signed.
	BaseFee uint64
	// VoucherWait is how long a stream waits for a requested voucher before it ends. Zero means a
	// minute, as the draft suggests.
	VoucherWait time.Duration
}

// EqualRule selects the response to a voucher equal to the highest one.
type EqualRule int

const (
	// EqualAccepted accepts it. Content requires unspent credit (mppx).
	EqualAccepted EqualRule = iota
	// EqualRefused answers delta-too-small (mpp-rs).
	EqualRefused
)

// LowerRule selects the response to a voucher below the highest one.
type LowerRule int

const (
	// LowerByProtocol refuses it on v2 and accepts it on v1 (mppx).
	LowerByProtocol LowerRule = iota
	// LowerRefused answers verification-failed on both protocols (the tempo draft, mpp-rs).
	LowerRefused
	// LowerAccepted accepts it on both protocols without changing the account.
	LowerAccepted
)

// ReceiptStyle selects the form of receipts.
type ReceiptStyle int

const (
	// FullReceipts contain the amounts of the channel.
	FullReceipts ReceiptStyle = iota
	// BaseReceipts only report success (mpp-rs over HTTP).
	BaseReceipts
	// NoReceipts sends no receipts, neither in headers nor in streams.
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
