package escrow

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
)

// head is the time and the price of gas.
type head struct {
	block             blockHeader
	pending           pendingHeader
	quoted            hexutil.Uint64
	baseFee, gasPrice uint64
}

// blockHeader is a header as nodes have it. A block that a node does not have is null, and all fields are
// nil then.
type blockHeader struct {
	Number    *hexutil.Uint64 `json:"number"`
	Hash      *common.Hash    `json:"hash"`
	Timestamp *hexutil.Uint64 `json:"timestamp"`
	BaseFee   *hexutil.Uint64 `json:"baseFeePerGas"`
}

// check refuses a block that is not there.
func (b *blockHeader) check() error {
	if b.Timestamp == nil || *b.Timestamp == 0 {
		return fmt.Errorf("%w: the node tells no newest block: is it still syncing?", ErrRPC)
	}
	return nil
}

// identified refuses a block that is not there, or lacks what identifies it.
func (b *blockHeader) identified() error {
	if err := b.check(); err != nil {
		return err
	}
	if b.Number == nil || b.Hash == nil {
		return fmt.Errorf("%w: the node's newest block has no number or no hash", ErrRPC)
	}
	return nil
}

// pinned names the block in a call.
func (b *blockHeader) pinned() any { return map[string]any{"blockHash": b.Hash} }

// again asks for the block by its number, into answer.
func (b *blockHeader) again(answer *blockHeader) rpcCall {
	return rpcCall{Method: "eth_getBlockByNumber", Args: []any{b.Number, false}, Result: answer}
}

// same refuses another block than the one at that height.
func (b *blockHeader) same(at blockHeader) error {
	if err := b.identified(); err != nil {
		return err
	}
	if *b.Hash != *at.Hash || *b.Timestamp != *at.Timestamp {
		return fmt.Errorf("%w: block %d is another one now", ErrRPC, uint64(*at.Number))
	}
	return nil
}

// pendingHeader is the header of the block to come, which not every node tells.
type pendingHeader struct{ blockHeader }

// latest asks for the newest block.
func (h *head) latest() rpcCall {
	return rpcCall{Method: "eth_getBlockByNumber", Args: []any{"latest", false}, Result: &h.block}
}

func (h *head) questions() []rpcCall {
	return []rpcCall{
		h.latest(),
		{Method: "eth_getBlockByNumber", Args: []any{"pending", false}, Result: &h.pending},
		{Method: "eth_gasPrice", Result: &h.quoted},
	}
}

// check refuses a node without a block, and settles the prices.
func (h *head) check() error {
	if err := h.block.check(); err != nil {
		return err
	}
	free := h.block.BaseFee != nil && *h.block.BaseFee == 0
	if h.quoted == 0 && !free {
		return fmt.Errorf("%w: the node tells no gas price", ErrRPC)
	}
	h.gasPrice, h.baseFee = uint64(h.quoted), uint64(h.quoted)
	if h.block.BaseFee != nil {
		h.baseFee = uint64(*h.block.BaseFee)
	}
	return nil
}

// now is the chain's time. A chain that mines only when there is something to mine has an old newest
// block, but dates the block to come by its clock.
func (h *head) now() uint64 {
	now := uint64(*h.block.Timestamp)
	if p := h.pending.Timestamp; p != nil {
		now = max(now, uint64(*p))
	}
	return now
}

// floor is the newest block that a node showed, and when. Older blocks are not read.
type floor struct {
	number uint64
	at     time.Time
}

// floorFor bounds how long a block that no node shows any more holds reads up.
const floorFor = time.Minute

// saw notes a block that a node has, with its state.
func (c *Client) saw(b blockHeader) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := uint64(*b.Number); n >= c.floor.number {
		c.floor = floor{n, c.now()}
	}
}

// told is what a node answered when it was asked for its newest block.
type told struct {
	node  *node
	block blockHeader
	err   error
}

// newest returns the newest block of the nodes, and those that have it. It is not older than any block
// that was read before. If a node is on another chain the error is [ErrChainID], whatever the others say.
func (c *Client) newest(ctx context.Context, chainID uint64, nodes []*node) (best blockHeader, have []*node, err error) {
	var errs []error
	for _, one := range c.heads(ctx, chainID, nodes) {
		switch b := one.block; {
		case errors.Is(one.err, ErrChainID):
			return b, nil, one.err
		case one.err != nil:
			errs = append(errs, one.err)
		case best.Number == nil || *best.Number < *b.Number:
			best, have = b, []*node{one.node}
		case *best.Number == *b.Number && *best.Hash == *b.Hash:
			have = append(have, one.node)
		}
	}
	if best.Number == nil {
		return best, nil, joined(errs)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if uint64(*best.Number) < c.floor.number && c.now().Sub(c.floor.at) < floorFor {
		return best, nil, fmt.Errorf("%w: the newest block is %d, and was %d before: the node lags", ErrRPC, uint64(*best.Number), c.floor.number)
	}
	return best, have, nil
}

// heads asks the nodes for their newest blocks, side by side. When one has answered, the others have
// waits.others left.
func (c *Client) heads(ctx context.Context, chainID uint64, nodes []*node) (all []told) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answers := make(chan told, len(nodes))
	for _, n := range nodes {
		go func() {
			var h head
			question := []rpcCall{h.latest()}
			err := n.ask(ctx, chainID, question)
			if err == nil {
				err = firstError(question)
			}
			if err == nil {
				err = h.block.identified()
			}
			answers <- told{n, h.block, err}
		}()
	}
	for range nodes {
		one := <-answers
		if all = append(all, one); one.err == nil {
			defer time.AfterFunc(c.waits.others, cancel).Stop()
		}
	}
	return all
}

// joined returns the one error, or how many nodes failed and why.
func joined(errs []error) error {
	if len(errs) == 1 {
		return errs[0]
	}
	return fmt.Errorf("%d nodes: %w", len(errs), errors.Join(errs...))
}
