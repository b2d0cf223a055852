package budget

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// try is a write of which nobody may know whether it worked: the part that it takes in place of the
// one before, when that ends, what it noted of the one before, and the last claim that it covers.
type try struct {
	part
	ends   time.Time
	noted  voucher.Amount
	claims uint64
}

// maxFor bounds how many further records a part names beside those of the claims that it is for, and
// manyFor how many it names at all: it counts in all records of a kind if there are more.
const maxFor, manyFor = 16, maxNames / 4

// maxConflicts bounds how often a record is written again because another session was quicker.
const maxConflicts = 128

// turns takes a step with the turn of a record, and again until it is done. If another session was
// quicker, it lets that go first.
func (w *Budgets) turns(ctx context.Context, b *book, step func() (done bool, err error)) error {
	select {
	case b.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-b.turn }()
	for n := range maxConflicts {
		done, err := step()
		if errors.Is(err, store.ErrConflict) {
			select {
			case <-time.After(w.jitter(time.Millisecond << min(n, 5))):
				continue
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		if done || err != nil {
			return err
		}
	}
	return fmt.Errorf("%w: %s: too many concurrent updates (%d conflicts)", ErrStore, b.rec.Key, maxConflicts)
}

// Read reads the records that a lease needs within limits, and gives back what this session took in
// advance. The errors are [ErrStore], [channel.ErrRecord] and the context's.
func (w *Budgets) Read(ctx context.Context, limits *channel.Limits, l *Lease) error {
	needs := kinds[:1:1]
	for _, further := range [...]struct {
		set  bool
		kind string
	}{{limits.Origin != channel.Windows{}, byOrigin}, {limits.Payee != channel.Windows{}, byPayee}, {l[4] != "", ofFees}} {
		if further.set {
			needs = append(needs, further.kind)
		}
	}
	for _, i := range [...]int{0, 1, 2, 4} { // no limit is for the channel's origin if the request has another one
		key := l[i]
		if key == "" || !slices.Contains(needs, kinds[i]) {
			continue
		}
		w.Lock()
		b := w.books[key]
		if b == nil {
			b = w.book(key)
		}
		w.Unlock()
		fresh := false
		if err := w.turns(ctx, b, func() (done bool, err error) {
			w.Lock()
			known, making := b.known, len(b.rec.Pending) > 0
			spare := b.used.AddCapped(b.pending).Less(b.part.Amount)
			missing := slices.DeleteFunc(slices.Clone(needs[1:]), func(kind string) bool {
				return i > 0 || slices.Contains(b.rec.Kept, kind) || slices.Contains(b.rec.Pending, kind)
			})
			w.Unlock()
			switch {
			case !known, !fresh && !spare:
				err = w.load(ctx, b)
				fresh = err == nil
			case len(missing) > 0:
				err = w.announce(ctx, b, missing)
			case making:
				err = w.build(ctx, b)
			case spare:
				err = w.write(ctx, b, voucher.Amount{})
				fresh = err == nil
			default:
				done = true
			}
			return done, err
		}); err != nil {
			return err
		}
	}
	return nil
}

// GiveBack gives back what was taken in advance and not used.
func (w *Budgets) GiveBack(ctx context.Context) error {
	w.Lock()
	var spare []string
	for _, key := range slices.Sorted(maps.Keys(w.books)) {
		if b := w.books[key]; b.used.AddCapped(b.pending).Less(b.part.Amount) {
			spare = append(spare, key)
		}
	}
	w.Unlock()
	var errs []error
	for _, key := range spare {
		errs = append(errs, w.Read(ctx, &channel.Limits{}, &Lease{key}))
	}
	return errors.Join(errs...)
}

// load reads a record, and what this session has of it. If there is none for all payments, it is to be
// made from the channels: nothing
// rises in any session before that exists. The error is [store.ErrConflict] if another session was
// quicker. The caller has the turn.
func (w *Budgets) load(ctx context.Context, b *book) error {
	rec := record{Version: version, Key: b.rec.Key}
	data, rev, err := w.store.Get(ctx, rec.Key)
	switch gone := errors.Is(err, store.ErrNotFound); {
	case gone && b.rev == 0:
		if strings.HasPrefix(rec.Key, All) {
			rec.Pending = kinds[:1]
		}
	case gone, err == nil && rev < b.rev:
		return fmt.Errorf("%w: %w: %w: %s is gone or was set back: what was used of the limits over time is not "+
			"known, so nothing more is authorized: restore it", ErrStore, channel.ErrRecord, store.ErrCorrupt, rec.Key)
	case err != nil:
		return fmt.Errorf("%w: %s: %w", ErrStore, rec.Key, err)
	default:
		if rec, err = decode(data, rec.Key); err != nil {
			return err
		}
		next, changed := rec.redated(time.Now().Unix())
		if changed {
			if rev, err = w.put(ctx, next, rev); err != nil {
				return err
			}
		}
		rec = next
	}
	w.Lock()
	defer w.Unlock()
	b.rec, b.rev, b.known = rec, rev, true
	switch t := b.tried; {
	case t.N != 0 && rec.has(w.session, t.N):
		b.part, b.ends, b.used, b.covered = t.part, t.ends, b.used.SubFloor(t.noted), t.claims
	case b.part.N != 0 && !rec.has(w.session, b.part.N): // it was counted in full
		b.part, b.ends, b.used = part{}, time.Time{}, voucher.Amount{}
	}
	b.tried = try{}
	return nil
}

// build makes the records that are pending from the channels in their asset. If nothing has risen yet, that of all
// payments is written with the first rise. The caller has the turn.
func (w *Budgets) build(ctx context.Context, b *book) (err error) {
	now, risen, seen := time.Now().Unix(), past{}, map[common.Hash]struct{}{}
	for pass, prefix := range rule.Listing {
		for e, err := range w.store.List(ctx, prefix) {
			if pass == 2 && err == nil && !strings.HasSuffix(e.Key, rule.Again) {
				continue
			}
			var s rule.State
			if err == nil {
				s, err = rule.Decode(e.Data)
			}
			switch _, twice := seen[s.ID]; {
			case err != nil && e.Key == "":
				return fmt.Errorf("%w: %w", ErrStore, err)
			case err != nil:
				return fmt.Errorf("%w: %s: %w: what it used of the budgets is not known, so nothing more "+
					"is authorized: restore it, or move it out of the store", channel.ErrRecord, e.Key, err)
			case !twice:
				risen.channel(s, b.rec.Key, now)
			}
			seen[s.ID] = struct{}{}
		}
	}
	rec, rev := b.rec, b.rev
	rec.Pending = slices.DeleteFunc(slices.Clone(rec.Pending), func(kind string) bool { return kind == All })
	if rev != 0 || len(risen) > 0 {
		if rec, rev, err = w.begin(ctx, rec, rev, risen, now); err != nil {
			return err
		}
	}
	rec.Kept, rec.Pending = slices.Concat(rec.Kept, rec.Pending), nil
	w.Lock()
	defer w.Unlock()
	b.rec, b.rev, b.known = rec, rev, true
	return nil
}

// write notes what was used of the session's part, and takes what is pending, or more: at most share.
// The error is [store.ErrConflict] if another session wrote first. The caller has the turn.
func (w *Budgets) write(ctx context.Context, b *book, share voucher.Amount) error {
	w.Lock()
	now, most := time.Now(), b.pending
	live := now.Before(b.ends) && now.Unix() < b.part.Until
	if live {
		most = most.Max(b.used)
	}
	t := try{noted: b.used, claims: b.claims}
	if amount := b.pending.Max(most.AddCapped(most).Min(share)); !amount.IsZero() {
		w.n++
		left := minute - now.Unix()%minute
		t.part, t.ends = part{w.session, w.n, amount, now.Unix() + left, nil}, now.Add(time.Duration(left)*time.Second)
		t.For = slices.Sorted(maps.Keys(b.further))
		if live && len(b.part.For) < maxFor {
			t.For = slices.Compact(slices.Sorted(slices.Values(slices.Concat(t.For, b.part.For))))
		}
		if len(t.For) > manyFor {
			t.For = []string{byOrigin, byPayee}
		}
	}
	rec, ends := b.rec.noted(b.part, b.used, t.part, now.Unix()), b.ends
	b.tried, b.ends = t, time.Time{} // nothing is taken out of the part meanwhile
	w.Unlock()
	rev, err := w.put(ctx, rec, b.rev)
	w.Lock()
	defer w.Unlock()
	switch {
	case err == nil:
		b.rec, b.rev, b.known = rec, rev, true
		b.part, b.ends, b.used, b.covered = t.part, t.ends, b.used.SubFloor(t.noted), t.claims
		b.tried = try{}
	case errors.Is(err, store.ErrConflict):
		b.tried, b.ends = try{}, ends
	}
	return err
}

// put writes a record. After an error it is read again before anything is decided on it.
func (w *Budgets) put(ctx context.Context, rec record, rev uint64) (uint64, error) {
	data, err := json.Marshal(rec)
	if err == nil {
		rev, err = w.store.Put(ctx, rec.Key, data, rev)
	}
	if err == nil {
		return rev, nil
	}
	w.Lock()
	if b := w.books[rec.Key]; b != nil {
		b.known = false
	}
	w.Unlock()
	if errors.Is(err, store.ErrConflict) {
		return rev, err
	}
	return rev, fmt.Errorf("%w: %s: %w", ErrStore, rec.Key, err)
}

// noted returns the record after the session of old used so much of it, and takes next in its place.
// If old is not listed any more, all of it was counted as used, and that stands. now is in Unix
// seconds.
func (r record) noted(old part, used voucher.Amount, next part, now int64) record {
	listed := len(r.Parts)
	r.Parts = slices.DeleteFunc(slices.Clone(r.Parts), func(p part) bool {
		return p.Session == old.Session && p.N == old.N
	})
	if len(r.Parts) < listed && !used.IsZero() {
		r.Used = r.Used.Added(rule.Rise{At: old.Until, By: used}, now)
	}
	if next.N != 0 {
		r.Parts = append(r.Parts, next)
	}
	names := 0
	for _, p := range r.Parts {
		names += len(p.For)
	}
	for i := 0; i < len(r.Parts); { // the oldest is first
		p := r.Parts[i]
		switch {
		case len(r.Parts) > maxParts || names > maxNames, p.Until <= now-keep && r.over(p, now):
			names -= len(p.For)
			r = r.folded(i, p.Until, now)
		case p.Until > now-keep:
			return r
		default:
			i++
		}
	}
	return r
}
