package escrow

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"net/http"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
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
	// Known is a block that an earlier search saw ([Stretch.Known]). If the node has another one in its
	// place, blocks that were searched were replaced, and the error is [ErrReplaced]. The zero value is not
	// compared.
	Known Block
}

// Block names a block of the chain.
type Block struct {
	Number uint64      `json:"number"`
	Hash   common.Hash `json:"hash"`
}

// overlap is how many of the newest blocks may still be replaced, or lack logs: of nodes behind one address
// some know a block before others know its logs.
const overlap = 100

// Stretch is a range of blocks that was searched, and what was found in it.
type Stretch struct {
	// Opened are the channels. Each was checked: it hashes to its id and is the payer's. It may be
	// closed by now: see [Client.States].
	Opened []Opened
	// Closed are channels of the payer whose close is logged in these blocks: proof that they ended.
	Closed []common.Hash
	// Strange counts the logs that do not describe such a channel. Opened leaves them out.
	Strange int
	// Next is the block to continue from, Newest the chain's newest block when the search began.
	Next, Newest uint64
	// Known is the last of these blocks, or the block that is 100 blocks older than the newest one if
	// that is earlier. The zero value is no block. Store it for a later search, from the block after it
	// and with it as [Search.Known], which then notices if blocks were replaced.
	Known Block
}

// How the number of blocks in a question follows what the node puts up with.
const (
	defaultSpan = 100_000
	shrink      = 10 // times fewer after a refusal
	growAfter   = 8  // answers in a row, then twice as many
)

// Search searches the logs of the escrows for channels of a payer, from a block to the newest one,
// and yields them in stretches of blocks. A stretch without channels is yielded too, as progress.
// There is at least one stretch, even if there is no block to search. A node that limits the rate is
// asked again, for about half a minute.
//
// An error is the last pair; the Stretch with it has only Next and Newest, to continue from. It is
// [ErrParams], [ErrChainID], [ErrReplaced], or [ErrRPC], which wraps the error of the context. There is
// no way to detect a node that omits logs; search again with another node.
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
		newest, err := c.newestNumber(ctx, s.ChainID, s.Known)
		if err != nil {
			yield(at, err)
			return
		}
		if at.Newest = newest; at.Newest < at.Next {
			yield(at, nil)
			return
		}
		p := pacing{span: s.Span, most: s.Span}
		for more := true; more; {
			to := at.Newest
			if to-at.Next >= p.span {
				to = at.Next + p.span - 1
			}
			known := min(to, newest-min(newest, overlap))
			found, err := c.stretch(ctx, s, at.Next, to, known)
			if err != nil {
				if p.slower(ctx, c.waits.limited, to-at.Next+1, err) {
					continue
				}
				yield(at, err)
				return
			}
			p.faster()
			more = to < at.Newest
			if at.Next = to; to != math.MaxUint64 {
				at.Next++
			}
			found.Next, found.Newest = at.Next, at.Newest
			if !yield(found, nil) {
				return
			}
		}
	}
}

// newestNumber asks for the number of the newest block, and whether a block is still on the chain. That of
// a node which lags is not asked for.
func (c *Client) newestNumber(ctx context.Context, chainID uint64, known Block) (uint64, error) {
	var newest *hexutil.Uint64
	var there blockHeader
	questions := []rpcCall{{Method: "eth_blockNumber", Result: &newest}}
	if known != (Block{}) {
		questions = append(questions, numbered(known.Number, &there))
	}
	err := c.askFor(ctx, chainID, func() error {
		if newest == nil {
			return fmt.Errorf("%w: the node tells no newest block", ErrRPC)
		}
		if known == (Block{}) || uint64(*newest) < known.Number {
			return nil
		}
		if there.Hash == nil || *there.Hash != known.Hash {
			return fmt.Errorf("%w: block %d was %s", ErrReplaced, known.Number, known.Hash)
		}
		return nil
	}, questions...)
	if err != nil {
		return 0, err
	}
	return uint64(*newest), nil
}

// numbered asks for a block by its number.
func numbered(number uint64, answer *blockHeader) rpcCall {
	return rpcCall{Method: "eth_getBlockByNumber", Args: []any{hexutil.Uint64(number), false}, Result: answer}
}

// pacing is how many blocks a question may cover.
type pacing struct {
	span, most uint64
	good       uint64 // what was answered last
	calm       int    // answers in a row
	limited    int    // answers in a row that limit the rate
}

// slower reports whether the question may be put again after an error, for fewer blocks or after a wait.
func (p *pacing) slower(ctx context.Context, wait time.Duration, blocks uint64, err error) bool {
	if ctx.Err() != nil {
		return false
	}
	limited := isLimited(err) || errors.Is(err, errLags)
	if limited {
		if p.limited++; p.limited > maxLimited {
			return false
		}
		sleep(ctx, wait<<(p.limited-1))
	}
	if limited && !ambiguous(err) {
		return true
	}
	if p.span == 1 || !limited && !tooMuch(err) {
		return limited
	}
	if p.calm = 0; p.good != 0 && p.good < p.span {
		p.span = p.good // what was answered before it grew
	} else {
		p.span = max(blocks/shrink, 1)
	}
	return true
}

// maxLimited is how often in a row a search waits for a node that limits the rate: 31 waits in all.
const maxLimited = 5

// ambiguous reports whether a limit may be one of blocks: nodes use one code for both.
func ambiguous(err error) bool {
	var e *nodeError
	return errors.As(err, &e) && e.code == limitExceeded && !aboutRate(e.message)
}

// faster follows an answer.
func (p *pacing) faster() {
	p.good, p.limited = p.span, 0
	if p.calm++; p.calm == growAfter {
		p.span, p.calm = min(2*p.span, p.most), 0
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

// stretch asks for the logs of the blocks from one to another, and for the block known.
func (c *Client) stretch(ctx context.Context, s Search, from, to, known uint64) (out Stretch, err error) {
	var (
		logs   *[]openedLog
		newest hexutil.Uint64
		block  blockHeader
		at     []common.Address
		topics []common.Hash
	)
	for _, topic := range []common.Hash{openedV1, openedV2, closedV1, closedV2} {
		if _, escrow := s.emitter(topic); escrow != (common.Address{}) {
			topics = append(topics, topic)
			if !slices.Contains(at, escrow) {
				at = append(at, escrow)
			}
		}
	}
	filter := map[string]any{
		"fromBlock": hexutil.Uint64(from), "toBlock": hexutil.Uint64(to), "address": at, "topics": []any{topics, nil, word(s.Payer)},
	}
	err = c.askFor(ctx, s.ChainID, func() (err error) {
		switch {
		case logs == nil:
			return fmt.Errorf("%w: eth_getLogs: the node answers null", ErrRPC)
		case uint64(newest) < to:
			return fmt.Errorf("%w: eth_getLogs: %w: it is at block %d, not at %d", ErrRPC, errLags, uint64(newest), to)
		}
		if out, err = s.read(*logs, from, to); known > 0 && block.Hash != nil {
			out.Known = Block{known, *block.Hash}
		}
		return err
	},
		rpcCall{Method: "eth_getLogs", Args: []any{filter}, Result: &logs},
		rpcCall{Method: "eth_blockNumber", Result: &newest}, // of the node that answered
		numbered(known, &block))
	if err != nil {
		return Stretch{}, err
	}
	return out, nil
}

// read reads the logs of some blocks.
func (s Search) read(logs []openedLog, from, to uint64) (out Stretch, err error) {
	for _, l := range logs {
		if l.Removed || l.Block == nil {
			return Stretch{}, fmt.Errorf("%w: eth_getLogs: %w: it has logs of no block", ErrRPC, errLags)
		}
		if o, ok := l.opened(s, from, to); ok {
			out.Opened = append(out.Opened, o)
		} else if id, ok := l.closed(s, from, to); ok {
			out.Closed = append(out.Closed, id)
		} else {
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
	case http.StatusTooManyRequests:
		return errLimited
	default:
		return fmt.Errorf("HTTP %d %s", status, http.StatusText(status))
	}
}

// errLags: the node does not have the newest block yet.
var errLags = errors.New("the node lags")

// errTooSlow: the node, or a proxy before it, gave up.
var errTooSlow = errors.New("the node took too long")
