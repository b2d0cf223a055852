package escrow

import (
	"context"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
)

// CloseSearch describes channels whose closes are looked for.
type CloseSearch struct {
	// Channels are channels of one chain.
	Channels []Ref
	// Since is when the oldest of them was opened, or before, in Unix seconds. Older blocks are not
	// searched; zero searches all.
	Since uint64
}

// closesSpan are the blocks that were searched for the close of a channel without finding it: from the first
// to the one before the next.
type closesSpan struct{ from, next uint64 }

// Bounds of one search for closes, and how far the clock that Since is of may be wrong.
const (
	maxCloseQuestions = 64
	closesMargin      = 3600 // seconds
	closesOverlap     = 100  // blocks that are searched again: a node may know a block before its logs
)

// Closes searches for the logs of closes, from the newest block back, and returns the channels that have
// one. Such a log proves that the channel ended. The lack of one proves nothing, since a node may omit
// logs. A call makes at most 64 requests to the node; the next call continues where it ended. If err is
// not nil, closed has the channels that were found before. The errors are those of [Client.Search].
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
	newest, err := c.newestNumber(ctx, refs[0].ChainID, Block{})
	if err != nil {
		return nil, err
	}
	p := pacing{span: defaultSpan, most: defaultSpan}
	scan := closeScan{had: had, low: newest}
	for range maxCloseQuestions {
		from, more := scan.question(p.span)
		if !more {
			break
		}
		found, time, err := c.closesIn(ctx, refs, from, scan.low)
		if err != nil {
			if p.slower(ctx, c.waits.limited, scan.low-from+1, err) {
				continue
			}
			return closed, err
		}
		p.faster()
		closed = append(closed, found...)
		scan.answered(from, time != 0 && time < since-min(since, closesMargin))
	}
	now := closesSpan{from: scan.low + 1, next: newest + 1}
	if scan.done {
		now.from = 0
	}
	c.noteSearched(refs, now, had)
	return closed, nil
}

// closeScan goes from the newest block down, past those that were searched before.
type closeScan struct {
	had   closesSpan
	low   uint64 // the next block to search; those above are searched
	below bool   // it is below what was searched before
	done  bool   // there are no older blocks to search
}

// question returns the first block of the next question, whose last is low.
func (s *closeScan) question(span uint64) (from uint64, more bool) {
	top := s.had.next - min(s.had.next, closesOverlap) // of what need not be searched again
	if !s.below && s.low < top {
		if s.done = s.had.from == 0; !s.done {
			s.low, s.below = s.had.from-1, true
		}
	}
	if from = s.low - min(s.low, span-1); !s.below {
		from = max(from, top)
	}
	return from, !s.done
}

// answered goes on below a question. old reports that no block below it has to be searched.
func (s *closeScan) answered(from uint64, old bool) {
	s.done = from == 0 || old && (s.below || s.had.next == 0)
	if s.done {
		return
	}
	s.low = from - 1
}

// noteSearched notes which blocks were searched, if they join those that were before.
func (c *Client) noteSearched(refs []Ref, now, had closesSpan) {
	if had.next != 0 && now.from >= had.next {
		return // the call ended between the two
	}
	if had.next != 0 {
		now = closesSpan{min(now.from, had.from), max(now.next, had.next)}
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
	err = c.askFor(ctx, refs[0].ChainID, func() error {
		switch {
		case logs == nil:
			return fmt.Errorf("%w: eth_getLogs: the node answers null", ErrRPC)
		case uint64(newest) < to:
			return fmt.Errorf("%w: eth_getLogs: %w", ErrRPC, errLags)
		case first.Timestamp == nil:
			return fmt.Errorf("%w: the node does not have block %d", ErrRPC, from)
		}
		return nil
	},
		rpcCall{Method: "eth_getLogs", Args: []any{filter}, Result: &logs},
		rpcCall{Method: "eth_blockNumber", Result: &newest},
		rpcCall{Method: "eth_getBlockByNumber", Args: []any{number, false}, Result: &first})
	if err != nil {
		return nil, 0, err
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
