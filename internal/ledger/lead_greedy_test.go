package ledger_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/internal/ledger"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// greedy is a stream of pieces of 10 whose payee asks for whatever it likes.
type greedy struct {
	*ledger.Reservation
	events, contents uint64
	before           uint64 // events that had come at the last frame, and in all tries before this one
	frames, idle     uint64 // idle ones came without an event since the frame before
	ended            bool
}

// flow lets the reservation be that of a stream that begins.
func (s *greedy) flow() {
	s.events, s.contents, s.ended = 0, 0, false
	s.Stream(u(10), func() uint64 { return s.events })
	s.RunAhead(func() uint64 { return s.contents })
}

// most is what the stream may add to what is signed, if a frame without an event asks for step.
func (s *greedy) most(earlier, step uint64) uint64 {
	came := earlier + s.events
	return max(10*(came+came/4+1)+step*s.idle, 10+step*s.frames)
}

// TestLeadRandom: whatever streams deliver and ask for, beside requests and after retries, no more is
// signed than the price of the requests and, for each stream, of its pieces, of a quarter of them, of
// one more and of its frames without an event in between.
func TestLeadRandom(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 9))
		l, step := lim, uint64(10)
		l.Stream, l.Deposit = u(100_000), u(1_000_000)
		if seed%5 == 0 {
			step = 30
			l.Step = u(step)
		}
		b := newBench(t, l)
		a := b.open(t, 900_000)
		var streams []*greedy
		earlier := map[*greedy]uint64{}
		var open []*ledger.Reservation
		requests := uint64(0)
		for range 150 {
			kind := random.IntN(14)
			var s *greedy
			if len(streams) > 0 {
				s = streams[random.IntN(len(streams))]
			}
			switch {
			case kind == 0 && len(streams) < 4:
				r, _, err := a.Reserve(t.Context(), b.terms(), price(10))
				require.NoError(t, err)
				s := &greedy{Reservation: r}
				s.flow()
				streams = append(streams, s)
			case kind == 1:
				r, _, err := a.Reserve(t.Context(), b.terms(), price(100))
				require.NoError(t, err)
				requests++
				open = append(open, r)
			case kind == 2 && len(open) > 0:
				open[0].Keep()
				open = open[1:]
			case s == nil:
			case kind < 7 && !s.ended:
				n := 1 + random.Uint64N(1+random.Uint64N(20))
				s.events += n
				if random.IntN(4) > 0 {
					s.contents += n
				}
			case kind < 13:
				if s.frames++; s.before == earlier[s]+s.events {
					s.idle++
				}
				s.before = earlier[s] + s.events
				state := a.State()
				_, _ = s.More(t.Context(), []voucher.Amount{
					state.Signed.AddCapped(u(1)), state.Signed.AddCapped(u(10)),
					state.Claimed.AddCapped(u(random.Uint64N(40))), u(random.Uint64N(5000)),
				}[random.IntN(4)])
			case random.IntN(3) > 0:
			case !s.ended:
				if random.IntN(2) == 0 {
					s.Complete()
				}
				s.Keep()
				s.ended = true
			default: // its caller makes the request again, with the same Idempotency-Key
				s.Stream(voucher.Amount{}, nil)
				if _, err := s.Retry(t.Context(), rule.Request{Price: u(10)}); err == nil {
					earlier[s] += s.events
					s.flow()
				}
			}
			most := 100 * requests
			for _, s := range streams {
				most += s.most(earlier[s], step)
			}
			require.False(t, u(most).Less(a.State().Signed), "seed %d: %s above %d", seed,
				a.State().Signed, most)
		}
	}
}
