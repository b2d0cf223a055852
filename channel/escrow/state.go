package escrow

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Ref identifies a channel: its protocol, chain, escrow and id. All fields are required.
type Ref struct {
	Protocol  voucher.Protocol
	ChainID   uint64
	Escrow    common.Address
	ChannelID common.Hash
}

// State is what the escrow holds for a channel.
type State struct {
	// Exists is false if the escrow holds nothing: the channel was never opened, or it is closed.
	// The chain cannot tell these apart on v2, and it is no proof of either: see [Client.Closes].
	Exists bool
	// Finalized is set by a v1 escrow for a channel that is closed for good.
	Finalized bool
	// Deposit and Settled are in base units.
	Deposit, Settled voucher.Amount
	// CloseRequestedAt is in Unix seconds, zero if no close was requested. The payer can withdraw
	// [GracePeriod] later.
	CloseRequestedAt uint64
	// Ended means that there is proof that the channel was closed. Callers set it, for example after
	// [Client.Closes]. [Client.State] and [Client.States] do not.
	Ended bool
	// Time is the time (Unix seconds) of the block whose state this is.
	Time uint64
	// Payer, Payee, Token and Signer are what a v1 escrow stores of an open channel. They are zero
	// on v2, because the descriptor hashes to the id there.
	Payer, Payee, Token, Signer common.Address
}

// keepFor is how long a reading is used again, the time for which servers keep theirs.
const keepFor = 5 * time.Second

// reading is one reading of one channel, by one caller, for all that ask meanwhile.
type reading struct {
	done chan struct{} // closed when the rest is set
	at   time.Time
	s    State
	err  error
	gone bool // the caller's context ended: the others read for themselves
}

// State reads a channel. A result is cached for a few seconds, and concurrent callers share one read.
// After [Client.Forget] the chain is read again. The absence of a channel is not cached. The errors are
// [ErrChainID], [ErrParams] and [ErrRPC].
func (c *Client) State(ctx context.Context, ref Ref) (State, error) {
	all, err := c.States(ctx, []Ref{ref})
	if err != nil {
		return State{}, err
	}
	return all[0], nil
}

// States is like [Client.State] for several channels of one chain in one request, in the order of
// refs. If some of them cannot be read, the error is a [ReadErrors], and the states of the others are
// valid. With any other error there are none.
func (c *Client) States(ctx context.Context, refs []Ref) ([]State, error) {
	for _, ref := range refs {
		if err := checkPlace(ref.Protocol, ref.ChainID, ref.Escrow); err != nil {
			return nil, err
		}
		if ref.ChainID != refs[0].ChainID {
			return nil, fmt.Errorf("%w: channels of chains %d and %d in one reading", ErrParams, refs[0].ChainID, ref.ChainID)
		}
	}
	readings, mine := c.join(refs)
	if len(mine) > 0 {
		c.read(ctx, mine, readings)
	}
	out, errs, failed := make([]State, len(refs)), make(ReadErrors, len(refs)), 0
	for i, ref := range refs {
		r := readings[ref]
		select {
		case <-r.done:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: reading a channel: %w", ErrRPC, ctx.Err())
		}
		if r.gone && ctx.Err() == nil {
			r = new(reading)
			r.s, r.err = c.State(ctx, ref)
		}
		if out[i], errs[i] = r.s, r.err; r.err != nil {
			failed++
		}
	}
	switch {
	case failed == 0:
		return out, nil
	case failed == len(refs):
		return nil, errs[0]
	}
	return out, errs
}

// ReadErrors are the errors of channels that could not be read together with others, in the order in
// which they were asked for; nil for those that were read.
type ReadErrors []error

// Error returns the first of the errors and how many there are.
func (e ReadErrors) Error() string {
	n := 0
	for _, err := range e {
		if err != nil {
			n++
		}
	}
	return fmt.Sprintf("%d of %d channels were not read: %v", n, len(e), e.Unwrap()[0])
}

// Unwrap returns the errors that are not nil.
func (e ReadErrors) Unwrap() (all []error) {
	for _, err := range e {
		if err != nil {
			all = append(all, err)
		}
	}
	return all
}

// join finds the readings of refs that are fresh or under way, and starts those that are missing, which
// the caller must do.
func (c *Client) join(refs []Ref) (all map[Ref]*reading, mine []Ref) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for ref, r := range c.kept {
		if r.stale(c.now()) {
			delete(c.kept, ref)
		}
	}
	all = make(map[Ref]*reading, len(refs))
	for _, ref := range refs {
		if all[ref] != nil {
			continue
		}
		r := c.kept[ref]
		if r == nil {
			r = &reading{done: make(chan struct{})}
			c.kept[ref] = r
			mine = append(mine, ref)
		}
		all[ref] = r
	}
	return all, mine
}

func (r *reading) stale(now time.Time) bool {
	select {
	case <-r.done:
		return now.Sub(r.at) >= keepFor
	default:
		return false
	}
}

// read does the readings and hands them to all that wait. Errors and absent channels are not kept.
func (c *Client) read(ctx context.Context, refs []Ref, readings map[Ref]*reading) {
	states, errs := c.fetch(ctx, refs)
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, ref := range refs {
		r := readings[ref]
		r.at, r.s, r.err = c.now(), states[i], errs[i]
		r.gone = r.err != nil && ctx.Err() != nil
		if !r.s.Exists && c.kept[ref] == r {
			delete(c.kept, ref)
		}
		close(r.done)
	}
}

// fetch reads channels at the newest block that a node has. What cannot be read there is read once more
// at the then newest: the block may be gone, or the node may have been a replica that does not have it.
func (c *Client) fetch(ctx context.Context, refs []Ref) ([]State, []error) {
	states, errs := make([]State, len(refs)), make([]error, len(refs))
	left := make([]int, len(refs)) // indices
	for i := range left {
		left[i] = i
	}
	nodes := slices.Clone(c.nodes)
	for try := 1; len(left) > 0; try++ {
		if failed := c.fetchAt(ctx, nodes, refs, left, states, errs); len(nodes) > len(failed) {
			nodes = slices.DeleteFunc(nodes, func(n *node) bool { return slices.Contains(failed, n) })
		}
		left = slices.DeleteFunc(left, func(i int) bool { return errs[i] == nil || errors.Is(errs[i], ErrChainID) })
		if try == maxReads || ctx.Err() != nil {
			break
		}
		if len(left) > 0 {
			c.pause(ctx)
		}
	}
	return states, errs
}

// maxReads is how often a channel is read until it is given up.
const maxReads = 4

// fetchAt reads some of the channels, all at one block, and returns the nodes that said that they have it
// and do not.
func (c *Client) fetchAt(
	ctx context.Context, nodes []*node, refs []Ref, some []int, states []State, errs []error,
) (failed []*node) {
	answers, questions := make([]hexutil.Bytes, len(some)), make([]rpcCall, 1, len(some)+1)
	at, have, err := c.newest(ctx, refs[0].ChainID, nodes)
	for j, i := range some {
		questions = append(questions, ethCall(&answers[j], refs[i].Escrow, stateCall(refs[i]), at.pinned()))
	}
	for _, n := range have {
		var again blockHeader
		questions[0] = at.again(&again)
		if err = n.ask(ctx, refs[0].ChainID, questions); err == nil {
			if err = questions[0].Error; err == nil {
				err = again.same(at)
			}
		}
		if err == nil && slices.ContainsFunc(questions[1:], func(q rpcCall) bool { return q.Error == nil }) {
			c.saw(at)
			break
		}
		failed = append(failed, n)
	}
	for j, i := range some {
		if errs[i] = err; err != nil {
			continue
		}
		if errs[i] = questions[j+1].Error; errs[i] == nil {
			if states[i], errs[i] = decodeState(refs[i].Protocol, answers[j]); errs[i] == nil {
				states[i].Time = uint64(*at.Timestamp)
			}
		}
	}
	return failed
}

// Forget discards the cached state of a channel, so that the next call of [Client.State] reads the chain.
func (c *Client) Forget(channelID common.Hash) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for ref := range c.kept {
		if ref.ChannelID == channelID {
			delete(c.kept, ref)
		}
	}
}

// checkPlace refuses a channel that cannot be anywhere.
func checkPlace(p voucher.Protocol, chainID uint64, escrow common.Address) error {
	switch {
	case p != voucher.V1 && p != voucher.V2:
		return fmt.Errorf("%w: protocol is %s, set voucher.V1 or voucher.V2", ErrParams, p)
	case chainID == 0:
		return fmt.Errorf("%w: ChainID is not set", ErrParams)
	case escrow == common.Address{}:
		return fmt.Errorf("%w: Escrow is not set, see DefaultEscrow", ErrParams)
	}
	return nil
}
