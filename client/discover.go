package client

import (
	"context"
	"errors"
	"iter"
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
// The search records how far it came and goes on from there the next time, a little before it, so that
// it can be interrupted. If again is true it begins at the first block. There is no way to detect a node
// that omits logs; search again with another node. For each stretch of blocks one [channel.Finding] without a
// channel is yielded. An error is the end: [ErrNoChain], those of [escrow.Client.Search], and the
// store's.
func (c *Channels) Find(ctx context.Context, again bool) iter.Seq2[channel.Finding, error] {
	s := c.s
	return func(yield func(channel.Finding, error) bool) {
		search, marked, err := s.searchFrom(ctx, again)
		if err != nil {
			yield(channel.Finding{}, err)
			return
		}
		for over := true; over; search.From = 0 {
			over = false
			for stretch, err := range s.cfg.Chain.Search(ctx, search) {
				if over = err == nil && stretch.Next > stretch.Newest+1; over {
					break // a node that was ahead of the chain, or lied, recorded that: from the first block
				}
				if !s.found(ctx, marked, stretch, err, yield) {
					return
				}
			}
		}
	}
}

// found checks the channels of a stretch of blocks, and reports whether the search goes on.
func (s *Session) found(ctx context.Context, marked searched, stretch escrow.Stretch, err error, yield func(channel.Finding, error) bool) bool {
	at := channel.Finding{Next: stretch.Next, Newest: stretch.Newest, Strange: stretch.Strange}
	if err != nil {
		yield(at, err)
		return false
	}
	findings, err := s.take(ctx, stretch.Opened)
	for _, f := range findings {
		if !yield(f, nil) {
			return false
		}
	}
	if err == nil {
		err = s.mark(ctx, marked, stretch)
	}
	return yield(at, err) && err == nil
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
		search.From = had.Next
	}
	return search, marked, err
}

// maxStates is how many channels are asked about in one exchange.
const maxStates = 64

// take checks channels that were found and records those that hold money. The findings before an error
// count.
func (s *Session) take(ctx context.Context, opened []escrow.Opened) (out []channel.Finding, err error) {
	for len(opened) > 0 {
		some := opened[:min(len(opened), maxStates)]
		opened = opened[len(some):]
		refs := make([]escrow.Ref, len(some))
		for i, o := range some {
			refs[i] = o.Ref
			s.cfg.Chain.Forget(o.ChannelID)
		}
		states, err := s.cfg.Chain.States(ctx, refs)
		if err != nil {
			return out, err
		}
		for i, o := range some {
			f, err := s.takeOne(ctx, o, rule.OnChain(states[i]))
			if err != nil {
				return out, err
			}
			out = append(out, f)
		}
	}
	return out, nil
}

func (s *Session) takeOne(ctx context.Context, o escrow.Opened, c rule.OnChain) (channel.Finding, error) {
	orphan := rule.Orphan(o.Protocol, o.ChainID, o.Escrow, o.Descriptor, c)
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
