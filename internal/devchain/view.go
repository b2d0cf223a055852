package devchain

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rpc"
)

// View is what one node shows of the chain over JSON-RPC. The zero value shows everything. A node
// passes on what is sent to it, whatever it shows.
type View struct {
	// Lag is how many of the newest blocks the node has not seen, at most those whose state is kept.
	Lag uint64
	// Replaced is how many blocks before those are others on the node's branch: of the same number and
	// time, with another hash and without transactions.
	Replaced uint64
	// Pooled: the transactions of the blocks that the node does not have wait in its pool. Otherwise it
	// has never heard of them.
	Pooled bool
	// HideChannel reports whether the node answers for a channel as if it had never been opened. Nil
	// hides none.
	HideChannel func(id common.Hash) bool
	// HideTransaction reports whether the node has no receipt and no transaction of this hash. Nil hides
	// none.
	HideTransaction func(hash common.Hash) bool
	// HideLogs reports whether eth_getLogs leaves out the logs of a block. Nil hides none.
	HideLogs func(block uint64) bool
}

func (v *View) hidesChannel(id common.Hash) bool {
	return v.HideChannel != nil && v.HideChannel(id)
}

func (v *View) hidesTransaction(hash common.Hash) bool {
	return v.HideTransaction != nil && v.HideTransaction(hash)
}

func (v *View) hidesLogs(b *block) bool { return v.HideLogs != nil && v.HideLogs(b.number) }

// viewKey finds the view of a request in its context.
type viewKey struct{}

// Node serves the chain's JSON-RPC as a node that shows a view of it. view is called for each call of a
// method, also within a batch: one that answers differently from method to method, or from call to call,
// is a load balancer over replicas.
func (c *Chain) Node(view func(method string) View) http.Handler {
	handler := c.Handler()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), viewKey{}, view)))
	})
}

// read lets an empty block catch up with the clock and shows the chain as the caller's node does.
// release ends that. The caller holds nothing.
func (a *api) read(ctx context.Context, method string) (v View, release func()) {
	if view, ok := ctx.Value(viewKey{}).(func(string) View); ok {
		v = view(method)
	}
	a.c.mu.Lock()
	a.c.tick()
	back := a.c.show(v)
	return v, func() {
		back()
		a.c.mu.Unlock()
	}
}

// show makes the chain the one of a view, until back. The caller holds c.mu, and changes nothing.
func (c *Chain) show(v View) (back func()) {
	if v.Lag == 0 && v.Replaced == 0 {
		return func() {}
	}
	newest := c.head().number
	seen := newest - min(newest-c.oldest(), v.Lag)
	fork := seen - min(seen-c.oldest(), v.Replaced)
	replaced := c.blocks[fork+1 : seen+1]
	back = c.rewind(fork)
	branch := c.branch
	c.branch = ^uint64(0)
	for _, b := range replaced {
		c.appendBlock(b.time, nil)
	}
	c.branch = branch
	return back
}

// rewind makes a block the newest one, until back. The caller holds c.mu.
func (c *Chain) rewind(to uint64) (back func()) {
	all := c.blocks
	for _, b := range slices.Backward(all[to+1:]) {
		undo(b.changes)
	}
	c.blocks = slices.Clip(all[:to+1])
	return func() {
		c.blocks = all
		for _, b := range all[to+1:] {
			redo(b.changes)
		}
	}
}

// oldest is the oldest block whose state is kept. The caller holds c.mu.
func (c *Chain) oldest() uint64 {
	newest := c.head().number
	return newest - min(newest, keptStates-1)
}

// stateAt makes the block that a request names the newest one, until back. The caller holds c.mu.
func (c *Chain) stateAt(at *rpc.BlockNumberOrHash) (back func(), err error) {
	if at == nil {
		return func() {}, nil
	}
	var b *block
	if number, ok := at.Number(); ok {
		b = c.blockAt(number)
	} else if hash, ok := at.Hash(); ok {
		b = c.blockByHash(hash)
	}
	if b == nil {
		return nil, errors.New("header not found")
	}
	if b.number < c.oldest() {
		return nil, fmt.Errorf("state of block %d is not kept; ask for a later one", b.number)
	}
	return c.rewind(b.number), nil
}

// mined is the receipt of a transaction in one of the blocks that are shown, or nil. The caller holds
// c.mu.
func (c *Chain) mined(hash common.Hash) *Receipt {
	r := c.sent[hash]
	if r == nil || r.BlockNumber >= uint64(len(c.blocks)) || c.blocks[r.BlockNumber].hash != r.BlockHash {
		return nil
	}
	return r
}

// waiting is the receipt that a transaction had, or will have, which the node holds in its pool, or nil.
// The caller holds c.mu.
func (c *Chain) waiting(v *View, hash common.Hash) *Receipt {
	if r := c.sent[hash]; r != nil && v.Pooled {
		return r
	}
	for _, p := range c.pool {
		if p.receipt.TxHash == hash {
			return p.receipt
		}
	}
	return nil
}

// pooled is a transaction that a reorganization took out of its block.
type pooled struct {
	raw     []byte
	receipt *Receipt // what it had there
}

// Reorganize replaces the newest n blocks by empty ones of the same times, for all nodes and for good.
// What their transactions did is undone. With pool, these wait for [Chain.Remine]; without, they are
// forgotten, and can be sent again. What [Chain.Mint] has made stays. At most the blocks whose state is
// kept are replaced, and never the first.
func (c *Chain) Reorganize(n int, pool bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tick()
	newest := c.head().number
	fork := newest - min(newest-c.oldest(), uint64(max(n, 0)))
	old := c.blocks[fork+1:]
	c.rewind(fork)
	c.branch++
	for _, b := range old {
		c.appendBlock(b.time, nil)
		for _, m := range b.mints {
			c.mint(m)
		}
		if b.receipt == nil {
			continue
		}
		delete(c.sent, b.receipt.TxHash)
		if pool {
			c.pool = append(c.pool, pooled{b.raw, b.receipt})
		}
	}
}

// Remine executes the transactions that wait since [Chain.Reorganize], in their order, and returns the
// receipts. Those that the chain would refuse by now are dropped.
func (c *Chain) Remine() (receipts []*Receipt) {
	c.mu.Lock()
	waiting := c.pool
	c.pool = nil
	c.mu.Unlock()
	for _, p := range waiting {
		if r, err := c.SendRaw(p.raw); err == nil {
			receipts = append(receipts, r)
		}
	}
	return receipts
}
