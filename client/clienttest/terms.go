package clienttest

import (
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Terms are the price and the payment terms of a route.
type Terms struct {
	// Price is the price of one unit in base units: of one request, or of one [Meter.Charge] of a
	// stream. It must be above zero.
	Price voucher.Amount
	// Unit is the unitType. Empty means "request" for [Server.Paid] and "chunk" for
	// [Server.Metered]. A metered route with the unit "request" charges once for the whole stream.
	Unit string
	// Deposit is the suggestedDeposit, in base units. Zero suggests none.
	Deposit voucher.Amount
	// TTL is the lifetime of a challenge. Zero means [Config.TTL]; a negative challenge is expired.
	TTL time.Duration
	// Protocol is the protocol version. Zero means v2.
	Protocol voucher.Protocol
	// MinDelta is the minimum increase of a voucher in base units. Zero means one base unit. v1
	// challenges do not announce it.
	MinDelta voucher.Amount
	// Sponsored makes the server pay the fees of opens and top-ups, and refuse unsponsored ones.
	Sponsored bool
	// Bootstrap makes HEAD ask for a zero-dollar proof and answer it with a snapshot of the payer's
	// channel (v2).
	Bootstrap bool
	// Hints selects what a challenge reports about a reusable channel.
	Hints Hints
	// Payee receives the money: [Server.Payee] or [Server.OtherPayee]. Zero means [Server.Payee].
	Payee common.Address
	// Operator and FeeToken are announced if they are not zero. Channels must name the operator.
	Operator, FeeToken common.Address
}

// Hints selects what a challenge reports about a reusable channel. The channel is the one that the
// request's Payment-Session header names, or else the newest open channel of the payer in the query
// parameter payer=.
type Hints int

const (
	// NoHints reports nothing.
	NoHints Hints = iota
	// SnapshotHints sends a sessionSnapshot with the highest voucher (v2), or only a channelId
	// (v1).
	SnapshotHints
	// FlatHints sends channelId and four amounts, which nothing proves.
	FlatHints
)
