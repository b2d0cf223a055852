package nodefaults

import (
	"strings"

	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/node"
	"github.com/seed-5fe1f529/tallystick/internal/devchain"
)

// Replicas that are late or on another branch, alone or behind one URL with others.
const (
	// LateByOne shows everything as it was one block ago.
	LateByOne Fault = "late-by-one"
	// LateByTen shows everything as it was ten blocks ago.
	LateByTen Fault = "late-by-ten"
	// LatePool shows everything late, and the newer transactions as waiting in its pool.
	LatePool Fault = "late-pool"
	// LateCalls shows state late, and everything else as it is.
	LateCalls Fault = "late-calls"
	// LateBlocks shows block numbers and blocks late, and everything else as it is.
	LateBlocks Fault = "late-blocks"
	// LateReceipts shows receipts and transactions late, and everything else as it is.
	LateReceipts Fault = "late-receipts"
	// LateLogs shows logs late, and everything else as it is.
	LateLogs Fault = "late-logs"
	// LateSecondCall answers every second call late, also within a batch.
	LateSecondCall Fault = "late-second-call"
	// LateSecondRequest answers every second HTTP request late.
	LateSecondRequest Fault = "late-second-request"
	// BranchOfOne has another block in place of the newest one, and does not know its transaction.
	BranchOfOne Fault = "branch-of-one"
	// BranchOfTen has other blocks in place of the newest ten, and does not know their transactions.
	BranchOfTen Fault = "branch-of-ten"
	// BranchPool has other blocks in place of the newest ten, and their transactions in its pool.
	BranchPool Fault = "branch-pool"
	// BranchCalls shows the state of another branch of ten blocks, and everything else as it is.
	BranchCalls Fault = "branch-calls"
)

// late is how many blocks a late node lags.
const late = 10

var replicaTable = table{
	LateByOne:    shows("", devchain.View{Lag: 1}),
	LateByTen:    shows("", devchain.View{Lag: late}),
	LatePool:     shows("", devchain.View{Lag: late, Pooled: true}),
	LateCalls:    shows("eth_call", devchain.View{Lag: late}),
	LateBlocks:   shows("eth_blockNumber eth_getBlock", devchain.View{Lag: late}),
	LateReceipts: shows("eth_getTransactionReceipt eth_getTransactionByHash", devchain.View{Lag: late}),
	LateLogs:     shows("eth_getLogs", devchain.View{Lag: late}),
	LateSecondCall: {View: func(_ *node.Exchange, c node.Call, v *devchain.View) {
		if c.Seq%2 == 0 {
			v.Lag = late
		}
	}},
	LateSecondRequest: {View: func(x *node.Exchange, _ node.Call, v *devchain.View) {
		if x.Seq%2 == 0 {
			v.Lag = late
		}
	}},
	BranchOfOne: shows("", devchain.View{Replaced: 1}),
	BranchOfTen: shows("", devchain.View{Replaced: late}),
	BranchPool:  shows("", devchain.View{Replaced: late, Pooled: true}),
	BranchCalls: shows("eth_call", devchain.View{Replaced: late}),
}

// shows gives calls of the methods another head. The methods are separated by spaces and may be
// prefixes.
func shows(methods string, view devchain.View) node.Fault {
	return node.Fault{View: func(_ *node.Exchange, c node.Call, v *devchain.View) {
		for _, prefix := range strings.Split(methods, " ") {
			if strings.HasPrefix(c.Method, prefix) {
				v.Lag, v.Replaced, v.Pooled = view.Lag, view.Replaced, view.Pooled
			}
		}
	}}
}
