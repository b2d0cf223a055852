package budget

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

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

// begin writes the records of further kinds that are made from what has risen, that of all payments
// before them if it is the first, and that they are complete after them.
func (w *Budgets) begin(
	ctx context.Context, rec record, rev uint64, risen past, now int64,
) (_ record, _ uint64, err error) {
	if rev == 0 {
		rec.Used = risen.history(rec.Key, rec.Used, now)
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
	for _, kind := range rec.Pending {
		if len(risen[kind]) > 0 {
			rec = rec.others(kind, risen.history(kind, rec.Others[kind], now))
		}
	}
	done := rec
	done.Kept, done.Pending = slices.Concat(rec.Kept, rec.Pending), nil
	rev, err = w.put(ctx, done, rev)
	return rec, rev, err
}

// past adds up how the ceilings of channels rose, by key and time, to make records from.
type past map[string]map[int64]voucher.Amount

// add adds rises to a record.
func (p past) add(key string, rises ...rule.Rise) {
	for _, r := range rises {
		if p[key] == nil {
			p[key] = map[int64]voucher.Amount{}
		}
		p[key][r.At] = p[key][r.At].AddCapped(r.By)
	}
}

// channel adds a channel, if the record for all payments in its asset has the key root. What rose for
// origins that nobody knows has the kind as its key.
func (p past) channel(s rule.State, root string, now int64) {
	lease := For("", &s.Scope)
	p.fees(s, root, now)
	if lease[0] != root {
		return
	}
	all, origins, others := s.Past(now)
	for _, key := range lease {
		if key != "" {
			p.add(key, all...)
		}
	}
	for origin, rises := range origins {
		p.add(For(origin, &s.Scope)[1], rises...)
	}
	p.add(byOrigin, others...)
}

// history returns h with the rises of a record.
func (p past) history(key string, h rule.History, now int64) rule.History {
	for _, at := range slices.Sorted(maps.Keys(p[key])) {
		h = h.Added(rule.Rise{At: at, By: p[key][at]}, now)
	}
	return h
}

// further returns the further records of kinds: what rose on channels, and what sessions took that do
// not know yet that it counts in them. What was used of that and not noted may count twice.
func (p past) further(kinds []string, parts []part, now int64) (all []record) {
	for _, part := range parts {
		if _, counted := p[part.Session]; counted {
			continue // a fee, and the record of its channel has it
		}
		for _, key := range part.For {
			p.add(key, rule.Rise{At: part.Until, By: part.Amount})
		}
	}
	for _, key := range slices.Sorted(maps.Keys(p)) {
		if slices.ContainsFunc(kinds, func(kind string) bool {
			return strings.HasPrefix(key, kind) && key != kind
		}) {
			all = append(all, record{Version: version, Key: key, Used: p.history(key, rule.History{}, now)})
		}
	}
	return all
}
