package devchain

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rpc"
)

// oneOrMore is a JSON value that may be null (nothing), one value or a list.
type oneOrMore[T any] []T

// UnmarshalJSON reads all three.
func (o *oneOrMore[T]) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		return nil
	}
	if len(b) > 0 && b[0] == '[' {
		return json.Unmarshal(b, (*[]T)(o))
	}
	*o = make([]T, 1)
	return json.Unmarshal(b, &(*o)[0])
}

// logFilter is the object of eth_getLogs.
type logFilter struct {
	BlockHash *common.Hash              `json:"blockHash"`
	FromBlock *rpc.BlockNumber          `json:"fromBlock"`
	ToBlock   *rpc.BlockNumber          `json:"toBlock"`
	Address   oneOrMore[common.Address] `json:"address"`
	Topics    []oneOrMore[common.Hash]  `json:"topics"`
}

// rangeError is a filter that spans too many blocks.
type rangeError struct{ limit uint64 }

func (e *rangeError) Error() string {
	return fmt.Sprintf("query exceeds max block range %d", e.limit)
}

// ErrorCode is the JSON-RPC code for an exceeded limit.
func (e *rangeError) ErrorCode() int { return -32005 }

// GetLogs finds logs by block range or hash, address and topics. A missing end of the range is the
// newest block.
func (a *api) GetLogs(ctx context.Context, f logFilter) ([]*types.Log, error) {
	v, release := a.read(ctx, "eth_getLogs")
	defer release()
	blocks, err := a.c.span(&f)
	if err != nil {
		return nil, err
	}
	out := []*types.Log{}
	for _, b := range blocks {
		if b.receipt == nil || v.hidesLogs(b) {
			continue
		}
		for _, l := range b.receipt.Logs {
			if f.matches(l) {
				out = append(out, l)
			}
		}
	}
	return out, nil
}

// span returns the blocks that the filter names. The caller holds c.mu.
func (c *Chain) span(f *logFilter) ([]*block, error) {
	if f.BlockHash != nil {
		if f.FromBlock != nil || f.ToBlock != nil {
			return nil, &invalidParams{"either blockHash, or fromBlock and toBlock, not both"}
		}
		b := c.blockByHash(*f.BlockHash)
		if b == nil {
			return nil, &invalidParams{"unknown block"}
		}
		return []*block{b}, nil
	}
	end := func(n *rpc.BlockNumber) uint64 {
		if n == nil {
			return c.head().number
		}
		if b := c.blockAt(*n); b != nil {
			return b.number
		}
		return uint64(*n) // beyond the newest block
	}
	from, to := end(f.FromBlock), end(f.ToBlock)
	switch {
	case from > to:
		return nil, &invalidParams{"fromBlock is after toBlock"}
	case c.cfg.MaxLogRange != 0 && to-from >= c.cfg.MaxLogRange:
		return nil, &rangeError{c.cfg.MaxLogRange}
	}
	beyond := uint64(len(c.blocks))
	return c.blocks[min(from, beyond):min(to+1, beyond)], nil
}

// matches compares one log: no address is every address, no topic at a position is every topic.
func (f *logFilter) matches(l *types.Log) bool {
	if len(f.Address) > 0 && !slices.Contains(f.Address, l.Address) || len(f.Topics) > len(l.Topics) {
		return false
	}
	for i, accepted := range f.Topics {
		if len(accepted) > 0 && !slices.Contains(accepted, l.Topics[i]) {
			return false
		}
	}
	return true
}
