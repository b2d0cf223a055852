package ledger_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/ledger"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// asked is one request of a session: sent, charged, answered.
type asked struct {
	claim  *ledger.Reservation
	due    voucher.Amount
	report channel.Report // of the answer; zero before it was charged
}

// TestManySessionsOneRecord: sessions that share a record send requests, are charged at most their
// prices, and get their answers in any order. When all of them are closed, what is claimed is what
// was charged, to the unit.
func TestManySessionsOneRecord(t *testing.T) {
	refused := 0
	rapid.Check(t, func(r *rapid.T) {
		l := lim
		l.Ahead = u(rapid.SampledFrom([]uint64{0, 0, 50, 1000}).Draw(r, "ahead"))
		b := newBench(t, l)
		id := b.open(t, 1_000_000).ID()
		all := make([]*bench, rapid.IntRange(1, 4).Draw(r, "sessions"))
		waiting := make([][]*asked, len(all))
		var total, accepted voucher.Amount
		lossy, lost := rapid.Bool().Draw(r, "lossy"), false
		for i := range all {
			all[i] = b.again()
		}
		account := func(i int) *ledger.Account {
			a, err := all[i].Account(t.Context(), id)
			require.NoError(t, err)
			return a
		}
		// charge presents the voucher, and the next one where the payee finds too little in it.
		charge := func(i int, o *asked, amount uint64) bool {
			for range 3 {
				accepted = accepted.Max(o.due)
				if sum := total.AddCapped(u(amount)); !accepted.Less(sum) {
					total = sum
					o.report = channel.Report{Accepted: accepted, Spent: total}
					return true
				}
				v, err := o.claim.Again(t.Context(), o.due)
				if err != nil {
					require.ErrorIs(t, err, channel.ErrSpent)
					return false
				}
				o.due = v.Cumulative
			}
			return false
		}
		answer := func(i, n int) {
			o := waiting[i][n]
			waiting[i] = append(waiting[i][:n:n], waiting[i][n+1:]...)
			require.NoError(t, o.claim.Settle(t.Context(), o.report))
		}
		for range rapid.IntRange(5, 60).Draw(r, "steps") {
			i := rapid.IntRange(0, len(all)-1).Draw(r, "session")
			switch what := rapid.IntRange(0, 9).Draw(r, "what"); {
			case what < 4 || len(waiting[i]) == 0:
				c, v, err := account(i).Reserve(t.Context(), b.terms(), price(10))
				require.NoError(t, err)
				waiting[i] = append(waiting[i], &asked{claim: c, due: v.Cumulative})
			case what == 9:
				require.NoError(t, all[i].Flush(t.Context()))
			default:
				n := rapid.IntRange(0, len(waiting[i])-1).Draw(r, "which")
				switch o := waiting[i][n]; {
				case what == 5 && lossy && (o.report != channel.Report{}):
					lost = true
					o.claim.Keep()
					waiting[i] = append(waiting[i][:n:n], waiting[i][n+1:]...)
				case o.report != channel.Report{}:
					answer(i, n)
				case what == 4:
					o.claim.Release()
					waiting[i] = append(waiting[i][:n:n], waiting[i][n+1:]...)
				default:
					charge(i, o, rapid.SampledFrom([]uint64{10, 10, 3, 0}).Draw(r, "charge"))
				}
			}
		}
		for i := range all {
			for len(waiting[i]) > 0 {
				if o := waiting[i][0]; o.report == (channel.Report{}) && !charge(i, o, 10) {
					refused++
					o.claim.Release()
					waiting[i] = waiting[i][1:]
					continue
				}
				answer(i, 0)
			}
		}
		for i := range all {
			require.NoError(t, all[i].Flush(t.Context()))
		}
		all[0] = b.again()
		s := account(0).State()
		assert.False(r, s.Claimed.Less(total), "the payee is owed nothing")
		if !lost {
			assert.Equal(r, total, s.Claimed)
			assert.Equal(r, total, s.Spent)
			assert.Empty(r, s.Writers)
		}
		assert.False(r, s.Untrusted)
		assert.False(r, s.Authorized().Less(s.Signed))
		assert.False(r, s.Asked().AddCapped(l.Ahead).Less(s.Authorized()))
	})
	t.Log(refused, "were refused for good")
}
