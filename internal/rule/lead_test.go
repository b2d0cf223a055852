package rule_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

const unit = 10

// paidStream is a stream of pieces of one unit, whose first piece is paid.
type paidStream struct {
	rule.State
	claim rule.Claim
	came  uint64 // with content
	empty uint64
}

func startStream(t testing.TB, deposit uint64, lim rule.Limits) paidStream {
	t.Helper()
	s, claim, _ := pay(t, open(t, deposit), unit, lim)
	return paidStream{State: s, claim: claim}
}

// need answers a need-voucher frame as the ledger does, and signs.
func (p *paidStream) need(t testing.TB, required uint64, lim rule.Limits) (uint64, error) {
	t.Helper()
	delivered := u(unit * (p.came + p.empty))
	p.State, p.claim = p.CatchUp(p.claim, delivered, p.Signed, lim)
	p.State, p.claim = p.CatchUp(p.claim, delivered, u(required), lim)
	next, c, due, err := p.AuthorizeMore(
		p.claim, delivered, u(required), u(unit), lim.Delivered(p.came, false),
	)
	if err != nil {
		return 0, err
	}
	p.State, p.claim = sign(t, next, due), c
	n, _ := due.Uint64()
	return n, nil
}

// TestLeadGrowsWithDelivery: a voucher covers what came, one more, and a quarter of what came.
func TestLeadGrowsWithDelivery(t *testing.T) {
	exact := wide
	exact.PieceByPiece = true
	for came, want := range map[uint64]uint64{
		1: 2, 2: 3, 3: 4, 4: 6, 7: 9, 8: 11, 100: 126, 1000: 1251,
	} {
		p := startStream(t, 1_000_000, wide)
		for p.came = 1; p.came < came; p.came++ {
			_, err := p.need(t, unit*(p.came+1), exact)
			require.NoError(t, err)
		}
		due, err := p.need(t, unit*(came+1), wide)
		require.NoError(t, err)
		assert.Equal(t, unit*want, due, "after %d pieces", came)
		assert.Equal(t, u(due), p.Asked())
		assert.Equal(t, u(due), p.Claimed)
		assert.Equal(t, u(unit*(came+1)), p.claim.Price)
		assert.Equal(t, u(due), p.claim.Held())
		for p.came < want { // the lead is used up before anything is claimed for them
			p.came++
			p.State, p.claim = p.CatchUp(p.claim, u(unit*p.came), voucher.MaxAmount, wide)
			assert.Equal(t, u(due), p.Claimed)
			assert.Equal(t, u(due), p.Asked())
		}
		assert.Equal(t, rule.Claim{
			Price: u(due), Asked: u(due), Raised: p.claim.Raised,
		}, p.claim)
	}
}

// TestStreamNeedsFewVouchers: 1,000 pieces take 26 vouchers, and 1,000 without the lead.
func TestStreamNeedsFewVouchers(t *testing.T) {
	exact := wide
	exact.PieceByPiece = true
	for want, lim := range map[int]rule.Limits{26: wide, 999: exact} {
		p := startStream(t, 1_000_000, lim)
		vouchers := 0
		for signed := uint64(unit); p.came < 1000; {
			if p.came++; p.came == 1000 || unit*(p.came+1) <= signed {
				continue
			}
			var err error
			signed, err = p.need(t, unit*(p.came+1), lim)
			require.NoError(t, err)
			require.LessOrEqual(t, signed, unit*(p.came+p.came/4+1))
			vouchers++
		}
		assert.Equal(t, want, vouchers)
	}
}

// TestLeadIsNotWhatThePayeeSays: the lead is by our count only.
func TestLeadIsNotWhatThePayeeSays(t *testing.T) {
	lim := wide
	for required := uint64(110); required <= 126*unit; required += unit {
		p := startStream(t, 1_000_000, lim)
		p.came = 100
		due, err := p.need(t, 100*unit, lim) // it came out of a voucher that others paid for
		require.NoError(t, err)
		require.LessOrEqual(t, due, uint64(126*unit))
		p.claim.Price = u(100 * unit)
		got, err := p.need(t, due+required, lim)
		require.ErrorIs(t, err, channel.ErrServerReport, "required %d, got %d", due+required, got)
	}
}

// TestLeadNeedsContent: empty events are pieces that cost their price and earn nothing, and neither
// do pieces that nobody asked to be paid for.
func TestLeadNeedsContent(t *testing.T) {
	p := startStream(t, 1_000_000, wide)
	for p.empty = 1; p.empty < 100; p.empty++ {
		due, err := p.need(t, unit*(p.empty+1), wide)
		require.NoError(t, err)
		require.Equal(t, unit*(p.empty+1), due)
	}
	flood := startStream(t, 1_000_000, wide)
	flood.came = 1_000_000
	due, err := flood.need(t, 2*unit, wide)
	require.NoError(t, err)
	assert.LessOrEqual(t, due, uint64(3*unit+unit/2), "two were paid for")
	flood.came = ^uint64(0) / 2
	_, err = flood.need(t, due+unit, wide)
	require.NoError(t, err, "a count without a price earns nothing")
}

// TestLeadStaysWithinLimits: Limits.Stream, the deposit and budgets make the lead shorter, and do
// not end the stream before it reaches them.
func TestLeadStaysWithinLimits(t *testing.T) {
	stream, by, exact := wide, ahead(wide, 200), wide
	stream.Stream, exact.PieceByPiece = u(1100), true
	month := channel.Room{Rule: channel.BudgetRule{Name: "All.Month", Allowed: u(105)}}
	run := channel.Room{Rule: channel.BudgetRule{Name: "run", Allowed: u(106)}}
	for name, c := range map[string]struct {
		lim     rule.Limits
		deposit uint64
		want    uint64
	}{
		"nothing":      {wide, 1_000_000, 1260},
		"Stream":       {stream, 1_000_000, 1100},
		"deposit":      {wide, 1108, 1108},
		"PieceByPiece": {exact, 1_000_000, 1010},
		"a month":      {leaving(wide, month), 1_000_000, 1105},
		"a run":        {wide.WithinRun(run), 1_000_000, 1106},
		"Ahead":        {by, 1_000_000, 1260},
		"more Ahead":   {ahead(wide, 500), 1_000_000, 1510},
	} {
		t.Run(name, func(t *testing.T) {
			p := startStream(t, c.deposit, exact)
			for p.came = 1; p.came < 100; p.came++ {
				_, err := p.need(t, unit*(p.came+1), exact)
				require.NoError(t, err)
			}
			due, err := p.need(t, 101*unit, c.lim)
			require.NoError(t, err)
			assert.Equal(t, c.want, due)
			assert.Equal(t, u(due), p.Authorized())
			assert.False(t, c.lim.Stream.Less(p.claim.Held()))
		})
	}
}

// TestPooledLead: if the payee used a stream's lead for other streams that are not read yet, the
// next piece is claimed beside it. A stream that is alone gets nothing for that claim.
func TestPooledLead(t *testing.T) {
	p := startStream(t, 1_000_000, wide)
	for p.came = 1; p.came < 100; p.came++ {
		_, err := p.need(t, unit*(p.came+1), wide)
		require.NoError(t, err)
	}
	signed, _ := p.Signed.Uint64()
	signed, err := p.need(t, signed+unit, wide)
	require.NoError(t, err)
	require.Equal(t, uint64(126*unit), signed)
	delivered, required := u(100*unit), u(signed+unit)
	_, _, _, err = p.AuthorizeMore(
		p.claim, delivered, required, u(unit), wide.Delivered(100, false),
	)
	require.ErrorIs(t, err, channel.ErrServerReport)
	next, c, due, err := p.AuthorizeMore(
		p.claim, delivered, required, u(unit), wide.Delivered(100, true),
	)
	require.NoError(t, err)
	assert.Equal(t, required, due)
	assert.Equal(t, required, next.Asked())
	assert.Equal(t, p.claim.Price.AddCapped(u(unit)), c.Price)
	assert.Equal(t, p.claim.Lead, c.Lead)
}

// TestLeadModel drives streams and requests of one channel by a payee that delivers, asks and
// reports whatever it likes. At every step, what is signed is at most the prices of the requests
// and, for each stream, the pieces that came, one more and a quarter of them; or, if it asked for
// more without delivering, what its frames asked for one by one.
func TestLeadModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		lim := rule.Of(channel.Limits{
			Price: u(50), Deposit: u(50_000), Stream: u(rapid.Uint64Range(0, 4000).Draw(rt, "stream")),
			PieceByPiece: rapid.IntRange(0, 9).Draw(rt, "piece by piece") == 0,
		})
		s := open(t, rapid.Uint64Range(100, 60_000).Draw(rt, "deposit"))
		type stream struct {
			rule.Claim
			came, empty, idle uint64
			ended             bool
		}
		var streams []*stream
		type held struct {
			rule.Claim
			due voucher.Amount
		}
		var requests []held
		var agreed voucher.Amount // prices of requests
		pick := func(rt *rapid.T) *stream {
			if len(streams) == 0 {
				return &stream{ended: true}
			}
			return streams[rapid.IntRange(0, len(streams)-1).Draw(rt, "stream")]
		}
		number := func(rt *rapid.T, name string) voucher.Amount {
			near, _ := s.Signed.Uint64()
			return u(rapid.OneOf(
				rapid.Just(near+unit), rapid.Uint64Range(0, near+20*unit), rapid.Just(near),
				rapid.Just(^uint64(0)),
			).Draw(rt, name))
		}
		signs := func(before, next rule.State, due voucher.Amount) bool {
			if s = next; !s.Signed.Less(due) {
				return true
			}
			if rapid.IntRange(0, 9).Draw(rt, "the signer refuses") == 0 {
				s = refuse(next, before, next)
				return false
			}
			v := voucher.Voucher{ChannelID: s.ID, Cumulative: due}
			signed, err := s.MarkSigned(voucher.Signed{Voucher: v, Signature: []byte{1}})
			require.NoError(rt, err)
			s = signed
			return true
		}
		alone := func() bool {
			n := 0
			for _, st := range streams {
				if !st.ended {
					n++
				}
			}
			return n == 1 && len(requests) == 0
		}
		ask := func(rt *rapid.T, st *stream) {
			if st.ended {
				return
			}
			required, delivered := number(rt, "required"), u(unit*(st.came+st.empty))
			s, st.Claim = s.CatchUp(st.Claim, delivered, s.Signed, lim)
			s, st.Claim = s.CatchUp(st.Claim, delivered, required, lim)
			idle := !st.Price.Less(delivered.AddCapped(u(unit)))
			before := s
			next, c, due, err := s.AuthorizeMore(
				st.Claim, delivered, required, u(unit), lim.Delivered(st.came, !alone()),
			)
			if err != nil {
				require.Equal(rt, before, next)
				return
			}
			if idle && st.Price.Less(c.Price) {
				st.idle++
			}
			if signs(before, next, due) {
				st.Claim = c
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"stream": func(rt *rapid.T) {
				before := s
				next, c, due, err := s.Authorize(rule.Request{Price: u(unit)}, lim)
				if err == nil && signs(before, next, due) {
					streams = append(streams, &stream{Claim: c})
				}
			},
			"deliver": func(rt *rapid.T) {
				if st := pick(rt); !st.ended {
					st.came += rapid.Uint64Range(1, 30).Draw(rt, "pieces")
				}
			},
			"deliver nothing": func(rt *rapid.T) {
				if st := pick(rt); !st.ended {
					st.empty += rapid.Uint64Range(1, 30).Draw(rt, "pieces")
				}
			},
			"ask": func(rt *rapid.T) { ask(rt, pick(rt)) },
			"deliver what is paid for, and ask": func(rt *rapid.T) {
				st := pick(rt)
				for range rapid.IntRange(1, 8).Draw(rt, "times") {
					paid, _ := st.Held().Uint64()
					st.came = max(st.came, paid/unit)
					ask(rt, st)
				}
			},
			"request": func(rt *rapid.T) {
				before, price := s, rapid.Uint64Range(1, 50).Draw(rt, "price")
				next, c, due, err := s.Authorize(rule.Request{Price: u(price)}, lim)
				if err == nil && signs(before, next, due) {
					agreed = agreed.AddCapped(u(price))
					requests = append(requests, held{c, due})
				}
			},
			"refuse": func(rt *rapid.T) {
				if len(requests) == 0 {
					return
				}
				r, before := &requests[len(requests)-1], s
				next, c, due, err := s.Overdrawn(r.Claim, r.due, lim)
				if err == nil && signs(before, next, due) {
					*r = held{c, due}
				}
			},
			"release": func(*rapid.T) {
				if len(requests) > 0 {
					s, requests = s.Release(requests[0].Claim), requests[1:]
				}
			},
			"end": func(rt *rapid.T) {
				st := pick(rt)
				if st.ended {
					return
				}
				st.ended = true
				if rapid.Bool().Draw(rt, "read to its end") {
					s = s.Release(rule.Claim{Price: st.Lead})
				}
			},
			"report": func(rt *rapid.T) {
				next, _ := s.Reconcile(
					channel.Report{Accepted: number(rt, "accepted"), Spent: number(rt, "spent")},
					number(rt, "in flight"),
				)
				require.Equal(rt, s.Authorized(), next.Authorized())
				s = next
			},
			"crash": func(*rapid.T) {
				data, err := s.Encode()
				require.NoError(rt, err)
				s, err = rule.Decode(data)
				require.NoError(rt, err)
				requests = nil
				for _, st := range streams {
					st.ended = true
				}
			},
			"": func(rt *rapid.T) {
				most := agreed
				for _, st := range streams {
					n := st.came + st.empty
					lead := st.came / 4
					if lim.PieceByPiece {
						lead = 0
					}
					trusted := u(unit * (st.came + lead + 1)).Min(lim.Stream.Max(u(unit)))
					require.False(
						rt, u(unit*(n+1+st.idle)).Less(st.Price),
						"%s claimed for %d pieces, asked for %d without", st.Price, n, st.idle,
					)
					require.False(rt, lim.Stream.Max(u(unit)).Less(st.Held()), "above Stream")
					most = most.AddCapped(st.Price.Max(trusted))
				}
				require.False(rt, most.Less(s.Signed), "signed %s, at most %s", s.Signed, most)
				require.False(rt, s.Asked().Less(s.MayExist()), "authorized above what was asked")
			},
		})
	})
}
