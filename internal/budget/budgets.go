// Package budget keeps the records of what was authorized over time, for the limits of an hour, a
// day and a month. All sessions of a store change them by compare-and-swap: what a ceiling is going
// to rise by is counted here before the record of its channel is written.
package budget

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
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

// All is the key of the record for all payments of a store in the known dollar tokens, which share
// limits. There are records for each origin and each payee, too, if sessions have limits for these:
// their keys begin with byOrigin and byPayee. The records of any other asset have keys of their own:
// these, a slash, the chain, a slash and the token. So no record adds up what has nothing in common,
// and what follows is of the records of one group of assets, unless it says otherwise. A record of the
// kind ofFees, one for each group, has the fees of transactions. It is there once one was counted.
const (
	All      = "budget/all"
	byOrigin = "budget/origin/"
	byPayee  = "budget/payee/"
	ofFees   = "budget/fees/"
)

// kinds are those of the records of a lease.
var kinds = [5]string{All, byOrigin, byPayee, byOrigin, ofFees}

// Budgets are the records in the memory of one session. It is safe for concurrent use.
//
// What the session takes of a budget is in its record before it is used, so what other sessions see as
// used is never less than what is. And who takes something writes the record that it was decided on.
type Budgets struct {
	store   store.Store
	session string
	jitter  func(most time.Duration) time.Duration // how long to let another session go first

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
	part  part      // what this session has of it
	ends  time.Time // when nothing more may be taken out of part; zero if nothing may be now
	// used are the rises that came out of part, and pending those that are not in the record of their
	// channel yet.
	used, pending voucher.Amount
	fees          voucher.Amount // that are being counted: see fees.go
	claims        uint64         // the number of the last claim
	covered       uint64         // and of the last one that the record in the store covers
	tried         try            // the last write
	// further counts claims by the further records that they would count in if they were kept. It is of
	// the record for all payments.
	further map[string]int
}

// Lease are the keys of the records that the rises of one channel count in, for requests of one origin:
// that of all payments in the channel's asset, of the request's origin, of the payee, and of the channel's
// origin if that is another one. What has no name has no key. Two assets share the first if, and only if,
// they share limits. The last key is that of the record of fees, for what is one.
type Lease [5]string

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
	in     [5]*book  // where it counts
	number [5]uint64 // there; zero if the session's part covers it
}

// Rooms is what the budgets leave: for all payments, for one origin's and for one payee's, the
// month before the day and the hour. Those of an origin or a payee that are not set have used what
// those of all payments have.
type Rooms [9]channel.Room

// New returns the budgets of a session, with its name.
func New(s store.Store, session string) *Budgets {
	w := &Budgets{store: s, session: session, jitter: rand.N[time.Duration], books: map[string]*book{}}
	w.book(All)
	return w
}

// book returns a record, which may not have been read. The caller holds the mutex.
func (w *Budgets) book(key string) *book {
	b := w.books[key]
	if b == nil {
		b = &book{turn: make(chan struct{}, 1), rec: record{Version: version, Key: key}, further: map[string]int{}}
		w.books[key] = b
	}
	return b
}

// dollars are the assets that share limits and records. The zero asset stands for them.
var dollars = map[channel.Asset]struct{}{{}: {}}

func init() {
	for c := range channel.Dollars() {
		dollars[c.Asset] = struct{}{}
	}
}

// For returns the lease for requests of an origin on a channel of a scope. An empty origin is that of
// the channel. The asset of the zero scope is a dollar token.
func For(origin string, scope *channel.Scope) *Lease {
	names := [4]string{1: cmp.Or(origin, scope.Origin)}
	if scope.Payee != (common.Address{}) {
		names[2] = scope.Payee.Hex()
	}
	if scope.Origin != names[1] {
		names[3] = scope.Origin
	}
	group := ""
	if _, shared := dollars[channel.Asset{ChainID: scope.ChainID, Token: scope.Token}]; !shared {
		group = fmt.Sprintf("/%d/%x", scope.ChainID, scope.Token[:])
	}
	keys := Lease{All + group}
	for i, name := range names {
		if name != "" {
			sum := sha256.Sum256([]byte(name))
			keys[i] = kinds[i] + hex.EncodeToString(sum[:]) + group
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

// Rooms returns what the limits over time leave for a rise that l is for. now is in Unix seconds. All
// parts count as used, but of that of this session only what is used or pending. ok is false if a record
// must be read first. The caller holds the mutex.
func (w *Budgets) Rooms(limits *channel.Limits, l *Lease, now int64) (rooms Rooms, ok bool) {
	all, origin, payee := rule.Limits{Limits: *limits}.Budgets()
	set := [3]bool{true, limits.Origin != channel.Windows{}, limits.Payee != channel.Windows{}}
	root := w.books[l[0]]
	ok = root != nil && len(root.rec.Pending) == 0
	for i, rules := range [3][3]channel.BudgetRule{all, origin, payee} {
		b, own := w.books[l[i]], set[i] && l[i] != ""
		if own {
			ok = ok && b != nil && b.known && (i == 0 || slices.Contains(root.rec.Kept, kinds[i]))
			own = ok
		}
		for j, one := range rules {
			used := rooms[j].Used
			if own {
				used = b.rec.Used.Within(now, one.Length).AddCapped(b.pending).AddCapped(b.fees)
				for _, p := range b.rec.Parts {
					switch {
					case p.Until <= now-int64(one.Length/time.Second):
					case p.N == b.part.N && p.Session == w.session:
						used = used.AddCapped(b.used)
					default:
						used = used.AddCapped(p.Amount)
					}
				}
				used = used.AddCapped(root.rec.Others[kinds[i]].Within(now, one.Length))
			}
			rooms[3*i+j] = channel.Room{Rule: one, Used: used}
		}
	}
	return rooms, ok
}

// Claim counts a rise in memory. The caller holds the mutex since it called [Budgets.Rooms].
func (c *Claims) Claim(l *Lease, limits *channel.Limits, rise voucher.Amount) {
	root, now := c.books[l[0]], time.Now()
	one := claim{lease: l, limits: limits, rise: rise, kept: len(root.rec.Kept)}
	named := true // by the part of the record of all payments, where it would count, too
	for i, key := range slices.Backward(l[:]) {
		switch {
		case key == "":
			continue
		case i > 0 && !slices.Contains(root.rec.Kept, kinds[i]):
			root.further[key]++
			named = named && (slices.Contains(root.part.For, key) || slices.Contains(root.part.For, kinds[i]))
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
			further := c.books[one.lease[0]].further
			for i, b := range one.in {
				key := one.lease[i]
				switch {
				case b != nil:
					b.pending = b.pending.SubFloor(one.rise)
					if raised {
						b.used = b.used.AddCapped(one.rise)
					}
				case further[key] > 1:
					further[key]--
				default:
					delete(further, key)
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
					fit = fit && ok && one.kept == len(c.books[one.lease[0]].rec.Kept)
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
