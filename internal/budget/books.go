package budget

import (
	"cmp"
	"context"
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
	// ErrMoved means that another session changed a record since a decision was made on it. Decide
	// again.
	ErrMoved = errors.New("client: another session changed a budget")
	// ErrStore means that the store failed.
	ErrStore = errors.New("client: the store failed; nothing was signed")
)

// Reading tells how records are read.
type Reading uint8

const (
	// Unread means that they need not be read.
	Unread Reading = iota
	// Once reads those that are not in memory.
	Once
	// Soon reads those that were read more than a second ago, too.
	Soon
	// Again reads them in any case.
	Again
	// GiveBack reads them, and gives back what was taken in advance and not used.
	GiveBack
	// Failed means that they could not be read.
	Failed
)

// Budgets are the records of one session in memory. It is safe for concurrent use.
type Budgets struct {
	store   store.Store
	session string
	list    func(context.Context, store.Store) iter.Seq2[store.Entry, error]
	gone    func(session string) bool

	sync.Mutex                     // guards what follows; held shortly
	books      map[[2]string]*book // by scope and name
}

// New returns the budgets of a session, with its name. list lists the records of all channels, if
// there are no records of budgets yet. One that it yields twice counts once. gone reports whether
// the process of a session is known to have ended.
func New(
	s store.Store, session string, list func(context.Context, store.Store) iter.Seq2[store.Entry, error],
	gone func(session string) bool,
) *Budgets {
	return &Budgets{store: s, session: session, list: list, gone: gone, books: map[[2]string]*book{}}
}

// Names tell which records a request counts in, and which limits it has.
type Names struct {
	// Origin is the request's origin, Channel that which the channel was opened for, and Payee the
	// channel's payee. An empty name has no record.
	Origin, Channel, Payee string
	// ByOrigin and ByPayee report that there are limits for an origin and for a payee. There always
	// are some for all payments.
	ByOrigin, ByPayee bool
}

// Of returns the names of a request of an origin on a channel of a scope. An empty origin is that of
// the channel.
func Of(origin string, scope *channel.Scope, limits *channel.Limits) Names {
	n := Names{
		Origin: cmp.Or(origin, scope.Origin), Channel: scope.Origin,
		ByOrigin: limits.Origin != channel.Windows{}, ByPayee: limits.Payee != channel.Windows{},
	}
	if scope.Payee != (common.Address{}) {
		n.Payee = scope.Payee.Hex()
	}
	return n
}

// Refuse reports whether one of budgets is why a decision was refused, and what is known of them
// could be newer.
func Refuse(budgets *Rooms, err error, known Reading) bool {
	var over *channel.LimitError
	return known < GiveBack && errors.As(err, &over) && slices.ContainsFunc(budgets[:], func(room channel.Room) bool {
		return room.Rule.Name == over.Limit
	})
}

// Affords reports whether budgets leave an amount.
func Affords(budgets *Rooms, amount voucher.Amount) bool {
	return !leastLeft(budgets[:]).Less(amount)
}

// limits reports whether the request has limits for one of scopes.
func (n *Names) limits(scope int) bool {
	return scope == 0 || scope == 1 && n.ByOrigin || scope == 2 && n.ByPayee
}

var scopes = [3]string{All, Origin, Payee}

// book is one record in memory, and what this session does with it.
type book struct {
	scope, name, key string
	// turn holds one token while the record is read or written.
	turn chan struct{}

	// What follows is guarded by the mutex of Budgets.

	read    bool // rec is what the store holds, as far as is known
	rec     Record
	rev     uint64
	seen    time.Time // when it was read or written last
	changes int       // how often others were seen to have changed it
	part    Part      // this session's part in rec
	taken   time.Time // when; zero if it may not be used any more, or a write is under way
	n       uint64    // the number of the last part that this session tried to take
	tries   []try     // writes that may have worked, or may still
	// used are the rises that came out of part, and pending those that are not in a channel's record
	// yet. Some of what is pending may not be in part either.
	used, pending voucher.Amount
}

// try is a write: the number of its part, and how much of the part before it counts as used.
type try struct {
	n    uint64
	used voucher.Amount
}

// Claim is a rise that is counted in memory, and in the store after [Budgets.Cover].
type Claim struct {
	book    *book
	rise    voucher.Amount
	left    voucher.Amount // what the budget left for it
	unbound bool           // the request has no limits here
	changes int            // of the book, when the rise was decided
	n       uint64         // of the part that it was taken from
	kept    int            // for how many scopes records were kept
}

// Rooms is what budgets leave: those of all payments, of an origin and of a payee, three each.
type Rooms [9]channel.Room

// book returns a record, which may not have been read. The caller holds the mutex.
func (w *Budgets) book(scope, name string) *book {
	b := w.books[[2]string{scope, name}]
	if b == nil {
		b = &book{scope: scope, name: name, key: Key(scope, name), turn: make(chan struct{}, 1)}
		w.books[[2]string{scope, name}] = b
	}
	return b
}

// of returns the records that a rise counts in: of all payments, of the request's origin, of the
// payee, and of the channel's origin if that is another. What is not kept is nil. The caller holds
// the mutex.
func (w *Budgets) of(n *Names) (books [4]*book) {
	books[0] = w.book(All, "")
	if books[0].rec.keeps(Origin) && n.Origin != "" {
		books[1] = w.book(Origin, n.Origin)
		if n.Channel != "" && n.Channel != n.Origin {
			books[3] = w.book(Origin, n.Channel)
		}
	}
	if books[0].rec.keeps(Payee) && n.Payee != "" {
		books[2] = w.book(Payee, n.Payee)
	}
	return books
}

// Fill sets what was used of budgets: of all payments, of the origin and of the payee, three each.
// Those of an origin or a payee without limits have used what those of all payments have. now is in
// Unix seconds. ok is false if a record must be read first. The caller holds the mutex.
func (w *Budgets) Fill(all *Rooms, n *Names, now int64) (ok bool) {
	books := w.of(n)
	root := &books[0].rec
	ok = len(root.pending) == 0 && (books[3] == nil || books[3].read)
	for i := range all {
		room, b, set := &all[i], books[i/3], n.limits(i/3)
		ok = ok && (b == nil || b.read) && (!set || root.keeps(scopes[i/3]))
		if !set || b == nil {
			room.Used = all[i%3].Used
			continue
		}
		room.Used = b.rec.Used(now, room.Rule.Length, w.session).AddCapped(b.pending)
		if now-int64(room.Rule.Length/time.Second) < b.part.Until {
			room.Used = room.Used.AddCapped(b.used)
		}
		if i/3 == 1 {
			room.Used = room.Used.AddCapped(root.origins.Within(now, room.Rule.Length))
		}
	}
	return ok
}

// Claim counts a rise in memory, in all records that it belongs to, and adds that to claims. The
// caller holds the mutex since it called [Budgets.Fill].
func (w *Budgets) Claim(claims []Claim, n *Names, all *Rooms, rise voucher.Amount) []Claim {
	books := w.of(n)
	for i, b := range books {
		if b == nil {
			continue
		}
		b.pending = b.pending.AddCapped(rise)
		var left voucher.Amount
		if i < 3 && n.limits(i) {
			left = leastLeft(all[3*i : 3*i+3])
		}
		j := slices.IndexFunc(claims, func(c Claim) bool { return c.book == b })
		if j < 0 {
			claims = append(claims, Claim{
				book: b, rise: rise, left: left, unbound: i == 3 || !n.limits(i), changes: b.changes,
				kept: len(books[0].rec.kept),
			})
		} else {
			c := &claims[j]
			c.rise, c.left = c.rise.AddCapped(rise), c.left.Min(left)
			c.unbound = c.unbound && (i == 3 || !n.limits(i))
		}
	}
	return claims
}

// leastLeft returns the least that rooms leave.
func leastLeft(rooms []channel.Room) voucher.Amount {
	least := voucher.MaxAmount
	for i := range rooms {
		least = least.Min(rooms[i].Rule.Allowed.SubFloor(rooms[i].Used))
	}
	return least
}

// Settle ends claims on a channel whose record was written, or certainly was not. What may have been
// written counts as used. The caller holds the mutex.
func (w *Budgets) Settle(claims []Claim, dropped bool) {
	for i := range claims {
		c := &claims[i]
		c.n = c.book.n
		c.book.pending = c.book.pending.SubFloor(c.rise)
		if !dropped {
			c.book.used = c.book.used.AddCapped(c.rise)
		}
	}
}

// Undo gives back what came out of a part that is not noted as used yet, after the write that it was
// for turned out to have failed. The caller holds the mutex.
func (w *Budgets) Undo(claims []Claim) {
	for _, c := range claims {
		if c.n == c.book.n {
			c.book.used = c.book.used.SubFloor(c.rise)
		}
	}
}

// maxConflicts bounds how often a record is written again because another session was quicker.
const maxConflicts = 64

// lease is how long at most a part may be used after it was taken, and so how long nobody may rise
// when records of a further scope are made: other sessions may still use parts that they took
// before, and do not count in the new records.
const lease = time.Minute

// Read reads the records that requests need. The errors are [ErrStore], [channel.ErrRecord] and the
// context's.
func (w *Budgets) Read(ctx context.Context, how Reading, all ...Names) error {
	var needed []string
	for i, scope := range scopes {
		if i > 0 && slices.ContainsFunc(all, func(n Names) bool { return n.limits(i) }) {
			needed = append(needed, scope)
		}
	}
	if err := w.root(ctx, how, needed); err != nil {
		return err
	}
	for i := range all {
		w.Lock()
		books := w.of(&all[i])
		w.Unlock()
		for _, b := range books[1:] {
			if b == nil {
				continue
			}
			if err := w.exclusive(ctx, b, func() error {
				if w.known(b, how) {
					return nil
				}
				return w.reread(ctx, b, how)
			}); err != nil {
				return err
			}
		}
	}
	return nil
}

// known reports whether a record need not be read.
func (w *Budgets) known(b *book, how Reading) bool {
	w.Lock()
	defer w.Unlock()
	return b.read && (how == Once || how == Soon && time.Since(b.seen) < time.Second)
}

// exclusive calls f while nobody else reads or writes the record.
func (w *Budgets) exclusive(ctx context.Context, b *book, f func() error) error {
	select {
	case b.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-b.turn }()
	return f()
}

// root reads the record of all payments, which also tells for which scopes records are kept. If
// there is none, or none for some of scopes, they are made from the channels' records. Nothing rises
// while that is under way, in any session.
func (w *Budgets) root(ctx context.Context, how Reading, scopes []string) error {
	w.Lock()
	b := w.book(All, "")
	w.Unlock()
	if w.known(b, how) && w.missing(b, scopes) == nil {
		return nil
	}
	return w.exclusive(ctx, b, func() (err error) {
		for n := range maxConflicts {
			switch missing := w.missing(b, scopes); {
			case !w.known(b, how):
				if err = w.reread(ctx, b, how); errors.Is(err, store.ErrNotFound) {
					err = w.first(ctx, b, scopes)
				}
				how = Once
			case missing == nil:
				return nil
			default:
				err = w.extend(ctx, b, missing)
			}
			if errors.Is(err, store.ErrConflict) {
				err = Pause(ctx, n)
			}
			if err != nil {
				return err
			}
		}
		return fmt.Errorf("%w: %s: too many concurrent updates", ErrStore, b.key)
	})
}

// missing returns for which scopes records must be made, those that are pending among them.
func (w *Budgets) missing(b *book, scopes []string) (missing []string) {
	w.Lock()
	defer w.Unlock()
	for _, scope := range scopes {
		if !b.rec.keeps(scope) {
			missing = append(missing, scope)
		}
	}
	return append(missing, b.rec.pending...)
}

// first makes the record of all payments from the channels' records. Nothing rises in any session
// before it exists. If nothing has risen yet, it is written with the first rise. The error is
// [store.ErrConflict] if another session was quicker. The caller has its turn.
func (w *Budgets) first(ctx context.Context, b *book, scopes []string) error {
	past, err := w.past(ctx)
	if err != nil {
		return err
	}
	rec := past.record(All, "").making(scopes)
	if len(past.sums) == 0 {
		return w.learn(b, rec.made(past), 0)
	}
	if len(past.of(scopes)) == 0 {
		rec = rec.made(past)
	}
	if err := w.replace(ctx, b, rec); err != nil || len(rec.pending) == 0 {
		return err
	}
	return w.make(ctx, b, past)
}

// extend makes the records of further scopes, or ends what another session has begun. The caller has
// the turn of the record of all payments.
func (w *Budgets) extend(ctx context.Context, b *book, scopes []string) error {
	w.Lock()
	rec := b.rec
	w.Unlock()
	if len(rec.pending) == 0 {
		if err := w.replace(ctx, b, rec.making(scopes)); err != nil {
			return err
		}
	}
	if rec.taken(w.session, time.Now().Unix(), w.gone) {
		if err := wait(ctx, lease); err != nil {
			return err
		}
	}
	past, err := w.past(ctx)
	if err != nil {
		return err
	}
	return w.make(ctx, b, past)
}

// make makes the records that are pending. Those that exist were made by another session. The caller
// has the turn of the record of all payments.
func (w *Budgets) make(ctx context.Context, b *book, past *Past) error {
	w.Lock()
	rec := b.rec
	w.Unlock()
	for _, one := range past.of(rec.pending) {
		data, err := one.Encode()
		if err != nil {
			return err
		}
		_, err = w.store.Put(ctx, Key(one.scope, one.name), data, 0)
		if err != nil && !errors.Is(err, store.ErrConflict) {
			return fmt.Errorf("%w: %w", ErrStore, err)
		}
	}
	return w.replace(ctx, b, rec.made(past))
}

// past reads all channels. The error names one that cannot be read: what it used of the budgets is
// not known.
func (w *Budgets) past(ctx context.Context) (*Past, error) {
	past := &Past{now: time.Now().Unix(), sums: map[[2]string]map[int64]voucher.Amount{}}
	seen := map[common.Hash]struct{}{}
	for e, err := range w.list(ctx, w.store) {
		if err != nil && e.Key == "" {
			return nil, fmt.Errorf("%w: %w", ErrStore, err)
		}
		var s rule.State
		if err == nil {
			s, err = rule.Decode(e.Data)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %w: what it used of the budgets is not known, so nothing "+
				"more is authorized: restore it, or move it out of the store", channel.ErrRecord, e.Key, err)
		}
		if _, twice := seen[s.ID]; !twice {
			past.Add(s)
		}
		seen[s.ID] = struct{}{}
	}
	return past, nil
}

// replace writes a record that takes nothing. The caller has the turn.
func (w *Budgets) replace(ctx context.Context, b *book, rec Record) error {
	data, err := rec.Encode()
	if err != nil {
		return err
	}
	w.Lock()
	rev := b.rev
	b.read = false
	w.Unlock()
	rev, err = w.store.Put(ctx, b.key, data, rev)
	switch {
	case errors.Is(err, store.ErrConflict):
		return err
	case err != nil:
		return fmt.Errorf("%w: %w", ErrStore, err)
	}
	return w.learn(b, rec, rev)
}

// reread reads a record from the store. The error is [store.ErrNotFound] if that of all payments
// does not exist. The caller has the turn.
func (w *Budgets) reread(ctx context.Context, b *book, how Reading) error {
	if how == GiveBack && w.spare(b) {
		return w.note(ctx, b) // this is what the store holds then
	}
	data, rev, err := w.store.Get(ctx, b.key)
	gone := errors.Is(err, store.ErrNotFound)
	switch {
	case gone && b.rev != 0:
		return fmt.Errorf("%w: %s is gone: what was used of the limits over time is not known, so nothing "+
			"more is authorized: restore it", channel.ErrRecord, b.key)
	case gone && b.scope == All:
		return err
	case gone:
		return w.learn(b, Record{scope: b.scope, name: b.name}, 0)
	case err != nil:
		return fmt.Errorf("%w: %s: %w", ErrStore, b.key, err)
	}
	rec, err := Decode(data, b.scope, b.name)
	if err != nil {
		return err
	}
	if err = w.learn(b, rec, rev); err != nil {
		return err
	}
	if next, changed := rec.redated(time.Now().Unix()); changed {
		err = w.replace(ctx, b, next)
		if errors.Is(err, store.ErrConflict) {
			return w.reread(ctx, b, Again)
		}
	}
	return err
}

// learn notes what the store holds. The error is [channel.ErrRecord] if the record went back behind
// what this session wrote.
func (w *Budgets) learn(b *book, rec Record, rev uint64) error {
	w.Lock()
	defer w.Unlock()
	part := rec.part(w.session)
	i := slices.IndexFunc(b.tries, func(t try) bool { return t.n == part.N })
	switch {
	case part.N == 0: // all of it was counted as used, or there was none
		b.used, b.part, b.taken = voucher.Amount{}, Part{}, time.Time{}
	case i >= 0:
		b.used, b.part, b.tries = b.used.SubFloor(b.tries[i].used), part, nil
	case part.N < b.part.N:
		return fmt.Errorf("%w: %s was set back: restore the newest copy", channel.ErrRecord, b.key)
	}
	if b.rec, b.read, b.seen = rec, true, time.Now(); b.rev != rev {
		b.changes++
	}
	b.rev = rev
	return nil
}

// spare reports whether some of the part was not used.
func (w *Budgets) spare(b *book) bool {
	w.Lock()
	defer w.Unlock()
	return b.read && b.used.AddCapped(b.pending).Less(b.part.Amount)
}

// covered reports whether the record counts all that was used and is pending, in a part that may be
// used now. The caller holds mu.
func (b *book) covered(now time.Time) bool {
	return b.read && !b.taken.IsZero() && now.Sub(b.taken) < lease && b.part.live(now.Unix()) &&
		!b.part.Amount.Less(b.used.AddCapped(b.pending))
}

// Cover makes sure that every claim is counted in the store. The error is ErrMoved if a record
// changed since the claims were made, so that they may not fit.
func (w *Budgets) Cover(ctx context.Context, claims []Claim) error {
	for i := range claims {
		c := &claims[i]
		if covered, moved := w.covers(*c); covered && !moved {
			continue
		}
		if err := w.exclusive(ctx, c.book, func() error { return w.coverOne(ctx, c) }); err != nil {
			return err
		}
	}
	return nil
}

// coverOne makes sure that a claim is counted in the store. If another session wrote first, and what
// it added leaves room for the claim all the same, it writes again. The caller has the turn.
func (w *Budgets) coverOne(ctx context.Context, c *Claim) error {
	for range maxConflicts {
		covered, moved := w.covers(*c)
		if moved {
			return ErrMoved
		} else if covered {
			return nil
		}
		w.Lock()
		before, kept := c.book.rec, len(w.book(All, "").rec.kept)
		w.Unlock()
		err := w.write(ctx, c.book, c.rise, c.left)
		if !errors.Is(err, ErrMoved) {
			return err
		}
		w.Lock()
		root := &w.book(All, "").rec
		grown := c.book.rec.grown(before, w.session)
		if len(root.pending) > 0 || len(root.kept) != kept ||
			!c.unbound && c.left.Less(grown.AddCapped(c.book.pending)) {
			w.Unlock()
			return ErrMoved
		}
		c.left, c.changes = c.left.SubFloor(grown), c.book.changes
		w.Unlock()
	}
	return ErrMoved
}

// covers reports whether the record counts a claim, and whether it changed since the claim was made.
func (w *Budgets) covers(c Claim) (covered, moved bool) {
	w.Lock()
	defer w.Unlock()
	return c.book.covered(time.Now()), c.book.changes != c.changes || !c.book.read
}

// Rise is one that was decided for a request.
type Rise struct {
	Names
	By voucher.Amount
}

// Late counts rises in records that another session began to keep while the channel's record was
// written. It is called before anything is signed. If the part that the rises were taken from can
// still be used, there are no such records.
func (w *Budgets) Late(ctx context.Context, claims []Claim, rises []Rise) error {
	w.Lock()
	root := w.book(All, "")
	live := len(claims) == 0 || root.covered(time.Now()) && len(root.rec.pending) == 0 &&
		len(root.rec.kept) == claims[0].kept
	w.Unlock()
	if live {
		return nil
	}
	if err := w.Read(ctx, Again); err != nil {
		return err
	}
	var more []Claim
	w.Lock()
	for _, r := range rises {
		for _, b := range w.of(&r.Names) {
			if b != nil && !slices.ContainsFunc(claims, func(c Claim) bool { return c.book == b }) {
				b.pending = b.pending.AddCapped(r.By)
				more = append(more, Claim{book: b, rise: r.By})
			}
		}
	}
	w.Unlock()
	defer func() {
		w.Lock()
		defer w.Unlock()
		w.Settle(more, false)
	}()
	for _, c := range more {
		if err := w.exclusive(ctx, c.book, func() error { return w.note(ctx, c.book) }); err != nil {
			return err
		}
	}
	return nil
}

// note writes what is pending, whatever others did. The caller has the turn.
func (w *Budgets) note(ctx context.Context, b *book) (err error) {
	for n := range maxConflicts {
		if !w.known(b, Once) {
			err = w.reread(ctx, b, Again)
		} else if err = w.write(ctx, b, voucher.Amount{}, voucher.Amount{}); err == nil {
			return nil
		}
		if errors.Is(err, ErrMoved) {
			err = Pause(ctx, n)
		}
		if err != nil {
			return err
		}
	}
	return fmt.Errorf("%w: %s: too many concurrent updates", ErrStore, b.key)
}

// write notes what was used of the last part, and takes one for what is pending. If the last one was
// used up within its minute, it takes twice as much as that in advance, and at most a thirty-second
// of what is left. The error is ErrMoved if another session wrote first; the record is read then. The
// caller has the turn.
func (w *Budgets) write(ctx context.Context, b *book, rise, left voucher.Amount) error {
	w.Lock()
	now := time.Now()
	var more voucher.Amount
	if now.Sub(b.taken) < lease && b.part.live(now.Unix()) { // the last one was used up
		more = b.used.AddCapped(b.used).Min(share(left)).SubFloor(rise)
	}
	b.n = max(b.n, b.part.N) + 1
	next := Part{w.session, b.n, b.pending.AddCapped(more), endOfMinute(now.Unix())}
	used := b.used
	rec := b.rec.counted(used, next, now.Unix())
	b.tries = append(b.tries, try{b.n, used})
	rev := b.rev
	b.read, b.taken = false, time.Time{} // nothing is taken from it while it is written
	w.Unlock()

	data, err := rec.Encode()
	if err != nil {
		return err
	}
	rev, err = w.store.Put(ctx, b.key, data, rev)
	if errors.Is(err, store.ErrConflict) {
		w.Lock()
		b.tries = b.tries[:len(b.tries)-1]
		w.Unlock()
		switch err = w.reread(ctx, b, Again); {
		case err == nil:
			return ErrMoved
		case errors.Is(err, store.ErrNotFound): // which contradicts the conflict
			return fmt.Errorf("%w: %w", ErrStore, err)
		}
		return err
	} else if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrStore, b.key, err)
	}
	w.Lock()
	defer w.Unlock()
	b.rec, b.rev, b.read, b.seen, b.tries = rec, rev, true, time.Now(), nil
	b.part, b.taken, b.used = next, now, b.used.SubFloor(used)
	return nil
}

// share returns a thirty-second of what is left.
func share(left voucher.Amount) voucher.Amount {
	part, _ := voucher.AmountFromBig(new(big.Int).Rsh(left.Big(), 5))
	return part
}

// Pause waits a moment before a write is tried again that others were quicker with.
func Pause(ctx context.Context, try int) error {
	most := time.Millisecond << min(try, 5)
	return wait(ctx, rand.N(most))
}

// wait waits, as long as the context lasts.
func wait(ctx context.Context, long time.Duration) error {
	t := time.NewTimer(long)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// GiveBack gives back what was taken in advance and not used.
func (w *Budgets) GiveBack(ctx context.Context) error {
	w.Lock()
	var books []*book
	for _, b := range w.books {
		books = append(books, b)
	}
	w.Unlock()
	var errs []error
	for _, b := range books {
		if w.spare(b) {
			errs = append(errs, w.exclusive(ctx, b, func() error { return w.reread(ctx, b, GiveBack) }))
		}
	}
	return errors.Join(errs...)
}
