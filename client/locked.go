package client

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

func lockedIn(st rule.State) channel.Locked {
	l := channel.Locked{Info: st.Info()}
	if l.Amount = l.Rest(); st.CloseRequestedAt != 0 {
		l.Until = time.Unix(int64(st.CloseRequestedAt), 0).Add(escrow.GracePeriod).UTC() //nolint:gosec // a time of the chain
	}
	return l
}

// Locked yields what stays in the payer's channels that hold money, those of earlier runs and of other
// sessions on the store included. A record that cannot be read is yielded as an error, and the iteration
// goes on.
func (c *Channels) Locked(ctx context.Context) iter.Seq2[channel.Locked, error] {
	return func(yield func(channel.Locked, error) bool) {
		for st, err := range c.s.ledger.Live(ctx, 0) {
			switch {
			case err != nil:
				if !yield(channel.Locked{}, err) {
					return
				}
			case st.HoldsMoney() && st.Scope.Payer == c.s.payer:
				if !yield(lockedIn(st), nil) {
					return
				}
			}
		}
	}
}

// CloseIdle closes the open channels of the payer that nothing was paid from for a time, as
// [Channels.Close] does, eight at a time, and returns how many it closed. The error joins those of the
// channels and of the store; it wraps [ErrRejected] if a payee refused: [Channels.RequestClose] brings
// that money back. A program that runs for long calls it now and then. A time that is not above zero is
// an error: it would close what is in use.
func (c *Channels) CloseIdle(ctx context.Context, idle time.Duration) (closed int, err error) {
	return c.s.closeIdle(ctx, idle)
}

func (s *Session) closeIdle(ctx context.Context, idle time.Duration) (int, error) {
	if idle <= 0 {
		return 0, fmt.Errorf("client: CloseIdle was given %s: it needs a time above zero", idle)
	}
	isIdle := func(st rule.State) bool {
		return st.Phase() == channel.Open && st.Scope.Payer == s.payer && time.Since(st.Info().PaidAt) > idle
	}
	var ids []common.Hash
	var errs []error
	for st, err := range s.ledger.Live(ctx, 0) {
		if err != nil {
			errs = append(errs, err)
		} else if isIdle(st) {
			ids = append(ids, st.ID)
		}
	}
	var closed atomic.Int64
	failed := make([]error, len(ids))
	sideBySide(len(ids), func(i int) {
		account, err := s.ledger.Account(ctx, ids[i])
		if err == nil {
			if !isIdle(account.State()) { // paid meanwhile
				return
			}
			err = s.Channels().Close(ctx, ids[i])
		}
		if failed[i] = err; err == nil {
			closed.Add(1)
		}
	})
	return int(closed.Load()), errors.Join(append(errs, failed...)...)
}

const (
	// toldLocked bounds how many channels [Session.Close] tells of one by one, and listedLocked how many it reads
	// of those that were left over: a program that ends soon has no time for ten thousand.
	toldLocked, listedLocked = 32, 256
	// lockedWait bounds how long the store may take to list the channels.
	lockedWait = 5 * time.Second
)

// leftovers are the sums of what stays in channels, for each token.
type leftovers map[channel.Asset]*struct {
	channels int
	amount   voucher.Amount
}

func (l leftovers) add(one channel.Locked) {
	asset := channel.Asset{ChainID: one.Scope.ChainID, Token: one.Scope.Token}
	if l[asset] == nil {
		l[asset] = new(struct {
			channels int
			amount   voucher.Amount
		})
	}
	l[asset].channels++
	l[asset].amount = l[asset].amount.AddCapped(one.Amount)
}

// tellLocked tells what stays in channels, also if ctx has ended: one by one of those that this session
// used and, for each token once, of those that were left over, most of them at most.
func (s *Session) tellLocked(ctx context.Context, most int) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lockedWait)
	defer cancel()
	left := leftovers{}
	errs := s.tellUsed(ctx, left)
	for l, err := range s.Channels().Locked(ctx) {
		if _, used := s.used.Load(l.ID); err == nil && used {
			continue
		}
		if most--; most < 0 {
			break
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		left.add(l)
	}
	if len(errs) > 0 { // a sweep reports each
		err := fmt.Errorf("client: a record that cannot be read may hold money: %w", errs[0])
		s.tell(ctx, Event{Kind: EventLocked, Err: err})
	}
	holding := "client: %d other channels of the store hold %s of %s"
	if most < 0 {
		holding = "client: %d other channels of the store and more hold at least %s of %s"
	}
	for _, asset := range slices.SortedFunc(maps.Keys(left), byAsset) {
		of, in := left[asset], s.called(asset)
		s.tell(ctx, Event{Kind: EventLocked, Currency: in, Deposit: of.amount, Err: fmt.Errorf(
			holding+": Channels.Locked lists them, Channels.Close brings the money back",
			of.channels, in.Format(of.amount), in)})
	}
}

// tellUsed tells what stays in the channels that this session used, and adds what are too many to left. It returns
// the errors of those that cannot be read.
func (s *Session) tellUsed(ctx context.Context, left leftovers) (errs []error) {
	told := 0
	for _, id := range s.usedChannels() {
		account, err := s.ledger.Account(ctx, id)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		st := account.State()
		switch l := lockedIn(st); {
		case !st.HoldsMoney():
		case told == toldLocked:
			left.add(l)
		default:
			told++
			s.tell(ctx, Event{
				Kind: EventLocked, Origin: l.Scope.Origin, ChannelID: l.ID,
				Deposit: l.Deposit, Cumulative: l.Authorized, Locked: &l,
			})
		}
	}
	return errs
}

// usedChannels returns the channels that this session used, in order.
func (s *Session) usedChannels() (ids []common.Hash) {
	s.used.Range(func(id, _ any) bool {
		ids = append(ids, id.(common.Hash))
		return true
	})
	slices.SortFunc(ids, common.Hash.Cmp)
	return ids
}
