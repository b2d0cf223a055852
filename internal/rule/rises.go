package rule

import (
	"maps"
	"time"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Rises records how the ceiling of a channel rose over time, and for which origins. The limits over
// time are computed from it. It is a value that never changes.
type Rises struct {
	origin  string
	total   voucher.Amount
	history History
	foreign foreign
}

// foreign records how a ceiling rose for origins that the channel was not opened for. The history
// of an origin marks the sum of the rises for it.
type foreign struct {
	origins map[string]History
	others  History // of all further origins together
}

// maxOrigins bounds how many foreign origins have their own history. The rises for further ones
// count for every foreign origin.
const maxOrigins = 8

// Rises returns how the ceiling rose.
func (s State) Rises() Rises { return Rises{s.Scope.Origin, s.authorized, s.history, s.foreign} }

// Total returns the ceiling, in base units.
func (r Rises) Total() voucher.Amount { return r.total }

// Quiet reports whether nothing rose within the longest window of limits.
func (r Rises) Quiet(now int64) bool {
	marks := r.history.marks
	return len(marks) == 0 || marks[len(marks)-1].At <= now-month
}

// Within returns by how much the ceiling rose in the window that ends now, in base units. now is in
// Unix seconds. A record without a history counts as no rise.
func (r Rises) Within(now int64, window time.Duration) voucher.Amount {
	return r.history.risen(now, int64(window/time.Second), r.total)
}

// For is like [Rises.Within] for requests of one origin. Every rise counts for the origin that the
// channel was opened for.
func (r Rises) For(origin string, now int64, window time.Duration) voucher.Amount {
	if origin == r.origin {
		return r.Within(now, window)
	}
	rose := func(h History) voucher.Amount { return h.risen(now, int64(window/time.Second), h.highest()) }
	return rose(r.foreign.origins[origin]).AddCapped(rose(r.foreign.others))
}

// noted returns f with a rise for an origin.
func (f foreign) noted(origin string, rise voucher.Amount, now int64) foreign {
	note := func(h History) History {
		return h.note(
			maxClocks, now, h.highest().AddCapped(rise), coarse,
		)
	}
	h, known := f.origins[origin]
	if !known && len(f.origins) >= maxOrigins {
		f.others = note(f.others)
		return f
	}
	origins := make(map[string]History, len(f.origins)+1)
	maps.Copy(origins, f.origins)
	origins[origin] = note(h)
	f.origins = origins
	return f
}

// Noted returns the state with a mark of the rise of its ceiling since before, for a request of
// origin. now is in Unix seconds. The gate calls it for every rise.
func (s State) Noted(before State, origin string, now int64) State {
	if len(s.history.marks) == 0 && !before.authorized.IsZero() {
		s.history = s.history.shifted(before.authorized)
	}
	s.history = s.history.note(maxClocks, now, s.authorized, fine)
	if origin != s.Scope.Origin {
		s.foreign = s.foreign.noted(origin, s.authorized.SubFloor(before.authorized), now)
	}
	return s
}

// Redated returns the state with a mark that the clock, at now, went back behind the newest rise.
// changed is false if that is not so, or is marked already. Without the mark, that rise counts
// until the clock shows its time again. The ledger stores the marked record.
func (s State) Redated(now int64) (_ State, changed bool) {
	if s.history.unnoted(now, s.authorized) {
		s.history, changed = s.history.note(maxClocks, now, s.authorized, fine), true
	}
	if f, renoted := s.foreign.renoted(now); renoted {
		s.foreign, changed = f, true
	}
	return s, changed
}

// renoted marks what each history has reached as of now, if that is not marked.
func (f foreign) renoted(now int64) (_ foreign, changed bool) {
	renoted := func(h History) (History, bool) {
		reached := h.highest()
		if !h.unnoted(now, reached) {
			return h, false
		}
		return h.note(maxClocks, now, reached, coarse), true
	}
	f.others, changed = renoted(f.others)
	origins := maps.Clone(f.origins)
	for origin, h := range f.origins {
		h, renoted := renoted(h)
		if origins[origin] = h; renoted {
			changed = true
		}
	}
	f.origins = origins
	return f, changed
}
