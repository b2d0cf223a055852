// Package escrow is the on-chain half of a channel: it builds and signs the Tempo transactions that
// fund a channel, reads what the escrow holds, and gets the money back without the payee's help.
//
// # Who sends what
//
// The payee's server broadcasts the transactions that open a channel and top it up.
// [Client.PrepareOpen] and [Client.PrepareTopUp] therefore build, estimate and sign, and never
// send: the caller stores the result first and then sends [Opening.Raw] in a credential. A close
// without the payee needs no server: [Client.RequestClose] and, 15 minutes later, [Client.Withdraw]
// send a transaction and wait for it.
//
// # Transactions
//
// [Tx] is the Tempo transaction 0x76 and its 0x78 hand-off form for sponsors: servers that pay the
// fee. All transactions of this package have an expiring nonce (TIP-1009): they can be mined for 25
// seconds of chain time and never later, so an unknown result is known after that. Times come from
// the latest block, not from the clock of this machine.
//
// # Fees
//
// The payer pays the fee of each transaction that no sponsor pays for. [OpenParams], [TopUpParams] and
// [CloseParams] have a function Agree, which gets the most that the transaction can be charged
// ([Fee.Max]) before it is signed, and can refuse it. [Client.Confirm] returns what it was charged
// ([Receipt.Fee]). [Client.FundingFee] estimates fees without a transaction.
//
// # The node
//
// [Client] speaks JSON-RPC over HTTP. Reads and raw sends are repeated a few times with the same bytes;
// nothing is signed again because an answer was lost. Every wait is bounded. The node is trusted to
// report what the chain holds. None of its numbers raises the amount that is signed, except a settled
// amount: the escrow paid it for a voucher of the payer (docs/trust-model.md).
package escrow

import (
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Chain ids.
const (
	// Mainnet is the chain id of Tempo.
	Mainnet uint64 = 4217
	// Moderato is the chain id of the public testnet.
	Moderato uint64 = 42431
)

// GracePeriod is the time between a close request and the moment from which the payer can withdraw.
const GracePeriod = 15 * time.Minute

// Addresses that are the same on every Tempo chain.
var (
	// Reserve is the TIP-1034 precompile, the escrow of v2 channels.
	Reserve = common.HexToAddress("0x4d50500000000000000000000000000000000000")
	// PathUSD is the first TIP-20 token of every chain.
	PathUSD = common.HexToAddress("0x20c0000000000000000000000000000000000000")
)

// Addresses of mainnet and the testnet.
var (
	mainnetUSDC    = common.HexToAddress("0x20c000000000000000000000b9537d11c60e8b50")
	mainnetStream  = common.HexToAddress("0x33b901018174ddabe4841042ab76ba85d4e24f25")
	moderatoStream = common.HexToAddress("0xe1c4d3dce17bc111181ddf716f75bae49e61a336")
)

// DefaultEscrow returns the canonical escrow of a protocol on a chain: the precompile for v2 on
// every chain, the deployed contract for v1 on [Mainnet] and [Moderato]. ok is false if there is
// none.
func DefaultEscrow(p voucher.Protocol, chainID uint64) (escrow common.Address, ok bool) {
	switch {
	case p == voucher.V2:
		return Reserve, true
	case p == voucher.V1 && chainID == Mainnet:
		return mainnetStream, true
	case p == voucher.V1 && chainID == Moderato:
		return moderatoStream, true
	default:
		return common.Address{}, false
	}
}

// DefaultToken returns the token that payments on a chain are made in by default: USDC.e on
// [Mainnet], pathUSD on [Moderato]. ok is false for other chains.
func DefaultToken(chainID uint64) (token common.Address, ok bool) {
	switch chainID {
	case Mainnet:
		return mainnetUSDC, true
	case Moderato:
		return PathUSD, true
	default:
		return common.Address{}, false
	}
}
