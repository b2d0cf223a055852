package clienttest

import (
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Account is what the server believes about one channel. Amounts are base units.
type Account struct {
	ChannelID common.Hash
	Protocol  voucher.Protocol
	// Payer funded the channel, and Signer signs its vouchers.
	Payer, Signer common.Address
	// Accepted is the highest voucher, and Spent what was charged of it.
	Accepted, Spent voucher.Amount
	// Units counts the charges.
	Units uint64
	// Signed: the server holds the signature of Accepted.
	Signed bool
	// Deposit and Settled are the chain's, as the server last saw them.
	Deposit, Settled voucher.Amount
	// Closing: the server saw a close request of the payer. Finalized: the channel was closed here.
	Closing, Finalized bool
}

// Request is one request that was answered, or is being answered. No header values are kept.
type Request struct {
	// Seq counts from 1, in the order of arrival.
	Seq int
	// At is [Config.Now] at arrival.
	At time.Time
	// Method and Path are the request's; Path has the query.
	Method, Path string
	// Status is the answer's. Zero: there is none yet, or the connection was cut.
	Status int
	// Action is the credential's: open, topUp, voucher, close or proof. Empty: there was no credential, or
	// it could not be read.
	Action string
	// ChannelID, Cumulative and Additional are the credential's, where it has them.
	ChannelID              common.Hash
	Cumulative, Additional voucher.Amount
	// Problem is the problem type of the answer, without the base URI. Empty: none.
	Problem string
}
