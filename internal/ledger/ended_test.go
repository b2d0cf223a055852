package ledger_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/bubble"
	"github.com/seed-5fe1f529/tallystick/internal/ledger"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
)

// TestEndedReservationStaysEnded: a reservation ends while a decision about it waits, or is at the
// signer. It is not put in flight again, and the record has no trace of it once the session has
// stored its numbers.
func TestEndedReservationStaysEnded(t *testing.T) {
	for name, end := range map[string]func(*ledger.Reservation){
		"kept":     (*ledger.Reservation).Keep,
		"released": (*ledger.Reservation).Release,
		"settled":  func(r *ledger.Reservation) { _ = r.Settle(t.Context(), says(10, 10)) },
	} {
		for _, served := range []bool{true, false} {
			for _, fails := range []bool{true, false} {
				t.Run(name, func(t *testing.T) {
					bubble.Run(t, func(t *testing.T) {
						b := newBench(t, lim)
						a := b.open(t, 100_000)
						r, _, err := a.Reserve(t.Context(), a.Terms(), price(10))
						require.NoError(t, err)
						r.Stream(u(10), func() uint64 { return 1 })
						b.judge.stall = make(chan struct{})
						if !served {
							go func() {
								_, _, _ = a.Reserve(
									context.Background(), a.Terms(), price(100),
								)
							}()
							synctest.Wait()
						}
						done := make(chan error, 1)
						go func() { _, err := r.More(t.Context(), u(20)); done <- err }()
						synctest.Wait()
						end(r)
						b.judge.fail.Store(fails)
						close(b.judge.stall)
						err = <-done
						if !fails || !served {
							require.ErrorIs(t, err, ledger.ErrEnded)
						}
						require.Error(t, err)
						_, err = r.More(t.Context(), u(20))
						require.ErrorIs(t, err, ledger.ErrEnded)
						b.judge.fail.Store(false)
						synctest.Wait()

						last, _, err := a.Reserve(t.Context(), a.Terms(), price(1))
						require.NoError(t, err)
						claimed := a.State().Claimed
						all := channel.Report{Accepted: a.State().Signed, Spent: claimed}
						require.NoError(t, last.Settle(t.Context(), all))
						require.NoError(t, b.Flush(t.Context()))
						data, _, err := b.store.Get(t.Context(), rule.StateKey(a.ID()))
						require.NoError(t, err)
						if served {
							assert.False(t, strings.Contains(string(data), `"writers"`), "%s", data)
						}
						assert.False(t, a.State().Asked().Less(a.State().Signed))
					})
				})
			}
		}
	}
}
