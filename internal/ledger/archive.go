package ledger

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store"
)

// archived is the index in [rule.Places] of the archive.
const archived = 1

// find reads the record of a channel from the first of its places that has it, beginning at from.
// place is its index. The error is [store.ErrNotFound] if none has it: a record never moves back.
func (l *Ledger) find(
	ctx context.Context, places [3]string, from int,
) (place int, data []byte, rev uint64, err error) {
	for place = from; ; place++ {
		data, rev, err = l.store.Get(ctx, places[place])
		if place+1 == len(places) || !errors.Is(err, store.ErrNotFound) {
			return place, data, rev, err
		}
	}
}

// archive moves the record of a channel that has ended into the archive, so that nobody who looks
// after the others has to read it. If that fails the record is complete where it is, and is moved
// later: by [Ledger.Live], or with the next change. The caller has the turn.
func (a *Account) archive(ctx context.Context) {
	a.mu.Lock()
	ended := a.at < archived && a.base.Finished()
	a.mu.Unlock()
	if ended {
		_ = a.move(ctx)
	}
}

// move moves the record to the next of its places. After an error it is read again before it is
// relied on. The caller has the turn.
func (a *Account) move(ctx context.Context) error {
	m, ok := a.ledger.store.(store.Mover)
	if !ok {
		return errNoMover
	}
	err := m.Move(ctx, a.places[a.at], a.rev, a.places[a.at+1])
	switch {
	case err == nil:
		a.at++
	case !errors.Is(err, errors.ErrUnsupported):
		a.stale.Store(true)
	}
	return err
}

var errNoMover = fmt.Errorf("the store does not move records: %w", errors.ErrUnsupported)

// Each yields every channel on record, those in the archive last and otherwise in the order of
// their ids, as it is in memory if that is newer. A record that cannot be read is yielded as an
// error, and the iteration goes on; so is one that is gone although its channel is in memory.
func (l *Ledger) Each(ctx context.Context) iter.Seq2[rule.State, error] {
	return func(yield func(rule.State, error) bool) {
		missing := l.held(func(rule.State) bool { return true })
		seen := map[common.Hash]struct{}{} // one that moves meanwhile is in several places
		for pass, prefix := range rule.Listing {
			for e, err := range l.store.List(ctx, prefix) {
				if pass == 2 && e.Key != "" && !strings.HasSuffix(e.Key, rule.Again) {
					continue
				}
				delete(missing, nameOf(e.Key))
				s, err := l.read(e, err)
				_, twice := seen[s.ID]
				if err == nil && twice || err != nil && pass == 2 && e.Key != "" {
					continue // an error, too, unless the record has just moved there
				}
				if seen[s.ID] = struct{}{}; !yield(s, err) || err != nil && e.Key == "" {
					return
				}
			}
		}
		l.gone(ctx, missing, yield)
	}
}

// held returns the channels in memory that a listing should have, by the names of their records.
func (l *Ledger) held(listed func(rule.State) bool) map[string]*Account {
	l.mu.Lock()
	all := slices.Collect(maps.Values(l.accounts))
	l.mu.Unlock()
	held := make(map[string]*Account, len(all))
	for _, a := range all {
		a.mu.Lock()
		if listed(a.base) {
			held[nameOf(a.places[0])] = a
		}
		a.mu.Unlock()
	}
	return held
}

// nameOf returns the part of a key that stays when its record moves.
func nameOf(key string) string {
	_, name, _ := strings.Cut(key, "/")
	name, _, _ = strings.Cut(name, ".")
	return name
}

// gone yields an error for each channel that a complete listing lacked and whose record is not
// there. Not every store notices by itself that it was emptied.
func (l *Ledger) gone(
	ctx context.Context, missing map[string]*Account, yield func(rule.State, error) bool,
) {
	for _, name := range slices.Sorted(maps.Keys(missing)) {
		a := missing[name]
		_, _, _, err := l.find(ctx, a.places, 0)
		if err == nil {
			continue // the listing had ended when it was added, or it moved
		}
		if errors.Is(err, store.ErrNotFound) {
			err = fmt.Errorf("%w: %s is gone, and channel %s may hold money: restore the store, or find "+
				"the channel on chain", store.ErrCorrupt, a.places[0], a.id)
		}
		if !yield(rule.State{}, err) {
			return
		}
	}
}

// Live is like [Ledger.Each] for the channels that are not in the archive. Of those that have ended
// it moves up to most into the archive instead: the records of stores that had none, and of
// programs that ended before they could. It still yields all others.
func (l *Ledger) Live(ctx context.Context, most int) iter.Seq2[rule.State, error] {
	return func(yield func(rule.State, error) bool) {
		missing := l.held(func(s rule.State) bool { return !s.Finished() })
		for e, err := range l.store.List(ctx, rule.ChannelKeys) {
			delete(missing, nameOf(e.Key))
			s, err := l.read(e, err)
			if err == nil && most > 0 && s.Finished() && e.Key == rule.StateKey(s.ID) {
				most--
				if l.tidy(ctx, e, s) {
					continue
				}
			}
			if !yield(s, err) || err != nil && e.Key == "" {
				return
			}
		}
		l.gone(ctx, missing, yield)
	}
}

// read returns the state of a listed record, as it is in memory if that is newer.
func (l *Ledger) read(e store.Entry, err error) (rule.State, error) {
	if err != nil {
		return rule.State{}, err
	}
	s, err := rule.Decode(e.Data)
	if err != nil {
		return rule.State{}, fmt.Errorf("%s: %w", e.Key, err)
	}
	l.mu.Lock()
	a := l.accounts[s.ID]
	l.mu.Unlock()
	if a != nil {
		s = a.State()
	}
	return s, nil
}

// tidy moves a record that was listed into the archive, and reports whether it is there. A session
// that has the channel in memory reads it again then.
func (l *Ledger) tidy(ctx context.Context, e store.Entry, s rule.State) bool {
	m, ok := l.store.(store.Mover)
	return ok && m.Move(ctx, e.Key, e.Rev, rule.Places(s.ID)[archived]) == nil
}
