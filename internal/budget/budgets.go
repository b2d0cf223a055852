// Package budget keeps the records of what was authorized over time, for the limits of an hour, a
// day and a month. All sessions of a store change them by compare-and-swap: what a ceiling is going
// to rise by is counted here before the record of its channel is written.
package budget

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Errors that callers distinguish.
var (
	// ErrMoved means that what was decided does not fit any more into what other sessions left. Decide
	// again.
	ErrMoved = errors.New("client: another session changed a budget")
	// ErrStore means that the store failed.
	ErrStore = errors.New("client: the store failed; nothing was signed")
)

// All is the key of the record for all payments of a store. It always exists. There are records for
// each origin and each payee, too, if sessions have limits for these: their keys begin with byOrigin
// and byPayee. A slash and more may follow some day, for budgets of one asset.
const (
	All      = "budget/all"
	byOrigin = "budget/origin/"
	byPayee  = "budget/payee/"
)

// kinds are those of the records of a lease.
var kinds = [4]string{All, byOrigin, byPayee, byOrigin}

// Budgets are the records in the memory of one session. It is safe for concurrent use.
//
// What the session takes of a budget is in its record before it is used, so what other sessions see as
// used is never less than what is. And who takes something writes the record that it was decided on.
type Budgets struct {
	store   store.Store
	session string

	sync.Mutex                  // guards what follows; held shortly
	books      map[string]*book // by key
	n          uint64           // of the last part
	// further counts claims by the further records that they would count in if they were kept.
	further map[string]int
}

// book is one record in memory.
type book struct {
	turn chan struct{} // holds one token while the record is read or written

	// What follows is guarded by the mutex of Budgets.

	known bool // whether rec is what the store holds, as far as is known
	rec   record
	rev   uint64
	part  part      // what this session has of it
	ends  time.Time // when nothing more may be taken out of part; zero if nothing may be now
	// used are the rises that came out of part, and pending those that are not in the record of their
	// channel yet.
	used, pending voucher.Amount
	claims        uint64 // the number of the last claim
	covered       uint64 // and of the last one that the record in the store covers
	tried         try    // the last write
}

// try is a write of which nobody may know whether it worked: the part that it takes in place of the
// one before, when that ends, what it noted of the one before, and the last claim that it covers.
type try struct {
	part
	ends   time.Time
	noted  voucher.Amount
	claims uint64
}

// maxFor bounds how many further records a part names beside those of the claims that it is for.
const maxFor = 16

// Lease are the keys of the records that the rises of one channel count in, for requests of one origin:
// that of all payments, of the request's origin, of the payee, and of the channel's origin if that is
// another one. What has no name has no key.
type Lease [4]string

// Claims are rises of one channel that were decided and are not in its record yet. The zero value with
// its Budgets is ready. It is not safe for concurrent use.
type Claims struct {
	*Budgets
	made []claim
	// doubt are those of writes that may have worked. They count until that is known.
	doubt []claim
}

// claim is one rise.
type claim struct {
	lease  *Lease
	limits *channel.Limits
	rise   voucher.Amount
	kept   int       // how many kinds of records were
	in     [4]*book  // where it counts
	number [4]uint64 // there; zero if the session's part covers it
}

// Rooms is what the budgets leave: for all payments, for one origin's and for one payee's, the
// month before the day and the hour. Those of an origin or a payee that are not set have used what
// those of all payments have.
type Rooms [9]channel.Room

// New returns the budgets of a session, with its name.
func New(s store.Store, session string) *Budgets {
	w := &Budgets{store: s, session: session, books: map[string]*book{}, further: map[string]int{}}
	w.book(All)
	return w
}

// book returns a record, which may not have been read. The caller holds the mutex.
func (w *Budgets) book(key string) *book {
	b := w.books[key]
	if b == nil {
		b = &book{turn: make(chan struct{}, 1), rec: record{Version: version, Key: key}}
		w.books[key] = b
	}
	return b
}

// For returns the lease for requests of an origin on a channel of a scope. An empty origin is that of
// the channel.
func For(origin string, scope *channel.Scope) *Lease {
	names := [4]string{1: cmp.Or(origin, scope.Origin)}
	if scope.Payee != (common.Address{}) {
		names[2] = scope.Payee.Hex()
	}
	if scope.Origin != names[1] {
		names[3] = scope.Origin
	}
	keys := Lease{All}
	for i, name := range names {
		if name != "" {
			sum := sha256.Sum256([]byte(name))
			keys[i] = kinds[i] + hex.EncodeToString(sum[:])
		}
	}
	return &keys
}

// Refused reports whether one of the limits over time is why a request was refused.
func (r *Rooms) Refused(err error) bool {
	var over *channel.LimitError
	return errors.As(err, &over) && slices.ContainsFunc(r[:], func(room channel.Room) bool {
		return room.Rule.Name == over.Limit
	})
}

// Rooms returns what the limits over time leave for a rise that l is for. now is in Unix seconds. ok is
// false if a record must be read first. The caller holds the mutex.
func (w *Budgets) Rooms(limits *channel.Limits, l *Lease, now int64) (rooms Rooms, ok bool) {
	all, origin, payee := rule.Limits{Limits: *limits}.Budgets()
	set := [3]bool{false, limits.Origin != channel.Windows{}, limits.Payee != channel.Windows{}}
	root := w.books[All]
	ok = root.known && len(root.rec.Pending) == 0
	for i, rules := range [3][3]channel.BudgetRule{all, origin, payee} {
		b := root
		if set[i] && l[i] != "" {
			b = w.books[l[i]]
			ok = ok && b != nil && b.known && slices.Contains(root.rec.Kept, kinds[i])
		}
		for j, one := range rules {
			room := channel.Room{Rule: one, Used: rooms[j].Used}
			if ok && (i == 0 || b != root) {
				room.Used = b.within(now, one.Length, w.session).AddCapped(root.rec.Others[kinds[i]].Within(now, one.Length))
			}
			rooms[3*i+j] = room
		}
	}
	return rooms, ok
}

// within returns what counts in the window that ends now: all parts, but of that of this session only
// what is used or pending. The caller holds the mutex.
func (b *book) within(now int64, window time.Duration, session string) voucher.Amount {
	sum, begin := b.rec.Used.Within(now, window).AddCapped(b.pending), now-int64(window/time.Second)
	for _, p := range b.rec.Parts {
		switch {
		case p.Until <= begin:
		case p.N == b.part.N && p.Session == session:
			sum = sum.AddCapped(b.used)
		default:
			sum = sum.AddCapped(p.Amount)
		}
	}
	return sum
}

// Claim counts a rise in memory. The caller holds the mutex since it called [Budgets.Rooms].
func (c *Claims) Claim(l *Lease, limits *channel.Limits, rise voucher.Amount) {
	root, now := c.books[All], time.Now()
	one := claim{lease: l, limits: limits, rise: rise, kept: len(root.rec.Kept)}
	named := true // by the part of the record of all payments, where it would count, too
	for i, key := range slices.Backward(l[:]) {
		switch {
		case key == "":
			continue
		case i > 0 && !slices.Contains(root.rec.Kept, kinds[i]):
			c.further[key]++
			named = named && slices.Contains(root.part.For, key)
			continue
		}
		b := c.books[key]
		if b == nil {
			b = c.book(key)
		}
		b.claims++
		b.pending = b.pending.AddCapped(rise)
		one.in[i], one.number[i] = b, b.claims
		live := now.Before(b.ends) && now.Unix() < b.part.Until && (named || i > 0)
		if live && !b.part.Amount.Less(b.used.AddCapped(b.pending)) {
			one.number[i] = 0
		}
	}
	c.made = append(c.made, one)
}

// Settle ends the claims: their record was written, or was not, with what error. If nobody knows, they
// go on counting until that is known.
func (c *Claims) Settle(err error) {
	c.Lock()
	defer c.Unlock()
	end := func(claims []claim, raised bool) {
		for _, one := range claims {
			for i, b := range one.in {
				key := one.lease[i]
				switch {
				case b != nil:
					b.pending = b.pending.SubFloor(one.rise)
					if raised {
						b.used = b.used.AddCapped(one.rise)
					}
				case c.further[key] > 1:
					c.further[key]--
				default:
					delete(c.further, key)
				}
			}
		}
	}
	switch {
	case err == nil: // what was tried before at the same revision never happened
		end(c.made, true)
		end(c.doubt, false)
		c.doubt = nil
	case errors.Is(err, store.ErrConflict), errors.Is(err, store.ErrKey), errors.Is(err, store.ErrTooLarge),
		errors.Is(err, ErrMoved):
		end(c.made, false)
	default:
		c.doubt = append(c.doubt, c.made...)
	}
	c.made = nil
}

// Written ends the claims of writes of which nobody knows whether they worked. They count.
func (c *Claims) Written() {
	doubt := Claims{Budgets: c.Budgets, made: c.doubt}
	c.doubt = nil
	doubt.Settle(nil)
}

// Cover makes sure that the claims are counted in the store. The error is [ErrMoved] if they do not fit
// any more, [ErrStore], [channel.ErrRecord] or the context's.
//
// What is taken within the minute in which all of the last part was used is twice as much as that, or as
// what is pending, and at most a thirty-second of what the limits leave.
func (c *Claims) Cover(ctx context.Context) error {
	for _, one := range c.made {
		for i, number := range one.number {
			if number == 0 {
				continue
			}
			b := one.in[i]
			if err := c.turns(ctx, b, func() (done bool, err error) {
				c.Lock()
				known, covered, fit, spare := b.known, number <= b.covered, true, voucher.MaxAmount
				for _, one := range c.made {
					rooms, ok := c.Rooms(one.limits, one.lease, time.Now().Unix())
					fit = fit && ok && one.kept == len(c.books[All].rec.Kept)
					for _, r := range rooms {
						fit, spare = fit && !r.Rule.Allowed.Less(r.Used), spare.Min(r.Rule.Allowed.SubFloor(r.Used))
					}
				}
				c.Unlock()
				switch {
				case !known:
					return false, c.load(ctx, b)
				case !fit:
					return true, ErrMoved
				case covered:
					return true, nil
				}
				share, _ := voucher.AmountFromBig(new(big.Int).Rsh(spare.Big(), 5))
				return true, c.write(ctx, b, share)
			}); err != nil {
				return err
			}
		}
	}
	return nil
}

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
			case <-time.After(rand.N(time.Millisecond << min(n, 5))):
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
	needs := [3]bool{true, limits.Origin != channel.Windows{}, limits.Payee != channel.Windows{}}
	for i, key := range l[:3] {
		if !needs[i] || key == "" {
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
			var missing []string
			for j, kind := range kinds[1:3] {
				if key == All && needs[1+j] && !slices.Contains(b.rec.Kept, kind) && !slices.Contains(b.rec.Pending, kind) {
					missing = append(missing, kind)
				}
			}
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
	for key, b := range w.books {
		if b.used.AddCapped(b.pending).Less(b.part.Amount) {
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

// load reads a record, and what this session has of it. If there is none for all payments, it is to be made from the channels: nothing
// rises in any session before that exists. The error is [store.ErrConflict] if another session was
// quicker. The caller has the turn.
func (w *Budgets) load(ctx context.Context, b *book) error {
	rec := record{Version: version, Key: b.rec.Key}
	data, rev, err := w.store.Get(ctx, rec.Key)
	switch gone := errors.Is(err, store.ErrNotFound); {
	case gone && b.rev == 0:
		if rec.Key == All {
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

// announce notes that records of further kinds are made: until they are, nothing rises in any session.
// The caller has the turn.
func (w *Budgets) announce(ctx context.Context, b *book, further []string) (err error) {
	rec, rev := b.rec, b.rev
	if rec.Pending = slices.Concat(rec.Pending, further); rev != 0 {
		if rev, err = w.put(ctx, rec, rev); err != nil {
			return err
		}
	}
	w.Lock()
	defer w.Unlock()
	b.rec, b.rev, b.known = rec, rev, true
	return nil
}

// build makes the records that are pending from the channels. If nothing has risen yet, that of all
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
				risen.channel(s, now)
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

// begin writes the records of further kinds that are made from what has risen, that of all payments
// before them if it is the first, and that they are complete after them.
func (w *Budgets) begin(
	ctx context.Context, rec record, rev uint64, risen past, now int64,
) (_ record, _ uint64, err error) {
	if rev == 0 {
		rec.Used = risen.history(All, rec.Used, now)
		rev, err = w.put(ctx, rec, rev)
	}
	if err != nil || len(rec.Pending) == 0 {
		return rec, rev, err
	}
	for _, one := range risen.further(rec.Pending, rec.Parts, now) { // those that exist are another session's
		if _, err = w.put(ctx, one, 0); err != nil && !errors.Is(err, store.ErrConflict) {
			return rec, rev, err
		}
	}
	if slices.Contains(rec.Pending, byOrigin) {
		rec = rec.others(byOrigin, risen.history(byOrigin, rec.Others[byOrigin], now))
	}
	done := rec
	done.Kept, done.Pending = slices.Concat(rec.Kept, rec.Pending), nil
	rev, err = w.put(ctx, done, rev)
	return rec, rev, err
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
		if b == w.books[All] {
			t.For = slices.Sorted(maps.Keys(w.further))
			if live && len(b.part.For) < maxFor {
				t.For = slices.Compact(slices.Sorted(slices.Values(slices.Concat(t.For, b.part.For))))
			}
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
	for len(r.Parts) > maxParts || len(r.Parts) > 0 && r.Parts[0].Until <= now-keep && r.over(r.Parts[0], now) {
		r = r.folded(0, r.Parts[0].Until, now) // the oldest is first
	}
	return r
}
