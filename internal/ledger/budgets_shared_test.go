package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/bubble"
	"github.com/seed-5fe1f529/tallystick/internal/budget"
	"github.com/seed-5fe1f529/tallystick/internal/ledger"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// session is one of several on the same store, with a channel of its own.
type session struct {
	*bench
	account *ledger.Account
}

// several returns sessions with one channel each, of different payees and two origins, in what their
// limits are for.
func several(t *testing.T, b *bench, n int, limits func(i int) channel.Limits) (all []*session) {
	for i := range n {
		s := &session{bench: &bench{
			Ledger: ledger.New(b.store, b.judge, limits(i)), store: b.store, judge: b.judge, scope: b.scope,
		}}
		s.scope.Origin = [2]string{here, there}[i%2]
		s.scope.Payee = common.Address{byte(1 + i%3), byte(i / 6)}
		if limits(i).Currency == euro {
			s.scope.Token = euro.Token
		}
		a, added, err := s.Add(t.Context(), s.state(t, byte(10+i), 1_000_000), nil)
		require.NoError(t, err)
		require.True(t, added)
		require.NoError(t, a.Update(t.Context(), rule.State.Acknowledged))
		s.account = a
		all = append(all, s)
	}
	return all
}

// beside returns second channels of sessions.
func beside(t *testing.T, all []*session) (more []*session) {
	for i, s := range all {
		second := *s
		a, _, err := s.Add(t.Context(), s.state(t, byte(100+i), 1_000_000), s.account)
		require.NoError(t, err)
		require.NoError(t, a.Update(t.Context(), rule.State.Acknowledged))
		second.account = a
		more = append(more, &second)
	}
	return more
}

// ceilings returns what is authorized on all channels of a store, by channel.
func ceilings(t testing.TB, s store.Store) map[string]uint64 {
	all := map[string]uint64{}
	for e, err := range s.List(context.Background(), "channel/") {
		require.NoError(t, err)
		one, err := rule.Decode(e.Data)
		require.NoError(t, err)
		all[e.Key], _ = one.Authorized().Uint64()
	}
	return all
}

func sum(all map[string]uint64) (total uint64) {
	for _, n := range all {
		total += n
	}
	return total
}

// TestSessionsShareABudget: many sessions on channels of their own reach a limit together within one
// price, and never pass it, whichever limit it is.
func TestSessionsShareABudget(t *testing.T) {
	for name, own := range map[string]channel.Limits{
		"large": {All: channel.Windows{Day: u(5_000)}},
		"small": {All: channel.Windows{Hour: u(1_000)}},
		"total": {Total: u(3_000)},
		"three": {
			All: channel.Windows{Day: u(5_000)}, Origin: channel.Windows{Day: u(4_700)},
			Payee: channel.Windows{Day: u(4_990)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			own.Price, own.Deposit = u(1000), u(10_000_000)
			if own.Total.IsZero() {
				own.Total = u(10_000_000)
			}
			b := newBench(t, own)
			all := several(t, b, 16, func(int) channel.Limits { return own })
			var wg sync.WaitGroup
			for i, s := range slices.Concat(all, beside(t, all[:4])) {
				wg.Go(func() {
					for {
						c, _, err := s.account.Reserve(context.Background(), s.terms(), price(uint64(7+i%2)))
						if errors.Is(err, channel.ErrLimit) {
							return
						}
						if !assert.NoError(t, err) {
							return
						}
						c.Keep()
					}
				})
			}
			wg.Wait()
			for _, s := range all { // those who were refused first may find what others gave back
				require.NoError(t, s.Flush(t.Context()))
			}
			_, _, err := all[0].account.Reserve(t.Context(), all[0].terms(), price(8))
			require.ErrorIs(t, err, channel.ErrLimit)
			allowed, _, _ := rule.Of(own).Budgets()
			most, _ := allowed[2].Allowed.Uint64()
			got := sum(ceilings(t, b.store))
			assert.LessOrEqual(t, got, most)
			if name != "three" {
				assert.Greater(t, got+8, most, "it is reached within one price")
			}
		})
	}
}

// broken is a store whose next writes fail in different ways.
type broken struct {
	store.Store
	random *rand.Rand
	often  float64
}

func (b *broken) Put(ctx context.Context, key string, data []byte, rev uint64) (uint64, error) {
	kind := 5
	if b.random.Float64() < b.often {
		kind = b.random.IntN(4)
	}
	switch kind {
	case 0:
		return 0, errDisk
	case 1:
		panic(errDisk)
	}
	n, err := b.Store.Put(ctx, key, data, rev)
	switch kind {
	case 2:
		return 0, errDisk
	case 3:
		panic(errDisk)
	}
	return n, err
}

// TestBudgetsHoldWhateverHappens lets several sessions with the same or different limits pay at random
// while writes fail and programs crash, and compares what the records of the channels show with each
// session's own limits after each of its rises in the same asset. What a session took counts for the others at once, and it
// may use it until its minute ends: a session with higher limits may have paid meanwhile.
func TestBudgetsHoldWhateverHappens(t *testing.T) {
	kinds := []channel.Limits{
		{},
		{All: channel.Windows{Hour: u(500), Day: u(900)}},
		{All: channel.Windows{Hour: u(800)}, Origin: channel.Windows{Hour: u(300)}},
		{Payee: channel.Windows{Day: u(400)}},
	}
	waits := []time.Duration{
		0, 0, 0, time.Second, 20 * time.Second, time.Minute, 20 * time.Minute, 5 * time.Hour,
	}
	rapid.Check(t, func(rt *rapid.T) {
		seed := rapid.Uint64().Draw(rt, "seed")
		often := rapid.SampledFrom([]float64{0, 0.05, 0.3}).Draw(rt, "often")
		ahead := rapid.SampledFrom([]uint64{0, 50}).Draw(rt, "ahead")
		steps := rapid.IntRange(5, 60).Draw(rt, "steps")
		same := rapid.IntRange(0, len(kinds)).Draw(rt, "same")
		euros := rapid.IntRange(0, 2).Draw(rt, "euros") // sessions that pay in them
		var wrong string
		bubble.Run(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			limits := func(i int) channel.Limits {
				l := kinds[i%len(kinds)]
				if same < len(kinds) {
					l = kinds[same]
				}
				l.Price, l.Deposit, l.Total, l.Ahead = u(1000), u(10_000_000), u(2_000), u(ahead)
				if i > 3-euros {
					l.Currency = euro
				}
				return l
			}
			b := newBench(t, limits(0))
			all := several(t, b, 4, limits)
			type rise struct {
				at            time.Time
				session       int
				origin, payee string
				token         common.Address
				by            uint64
			}
			var rises []rise
			last := ceilings(t, b.store)
			within := func(i int, d time.Duration, counts func(rise) bool) (sum uint64) {
				for _, r := range rises {
					later := same == len(kinds) && r.session != i && time.Since(r.at) < time.Minute
					same := r.token == all[i].scope.Token
					if time.Since(r.at) < d && same && !later && counts(r) {
						sum += r.by
					}
				}
				return sum
			}
			flaky := &broken{b.store.Store, random, often}
			b.store.Store = flaky
			for n := range steps {
				time.Sleep(waits[random.IntN(len(waits))])
				i := random.IntN(len(all))
				s := all[i]
				crashed := random.IntN(12) == 0
				func() {
					defer func() { crashed = recover() != nil || crashed }()
					if random.IntN(10) == 0 {
						_ = s.Flush(t.Context())
					}
					times := 1 + random.IntN(4)
					for range times {
						c, _, err := s.account.Reserve(t.Context(), s.terms(), price(1+random.Uint64N(120)))
						if err == nil && random.IntN(3) == 0 {
							c.Release()
						} else if err == nil {
							c.Keep()
						}
					}
				}()
				scope := s.scope
				flaky.often = 0
				now, rose := ceilings(t, b.store), uint64(0)
				for key, to := range now {
					if by := to - last[key]; by > 0 {
						rose += by
						rises = append(rises, rise{time.Now(), i, scope.Origin, scope.Payee.Hex(), scope.Token, by})
					}
				}
				last = now
				if crashed {
					s.Ledger = ledger.New(b.store, b.judge, limits(i))
					var err error
					s.account, err = s.Account(t.Context(), s.account.ID())
					require.NoError(t, err)
				}
				flaky.often = often
				if rose == 0 {
					continue
				}
				l := rule.Of(limits(i))
				forAll, ofOrigin, ofPayee := l.Budgets()
				for _, three := range []struct {
					rules  [3]channel.BudgetRule
					counts func(rise) bool
				}{
					{forAll, func(rise) bool { return true }},
					{ofOrigin, func(r rise) bool { return r.origin == scope.Origin }},
					{ofPayee, func(r rise) bool { return r.payee == scope.Payee.Hex() }},
				} {
					for _, one := range three.rules {
						if got := within(i, one.Length, three.counts); one.Allowed.Less(u(got)) {
							wrong = fmt.Sprintf("step %d, session %d: %s is %s, %d was authorized: %v",
								n, i, one.Name, one.Allowed, got, rises)
							return
						}
					}
				}
			}
		})
		if wrong != "" {
			rt.Fatal(wrong)
		}
	})
}

// TestBudgetsOfAnAssetAreMadeFromItsChannels: a record for all payments from when there was one for all
// tokens goes on counting what it counts, for dollars: too early, never too late. The records of another
// token are made from the channels that pay in it, also where a token is on two chains.
func TestBudgetsOfAnAssetAreMadeFromItsChannels(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		own := lim
		own.All.Day, own.Origin.Day = u(1000), u(1000)
		inEuros := own
		inEuros.Currency = euro
		pays := func(b *bench, salt byte, token common.Address, l channel.Limits, n uint64) {
			b.scope.Token = token
			a, _, err := b.Add(t.Context(), b.state(t, salt, 100_000), nil)
			require.NoError(t, err)
			require.NoError(t, a.Update(t.Context(), rule.State.Acknowledged))
			_, _, err = a.Reserve(t.Context(), ledger.Terms{Limits: l}, price(n))
			require.NoError(t, err)
			require.NoError(t, b.Flush(t.Context()))
		}
		all, b, old := newBench(t, lim), newBench(t, own), newBench(t, own)
		pays(all, 1, pathUSD, lim, 21) // the sum
		pays(b, 1, pathUSD, own, 10)
		pays(b, 2, euro.Token, inEuros, 11)
		data, _, err := all.store.Get(t.Context(), budget.All)
		require.NoError(t, err)
		_, err = old.store.Put(t.Context(), budget.All, data, 0)
		require.NoError(t, err)
		for e, err := range b.store.List(t.Context(), rule.ChannelKeys) {
			require.NoError(t, err)
			_, err = old.store.Put(t.Context(), e.Key, e.Data, 0)
			require.NoError(t, err)
		}
		used := func(scope channel.Scope, l channel.Limits) [2]voucher.Amount {
			rooms, err := old.Rooms(t.Context(), ledger.Terms{Limits: l}, scope)
			require.NoError(t, err)
			return [2]voucher.Amount{rooms[1].Used, rooms[4].Used}
		}
		dollars, euros, elsewhere := old.scope, old.scope, old.scope
		euros.Token, elsewhere.Token, elsewhere.ChainID = euro.Token, euro.Token, 1
		assert.Equal(t, [2]voucher.Amount{u(21), u(10)}, used(dollars, own))
		without := inEuros
		without.Origin = channel.Windows{} // so there are no records of origins yet
		pays(old, 3, euro.Token, without, 9)
		assert.Equal(t, [2]voucher.Amount{u(20), u(20)}, used(euros, inEuros))
		assert.Equal(t, [2]voucher.Amount{}, used(elsewhere, inEuros))
		assert.Equal(t, [2]voucher.Amount{u(21), u(10)}, used(dollars, own))
	})
}

// slowPut is a store that takes its time with the records of one channel.
type slowPut struct {
	store.Store
	key  string
	long time.Duration
	list time.Duration // of a listing, after it was read
}

func (s *slowPut) List(ctx context.Context, prefix string) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		for e, err := range s.Store.List(ctx, prefix) {
			if !yield(e, err) {
				return
			}
		}
		time.Sleep(s.list)
	}
}

func (s *slowPut) Put(ctx context.Context, key string, data []byte, rev uint64) (uint64, error) {
	if key == s.key {
		time.Sleep(s.long)
	}
	return s.Store.Put(ctx, key, data, rev)
}

// TestBudgetsOfAFurtherScope: a session with a limit for origins, or for payees, begins to pay beside
// one without. From then on both count for it, what the other one took in advance included, and a
// rise whose write is under way meanwhile. What the other has used of that counts twice, once.
func TestBudgetsOfAFurtherScope(t *testing.T) {
	for name, set := range map[string]func(*channel.Limits, uint64){
		"origin": func(l *channel.Limits, n uint64) { l.Origin.Day = u(n) },
		"payee":  func(l *channel.Limits, n uint64) { l.Payee.Month = u(n) },
	} {
		for what, c := range map[string]struct {
			slow time.Duration
			one  bool // session, with requests of different limits
		}{
			"": {}, ", a slow write": {slow: 90 * time.Second},
			", one session, a slow write": {slow: 5 * time.Millisecond, one: true},
		} {
			t.Run(name+what, func(t *testing.T) {
				slow := c.slow
				bubble.Run(t, func(t *testing.T) {
					time.Sleep(5 * time.Second) // into a minute
					b := newBench(t, lim)
					pays := func(s *bench, salt byte, lim channel.Limits) func(n uint64) error {
						d := *s
						d.scope.Token[19] = salt // another dollar token
						state := d.state(t, salt, 100_000)
						a, _, err := d.Add(t.Context(), state, nil)
						require.NoError(t, err)
						require.NoError(t, a.Update(t.Context(), rule.State.Acknowledged))
						return func(n uint64) error {
							_, _, err := a.Reserve(t.Context(), ledger.Terms{Limits: lim}, price(n))
							return err
						}
					}
					without := pays(b, 1, lim)
					for range 4 { // 10 and 20, and two of another 40
						require.NoError(t, without(10))
					}
					own := lim
					set(&own, 100)
					limited := *b
					if !c.one {
						limited.Ledger = ledger.New(b.store, b.judge, own)
					}
					with := pays(&limited, 2, own)

					done := make(chan error, 1)
					if slow > 0 {
						for key := range ceilings(t, b.store) {
							s, _, err := b.store.Get(t.Context(), key)
							require.NoError(t, err)
							one, err := rule.Decode(s)
							require.NoError(t, err)
							if one.Scope.Token[19] == 1 {
								b.store.Store = &slowPut{b.store.Store, key, slow, 10 * time.Millisecond}
							}
						}
						go func() { done <- without(10) }()
						time.Sleep(time.Millisecond)
					}
					require.ErrorIs(t, with(61), channel.ErrLimit)
					require.ErrorIs(t, with(21), channel.ErrLimit, "40 and the part count")
					require.NoError(t, with(20))
					if slow > 0 {
						require.NoError(t, <-done)
					}
					require.NoError(t, without(5), "it has no such limit")
					require.ErrorIs(t, with(1), channel.ErrLimit)
					time.Sleep(31 * 24 * time.Hour)
					require.NoError(t, without(30))
					require.NoError(t, b.Flush(t.Context()))
					require.ErrorIs(t, with(71), channel.ErrLimit)
					require.NoError(t, with(70), "from now on to the unit")
				})
			})
		}
	}
}

// TestWhatWasTakenIsGivenBack: what a session took in advance is free again when it is closed, and
// what it wrote for nothing with its next write.
func TestWhatWasTakenIsGivenBack(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		own := lim
		own.All.Day = u(100_000)
		b := newBench(t, own)
		a := b.at(t, 1, here, 1)
		left := func() uint64 {
			rooms, err := b.again().Rooms(t.Context(), b.terms(), b.scope)
			require.NoError(t, err)
			n, _ := rooms[1].Left().Uint64()
			return n
		}
		for range 4 {
			_, _, err := a.Reserve(t.Context(), b.terms(), price(10))
			require.NoError(t, err)
		}
		assert.EqualValues(t, 100_000-60, left(), "20, and 40 of which 20 are used")
		require.NoError(t, b.Flush(t.Context()))
		assert.EqualValues(t, 100_000-40, left())

		b.store.failed.Store(true)
		_, _, err := a.Reserve(t.Context(), b.terms(), price(10))
		require.ErrorIs(t, err, ledger.ErrStore)
		b.store.failed.Store(false)
		_, _, err = a.Reserve(t.Context(), b.terms(), price(10))
		require.NoError(t, err)
		require.NoError(t, b.Flush(t.Context()))
		assert.EqualValues(t, 100_000-50, left())

		b.store.stored.Store(true) // the budget is written, and nobody is told
		_, _, err = a.Reserve(t.Context(), b.terms(), price(10))
		require.ErrorIs(t, err, ledger.ErrStore)
		b.store.stored.Store(false)
		_, _, err = a.Reserve(t.Context(), b.terms(), price(10))
		require.NoError(t, err)
		require.NoError(t, b.Flush(t.Context()))
		assert.EqualValues(t, 100_000-60, left())

		l := &failing{Store: b.store.Store, prefix: "channel/"}
		b.store.Store = l
		_, _, err = a.Reserve(t.Context(), b.terms(), price(10))
		require.ErrorIs(t, err, ledger.ErrStore)
		l.prefix = "-"
		_, _, err = a.Reserve(t.Context(), b.terms(), price(10))
		require.NoError(t, err)
		require.NoError(t, b.Flush(t.Context()))
		assert.EqualValues(t, 100_000-70, left(), "what was certainly not raised is given back")
	})
}

// failing is a store that does not write records with a prefix.
type failing struct {
	store.Store
	prefix string
}

func (f *failing) Put(ctx context.Context, key string, data []byte, rev uint64) (uint64, error) {
	if strings.HasPrefix(key, f.prefix) {
		return 0, errDisk
	}
	return f.Store.Put(ctx, key, data, rev)
}

// TestWritesOfBudgets: how many writes of budgets there are for one of a channel, as the record of
// the decision says.
func TestWritesOfBudgets(t *testing.T) {
	for _, c := range []struct {
		room  uint64 // in prices
		gap   time.Duration
		three bool // limits for all payments, an origin and a payee; otherwise for all
		most  float64
	}{
		{30, 0, false, 1},
		{300, 0, false, 0.45},
		{3_000, 0, false, 0.05},
		{1_000_000, 0, false, 0.02},
		{1_000_000, 0, true, 0.07},
		{1_000_000, 100 * time.Millisecond, false, 0.02},
		{1_000_000, time.Second, false, 0.11},
		{1_000_000, time.Minute, false, 1},
		{1_000_000, time.Minute, true, 3},
	} {
		t.Run(fmt.Sprint(c.room, c.gap, c.three), func(t *testing.T) {
			bubble.Run(t, func(t *testing.T) {
				own := lim
				own.All.Month = u(100 * c.room)
				if c.three {
					own.Origin, own.Payee = own.All, own.All
				}
				b := newBench(t, own)
				a := b.at(t, 1, here, 1)
				counted := &puts{Store: b.store.Store}
				b.store.Store = counted
				paid := min(400, c.room)
				for range paid {
					claim, _, err := a.Reserve(t.Context(), b.terms(), price(100))
					require.NoError(t, err)
					claim.Keep()
					time.Sleep(c.gap)
				}
				require.EqualValues(t, paid, counted.channels)
				got := float64(counted.budgets-1) / float64(paid) // without the first
				t.Logf("%.3f", got)
				assert.LessOrEqual(t, got, c.most)
			})
		})
	}
}

// puts counts writes.
type puts struct {
	store.Store
	channels, budgets int
}

func (p *puts) Put(ctx context.Context, key string, data []byte, rev uint64) (uint64, error) {
	if strings.HasPrefix(key, "budget/") {
		p.budgets++
	} else {
		p.channels++
	}
	return p.Store.Put(ctx, key, data, rev)
}
