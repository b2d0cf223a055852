package budget

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// The most that a transaction can be charged is a part of its own of each record that it counts in,
// written before the transaction is signed. When it is known what the transaction was charged, that takes
// the place of the part, as of the same time. Whoever knows the name of the part can do so, in any
// session, and nobody can do so twice. A part that nobody knows about counts in full.

// fee begins the names that parts of fees have in place of a session's.
const fee = "fee/"

// takeBack bounds how long it takes to take back what was written of a fee that is refused.
const takeBack = 5 * time.Second

// ForFee returns the lease of a fee that is paid in the asset of a scope, for a channel of that origin and
// payee.
func ForFee(scope *channel.Scope) *Lease {
	l := For("", scope)
	l[4] = ofFees + "all" + strings.TrimPrefix(l[0], All)
	return l
}

// Fee is what a transaction can be charged, to be counted.
type Fee struct {
	Limits *channel.Limits // of the asset that it is paid in
	Lease  *Lease
	Most   voucher.Amount
	// Price is what else has to fit into what the limits of all payments, of the origin and of the payee
	// leave: the request that the transaction is made for.
	Price voucher.Amount
	// Returns is set for a transaction that brings money back: these limits count it, and do not refuse it.
	Returns bool
	// Free is set if no limit refuses it.
	Free bool
}

// CountFee counts a fee in the store, if the limits leave room for it. It returns the name and the time of
// the part. The error is a [*channel.LimitError], [ErrStore], [channel.ErrRecord] or the context's; nothing
// is counted then, but for what a store that failed may have kept.
func (w *Budgets) CountFee(ctx context.Context, f Fee) (name string, at int64, err error) {
	now := time.Now().Unix()
	name, at = fee+rand.Text(), now+minute-now%minute
	for range maxConflicts {
		if err = w.Read(ctx, f.Limits, f.Lease); err != nil {
			return "", 0, err
		}
		w.Lock()
		kept := len(w.books[f.Lease[0]].rec.Kept)
		err = w.refuses(f, voucher.Amount{})
		on := w.countIn(f)
		w.Unlock()
		if err == nil {
			err = w.writeFee(ctx, f, part{Session: name, N: 1, Amount: f.Most, Until: at}, on, kept)
			if err == nil {
				return name, at, nil
			}
			bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), takeBack)
			err = errors.Join(err, w.CorrectFee(bounded, f.Lease, name, voucher.Amount{}))
			cancel()
		}
		if !errors.Is(err, ErrMoved) {
			break
		}
	}
	return "", 0, err
}

// countIn returns the records that a fee counts in. The caller holds the mutex.
func (w *Budgets) countIn(f Fee) (on []*book) {
	root := w.books[f.Lease[0]]
	for i, key := range f.Lease {
		if key != "" && (i == 0 || slices.Contains(root.rec.Kept, kinds[i])) {
			on = append(on, w.book(key))
		}
	}
	return on
}

// writeFee writes the part of a fee into records. Meanwhile it counts in memory, so that nothing that this
// session takes of its own parts passes a limit.
func (w *Budgets) writeFee(ctx context.Context, f Fee, p part, on []*book, kept int) error {
	w.Lock()
	for _, b := range on {
		b.fees = b.fees.AddCapped(f.Most)
	}
	w.Unlock()
	left := on
	defer func() {
		w.Lock()
		defer w.Unlock()
		for _, b := range left {
			b.fees = b.fees.SubFloor(f.Most)
		}
	}()
	for len(left) > 0 {
		b := left[0]
		if err := w.turns(ctx, b, func() (done bool, err error) {
			w.Lock()
			known, root := b.known, w.books[f.Lease[0]]
			refused, moved := w.refuses(f, f.Most), len(root.rec.Kept) != kept || len(root.rec.Pending) > 0
			moved = moved || errors.Is(refused, ErrMoved)
			next := p
			if b == root {
				next.For = w.names(f)
			}
			rec := b.rec.noted(part{}, voucher.Amount{}, next, time.Now().Unix())
			had := b.rec.has(p.Session, p.N)
			w.Unlock()
			switch {
			case !known:
				return false, w.load(ctx, b)
			case had: // a write that seemed to fail
			case moved:
				return true, ErrMoved
			case refused != nil:
				return true, refused
			}
			rev := b.rev
			if !had {
				rev, err = w.put(ctx, rec, rev)
			} else {
				rec = b.rec
			}
			if err != nil {
				return false, err
			}
			w.Lock()
			defer w.Unlock()
			b.rec, b.rev, b.known = rec, rev, true
			b.fees = b.fees.SubFloor(f.Most)
			left = left[1:]
			return true, nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// names returns the further records that a fee would count in if they were kept. The caller holds the
// mutex.
func (w *Budgets) names(f Fee) (names []string) {
	root := w.books[f.Lease[0]]
	for i, key := range f.Lease {
		if i > 0 && key != "" && !slices.Contains(root.rec.Kept, kinds[i]) {
			names = append(names, key)
		}
	}
	return names
}

// refuses returns the error for a fee that the limits leave no room for, or [ErrMoved] if a record must be
// read first. counted is what of it is counted already. The caller holds the mutex.
func (w *Budgets) refuses(f Fee, counted voucher.Amount) error {
	if f.Free {
		return nil
	}
	now := time.Now().Unix()
	more := f.Most.SubFloor(counted)
	check := func(r channel.Room, more voucher.Amount) error {
		used := r.Used.AddCapped(more)
		if !r.Rule.Allowed.Less(used) {
			return nil
		}
		return &channel.LimitError{
			Limit: r.Rule.Name, Wanted: used, Allowed: r.Rule.Allowed, Left: r.Rule.Allowed.SubFloor(r.Used.SubFloor(counted)),
			Enough: used.AddCapped(f.Most), Fee: f.Most, Currency: f.Limits.Currency,
		}
	}
	for _, r := range w.FeeRooms(f.Limits, f.Lease, now) {
		if err := check(r, more); err != nil {
			return err
		}
	}
	if f.Returns {
		return nil
	}
	rooms, ok := w.Rooms(f.Limits, f.Lease, now)
	if !ok {
		return ErrMoved
	}
	for _, r := range rooms {
		if err := check(r, more.AddCapped(f.Price)); err != nil {
			return err
		}
	}
	return nil
}

// FeeRooms returns what the limits on fees leave, the month before the day and the hour. now is in Unix
// seconds. The caller holds the mutex, and has read the records of the lease.
func (w *Budgets) FeeRooms(limits *channel.Limits, l *Lease, now int64) (rooms [3]channel.Room) {
	_, rules := rule.Limits{Limits: *limits}.FeeBudgets()
	root, b := w.books[l[0]], w.book(l[4])
	for i, one := range rules {
		used := b.rec.Used.Within(now, one.Length).AddCapped(b.fees)
		used = used.AddCapped(root.rec.Others[ofFees].Within(now, one.Length))
		for _, p := range b.rec.Parts {
			if p.Until > now-int64(one.Length/time.Second) {
				used = used.AddCapped(p.Amount)
			}
		}
		rooms[i] = channel.Room{Rule: one, Used: used}
	}
	return rooms
}

// FeesUnderWay reports whether fees were counted within the last minute, or by a clock that is ahead, for
// which own is false, and that it is not known yet what their transactions were charged: as the record was last
// read. The lease is that of [ForFee].
func (w *Budgets) FeesUnderWay(l *Lease, own func(name string) bool) bool {
	w.Lock()
	defer w.Unlock()
	now := time.Now().Unix()
	return slices.ContainsFunc(w.book(l[4]).rec.Parts, func(p part) bool {
		return now < p.Until && strings.HasPrefix(p.Session, fee) && !own(p.Session)
	})
}

// CorrectFee puts what a transaction was charged in the place of the part of its fee, in all records that
// list it. In those that do not list it any more it counts in full. The errors are those of
// [Budgets.CountFee].
func (w *Budgets) CorrectFee(ctx context.Context, l *Lease, name string, charged voucher.Amount) error {
	var errs []error
	for _, key := range l {
		if key == "" {
			continue
		}
		w.Lock()
		b := w.book(key)
		w.Unlock()
		errs = append(errs, w.turns(ctx, b, func() (done bool, err error) {
			if err := w.load(ctx, b); err != nil {
				return false, err
			}
			if !b.rec.has(name, 1) {
				return true, nil
			}
			rec := b.rec
			for _, p := range rec.Parts {
				if p.Session == name && p.N == 1 {
					rec = rec.noted(p, charged.Min(p.Amount), part{}, time.Now().Unix())
				}
			}
			rev, err := w.put(ctx, rec, b.rev)
			if err != nil {
				return false, err
			}
			w.Lock()
			defer w.Unlock()
			b.rec, b.rev, b.known = rec, rev, true
			return true, nil
		}))
	}
	return errors.Join(errs...)
}

// fees adds the fees of a channel's transactions that are paid in assets whose record for all payments has
// the key root. Those that are not known are noted by the name of their part, too.
func (p past) fees(s rule.State, root string, now int64) {
	for token, rises := range s.PastFees(now) {
		scope := s.Scope
		scope.Token = token
		lease := ForFee(&scope)
		if lease[0] != root {
			continue
		}
		for _, key := range lease {
			if key != "" {
				p.add(key, rises...)
			}
		}
	}
	for _, f := range s.FeesDue() {
		p.add(f.Part, rule.Rise{At: f.At, By: f.Max})
	}
}
