package escrow

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"
)

// Search describes the channels to look for in the chain's logs.
type Search struct {
	// ChainID is the chain that the node has to be on.
	ChainID uint64
	// Payer is the account that opened them.
	Payer common.Address
	// V1 and V2 are the escrows to search. Zero searches for no channel of that protocol. If both
	// are zero, the error is [ErrParams].
	V1, V2 common.Address
	// From is the first block to search: zero for the whole chain, or [Stretch.Next] of a search
	// that ended early.
	From uint64
	// Span is how many blocks one request to the node covers at most. Zero means 100,000. If the
	// node refuses, fewer are requested.
	Span uint64
}

// Stretch is a range of blocks that was searched, and what was found in it.
type Stretch struct {
	// Opened are the channels. Each was checked: it hashes to its id and is the payer's. It may be
	// closed by now: see [Client.States].
	Opened []Opened
	// Strange is how many logs do not describe such a channel. They are left out.
	Strange int
	// Next is the block to continue from, Newest the chain's newest block when the search began.
	Next, Newest uint64
}

// How the number of blocks in a question follows what the node puts up with.
const (
	defaultSpan = 100_000
	shrink      = 10 // times fewer after a refusal
	growAfter   = 8  // answers in a row, then twice as many
)

// Search searches the logs of the escrows for channels of a payer, from a block to the newest one,
// and yields them in stretches of blocks. A stretch without channels is yielded too, as progress.
// There is at least one stretch, even if there is no block to search.
//
// An error is the last pair; the Stretch with it has only Next and Newest, to continue from. It is
// [ErrParams], [ErrChainID] or [ErrRPC], which wraps the error of the context. There is no way to
// detect a node that omits logs; search again with another node.
func (c *Client) Search(ctx context.Context, s Search) iter.Seq2[Stretch, error] {
	return func(yield func(Stretch, error) bool) {
		at := Stretch{Next: s.From}
		if err := s.check(); err != nil {
			yield(at, err)
			return
		}
		if s.Span == 0 {
			s.Span = defaultSpan
		}
		var newest hexutil.Uint64
		if err := c.ask(ctx, s.ChainID, rpc.BatchElem{Method: "eth_blockNumber", Result: &newest}); err != nil {
			yield(at, err)
			return
		}
		if at.Newest = uint64(newest); at.Newest < at.Next {
			yield(at, nil)
			return
		}
		span, good, calm := s.Span, uint64(0), 0
		for at.Next <= at.Newest {
			to := at.Newest
			if to-at.Next >= span {
				to = at.Next + span - 1
			}
			found, err := c.stretch(ctx, s, at.Next, to)
			if err != nil && span > 1 && tooMuch(err) {
				if calm = 0; good != 0 && good < span {
					span = good // what was answered before it grew
				} else {
					span = max((to-at.Next+1)/shrink, 1)
				}
				continue
			}
			if err != nil {
				yield(at, err)
				return
			}
			good = span
			if calm++; calm == growAfter {
				span, calm = min(2*span, s.Span), 0
			}
			at.Next = to + 1
			found.Next, found.Newest = at.Next, at.Newest
			if !yield(found, nil) {
				return
			}
		}
	}
}

func (s Search) check() error {
	none := common.Address{}
	switch {
	case s.ChainID == 0:
		return fmt.Errorf("%w: ChainID is not set", ErrParams)
	case s.Payer == none:
		return fmt.Errorf("%w: Payer is not set", ErrParams)
	case s.V1 == none && s.V2 == none:
		return fmt.Errorf("%w: neither V1 nor V2 is set: there is no escrow to look in, see DefaultEscrow", ErrParams)
	case s.Span > 1<<32:
		return fmt.Errorf("%w: Span is %d, more than any chain has", ErrParams, s.Span)
	}
	return nil
}

// stretch asks for the logs of the blocks from one to another.
func (c *Client) stretch(ctx context.Context, s Search, from, to uint64) (out Stretch, err error) {
	var (
		logs   []openedLog
		at     []common.Address
		topics []common.Hash
	)
	for _, topic := range []common.Hash{openedV1, openedV2} {
		if _, escrow := s.emitter(topic); escrow != (common.Address{}) {
			at, topics = append(at, escrow), append(topics, topic)
		}
	}
	filter := map[string]any{
		"fromBlock": hexutil.Uint64(from), "toBlock": hexutil.Uint64(to), "address": at, "topics": []any{topics, nil, word(s.Payer)},
	}
	if err := c.ask(ctx, s.ChainID, rpc.BatchElem{Method: "eth_getLogs", Args: []any{filter}, Result: &logs}); err != nil {
		return Stretch{}, err
	}
	for _, l := range logs {
		if o, ok := l.opened(s, from, to); ok {
			out.Opened = append(out.Opened, o)
		} else if !l.Removed {
			out.Strange++
		}
	}
	return out, nil
}

// tooMuch reports whether fewer blocks may be answered: the node said no, whatever its words (there is no code that
// they agree on), or its answer is too long or takes too long.
func tooMuch(err error) bool {
	var node *nodeError
	if errors.As(err, &node) {
		return node.code != methodNotFound
	}
	return errors.Is(err, errTooLarge) || errors.Is(err, errTooSlow)
}

const methodNotFound = -32601

// statusError is what an HTTP status other than 200 means.
func statusError(status int) error {
	switch status {
	case http.StatusRequestEntityTooLarge:
		return errTooLarge
	case http.StatusRequestTimeout, http.StatusGatewayTimeout:
		return errTooSlow
	default:
		return fmt.Errorf("HTTP %d %s", status, http.StatusText(status))
	}
}

// errTooSlow: the node, or a proxy before it, gave up.
var errTooSlow = errors.New("the node took too long")
