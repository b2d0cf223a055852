package budget

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math/big"
	"math/rand/v2"
	"slices"
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

// Budgets are the records in the memory of one session. It is safe for concurrent use.
//
// What the session takes of a budget is in its record before it is used, so what other sessions see as
// used is never less than what is. And who takes something writes the record that it was decided on.
type Budgets struct {
	store   store.Store
	session string
	list    func(context.Context, store.Store) iter.Seq2[store.Entry, error]

	sync.Mutex                  // guards what follows; held shortly
	books      map[string]*book // by key
	n          uint64           // of the last part
}

// book is one record in memory.
type book struct {
	turn chan struct{} // holds one token while the record is read or written

	// What follows is guarded by the mutex of Budgets.

	known bool // whether rec is what the store holds, as far as is known
	rec   record
	rev   uint64
	holds []*hold // of this session
}

// hold is what this session has of one record, for one channel and the requests of one origin.
type hold struct {
	further []string  // the keys of the further records that it would count in
	part    part      // in the record
	taken   time.Time // when; zero if nothing may be taken out of it any more, or now
	// tried is the part of a write of which nobody knows whether it worked, and noted what it noted.
	tried part
	noted voucher.Amount
	// used are the rises that came out of part. pending are those that are not in the channel's record
	// yet; they came out of part, too, once they are covered.
	used, pending voucher.Amount
}

// Lease is what a session holds of the budgets for one channel and the requests of one origin.
type Lease struct {
	keys  [4]string
	holds [4]*hold
}

// Claim is a rise that was decided. It counts in the store after [Budgets.Cover].
type Claim struct {
	lease  *Lease
	limits *channel.Limits
	rise   voucher.Amount
	in     [4]*hold // where it counts
}

// Rooms is what the budgets leave: for all payments, for one origin's and for one payee's, the
// month before the day and the hour. Those of an origin or a payee that are not set have used what
// those of all payments have.
type Rooms [9]channel.Room

// New returns the budgets of a session, with its name. list lists the records of all channels, to make
// the first records from. A channel that it yields twice counts once.
func New(
	s store.Store, session string, list func(context.Context, store.Store) iter.Seq2[store.Entry, error],
) *Budgets {
	w := &Budgets{store: s, session: session, list: list, books: map[string]*book{}}
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

// For returns a lease of nothing, for requests of an origin on a channel of a scope. An empty origin is
// that of the channel.
func For(origin string, scope *channel.Scope) *Lease { return &Lease{keys: keysOf(origin, scope)} }

// Refused reports whether one of the limits over time is why a request was refused.
func (r *Rooms) Refused(err error) bool {
	var over *channel.LimitError
	return errors.As(err, &over) && slices.ContainsFunc(r[:], func(room channel.Room) bool {
		return room.Rule.Name == over.Limit
	})
}

// Rooms returns what the limits over time leave for a rise that l is for. It counts all parts, but of
// those of l only what is used or pending. now is in Unix seconds. ok is false if a record must be read
// first. The caller holds the mutex.
func (w *Budgets) Rooms(limits *channel.Limits, l *Lease, now int64) (rooms Rooms, ok bool) {
	all, origin, payee := rule.Limits{Limits: *limits}.Budgets()
	set := [3]bool{true, limits.Origin != channel.Windows{}, limits.Payee != channel.Windows{}}
	root := w.books[All]
	ok = root.known && len(root.rec.Pending) == 0
	for i, rules := range [3][3]channel.BudgetRule{all, origin, payee} {
		b := root
		if i > 0 && set[i] && l.keys[i] != "" {
			b = w.books[l.keys[i]]
			ok = ok && b != nil && b.known && w.counts(i, l.keys[i])
		}
		for j := range rules {
			room := &rooms[3*i+j]
			room.Rule = rules[j]
			if b == root && i > 0 || b == nil {
				room.Used = rooms[j].Used
				continue
			}
			room.Used = b.rec.Used.Within(now, rules[j].Length)
			if i == 1 {
				room.Used = room.Used.AddCapped(root.rec.Others.Within(now, rules[j].Length))
			}
			begin := now - int64(rules[j].Length/time.Second)
			for _, p := range b.rec.Parts {
				if begin < p.Until && !(p.Session == w.session && slices.ContainsFunc(b.holds, func(h *hold) bool {
					return h.part.N == p.N
				})) {
					room.Used = room.Used.AddCapped(p.Amount)
				}
			}
			for _, h := range b.holds {
				used := h.pending
				if begin < h.part.Until {
					used = used.AddCapped(h.used)
					if h != l.holds[i] {
						used = used.Max(h.part.Amount)
					}
				}
				room.Used = room.Used.AddCapped(used)
			}
		}
	}
	return rooms, ok
}

// Claim counts a rise in memory. The caller holds the mutex since it called [Budgets.Rooms].
func (w *Budgets) Claim(l *Lease, limits *channel.Limits, rise voucher.Amount) Claim {
	c := Claim{lease: l, limits: limits, rise: rise}
	for i, key := range l.keys {
		if i > 0 && len(w.books[All].rec.Kept) == 0 {
			break
		}
		if i > 0 && !w.counts(i, key) {
			continue
		}
		h, b := l.holds[i], w.books[key]
		if b == nil {
			b = w.book(key)
		}
		if h == nil {
			h = &hold{}
			if l.holds[i] = h; i == 0 {
				h.further = slices.DeleteFunc(slices.Clone(l.keys[1:]), func(key string) bool { return key == "" })
			}
		}
		if !slices.Contains(b.holds, h) {
			b.holds = append(b.holds, h)
		}
		h.pending = h.pending.AddCapped(rise)
		c.in[i] = h
	}
	return c
}

// Settle ends claims on a channel: its record was written, or certainly was not and will not be.
func (w *Budgets) Settle(claims []Claim, raised bool) {
	w.Lock()
	defer w.Unlock()
	for _, c := range claims {
		for _, h := range c.in {
			if h == nil {
				continue
			}
			h.pending = h.pending.SubFloor(c.rise)
			if raised {
				h.used = h.used.AddCapped(c.rise)
			}
		}
	}
}

// maxConflicts bounds how often a record is written again because another session was quicker.
const maxConflicts = 128

// Cover makes sure that claims of one channel are counted in the store. The error is [ErrMoved] if they
// do not fit any more, [ErrStore], [channel.ErrRecord] or the context's.
func (w *Budgets) Cover(ctx context.Context, claims []Claim) error {
	for i := range claims {
		for j, h := range claims[i].in {
			if h == nil {
				continue
			}
			if err := w.cover(ctx, claims, claims[i].lease.keys[j], h); err != nil {
				return err
			}
		}
	}
	return nil
}

// cover makes sure that what is pending for claims is counted in one record. What is taken within the
// minute in which all of the last part was used is twice as much as that, and at most a thirty-second of
// what the limits leave.
func (w *Budgets) cover(ctx context.Context, claims []Claim, key string, h *hold) error {
	var live bool
	covered := func() bool {
		now := time.Now()
		live = !h.taken.IsZero() && now.Sub(h.taken) < time.Minute && now.Unix() < h.part.Until
		return live && !h.part.Amount.Less(h.used.AddCapped(h.pending))
	}
	w.Lock()
	b, done := w.books[key], covered()
	w.Unlock()
	if done {
		return nil
	}
	select {
	case b.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-b.turn }()
	for n := range maxConflicts {
		w.Lock()
		known := b.known || b.rev == 0
		fit, spare := w.fit(claims)
		done = covered()
		w.Unlock()
		var more voucher.Amount
		if live {
			share, _ := voucher.AmountFromBig(new(big.Int).Rsh(spare.Big(), 5))
			more = h.used.AddCapped(h.used).Min(share)
		}
		var err error
		switch {
		case done:
			return nil
		case !known:
			err = w.load(ctx, b)
		case !fit:
			return ErrMoved
		default:
			err, done = w.write(ctx, b, h, more), true
		}
		if errors.Is(err, store.ErrConflict) {
			err, done = w.again(ctx, b, n), false
		}
		if done || err != nil {
			return err
		}
	}
	return tooMany(key)
}

// fit reports whether claims fit into what is left as far as is known, and what is left beside them. The
// caller holds the mutex.
func (w *Budgets) fit(claims []Claim) (fit bool, spare voucher.Amount) {
	fit, spare = true, voucher.MaxAmount
	now, kept := time.Now().Unix(), len(w.books[All].rec.Kept) > 0
	for _, c := range claims {
		rooms, ok := w.Rooms(c.limits, c.lease, now)
		for i := range rooms {
			ok = ok && !rooms[i].Rule.Allowed.Less(rooms[i].Used)
			spare = spare.Min(rooms[i].Rule.Allowed.SubFloor(rooms[i].Used))
		}
		for i, key := range c.lease.keys {
			ok = ok && (c.in[i] != nil || !kept || !w.counts(i, key))
		}
		fit = fit && ok
	}
	return fit, spare
}

// counts reports whether a rise counts in the i-th record of a lease. The caller holds the mutex.
func (w *Budgets) counts(i int, key string) bool {
	return key != "" && (i == 0 || slices.Contains(w.books[All].rec.Kept, kinds[i]))
}

// kinds are those of the records of a lease.
var kinds = [4]string{All, byOrigin, byPayee, byOrigin}

// again lets others go first, and reads what they wrote.
func (w *Budgets) again(ctx context.Context, b *book, try int) error {
	select {
	case <-time.After(rand.N(time.Millisecond << min(try, 5))):
		return w.load(ctx, b)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func tooMany(key string) error {
	return fmt.Errorf("%w: %s: too many concurrent updates (%d conflicts)", ErrStore, key, maxConflicts)
}

// Read makes sure that the records that a lease needs within limits are known. If they are to be fresh,
// they are read again, and what this session took in advance is given back. The errors are [ErrStore],
// [channel.ErrRecord] and the context's.
func (w *Budgets) Read(ctx context.Context, limits *channel.Limits, l *Lease, fresh bool) error {
	var further []string
	if limits.Origin != (channel.Windows{}) {
		further = append(further, byOrigin)
	}
	if limits.Payee != (channel.Windows{}) {
		further = append(further, byPayee)
	}
	if err := w.read(ctx, All, further, fresh); err != nil {
		return err
	}
	for i, key := range l.keys[1:3] {
		if key != "" && slices.Contains(further, kinds[i+1]) {
			if err := w.read(ctx, key, nil, fresh); err != nil {
				return err
			}
		}
	}
	return nil
}

// read makes sure that a record is known, and that those of further kinds are kept.
func (w *Budgets) read(ctx context.Context, key string, further []string, fresh bool) (err error) {
	w.Lock()
	b := w.book(key)
	w.Unlock()
	select {
	case b.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-b.turn }()
	for n := range maxConflicts {
		w.Lock()
		known, pending, spare := b.known, len(b.rec.Pending) > 0, fresh && b.spare()
		missing := slices.DeleteFunc(slices.Clone(further), func(kind string) bool {
			return slices.Contains(b.rec.Kept, kind)
		})
		w.Unlock()
		switch {
		case !known || fresh && !spare:
			err, fresh = w.load(ctx, b), fresh && !known && spare
		case pending || len(missing) > 0:
			err = w.build(ctx, b, missing)
		case spare:
			err = w.write(ctx, b, nil, voucher.Amount{})
			fresh = err != nil
		default:
			return nil
		}
		if errors.Is(err, store.ErrConflict) {
			err = w.again(ctx, b, n)
		}
		if err != nil {
			return err
		}
	}
	return tooMany(key)
}

// GiveBack gives back what was taken in advance and not used.
func (w *Budgets) GiveBack(ctx context.Context) error {
	w.Lock()
	var spare []string
	for key, b := range w.books {
		if b.spare() {
			spare = append(spare, key)
		}
	}
	w.Unlock()
	var errs []error
	for _, key := range spare {
		errs = append(errs, w.read(ctx, key, nil, true))
	}
	return errors.Join(errs...)
}

// spare reports whether anything was taken and not used. The caller holds the mutex.
func (b *book) spare() bool {
	return slices.ContainsFunc(b.holds, func(h *hold) bool {
		return h.used.AddCapped(h.pending).Less(h.part.Amount)
	})
}

// load reads a record, or makes the first one from the channels: nothing rises in any session before
// that exists. The error is [store.ErrConflict] if another session was quicker. The caller has the turn.
func (w *Budgets) load(ctx context.Context, b *book) error {
	key := b.rec.Key
	data, rev, err := w.store.Get(ctx, key)
	switch gone := errors.Is(err, store.ErrNotFound); {
	case gone && b.rev == 0 && key == All:
		return w.build(ctx, b, nil)
	case gone && b.rev == 0:
		w.learn(b, record{Version: version, Key: key}, 0)
		return nil
	case gone, err == nil && rev < b.rev:
		return fmt.Errorf("%w: %w: %w: %s is gone or was set back: what was used of the limits over time is not "+
			"known, so nothing more is authorized: restore it", ErrStore, channel.ErrRecord, store.ErrCorrupt, key)
	case err != nil:
		return fmt.Errorf("%w: %s: %w", ErrStore, key, err)
	}
	rec, err := decode(data, key)
	if err != nil {
		return err
	}
	if next, changed := rec.redated(time.Now().Unix()); changed {
		if rev, err = w.put(ctx, b, next, rev); err != nil {
			return err
		}
		rec = next
	}
	w.learn(b, rec, rev)
	return nil
}

// learn notes what the store holds, and which parts of this session are in it. Those that are not were
// counted in full. The caller has the turn.
func (w *Budgets) learn(b *book, rec record, rev uint64) {
	w.Lock()
	defer w.Unlock()
	b.rec, b.rev, b.known = rec, rev, true
	for _, h := range b.holds {
		switch {
		case h.tried.N != 0 && rec.has(w.session, h.tried.N):
			h.part, h.used = h.tried, h.used.SubFloor(h.noted)
		case h.part.N != 0 && !rec.has(w.session, h.part.N):
			h.part, h.used, h.taken = part{}, voucher.Amount{}, time.Time{}
		}
	}
}

// build makes the record of all payments from the channels, and those of further kinds; or ends what
// another session has begun. Until it is done nothing rises in any session. If nothing has risen yet,
// the record is written with the first rise. The caller has the turn.
func (w *Budgets) build(ctx context.Context, b *book, further []string) (err error) {
	w.Lock()
	rec, rev := b.rec, b.rev
	w.Unlock()
	if rev != 0 && len(rec.Pending) == 0 {
		rec.Pending = further
		if rev, err = w.put(ctx, b, rec, rev); err != nil {
			return err
		}
	}
	now := time.Now().Unix()
	risen, err := w.past(ctx, now)
	if err != nil {
		return err
	}
	if rev == 0 {
		rec = record{Version: version, Key: All, Used: risen.history(All, now), Pending: further}
		if len(risen) > 0 {
			if rev, err = w.put(ctx, b, rec, rev); err != nil {
				return err
			}
		}
	}
	if len(rec.Pending) > 0 {
		for _, one := range risen.records(rec.Pending, rec.Parts, now) { // those that exist are another session's
			if _, err = w.put(ctx, b, one, 0); err != nil && !errors.Is(err, store.ErrConflict) {
				return err
			}
		}
		if slices.Contains(rec.Pending, byOrigin) {
			rec.Others = risen.history(byOrigin, now)
		}
		rec.Kept, rec.Pending = slices.Concat(rec.Kept, rec.Pending), nil
		if rev != 0 {
			if rev, err = w.put(ctx, b, rec, rev); err != nil {
				return err
			}
		}
	}
	w.learn(b, rec, rev)
	return nil
}

// past reads all channels. The error names one that cannot be read: what it used of the budgets is not
// known.
func (w *Budgets) past(ctx context.Context, now int64) (past, error) {
	risen, seen := past{}, map[common.Hash]struct{}{}
	for e, err := range w.list(ctx, w.store) {
		if err != nil && e.Key == "" {
			return nil, fmt.Errorf("%w: %w", ErrStore, err)
		}
		var s rule.State
		if err == nil {
			s, err = rule.Decode(e.Data)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %w: what it used of the budgets is not known, so nothing more "+
				"is authorized: restore it, or move it out of the store", channel.ErrRecord, e.Key, err)
		}
		if _, twice := seen[s.ID]; !twice {
			risen.channel(s, now)
		}
		seen[s.ID] = struct{}{}
	}
	return risen, nil
}

// write notes what was used of parts whose minute is over, and takes at least what is pending for
// need, and more if that is less. If need is nil, what was not used of any part is given back. The error
// is [store.ErrConflict] if another session wrote first. The caller has the turn.
func (w *Budgets) write(ctx context.Context, b *book, need *hold, more voucher.Amount) error {
	type change struct {
		*hold
		before time.Time
		used   voucher.Amount
		next   part
	}
	var all []change
	w.Lock()
	now := time.Now()
	rec, rev := b.rec, b.rev
	for _, h := range b.holds {
		if h != need && need != nil && now.Unix() < h.part.Until {
			continue
		}
		amount := h.part.Amount.SubFloor(h.used).Min(h.pending) // it stays covered
		if h == need {
			amount = h.pending.Max(more)
		}
		next := part{}
		if !amount.IsZero() {
			w.n++
			next = part{w.session, w.n, amount, now.Unix() - now.Unix()%minute + minute, h.further}
		}
		rec = rec.noted(h.part, h.used, next, now.Unix())
		all = append(all, change{h, h.taken, h.used, next})
		h.taken, h.tried, h.noted = time.Time{}, next, h.used // nothing is taken out of it meanwhile
	}
	w.Unlock()
	rev, err := w.put(ctx, b, rec, rev)
	w.Lock()
	defer w.Unlock()
	for _, c := range all {
		switch {
		case err == nil:
			c.part, c.taken, c.hold.used = c.next, now, c.hold.used.SubFloor(c.used)
			c.tried = part{}
		case errors.Is(err, store.ErrConflict):
			c.taken, c.tried = c.before, part{}
		}
	}
	if err == nil {
		b.rec, b.rev, b.known = rec, rev, true
		b.holds = slices.DeleteFunc(b.holds, func(h *hold) bool {
			return h.part.N == 0 && h.pending.IsZero() && h.used.IsZero()
		})
	}
	return err
}

// put writes a record. After an error that of b is read again before anything is decided on it.
func (w *Budgets) put(ctx context.Context, b *book, rec record, rev uint64) (uint64, error) {
	data, err := json.Marshal(rec)
	if err == nil {
		rev, err = w.store.Put(ctx, rec.Key, data, rev)
	}
	if err != nil {
		w.Lock()
		b.known = b.known && rec.Key != b.rec.Key
		w.Unlock()
		if !errors.Is(err, store.ErrConflict) {
			err = fmt.Errorf("%w: %s: %w", ErrStore, rec.Key, err)
		}
	}
	return rev, err
}
