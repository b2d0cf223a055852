package nodefaults

import (
	"encoding/json"

	"github.com/ethereum/go-ethereum/rpc"

	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/node"
)

// Searches of logs that nodes refuse or answer badly.
const (
	// LogsOfTen answers searches of at most ten blocks, and refuses others with "exceeds max block range".
	LogsOfTen Fault = "logs-of-ten"
	// LogsOfOne answers searches of one block, and refuses others with "block range too large".
	LogsOfOne Fault = "logs-of-one"
	// LogsTooMany answers searches of at most ten blocks, and refuses others with "more than 10000 results".
	LogsTooMany Fault = "logs-too-many"
	// LogsFail answers every search with an internal error.
	LogsFail Fault = "logs-fail"
	// LogsMissing does not have the method.
	LogsMissing Fault = "logs-missing"
	// LogsTwice answers every log twice.
	LogsTwice Fault = "logs-twice"
	// LogsRemoved marks every log as removed by a reorganization.
	LogsRemoved Fault = "logs-removed"
	// LogsPending answers every log without a block.
	LogsPending Fault = "logs-pending"
	// LogsDamaged cuts the data of every log off.
	LogsDamaged Fault = "logs-damaged"
)

var logTable = table{
	LogsOfTen:   span(10, -32005, "query exceeds max block range 10"),
	LogsOfOne:   span(1, -32602, "block range too large"),
	LogsTooMany: span(10, -32005, "query returned more than 10000 results"),
	LogsFail:    fails("eth_getLogs", -32603, "internal error"),
	LogsMissing: fails("eth_getLogs", -32601, "the method eth_getLogs does not exist/is not available"),
	LogsTwice:   logs(func(l []map[string]any) []map[string]any { return append(l, l...) }),
	LogsRemoved: logs(eachLog("removed", true)),
	LogsPending: logs(eachLog("blockNumber", nil)),
	LogsDamaged: logs(eachLog("data", "0x")),
}

// span refuses searches of more blocks, and those without a number at both ends.
func span(most uint64, code int, message string) node.Fault {
	return node.Fault{Answer: func(_ *node.Exchange, c node.Call, a *node.Answer) bool {
		var filter struct {
			From rpc.BlockNumber `json:"fromBlock"`
			To   rpc.BlockNumber `json:"toBlock"`
		}
		c.Object(0, &filter)
		few := filter.From >= 0 && filter.To >= filter.From && uint64(filter.To-filter.From) < most
		if c.Method != "eth_getLogs" || few {
			return false
		}
		a.Fail(code, message)
		return true
	}}
}

// logs changes lists of logs, those with any.
func logs(change func([]map[string]any) []map[string]any) node.Fault {
	return node.Fault{Answer: func(_ *node.Exchange, c node.Call, a *node.Answer) bool {
		var l []map[string]any
		if c.Method != "eth_getLogs" || json.Unmarshal(a.Result, &l) != nil || len(l) == 0 {
			return false
		}
		a.Set(change(l))
		return true
	}}
}

// eachLog sets a field of every log.
func eachLog(field string, v any) func([]map[string]any) []map[string]any {
	return func(l []map[string]any) []map[string]any {
		for _, one := range l {
			one[field] = v
		}
		return l
	}
}
