package nodefaults

import (
	"encoding/json"
	"strings"

	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/node"
)

// Calls that are answered with an error or with nonsense.
const (
	// CallsFail answers every state that is read with an internal error.
	CallsFail Fault = "calls-fail"
	// CallsPruned does not have the state that is read.
	CallsPruned Fault = "calls-pruned"
	// CallsUnknown has not seen the block at which state is read.
	CallsUnknown Fault = "calls-unknown"
	// CallsRevert answers that everything that is read reverts.
	CallsRevert Fault = "calls-revert"
	// CallsGarbage answers every state with bytes that do not encode one.
	CallsGarbage Fault = "calls-garbage"
	// BlocksFail answers every block with an internal error.
	BlocksFail Fault = "blocks-fail"
	// ReceiptsFail answers every receipt and every transaction with an internal error.
	ReceiptsFail Fault = "receipts-fail"
	// ReceiptsOpen answers every receipt without a block and without a status.
	ReceiptsOpen Fault = "receipts-open"
	// ReceiptsReverted answers in every receipt that the transaction was reverted.
	ReceiptsReverted Fault = "receipts-reverted"
	// EverythingFails answers every call with an internal error.
	EverythingFails Fault = "everything-fails"
	// TerminalCodes answers every call with an error that has control characters of terminals.
	TerminalCodes Fault = "terminal-codes"
)

var callTable = table{
	CallsFail:    fails("eth_call", -32603, "internal error"),
	CallsPruned:  fails("eth_call", -32000, "missing trie node 4a61f3 (path ) state is not available"),
	CallsUnknown: fails("eth_call", -32000, "header not found"),
	CallsRevert:  fails("eth_call", 3, "execution reverted"),
	CallsGarbage: result("eth_call", "0x"+strings.Repeat("f3", 95)),
	BlocksFail: {Answer: func(_ *node.Exchange, c node.Call, a *node.Answer) bool {
		if !isBlock(c) {
			return false
		}
		a.Fail(-32603, "internal error")
		return true
	}},
	ReceiptsFail: {Answer: func(_ *node.Exchange, c node.Call, a *node.Answer) bool {
		if c.Method != "eth_getTransactionReceipt" && c.Method != "eth_getTransactionByHash" {
			return false
		}
		a.Fail(-32603, "internal error")
		return true
	}},
	ReceiptsOpen: receipts(func(r map[string]any) {
		delete(r, "status")
		r["blockNumber"], r["blockHash"] = nil, nil
	}),
	ReceiptsReverted: receipts(func(r map[string]any) { r["status"], r["logs"] = "0x0", []any{} }),
	EverythingFails:  failsAll(-32603, "internal error"),
	TerminalCodes:    failsAll(-32000, "boom \u009b2J\u009b31m \u202egnp.exe \x1b[31m"),
}

// receipts changes receipts, those that are not null.
func receipts(change func(map[string]any)) node.Fault {
	return node.Fault{Answer: func(_ *node.Exchange, c node.Call, a *node.Answer) bool {
		var r map[string]any
		if c.Method != "eth_getTransactionReceipt" || json.Unmarshal(a.Result, &r) != nil || r == nil {
			return false
		}
		change(r)
		a.Set(r)
		return true
	}}
}
