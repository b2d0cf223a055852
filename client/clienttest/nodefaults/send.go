package nodefaults

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/node"
)

// Transactions that are sent through the node.
const (
	// SendReset takes a transaction and closes the connection.
	SendReset Fault = "send-reset"
	// SendLost closes the connection and takes no transaction.
	SendLost Fault = "send-lost"
	// SendHangs takes a transaction and never answers.
	SendHangs Fault = "send-hangs"
	// SendRefused refuses every transaction.
	SendRefused Fault = "send-refused"
	// SendTakenRefused takes a transaction and answers an internal error.
	SendTakenRefused Fault = "send-taken-refused"
	// SendDropped answers the hash and drops the transaction.
	SendDropped Fault = "send-dropped"
	// SendHeld answers the hash and takes the transaction after five questions about a transaction.
	SendHeld Fault = "send-held"
	// SendRefusedHeld answers an internal error and takes the transaction after ten such questions.
	SendRefusedHeld Fault = "send-refused-held"
	// SendOtherHash takes a transaction and answers the hash of another one.
	SendOtherHash Fault = "send-other-hash"
	// SendNull takes a transaction and answers null.
	SendNull Fault = "send-null"
	// SendUnknownType refuses every transaction as of an unknown type.
	SendUnknownType Fault = "send-unknown-type"
	// SendUnknownAccount refuses every transaction as of an unknown account.
	SendUnknownAccount Fault = "send-unknown-account"
	// KnownGeth takes a transaction and answers as geth and reth do to the second copy.
	KnownGeth Fault = "known-geth"
	// KnownNethermind does the same in the words of nethermind.
	KnownNethermind Fault = "known-nethermind"
	// KnownBesu does the same in the words of besu.
	KnownBesu Fault = "known-besu"
	// KnownErigon does the same in the words of erigon.
	KnownErigon Fault = "known-erigon"
	// KnownParity does the same in the words of parity and openethereum.
	KnownParity Fault = "known-parity"
	// KnownImported takes a transaction and answers as anvil does to the second copy.
	KnownImported Fault = "known-imported"
	// KnownNonce takes a transaction and answers that its nonce is too low.
	KnownNonce Fault = "known-nonce"
)

var sendTable = table{
	SendReset: sends(true, func(x *node.Exchange, _ node.Call, _ *node.Answer) { x.Reset() }),
	SendLost:  sends(false, func(x *node.Exchange, _ node.Call, _ *node.Answer) { x.Reset() }),
	SendHangs: sends(true, func(x *node.Exchange, _ node.Call, _ *node.Answer) { x.Hang() }),
	SendRefused: sends(false, func(_ *node.Exchange, _ node.Call, a *node.Answer) {
		a.Fail(-32003, "transaction pool is full")
	}),
	SendTakenRefused: taken(-32603, "internal error"),
	SendDropped:      sends(false, hashOf),
	SendHeld: sends(false, func(x *node.Exchange, c node.Call, a *node.Answer) {
		x.Hold(c, 5)
		hashOf(x, c, a)
	}),
	SendRefusedHeld: sends(false, func(x *node.Exchange, c node.Call, a *node.Answer) {
		x.Hold(c, 10)
		a.Fail(-32603, "internal error")
	}),
	SendOtherHash: sends(true, func(_ *node.Exchange, _ node.Call, a *node.Answer) {
		a.Set(common.Hash{1})
	}),
	SendNull: sends(true, func(_ *node.Exchange, _ node.Call, a *node.Answer) { a.Set(nil) }),
	SendUnknownType: sends(false, func(_ *node.Exchange, _ node.Call, a *node.Answer) {
		a.Fail(-32602, "unknown transaction type 0x76")
	}),
	SendUnknownAccount: sends(false, func(_ *node.Exchange, _ node.Call, a *node.Answer) {
		a.Fail(-32000, "unknown account")
	}),
	KnownGeth:       taken(-32000, "already known"),
	KnownNethermind: taken(-32010, "AlreadyKnown"),
	KnownBesu:       taken(-32000, "Known transaction"),
	KnownErigon:     taken(-32000, "ALREADY_EXISTS: already known"),
	KnownParity:     taken(-32010, "Transaction with the same hash was already imported."),
	KnownImported:   taken(-32003, "transaction already imported"),
	KnownNonce:      taken(-32000, "nonce too low: next nonce 1, tx nonce 0"),
}

// sends treats transactions, and takes them before if it is told so.
func sends(take bool, then func(*node.Exchange, node.Call, *node.Answer)) node.Fault {
	return node.Fault{Send: func(x *node.Exchange, c node.Call, a *node.Answer) {
		if take {
			x.Ask(c)
		}
		then(x, c, a)
	}}
}

// taken takes transactions and answers an error.
func taken(code int, message string) node.Fault {
	return sends(true, func(_ *node.Exchange, _ node.Call, a *node.Answer) { a.Fail(code, message) })
}

// hashOf answers the hash of a transaction.
func hashOf(_ *node.Exchange, c node.Call, a *node.Answer) {
	a.Set(crypto.Keccak256Hash(common.FromHex(c.Param(0))))
}
