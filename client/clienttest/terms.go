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
	// TTL is the lifetime of a challenge. Zero means [Config.TTL]; with a negative one it is expired
	// when it is sent.
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
	// Identify makes the server ask who the payer is before it names the price.
	Identify Identify
	// Cookie makes it recognize the payer by a cookie from then on, which it sets in the answer to
	// the proof.
	Cookie bool
	// Hints selects what a challenge reports about a reusable channel.
	Hints Hints
	// Payee receives the money: [Server.Payee] or [Server.OtherPayee]. Zero means [Server.Payee].
	Payee common.Address
	// Operator and FeeToken are announced if they are not zero. Channels must name the operator.
	Operator, FeeToken common.Address
}

// Hints selects what a challenge reports about a reusable channel. The channel is the one that the
// request's Payment-Session header names, or else the newest open channel of the payer: of the one
// who proved it, or that in the query parameter payer=.
type Hints int

const (
	// NoHints reports nothing.
	NoHints Hints = iota
	// SnapshotHints sends a sessionSnapshot with the highest voucher (v2), or only a channelId
	// (v1).
	SnapshotHints
	// FlatHints sends channelId and four amounts, which nothing proves.
	FlatHints
	// FullHints sends a sessionSnapshot with the highest voucher on v1, too. No published server
	// does.
	FullHints
)

// Identify selects whether the payer has to prove who it is before the price is named: a request
// without a credential is answered with a tempo/charge challenge of amount 0, which a zero-dollar
// proof answers. A request that names an open channel of the route in a Payment-Session header, or
// has the cookie, is not asked. Each proof is valid once.
type Identify int

const (
	// AnyPayer requires no proof.
	AnyPayer Identify = iota
	// IdentifyFirst answers a proof with the session challenge, as a 402.
	IdentifyFirst
	// IdentifyApart answers the proof of a payer that has an open channel with 204 and a
	// Payment-Session header with the newest. The request is sent again after that, with the header
	// or the cookie; without either it is asked again. To others it is IdentifyFirst.
	IdentifyApart
)
