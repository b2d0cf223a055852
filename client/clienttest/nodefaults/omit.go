package nodefaults

import (
	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/node"
	"github.com/seed-5fe1f529/tallystick/internal/devchain"
)

// Nodes that leave something out.
const (
	// NoChannels answers for every channel as if it had never been opened.
	NoChannels Fault = "no-channels"
	// SomeChannels does the same to about half of the channels, always the same ones.
	SomeChannels Fault = "some-channels"
	// NoTransactions answers null for every receipt and every transaction.
	NoTransactions Fault = "no-transactions"
	// NullReceipt answers null for every receipt, but has the transactions.
	NullReceipt Fault = "null-receipt"
	// NullTransaction answers null for every transaction, but has the receipts.
	NullTransaction Fault = "null-transaction"
	// NullBlock answers null for every block.
	NullBlock Fault = "null-block"
	// NullNumber answers null for the number of the newest block.
	NullNumber Fault = "null-number"
	// NullCall answers null for every state that is read.
	NullCall Fault = "null-call"
	// NullLogs answers null for all logs.
	NullLogs Fault = "null-logs"
	// EmptyLogs answers that there are no logs.
	EmptyLogs Fault = "empty-logs"
	// EmptyCall answers no bytes for every state that is read, as if there were no contract.
	EmptyCall Fault = "empty-call"
	// SomeLogs leaves out the logs of every second block.
	SomeLogs Fault = "some-logs"
)

var omitTable = table{
	NoChannels: hides(func(v *devchain.View) { v.HideChannel = func(common.Hash) bool { return true } }),
	SomeChannels: hides(func(v *devchain.View) {
		v.HideChannel = func(id common.Hash) bool { return id[31]%2 == 0 }
	}),
	NoTransactions: hides(func(v *devchain.View) {
		v.HideTransaction = func(common.Hash) bool { return true }
	}),
	SomeLogs: hides(func(v *devchain.View) {
		v.HideLogs = func(block uint64) bool { return block%2 == 0 }
	}),
	NullReceipt:     result("eth_getTransactionReceipt", nil),
	NullTransaction: result("eth_getTransactionByHash", nil),
	NullBlock: {Answer: func(_ *node.Exchange, c node.Call, a *node.Answer) bool {
		if !isBlock(c) {
			return false
		}
		a.Set(nil)
		return true
	}},
	NullNumber: result("eth_blockNumber", nil),
	NullCall:   result("eth_call", nil),
	NullLogs:   result("eth_getLogs", nil),
	EmptyLogs:  result("eth_getLogs", []any{}),
	EmptyCall:  result("eth_call", "0x"),
}

// hides changes what the node shows to every call.
func hides(change func(*devchain.View)) node.Fault {
	return node.Fault{View: func(_ *node.Exchange, _ node.Call, v *devchain.View) { change(v) }}
}

// isBlock matches calls that read a block.
func isBlock(c node.Call) bool {
	return c.Method == "eth_getBlockByNumber" || c.Method == "eth_getBlockByHash"
}
