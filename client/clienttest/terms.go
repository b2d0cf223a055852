package clienttest

import (
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Terms are what a route costs and how it is to be paid.
type Terms struct {
	// Price is what one unit costs, in base units: one request, or one [Meter.Charge] of a stream.
	// It must be above zero.
	Price voucher.Amount
	// Unit is the unitType. Empty means "request" for [Server.Paid] and "chunk" for
	// [Server.Metered]. A metered route with the unit "request" charges once for the whole stream.
	Unit string
	// Deposit is the suggestedDeposit, in base units. Zero suggests none.
	Deposit voucher.Amount
	// TTL is how long a challenge can be answered. Zero means [Config.TTL]; below zero it is
	// expired at once.
	TTL time.Duration
	// Protocol is the rail. Zero means v2.
	Protocol voucher.Protocol
	// MinDelta is the least that a voucher must grow by, in base units. Zero means one base unit.
	// On v1 it is not announced.
	MinDelta voucher.Amount
	// Sponsored: the server pays the fees of opens and top-ups, and takes no others.
	Sponsored bool
	// Bootstrap: HEAD asks for a zero-dollar proof and answers it with what is known of the payer
	// (v2).
	Bootstrap bool
	// Hints says what a challenge tells about a channel that could be used again.
	Hints Hints
	// Payee is who gets the money: [Server.Payee] (zero means that one) or [Server.OtherPayee].
	Payee common.Address
	// Operator and FeeToken are announced where they are not zero. Channels must name the operator.
	Operator, FeeToken common.Address
}

// Hints says what a challenge tells about a channel that could be used again. The channel is the
// one that the request's Payment-Session header names, or else the newest open one of the payer
// that the query parameter payer= names.
type Hints int

const (
	// NoHints tells nothing.
	NoHints Hints = iota
	// SnapshotHints sends a sessionSnapshot with the highest voucher (v2). On v1 it is a bare
	// channelId.
	SnapshotHints
	// FlatHints sends channelId and four figures that nothing proves.
	FlatHints
)
