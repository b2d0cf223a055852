package rule_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// TestRandomRequestsStayWithinTheCeiling drives the pure core with random requests, refusals and
// false reports, and holds it to what is promised: the ceiling never passes what callers asked for
// plus Ahead, the deposit, or the limit, and never falls.
func TestRandomRequestsStayWithinTheCeiling(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		lim := rule.Of(
			channel.Limits{
				Price: u(50), Deposit: u(5000), Stream: u(800),
				Step:  u(rapid.Uint64Range(0, 50).Draw(rt, "step")),
				Ahead: u(rapid.Uint64Range(0, 300).Draw(rt, "ahead")),
			},
		)
		s := open(t, rapid.Uint64Range(1, 8000).Draw(rt, "deposit"))
		deposit := s.Deposit
		var asked voucher.Amount
		type held struct {
			rule.Claim
			due voucher.Amount
		}
		var claims []held
		amount := rapid.Custom(func(rt *rapid.T) voucher.Amount {
			return u(
				rapid.OneOf(
					rapid.Uint64Range(0, 60), rapid.Uint64Range(0, 10_000), rapid.Just(^uint64(0)),
				).Draw(rt, "n"),
			)
		})
		most := func(ahead voucher.Amount) voucher.Amount {
			return s.Signed.Max(s.Authorized().Min(asked.AddCapped(ahead)))
		}
		mark := func(next rule.State, due voucher.Amount) {
			s = next
			require.False(rt, most(lim.Ahead).Less(due), "due %s, asked %s", due, asked)
			if s.Signed.Less(due) {
				var err error
				s, err = s.MarkSigned(
					voucher.Signed{
						Voucher:   voucher.Voucher{ChannelID: s.ID, Cumulative: due},
						Signature: []byte{1},
					},
				)
				require.NoError(rt, err)
			}
		}
		before := s.Authorized()
		rt.Repeat(map[string]func(*rapid.T){
			"request": func(rt *rapid.T) {
				a := rule.Request{
					Price: amount.Draw(rt, "price"), MinDelta: amount.Draw(rt, "delta"),
				}
				next, c, due, err := s.Authorize(a, lim)
				if err != nil {
					require.Equal(rt, s, next)
					return
				}
				if s.Signed.Less(due) && rapid.Bool().Draw(rt, "the signer refuses") {
					s = refuse(next, s, next)
					return
				}
				asked = asked.AddCapped(a.Price)
				mark(next, due)
				claims = append(claims, held{c, due})
			},
			"close": func(rt *rapid.T) {
				if due, err := s.CloseDue(amount.Draw(rt, "refused")); err == nil {
					require.False(rt, most(u(0)).Less(due), "close at %s, asked %s", due, asked)
				}
			},
			"refuse": func(rt *rapid.T) {
				if len(claims) == 0 {
					return
				}
				i := rapid.IntRange(0, len(claims)-1).Draw(rt, "claim")
				next, c, due, err := s.Overdrawn(claims[i].Claim, claims[i].due, lim)
				if err != nil {
					return
				}
				claims[i] = held{c, due}
				mark(next, due)
			},
			"renew": func(rt *rapid.T) {
				if len(claims) == 0 {
					return
				}
				i := rapid.IntRange(0, len(claims)-1).Draw(rt, "claim")
				was := claims[i].Claim
				next, c, due, err := s.Renew(
					claims[i].Claim, rule.Request{Price: amount.Draw(rt, "price")}, lim,
				)
				if err != nil {
					return
				}
				require.Equal(rt, c.Price.Max(was.Asked), c.Asked)
				asked = asked.SubFloor(was.Asked).AddCapped(c.Asked)
				claims[i] = held{c, due}
				mark(next, due)
			},
			"need voucher": func(rt *rapid.T) {
				if len(claims) == 0 {
					return
				}
				i := rapid.IntRange(0, len(claims)-1).Draw(rt, "claim")
				was := claims[i].Price
				next, c, due, err := s.AuthorizeMore(
					claims[i].Claim, amount.Draw(rt, "delivered"), amount.Draw(rt, "required"),
					u(10), lim,
				)
				if err != nil {
					return
				}
				asked = asked.AddCapped(c.Price.SubFloor(was))
				claims[i] = held{c, due}
				mark(next, due)
			},
			"catch up": func(rt *rapid.T) {
				if len(claims) == 0 {
					return
				}
				i := rapid.IntRange(0, len(claims)-1).Draw(rt, "claim")
				was := claims[i].Price
				s, claims[i].Claim = s.CatchUp(
					claims[i].Claim, amount.Draw(rt, "total"), amount.Draw(rt, "most"), lim,
				)
				asked = asked.AddCapped(claims[i].Price.SubFloor(was))
			},
			"receipt": func(rt *rapid.T) {
				next, _ := s.Reconcile(
					channel.Report{
						Accepted: amount.Draw(rt, "accepted"), Spent: amount.Draw(rt, "spent"),
					},
					amount.Draw(rt, "in flight"),
				)
				require.Equal(rt, s.Authorized(), next.Authorized(), "a receipt raised the ceiling")
				require.False(rt, s.Claimed.Less(next.Claimed), "a receipt raised what is claimed")
				s = next
			},
			"release": func(rt *rapid.T) {
				if len(claims) > 0 {
					s = s.Release(claims[0].Claim)
					claims = claims[1:]
				}
			},
			"crash": func(rt *rapid.T) {
				data, err := s.Encode()
				require.NoError(rt, err)
				s, err = rule.Decode(data)
				require.NoError(rt, err)
				claims = nil
			},
			"": func(rt *rapid.T) {
				a := s.Authorized()
				require.False(rt, a.Less(before), "the ceiling fell")
				before = a
				require.False(rt, a.Less(s.Signed), "signed above authorized")
				require.Equal(rt, asked, s.Asked())
				require.False(
					rt, asked.AddCapped(lim.Ahead).Less(s.Signed),
					"signed %s for %s asked and %s ahead", s.Signed, asked, lim.Ahead,
				)
				require.False(rt, lim.Deposit.Min(deposit).Less(a), "authorized above the deposit")
			},
		})
	})
}
