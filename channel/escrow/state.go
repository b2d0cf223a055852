package escrow

import (
	"context"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"

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
	// The chain cannot tell these apart on v2.
	Exists bool
	// Finalized is set by a v1 escrow for a channel that is closed for good.
	Finalized bool
	// Deposit and Settled are in base units.
	Deposit, Settled voucher.Amount
	// CloseRequestedAt is in Unix seconds, zero if no close was requested. The payer can withdraw
	// [GracePeriod] later.
	CloseRequestedAt uint64
	// Time is the newest block's time (Unix seconds) when the read began: the state is not older. A
	// transaction that was valid until then and is not in the state will never be mined.
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

// State reads a channel. A result is kept for a few seconds and concurrent callers share one read;
// after [Client.Forget] the chain is read again. That a channel does not exist is not kept. The
// errors are [ErrChainID], [ErrParams] and [ErrRPC].
func (c *Client) State(ctx context.Context, ref Ref) (State, error) {
	all, err := c.States(ctx, []Ref{ref})
	if err != nil {
		return State{}, err
	}
	return all[0], nil
}

// States is like [Client.State] for several channels of one chain in one request, in the order of
// refs. It returns all states or one error.
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
	out := make([]State, len(refs))
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
		if r.err != nil {
			return nil, r.err
		}
		out[i] = r.s
	}
	return out, nil
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
	states, err := c.fetch(ctx, refs)
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, ref := range refs {
		r := readings[ref]
		r.at, r.err = c.now(), err
		r.gone = err != nil && ctx.Err() != nil
		if err == nil {
			r.s = states[i]
		}
		if !r.s.Exists && c.kept[ref] == r {
			delete(c.kept, ref)
		}
		close(r.done)
	}
}

// fetch reads the time first and the channels after it: only so is [State.Time] a time that the state is
// not older than.
func (c *Client) fetch(ctx context.Context, refs []Ref) ([]State, error) {
	h, chainID := head{}, refs[0].ChainID
	if err := c.ask(ctx, chainID, h.latest()); err != nil {
		return nil, err
	}
	answers, questions := make([]hexutil.Bytes, len(refs)), make([]rpc.BatchElem, len(refs))
	for i, ref := range refs {
		questions[i] = ethCall(&answers[i], ref.Escrow, stateCall(ref))
	}
	if err := c.ask(ctx, chainID, questions...); err != nil {
		return nil, err
	}
	states := make([]State, len(refs))
	for i, ref := range refs {
		s, err := decodeState(ref.Protocol, answers[i])
		if err != nil {
			return nil, err
		}
		states[i] = s
		states[i].Time = uint64(h.block.Timestamp)
	}
	return states, nil
}

// Forget drops what is kept about a channel, so that the next call of State reads the chain.
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
