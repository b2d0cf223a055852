package purchase_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/seed-5fe1f529/tallystick/internal/purchase"
)

// TestServedBeforeOpensNothing: a request that was served is made again, and the opening of its
// channel is recorded only, refused by the payee, and of other terms for its fees. Nothing is
// opened in its place.
func TestServedBeforeOpensNothing(t *testing.T) {
	g := newGame(t)
	g.paid(100)
	g.leads(purchase.Event{Kind: purchase.Answered, Paid: true, Status: 200, Content: true},
		purchase.HandOver)
	g.p.Resume(purchase.Accepted)
	g.leads(offered(100), purchase.Select)
	g.leads(selected(chA, purchase.Pending), purchase.ReadChain)
	a := g.leads(purchase.Event{
		Kind: purchase.Read, Channel: chA, Standing: purchase.Pending, Misfit: true,
	}, purchase.GiveUp)
	assert.ErrorIs(t, a.Err, purchase.ErrPaidBefore)
}
