package escrow

import (
	"context"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"
)

// CloseSearch describes channels whose closes are looked for.
type CloseSearch struct {
	// Channels are channels of one chain.
	Channels []Ref
	// Since is when the oldest of them was opened, or before, in Unix seconds. Older blocks are not
	// searched; zero searches all.
	Since uint64
}

// closesSpan are the blocks that were searched for the close of a channel without finding it.
type closesSpan struct{ from, next uint64 }

// Bounds of one search for closes, and how far the clock that Since is of may be wrong.
const (
	maxCloseQuestions = 64
	closesMargin      = 3600 // seconds
	closesOverlap     = 100  // blocks that are searched again: a node may know a block before its logs
)

// Closes looks for the logs of closes, from the newest block back, and returns the channels that have one.
// That is proof that a channel ended; that there is none proves nothing, since a node may omit logs. What
// was searched is not searched again by this client, and a call makes at most 64 requests: a later call
// goes on. The channels found before an error count. The errors are those of [Client.Search].
func (c *Client) Closes(ctx context.Context, q CloseSearch) (closed []Ref, err error) {
	groups := map[closesSpan][]Ref{}
	c.mu.Lock()
	for _, ref := range q.Channels {
		if err := checkPlace(ref.Protocol, ref.ChainID, ref.Escrow); err != nil {
			c.mu.Unlock()
			return nil, err
		}
		at := c.searched[ref]
		groups[at] = append(groups[at], ref)
	}
	c.mu.Unlock()
	for at, refs := range groups {
		found, err := c.closesOf(ctx, refs, q.Since, at)
		if closed = append(closed, found...); err != nil {
			return closed, err
		}
	}
	return closed, nil
}

// closesOf searches for channels of which the same blocks were searched.
func (c *Client) closesOf(ctx context.Context, refs []Ref, since uint64, had closesSpan) (closed []Ref, err error) {
	var newest *hexutil.Uint64
	chainID := refs[0].ChainID
	if err := c.ask(ctx, chainID, rpc.BatchElem{Method: "eth_blockNumber", Result: &newest}); err != nil {
		return nil, err
	}
	if newest == nil {
		return nil, fmt.Errorf("%w: the node tells no newest block", ErrRPC)
	}
	p := pacing{span: defaultSpan, most: defaultSpan}
	low, top := uint64(*newest), uint64(*newest) // what is searched, with low still to be
	floor := had.next - min(had.next, closesOverlap)
	for range maxCloseQuestions {
		if had.next != 0 && low < floor { // the rest up to there is searched; on below it
			if low = had.from; low == 0 {
				break
			}
			low, had.next = low-1, 0
		}
		from := low - min(low, p.span-1)
		if had.next != 0 {
			from = max(from, floor)
		}
		found, time, err := c.closesIn(ctx, refs, from, low)
		if err != nil {
			if p.slower(ctx, c.waits.limited, low-from+1, err) {
				continue
			}
			return closed, err
		}
		p.faster()
		closed = append(closed, found...)
		if from == 0 || had.next == 0 && time+closesMargin < since {
			low = 0
			break
		}
		low = from - 1
	}
	c.noteSearched(refs, closesSpan{from: low, next: top + 1}, had)
	return closed, nil
}

// noteSearched notes which blocks were searched, if they join those that were before.
func (c *Client) noteSearched(refs []Ref, now, had closesSpan) {
	if had.next != 0 && now.from >= had.next {
		return // the call ended between the two
	}
	if had.next != 0 {
		now.from = min(now.from, had.from)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.searched == nil || len(c.searched) > maxSearched {
		c.searched = map[Ref]closesSpan{}
	}
	for _, ref := range refs {
		c.searched[ref] = now
	}
}

// maxSearched bounds how many channels it is remembered of which blocks were searched.
const maxSearched = 10_000

// closesIn asks for the closes in some blocks, and for the time of the first one.
func (c *Client) closesIn(ctx context.Context, refs []Ref, from, to uint64) (closed []Ref, time uint64, err error) {
	var (
		logs   *[]openedLog
		newest hexutil.Uint64
		first  blockHeader
		at     []common.Address
		ids    = make([]common.Hash, len(refs))
		number = hexutil.Uint64(from)
	)
	for i, ref := range refs {
		if ids[i] = ref.ChannelID; !slices.Contains(at, ref.Escrow) {
			at = append(at, ref.Escrow)
		}
	}
	filter := map[string]any{
		"fromBlock": number, "toBlock": hexutil.Uint64(to), "address": at,
		"topics": []any{[]common.Hash{closedV1, closedV2}, ids},
	}
	err = c.ask(ctx, refs[0].ChainID,
		rpc.BatchElem{Method: "eth_getLogs", Args: []any{filter}, Result: &logs},
		rpc.BatchElem{Method: "eth_blockNumber", Result: &newest},
		rpc.BatchElem{Method: "eth_getBlockByNumber", Args: []any{number, false}, Result: &first})
	switch {
	case err != nil:
		return nil, 0, err
	case logs == nil:
		return nil, 0, fmt.Errorf("%w: eth_getLogs: the node answers null", ErrRPC)
	case uint64(newest) < to:
		return nil, 0, fmt.Errorf("%w: eth_getLogs: %w", ErrRPC, errLags)
	case first.Timestamp == nil:
		return nil, 0, fmt.Errorf("%w: the node does not have block %d", ErrRPC, from)
	}
	for _, ref := range refs {
		if slices.ContainsFunc(*logs, func(l openedLog) bool { return l.closes(ref, from, to) }) {
			closed = append(closed, ref)
		}
	}
	return closed, uint64(*first.Timestamp), nil
}

// closes reports whether the log is of the close of a channel.
func (l openedLog) closes(ref Ref, from, to uint64) bool {
	return receiptLog{l.Address, l.Topics, l.Removed}.closes(ref) && l.Block != nil && uint64(*l.Block) >= from && uint64(*l.Block) <= to
}
