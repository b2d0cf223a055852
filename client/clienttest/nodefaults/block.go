package nodefaults

import (
	"encoding/json"

	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/node"
)

// Blocks with a wrong time or number.
const (
	// TimeStale says that each block is an hour older than it is.
	TimeStale Fault = "time-stale"
	// TimeAhead says that each block is an hour younger than it is.
	TimeAhead Fault = "time-ahead"
	// TimeZero says that each block is of the year 1970.
	TimeZero Fault = "time-zero"
	// TimeEndless says that each block has the greatest time that there is.
	TimeEndless Fault = "time-endless"
	// NumberZero says that block 0 is the newest one.
	NumberZero Fault = "number-zero"
	// NumberEndless says that block 2^64-1 is the newest one.
	NumberEndless Fault = "number-endless"
)

var blockTable = table{
	TimeStale:     times(func(at uint64) uint64 { return at - 3600 }),
	TimeAhead:     times(func(at uint64) uint64 { return at + 3600 }),
	TimeZero:      times(func(uint64) uint64 { return 0 }),
	TimeEndless:   times(func(uint64) uint64 { return ^uint64(0) }),
	NumberZero:    result("eth_blockNumber", "0x0"),
	NumberEndless: result("eth_blockNumber", "0xffffffffffffffff"),
}

// times changes the time of blocks.
func times(change func(uint64) uint64) node.Fault {
	return blocks(func(b map[string]any) {
		at, err := hexutil.DecodeUint64(b["timestamp"].(string))
		if err != nil {
			panic(err) // the chain's blocks have a time
		}
		b["timestamp"] = hexutil.Uint64(change(at))
	})
}

// blocks changes blocks, those that are not null.
func blocks(change func(map[string]any)) node.Fault {
	return node.Fault{Answer: func(_ *node.Exchange, c node.Call, a *node.Answer) bool {
		var b map[string]any
		if !isBlock(c) || json.Unmarshal(a.Result, &b) != nil || b == nil {
			return false
		}
		change(b)
		a.Set(b)
		return true
	}}
}
