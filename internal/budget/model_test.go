package budget

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/bubble"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

var (
	histories = flag.Int("histories", 12, "random histories of sessions that share budgets")
	seed      = flag.Uint64("seed", 20261130, "seed of the first history")
)

// TestNoLimitIsPassed lets sessions pay at random from one store, and knows the truth: what the records of
// the channels authorized, and when. Sessions start at the same time with the same or different limits, are
// killed at any call of the store, have writes that fail, fail although they worked, arrive late or take
// minutes, reads that are old, contexts that end, and clocks that are ahead or behind; they
// share channels, and pay other origins on them. What was decided and counted within a window is never more than
// the limit of a session whose clock is right. It does not know of what came after it took its part, within the
// last minute, where that is not bound by the same limit: payments of sessions with other limits or a wrong clock,
// and of other origins on a channel that was opened for this one. Payments of a clock that is behind count from
// the time that it shows, which is too early for the others: they are left out. What such a clock makes of the
// others' payments is not.
//
//	go test ./internal/budget -run TestNoLimitIsPassed -args -histories 100000 -seed 7
func TestNoLimitIsPassed(t *testing.T) {
	var steps, paid, refused int
	for n := range *histories {
		var wrong string
		w := newWorld(*seed + uint64(n))
		bubble.Run(t, func(t *testing.T) { wrong = w.run(t) })
		steps, paid, refused = steps+w.steps, paid+len(w.rises), refused+w.refused
		if wrong != "" {
			t.Fatalf("-histories 1 -seed %d: %s", *seed+uint64(n), wrong)
		}
	}
	t.Logf("%d calls of the store, %d rises, %d refusals", steps, paid, refused)
	if *histories >= 12 {
		require.Greater(t, paid, 10**histories)
		require.Greater(t, refused, *histories)
	}
}

// TestHistoriesAreOfTheirSeed: a history is the same again, so one that fails can be looked into.
func TestHistoriesAreOfTheirSeed(t *testing.T) {
	first, again := newWorld(*seed), newWorld(*seed)
	for _, w := range []*world{first, again} {
		bubble.Run(t, func(t *testing.T) { w.run(t) })
	}
	assert.NotEmpty(t, first.rises)
	assert.Equal(t, first.rises, again.rises)
	assert.Equal(t, [2]int{first.steps, first.refused}, [2]int{again.steps, again.refused})
}

// rise is one rise of a ceiling that is in a record: when it was decided, and when it was counted at the
// latest, as nobody but the test knows; for what; and within what.
type rise struct {
	decided, counted time.Time
	by               uint64
	origin, home     string // of the request, and of the channel
	payee            common.Address
	class            int // of the limits of its session
	right            bool
	session          string
}

// world is one history.
type world struct {
	dice  *dice
	mem   *store.Mem
	fails float64 // how often a call of the store does
	slow  float64 // and how often it takes its time
	ahead int64   // of wrong clocks, in seconds, or negative: all of one history are wrong by the same
	kills bool

	mu       sync.Mutex
	rises    []rise
	versions map[string][]store.Entry
	late     sync.WaitGroup
	steps    int
	refused  int
}

func newWorld(seed uint64) *world {
	return &world{dice: newDice(seed, 0), mem: store.NewMem(), versions: map[string][]store.Entry{}}
}

// dice are what one goroutine of a history draws from. Each has its own, and no two go on at the same instant
// (see [dice.tick]), so what happens depends on the seed, and not on the order in which the scheduler runs them.
type dice struct{ *rand.Rand }

func newDice(a, b uint64) *dice {
	return &dice{rand.New(rand.NewPCG(a, b))} //nolint:gosec // no secret
}

// child returns the dice of a goroutine that is to be started.
func (d *dice) child() *dice { return newDice(d.Uint64(), d.Uint64()) }

// n returns a random number below most.
func (d *dice) n(most int) int { return d.IntN(most) }

func (d *dice) happens(often float64) bool { return d.Float64() < often }

// tick waits for an instant at which no other goroutine goes on.
func (d *dice) tick() { time.Sleep(time.Duration(1 + d.n(int(time.Millisecond)))) }

func pick[T any](d *dice, from ...T) T { return from[d.n(len(from))] }

// diceKey is the key of the dice in the context of a goroutine.
type diceKey struct{}

func diceOf(ctx context.Context) *dice { return ctx.Value(diceKey{}).(*dice) } //nolint:forcetypeassert // a test

// allClasses are limits that sessions may have, within a deposit and a total of 5,000.
var allClasses = []channel.Limits{
	{All: channel.Windows{Hour: u(100)}},
	{All: channel.Windows{Hour: u(3000), Day: u(4000)}},
	{Origin: channel.Windows{Hour: u(90)}},
	{All: channel.Windows{Day: u(900)}, Origin: channel.Windows{Day: u(300)}, Payee: channel.Windows{Hour: u(200)}},
	{Payee: channel.Windows{Month: u(500)}},
	{},
}

func (w *world) run(t *testing.T) (wrong string) {
	d := w.dice
	same := d.happens(0.6)
	w.fails, w.slow = pick(d, 0, 0, 0.02, 0.2), pick(d, 0, 0, 0.05, 0.3)
	w.kills = d.happens(0.5)
	if d.happens(0.3) {
		w.ahead = pick(d, int64(60), 600, 7200, 40*24*3600, -60, -120, -180, -600, -7200, -40*24*3600)
	}
	first := d.n(len(allClasses))
	channels := make([]*chain, 1+d.n(5))
	for i := range channels {
		channels[i] = newChain(t, w, i)
	}
	var wg sync.WaitGroup
	sessions := pick(d, 1, 2, 3, 5, 5, 16)
	if d.happens(0.01) {
		sessions = maxParts + 20
	}
	for i := range sessions {
		class := first
		if !same {
			class = d.n(len(allClasses))
		}
		d := d.child()
		wg.Go(func() {
			for life := range 1 + d.n(4) {
				s := w.start(d, fmt.Sprintf("%d.%d of class %d", i, life, class), class)
				s.live(t, d, channels)
				d.pause(time.Minute, time.Hour, 24*time.Hour)
			}
		})
	}
	wg.Wait()
	w.late.Wait()
	return w.check()
}

// check returns which limit was passed, if one was.
func (w *world) check() string {
	slices.SortFunc(w.rises, func(a, b rise) int { return a.counted.Compare(b.counted) })
	for i, last := range w.rises {
		limits := limitsOf(last.class)
		all, origin, payee := rule.Of(limits).Budgets()
		set := [3]bool{last.right, last.right && limits.Origin != channel.Windows{}, last.right && limits.Payee != channel.Windows{}}
		for k, three := range [3][3]channel.BudgetRule{all, origin, payee} {
			for _, one := range three {
				var sum uint64
				for _, r := range w.rises[:i+1] {
					if set[k] && w.with(&last, &r, k, one.Length) {
						sum += r.by
					}
				}
				if one.Allowed.Less(u(sum)) {
					text := fmt.Sprintf("%s is %s, %d was authorized by %s:", one.Name, one.Allowed, sum, last.counted)
					for _, r := range w.rises[:i+1] {
						if w.with(&last, &r, k, one.Length) {
							text += fmt.Sprintf("\n%+v", r)
						}
					}
					return text
				}
			}
		}
	}
	return ""
}

// with reports whether another rise counts beside the last one, for all payments, its origin or its payee.
func (w *world) with(last, r *rise, kind int, window time.Duration) bool {
	switch {
	case !r.right && w.ahead < 0:
		return false
	case !r.decided.After(last.counted.Add(-window)):
		return false
	case kind == 1 && r.origin != last.origin && r.home != last.origin, kind == 2 && r.payee != last.payee:
		return false
	case r.class != last.class, !r.right, kind == 1 && r.origin != last.origin:
		return !r.counted.After(last.decided.Add(-time.Minute))
	}
	return true
}

func limitsOf(class int) channel.Limits {
	l := allClasses[class]
	l.Deposit, l.Total = u(5_000), u(5_000)
	return l
}

// chain is a channel that sessions share.
type chain struct {
	first rule.State
	key   string
}

func newChain(t *testing.T, w *world, n int) *chain {
	me := common.Address{9}
	d := channel.Descriptor{
		Payer: me, Payee: common.Address{byte(1 + w.dice.n(2))}, Token: common.Address{7},
		Salt: common.Hash{byte(n), 1}, AuthorizedSigner: me,
	}
	s, err := rule.New(voucher.V2, 1, common.Address{3}, d, channel.Scope{
		Origin: fmt.Sprintf("https://%d.example:443", w.dice.n(3)), Protocol: voucher.V2, ChainID: 1,
		Escrow: common.Address{3}, Payee: d.Payee, Token: d.Token, Payer: me, Signer: me,
	}, rule.Funding{Amount: u(1 << 60), Raw: []byte{0x76}, ValidBefore: 100})
	require.NoError(t, err)
	s = s.Acknowledged()
	data, err := s.Encode()
	require.NoError(t, err)
	key := rule.StateKey(s.ID)
	_, err = w.mem.Put(t.Context(), key, data, 0)
	require.NoError(t, err)
	return &chain{s, key}
}

// session is a program, with its view of the store: its clock may be ahead by some minutes or months.
type session struct {
	*Budgets
	world  *world
	limits channel.Limits
	class  int
	ahead  int64 // of the clock, in seconds; negative if it is behind

	mu     sync.Mutex // guards killed
	killed bool
}

var errKilled = errors.New("killed")

func (w *world) start(d *dice, name string, class int) *session {
	s := &session{world: w, limits: limitsOf(class), class: class}
	if d.happens(0.3) {
		s.ahead = w.ahead
	}
	s.Budgets = New(s, name)
	retries := d.child()
	s.jitter = func(most time.Duration) time.Duration {
		w.mu.Lock()
		defer w.mu.Unlock()
		return time.Duration(retries.n(int(most)))
	}
	return s
}

func (d *dice) pause(most ...time.Duration) {
	if d.happens(0.5) {
		time.Sleep(time.Duration(d.n(int(pick(d, most...)))))
	}
}

// account is a channel in a session.
type account struct {
	*chain
	*session
	claims Claims
	state  rule.State
	rev    uint64
	stale  bool
}

// live pays from some channels at once, until the session ends or is killed.
func (s *session) live(t *testing.T, d *dice, channels []*chain) {
	var wg sync.WaitGroup
	accounts := 1 + d.n(3)
	for range accounts {
		a := &account{chain: pick(d, channels...), session: s, claims: Claims{Budgets: s.Budgets}, stale: true}
		times := 1 + d.n(12)
		d := d.child()
		ctx := context.WithValue(t.Context(), diceKey{}, d)
		wg.Go(func() {
			defer func() {
				if err, _ := recover().(error); err != nil && !errors.Is(err, errKilled) {
					panic(err)
				}
			}()
			d.tick()
			for range times {
				ctx := ctx
				if d.happens(s.world.fails) {
					short, cancel := context.WithTimeout(ctx, time.Duration(d.n(int(time.Second))))
					defer cancel()
					ctx = short
				}
				a.pay(ctx, d)
				if d.happens(0.1) { // about until the end of a window
					time.Sleep(pick(d, time.Hour, time.Hour, 24*time.Hour) - time.Minute + time.Duration(d.n(int(2*time.Minute))))
				}
				d.pause(1, time.Second, time.Minute, 20*time.Minute, 5*time.Hour)
				if accounts == 1 && s.ahead != 0 && d.happens(0.1) {
					s.setClock(0)
					a.stale = true // what it has of the channel is of the other clock, too
				}
			}
			_ = s.GiveBack(ctx)
		})
	}
	wg.Wait()
}

// setClock sets the clock of a session that runs. What it has in memory is of the other one.
func (s *session) setClock(ahead int64) {
	s.Lock()
	defer s.Unlock()
	by := s.ahead - ahead
	s.ahead = ahead
	for _, b := range s.books {
		b.rec = shifted(b.rec, by)
		if b.part.N != 0 {
			b.part.Until += by
		}
		if b.tried.N != 0 {
			b.tried.Until += by
		}
	}
}

// pay authorizes one to three requests together, as the gate does.
func (a *account) pay(ctx context.Context, d *dice) {
	w := a.world
	type request struct {
		price  uint64
		origin string
	}
	var requests []request
	for range pick(d, 1, 1, 1, 2, 3) {
		r := request{uint64(1 + d.n(pick(d, 5, 40, 120))), a.first.Scope.Origin} //nolint:gosec // small
		if d.happens(0.2) {
			r.origin = fmt.Sprintf("https://%d.example:443", d.n(3))
		}
		requests = append(requests, r)
	}
	fresh := false
	for range 20 {
		if a.stale && a.refresh(ctx) != nil {
			return
		}
		var rises []rise
		next := a.state
		again := false
		a.Lock()
		for _, r := range requests {
			l := For(r.origin, &a.first.Scope)
			rooms, known := a.Rooms(&a.limits, l, time.Now().Unix())
			full := slices.ContainsFunc(rooms[:], func(one channel.Room) bool { return one.Left().Less(u(r.price)) })
			if !known || full && !fresh {
				a.Unlock()
				a.claims.Settle(ErrMoved)
				if a.Read(ctx, &a.limits, l) != nil {
					return
				}
				again, fresh = true, true
				a.Lock()
				break
			}
			if full {
				w.refuse()
				continue
			}
			was := next
			var err error
			next, _, _, err = next.Authorize(rule.Request{Price: u(r.price)}, rule.Of(channel.Limits{
				Price: voucher.MaxAmount, Deposit: voucher.MaxAmount, Total: voucher.MaxAmount,
			}))
			if err != nil {
				panic(err)
			}
			next = next.Noted(was, r.origin, time.Now().Unix())
			a.claims.Claim(l, &a.limits, u(r.price))
			rises = append(rises, rise{
				time.Now(),
				time.Time{},
				r.price, r.origin, a.first.Scope.Origin, a.first.Scope.Payee, a.class,
				a.ahead == 0, a.Budgets.session,
			})
		}
		a.Unlock()
		if again {
			continue
		}
		if len(rises) == 0 {
			return
		}
		err := a.claims.Cover(ctx)
		if err != nil {
			a.claims.Settle(ErrMoved)
			if errors.Is(err, ErrMoved) {
				continue
			}
			return
		}
		for i := range rises {
			rises[i].counted = time.Now()
		}
		data, err := next.Encode()
		if err != nil {
			panic(err)
		}
		rev, err := a.put(ctx, a.key, data, a.rev, rises)
		a.claims.Settle(err)
		if err == nil {
			a.state, a.rev = next, rev
			return
		}
		a.stale = true
	}
}

func (w *world) refuse() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.refused++
}

// refresh reads the channel's record.
func (a *account) refresh(ctx context.Context) error {
	data, rev, err := a.Get(ctx, a.key)
	if err != nil {
		return err
	}
	s, err := rule.Decode(data)
	if err != nil {
		panic(err)
	}
	if rev < a.rev {
		return store.ErrCorrupt
	}
	if rev != a.rev {
		a.claims.Written()
	}
	a.state, a.rev, a.stale = s, rev, false
	return nil
}

// trouble is what happens to one call of the store. The session may be killed by it.
func (s *session) trouble(ctx context.Context) error {
	w, d := s.world, diceOf(ctx)
	d.tick()
	s.die(false)
	if d.happens(w.slow) {
		wait := time.Duration(d.n(int(pick(d, time.Millisecond, 20*time.Millisecond, 3*time.Second, 100*time.Second))))
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
	s.die(w.kills && d.happens(0.01))
	return ctx.Err()
}

// die ends the session if now is set, or if it was killed in another goroutine.
func (s *session) die(now bool) {
	s.mu.Lock()
	s.killed = s.killed || now
	killed := s.killed
	s.mu.Unlock()
	if killed {
		panic(errKilled)
	}
}

// Get implements [store.Store].
func (s *session) Get(ctx context.Context, key string) (data []byte, rev uint64, err error) {
	w, d := s.world, diceOf(ctx)
	if err := s.trouble(ctx); err != nil {
		return nil, 0, err
	}
	data, rev, err = w.mem.Get(ctx, key)
	w.mu.Lock()
	w.steps++
	if old := w.versions[key]; len(old) > 1 && w.fails > 0 && d.IntN(10) == 0 {
		e := old[d.IntN(len(old))]
		data, rev = e.Data, e.Rev
	}
	w.mu.Unlock()
	if err == nil {
		err = s.trouble(ctx)
	}
	if d.happens(w.fails) {
		err = errors.New("a read failed")
	}
	return s.times(data, -s.ahead), rev, err
}

// Put implements [store.Store].
func (s *session) Put(ctx context.Context, key string, data []byte, rev uint64) (uint64, error) {
	return s.put(ctx, key, data, rev, nil)
}

func (s *session) put(ctx context.Context, key string, data []byte, rev uint64, rises []rise) (uint64, error) {
	w, d := s.world, diceOf(ctx)
	data = s.times(data, s.ahead)
	write := func() (uint64, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.steps++
		next, err := w.mem.Put(context.Background(), key, data, rev)
		if err == nil {
			w.versions[key] = append(w.versions[key], store.Entry{Data: data, Rev: next})
			w.rises = append(w.rises, rises...)
		}
		return next, err
	}
	if err := s.trouble(ctx); err != nil {
		if d.happens(0.5) { // it arrives, or arrives later
			wait := time.Duration(d.n(int(pick(d, time.Nanosecond, time.Second, time.Minute))))
			late := d.child()
			w.late.Go(func() {
				late.tick()
				time.Sleep(wait)
				_, _ = write()
			})
		}
		return 0, err
	}
	fails := d.happens(w.fails)
	if fails && d.happens(0.5) {
		return 0, errors.New("a write failed")
	}
	next, err := write()
	if err == nil {
		err = s.trouble(ctx)
	}
	if err == nil && fails {
		err = errors.New("a write worked and nobody was told")
	}
	return next, err
}

// List implements [store.Store].
func (s *session) List(ctx context.Context, prefix string) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		for e, err := range s.world.mem.List(ctx, prefix) {
			if err == nil {
				err = s.trouble(ctx)
			}
			e.Data = s.times(e.Data, -s.ahead)
			if err != nil {
				yield(store.Entry{}, err)
				return
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}

// shifted returns a record with all times moved.
func shifted(r record, by int64) (out record) {
	data, err := json.Marshal(r)
	if err == nil {
		err = json.Unmarshal(moved(data, by), &out)
	}
	if err != nil {
		panic(err)
	}
	return out
}

func (s *session) times(data []byte, by int64) []byte {
	if by == 0 || len(data) == 0 {
		return data
	}
	return moved(data, by)
}

// moved returns a record with the marks of its histories and the ends of its parts moved.
func moved(data []byte, by int64) []byte {
	var v any
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		panic(err)
	}
	at := func(n any) any {
		i, err := n.(json.Number).Int64()
		if err != nil {
			panic(err)
		}
		if i == 0 {
			return n
		}
		return json.Number(fmt.Sprint(i + by))
	}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if until, ok := v["until"]; ok {
				v["until"] = at(until)
			}
			for _, one := range v {
				walk(one)
			}
		case []any:
			if len(v) == 2 {
				if _, ok := v[0].(json.Number); ok {
					v[0] = at(v[0])
					return
				}
			}
			for _, one := range v {
				walk(one)
			}
		}
	}
	walk(v)
	out, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return out
}
