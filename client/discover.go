package client

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Find looks for all channels that the payer ever opened in the logs of the chain, from its first block
// to the newest one: for a store that was lost, damaged or restored from a backup. Every channel that it
// finds is checked: it is the payer's, it hashes to its id, and the chain shows what it holds.
//
// A channel that was not on record and holds money is recorded without an origin, since no log shows
// what it was opened for. It is listed, and [Channels.RequestClose], [Channels.Withdraw] and
// [Channels.Sweep] get its money back. It is paid from again when its server shows a voucher of ours for
// it (a snapshot, or by proof with Config.Bootstrap), and after [Channels.Import] or [WithChannel]. A
// channel of another voucher key is recorded too, and never paid from.
//
// A channel that the chain does not show counts as closed only if its close is in the logs, or its v1 escrow
// says so. Others are recorded too, as [channel.FoundNotSeen]: a node may lag, or leave things out.
//
// The search records how far it came and goes on from there the next time, a little before it, so that
// it can be interrupted. It goes on before the first channel that was not seen. If again is true, or if the
// chain has replaced blocks that were searched, it begins at the first block. There is no way to detect a
// node that omits logs; search again with another node. For each stretch of blocks one [channel.Finding]
// without a channel is yielded. An error is the end: [ErrNoChain], those of [escrow.Client.Search], and
// the store's.
func (c *Channels) Find(ctx context.Context, again bool) iter.Seq2[channel.Finding, error] {
	s := c.s
	return func(yield func(channel.Finding, error) bool) {
		search, marked, err := s.searchFrom(ctx, again)
		if err != nil {
			yield(channel.Finding{}, err)
			return
		}
		f := finder{s: s, marked: marked, missing: map[common.Hash]missing{}, strange: math.MaxUint64, yield: yield}
		for over := true; over; search.From, search.Known = 0, (escrow.Block{}) {
			over, f.at = false, search.From
			for stretch, err := range s.cfg.Chain.Search(ctx, search) {
				// A node that was ahead of the chain, or lied, recorded that, or the chain replaced it: from the first block.
				over = err == nil && stretch.Next > stretch.Newest && stretch.Next-stretch.Newest > 1 || errors.Is(err, escrow.ErrReplaced)
				if over {
					break
				}
				if !f.stretch(ctx, stretch, err) {
					return
				}
			}
		}
	}
}

// finder is one search.
type finder struct {
	s       *Session
	marked  searched
	at      uint64 // the first block of the stretch
	missing map[common.Hash]missing
	strange uint64 // a block before the first log that describes no channel
	yield   func(channel.Finding, error) bool
}

// missing is a channel that was opened, and that the chain does not show, with no close in the logs so far.
type missing struct {
	escrow.Opened
	state rule.OnChain
	err   error // why it could not be read
}

// stretch checks the channels of a stretch of blocks, and reports whether the search goes on.
func (f *finder) stretch(ctx context.Context, stretch escrow.Stretch, err error) bool {
	at := channel.Finding{Next: stretch.Next, Newest: stretch.Newest, Strange: stretch.Strange}
	if err != nil {
		f.yield(at, err)
		return false
	}
	if !f.take(ctx, stretch.Opened, false) {
		return false
	}
	for _, id := range stretch.Closed {
		if m, ok := f.missing[id]; ok {
			delete(f.missing, id)
			if m.state.Ended = true; !f.takeOne(ctx, m.Opened, m.state, nil) {
				return false
			}
		}
	}
	if stretch.Next >= stretch.Newest && !f.last(ctx) {
		return false
	}
	if stretch.Strange > 0 {
		f.strange = min(f.strange, f.at)
	}
	f.at = stretch.Next
	err = f.s.mark(ctx, f.marked, stretch, f.before(stretch.Next))
	return f.yield(at, err) && err == nil
}

// before returns the block before which every channel that was opened is on record or proved to be closed. A
// log that describes no channel may be one of a channel, which the node damaged.
func (f *finder) before(next uint64) uint64 {
	next = min(next, f.strange)
	for _, m := range f.missing {
		next = min(next, m.Block)
	}
	return next
}

// last reads the channels once more that were not seen, and records those that are still not.
func (f *finder) last(ctx context.Context) bool {
	left := slices.Collect(maps.Values(f.missing))
	slices.SortFunc(left, func(a, b missing) int { return cmp.Compare(a.Block, b.Block) })
	opened := make([]escrow.Opened, len(left))
	for i, m := range left {
		opened[i] = m.Opened
	}
	return f.take(ctx, opened, true)
}

// maxStates is how many channels are asked about in one exchange.
const maxStates = 64

// take reads channels that were found and records those that hold money. Those that are not seen wait for
// the log of a close, unless it is the last time.
func (f *finder) take(ctx context.Context, opened []escrow.Opened, last bool) bool {
	for some := range slices.Chunk(opened, maxStates) {
		refs := make([]escrow.Ref, len(some))
		for i, o := range some {
			refs[i] = o.Ref
			f.s.cfg.Chain.Forget(o.ChannelID)
		}
		states, err := f.s.cfg.Chain.States(ctx, refs)
		failed, _ := errors.AsType[escrow.ReadErrors](err)
		if err != nil && len(failed) != len(some) {
			if !last || ctx.Err() != nil {
				f.yield(channel.Finding{}, err)
				return false
			}
			states, failed = make([]escrow.State, len(some)), slices.Repeat(escrow.ReadErrors{err}, len(some))
		}
		for i, o := range some {
			m := missing{o, rule.OnChain(states[i]), nil}
			if failed != nil {
				m.err = failed[i]
			}
			if (!m.state.Exists && !m.state.Finalized || m.err != nil) && !f.s.knownClosed(ctx, o.ChannelID) {
				if f.missing[o.ChannelID] = m; !last {
					continue
				}
			} else {
				delete(f.missing, o.ChannelID)
			}
			if !f.takeOne(ctx, o, m.state, m.err) {
				return false
			}
		}
	}
	return true
}

// knownClosed reports whether a channel is on record as closed.
func (s *Session) knownClosed(ctx context.Context, id common.Hash) bool {
	account, err := s.ledger.Account(ctx, id)
	return err == nil && account.State().Phase() == channel.Closed
}

// takeOne yields what is found of a channel.
func (f *finder) takeOne(ctx context.Context, o escrow.Opened, c rule.OnChain, unread error) bool {
	found, err := f.s.takeOne(ctx, o, c)
	if err != nil {
		f.yield(channel.Finding{}, err)
		return false
	}
	if found.Channel.Phase == channel.NotSeen && found.Found != channel.FoundUnreadable {
		found.Found, found.Err = channel.FoundNotSeen, unread
	}
	return f.yield(found, nil)
}

// searchFrom returns where to look, and the record of how far the search came.
func (s *Session) searchFrom(ctx context.Context, again bool) (escrow.Search, searched, error) {
	if s.cfg.Chain == nil {
		return escrow.Search{}, searched{}, ErrNoChain
	}
	chainID, err := s.cfg.Chain.ChainID(ctx)
	if err != nil {
		return escrow.Search{}, searched{}, err
	}
	search := escrow.Search{ChainID: chainID, Payer: s.payer, V1: s.cfg.Escrow, V2: s.cfg.Escrow}
	if s.cfg.Escrow == (common.Address{}) {
		search.V1, _ = escrow.DefaultEscrow(voucher.V1, chainID)
		search.V2, _ = escrow.DefaultEscrow(voucher.V2, chainID)
	}
	marked := searched{Version: 1, ChainID: chainID, Payer: s.payer, V1: search.V1, V2: search.V2}
	had, rev, err := s.searched(ctx, marked)
	switch {
	case err != nil:
	case again && had.Next != 0:
		err = s.put(ctx, marked, rev)
	case marked.same(had):
		search.From, search.Known = had.Next, had.Known
	}
	return search, marked, err
}

func (s *Session) takeOne(ctx context.Context, o escrow.Opened, c rule.OnChain) (channel.Finding, error) {
	orphan := rule.Orphan(o.Protocol, o.ChainID, o.Escrow, o.Descriptor, o.Deposit, c)
	account, err := s.ledger.Account(ctx, o.ChannelID)
	switch {
	case errors.Is(err, channel.ErrRecord), errors.Is(err, store.ErrCorrupt):
		return channel.Finding{Found: channel.FoundUnreadable, Channel: orphan.Info(), Err: err}, nil
	case err == nil:
		read, err := s.sync(ctx, account, syncOptions{read: &c, describe: &o.Descriptor, news: true})
		return channel.Finding{Found: channel.FoundKnown, Channel: read.after.Info()}, err
	case !errors.Is(err, store.ErrNotFound):
		return channel.Finding{}, err
	case !orphan.HoldsMoney():
		return channel.Finding{Found: channel.FoundClosed, Channel: orphan.Info()}, nil
	}
	orphan.CreatedAt = time.Now().UTC()
	_, added, err := s.ledger.Note(ctx, orphan)
	if err != nil {
		return channel.Finding{}, err
	}
	if added {
		s.recordFound(ctx, orphan)
	}
	s.tell(ctx, Event{Kind: EventFound, ChannelID: orphan.ID, Deposit: orphan.Deposit})
	if orphan.Scope.Signer != s.ledger.Signer() {
		return channel.Finding{Found: channel.FoundForeign, Channel: orphan.Info()}, nil
	}
	return channel.Finding{Found: channel.FoundAdded, Channel: orphan.Info()}, nil
}
