package purchase_test

import (
	"errors"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/purchase"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

var (
	chA = common.BigToHash(common.Big1)
	chB = common.BigToHash(common.Big2)
)

// at is an offer of one payee at a price.
func at(price uint64) purchase.Offer {
	return purchase.Offer{Terms: channel.Terms{ChainID: 1, Unit: "request"}, Price: voucher.Units(price)}
}

func offered(price uint64) purchase.Event {
	return purchase.Event{Kind: purchase.Answered, Status: 402, Offered: true, Offer: at(price)}
}

func refusedFor(why purchase.Problem, price uint64) purchase.Event {
	e := offered(price)
	e.Paid, e.Problem = true, why
	return e
}

func selected(id common.Hash, s purchase.Standing) purchase.Event {
	return purchase.Event{Kind: purchase.Selected, Channel: id, Standing: s, Nameable: true}
}

func issued(raised uint64) purchase.Event {
	return purchase.Event{Kind: purchase.Issued, Raised: voucher.Units(raised)}
}

// game plays a purchase: each event must lead to the action.
type game struct {
	t *testing.T
	p *purchase.Purchase
}

func newGame(t *testing.T) *game {
	g := &game{t, &purchase.Purchase{Retries: 3}}
	g.leads(purchase.Event{Kind: purchase.Started}, purchase.SendUnpaid)
	return g
}

func (g *game) leads(e purchase.Event, want purchase.Do) purchase.Action {
	g.t.Helper()
	a := g.p.Next(e)
	require.Equal(g.t, want.String(), a.Do.String(), "after %+v, by the row %q", e, a.Row)
	return a
}

// paid pays the price on the channel chA, which is raised for it.
func (g *game) paid(price uint64) {
	g.t.Helper()
	g.leads(offered(price), purchase.Select)
	g.leads(selected(chA, purchase.Usable), purchase.Consent)
	g.leads(purchase.Event{Kind: purchase.Consented}, purchase.Issue)
	g.leads(issued(price), purchase.SendPaid)
}

// opened pays the price with the opening of chA.
func (g *game) opened(price uint64) {
	g.t.Helper()
	g.leads(offered(price), purchase.Select)
	g.leads(selected(common.Hash{}, purchase.Absent), purchase.Consent)
	g.leads(purchase.Event{Kind: purchase.Consented}, purchase.Search)
	g.leads(purchase.Event{Kind: purchase.Searched}, purchase.Open)
	g.leads(purchase.Event{Kind: purchase.Opened, Channel: chA}, purchase.Issue)
	g.leads(issued(price), purchase.SendPaid)
}

// TestRefusedOpeningAtAHigherPrice: others read the chain about it meanwhile, and the higher price needs
// consent all the same.
func TestRefusedOpeningAtAHigherPrice(t *testing.T) {
	g := newGame(t)
	g.opened(100)
	g.leads(refusedFor(purchase.Stale, 150), purchase.ReadChain)
	g.leads(purchase.Event{Kind: purchase.Read, Busy: true, Standing: purchase.Pending}, purchase.Select)
	g.leads(selected(chA, purchase.Pending), purchase.Consent)
}

// TestOpeningThatIsProvedDead: another one may be opened for the request.
func TestOpeningThatIsProvedDead(t *testing.T) {
	g := newGame(t)
	g.opened(100)
	g.leads(refusedFor(purchase.Stale, 100), purchase.ReadChain)
	g.leads(purchase.Event{Kind: purchase.Read, Busy: true, Standing: purchase.Pending}, purchase.Select)
	g.leads(selected(chA, purchase.Pending), purchase.ReadChain)
	g.leads(purchase.Event{Kind: purchase.Read, Standing: purchase.Dead}, purchase.Select)
	g.leads(selected(chA, purchase.Dead), purchase.Search)
	g.leads(purchase.Event{Kind: purchase.Searched}, purchase.Open)
}

// TestClosedChannel: what was raised on it counts on, unless it can never have been redeemed.
func TestClosedChannel(t *testing.T) {
	gone := purchase.Event{Kind: purchase.Answered, Status: 410, Paid: true, Gone: true}
	for name, c := range map[string]struct {
		redeemable uint64
		recent     bool
		err        error
		want       purchase.Do
		elsewhere  uint64
		twice      bool
	}{
		"nothing was redeemed":             {0, true, nil, purchase.Search, 0, false},
		"it may have been redeemed":        {100, false, nil, purchase.Search, 0, true},
		"and the payee was paid twice":     {100, true, nil, purchase.HandOver, 0, false},
		"a part may have been redeemed":    {40, false, nil, purchase.Search, 0, true},
		"the record says so, not the node": {0, true, errors.New("no node"), purchase.HandOver, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGame(t)
			g.paid(100)
			g.leads(gone, purchase.ReadChain)
			g.leads(purchase.Event{
				Kind: purchase.Read, Standing: purchase.Dead, Redeemable: voucher.Units(c.redeemable), Err: c.err,
			}, purchase.SendUnpaid)
			g.leads(offered(100), purchase.Select)
			e := selected(chA, purchase.Dead)
			e.Recent = c.recent
			g.leads(e, c.want)
			require.Equal(t, c.twice, g.p.Twice)
			if c.want == purchase.HandOver {
				return
			}
			g.leads(purchase.Event{Kind: purchase.Searched}, purchase.Open)
			a := g.leads(purchase.Event{Kind: purchase.Opened, Channel: chB}, purchase.Issue)
			require.Equal(t, voucher.Units(c.elsewhere), a.Elsewhere)
		})
	}
}

// TestRecoveryFindsTheChannelClosed: it is no proof of an older signature, so the price stays raised.
func TestRecoveryFindsTheChannelClosed(t *testing.T) {
	for _, standing := range []purchase.Standing{purchase.Dead, purchase.Aside} {
		for _, proved := range []bool{false, true} {
			g := newGame(t)
			g.paid(100)
			g.leads(refusedFor(purchase.TooLow, 100), purchase.Again)
			g.leads(purchase.Event{
				Kind: purchase.Denied, Denial: purchase.DeniedSpent, Raised: voucher.Units(100), Alone: true, Highest: true,
			}, purchase.Recover)
			g.leads(purchase.Event{Kind: purchase.Recovered, Standing: standing, Proved: proved}, purchase.ReadChain)
			read := purchase.Event{Kind: purchase.Read, Standing: standing, Redeemable: voucher.Units(100)}
			if standing == purchase.Aside {
				g.leads(read, purchase.PutAside)
				continue
			}
			g.leads(read, purchase.Select)
			e := selected(chA, standing)
			e.Recent = true
			require.ErrorIs(t, g.leads(e, purchase.HandOver).Err, purchase.ErrTwice)
		}
	}
}

// again opens chB after the payee took no vouchers of chA, which is live.
func (g *game) again(price uint64) {
	g.t.Helper()
	gone := purchase.Event{Kind: purchase.Answered, Status: 410, Paid: true, Gone: true}
	g.leads(gone, purchase.ReadChain)
	g.leads(purchase.Event{Kind: purchase.Read, Standing: purchase.Usable}, purchase.PutAside)
	g.leads(purchase.Event{Kind: purchase.SetAside}, purchase.SendUnpaid)
	g.leads(offered(price), purchase.Select)
	g.leads(selected(chA, purchase.Aside), purchase.Search)
	g.leads(purchase.Event{Kind: purchase.Searched}, purchase.Open)
	g.leads(purchase.Event{Kind: purchase.Opened, Channel: chB}, purchase.Issue)
	g.leads(issued(price), purchase.SendPaid)
}

// TestThirdPayment: a request that was paid a second time is not paid a third time, and nobody is
// asked about it.
func TestThirdPayment(t *testing.T) {
	g := newGame(t)
	g.paid(100)
	g.again(100)
	e := refusedFor(purchase.Stale, 100)
	e.Offer.Terms.Unit = "chunk"
	g.leads(e, purchase.Select)
	a := g.leads(selected(common.BigToHash(common.Big3), purchase.Usable), purchase.HandOver)
	require.ErrorIs(t, a.Err, purchase.ErrTwice)
}

// TestThirdOpening: two openings left and are not proved dead, so there is no third, though what
// the second channel was raised by turns out to be below an older signature.
func TestThirdOpening(t *testing.T) {
	g := &game{t, &purchase.Purchase{Retries: 10}}
	g.leads(purchase.Event{Kind: purchase.Started}, purchase.SendUnpaid)
	acknowledged, proved := refusedFor(purchase.TooLow, 100), refusedFor(purchase.TooLow, 100)
	acknowledged.Acknowledged, proved.Proved = true, true
	g.opened(100)
	g.leads(acknowledged, purchase.SendPaid)
	g.again(100)
	g.leads(acknowledged, purchase.SendPaid)
	g.leads(proved, purchase.Select)
	g.leads(selected(chB, purchase.Usable), purchase.Issue)
	g.leads(purchase.Event{Kind: purchase.Denied, Denial: purchase.DeniedClosed}, purchase.Select)
	g.leads(selected(chB, purchase.Aside), purchase.Search)
	a := g.leads(purchase.Event{Kind: purchase.Searched}, purchase.HandOver)
	require.ErrorIs(t, a.Err, purchase.ErrOpenings)
}

// TestOpeningOfBeforeIsTheOneOfTheRequest: a request that presents a recorded opening again opens
// no channel of its own for other terms.
func TestOpeningOfBeforeIsTheOneOfTheRequest(t *testing.T) {
	g := newGame(t)
	g.leads(offered(100), purchase.Select)
	g.leads(selected(chA, purchase.Pending), purchase.Consent)
	g.leads(purchase.Event{Kind: purchase.Consented}, purchase.ReadChain)
	g.leads(purchase.Event{Kind: purchase.Read, Standing: purchase.Pending}, purchase.Issue)
	g.leads(issued(100), purchase.SendPaid)
	e := refusedFor(purchase.Stale, 100)
	e.Offer.Terms.Unit = "chunk"
	g.leads(e, purchase.Select)
	g.leads(selected(common.Hash{}, purchase.Absent), purchase.Consent)
	g.leads(purchase.Event{Kind: purchase.Consented}, purchase.Search)
	a := g.leads(purchase.Event{Kind: purchase.Searched}, purchase.HandOver)
	require.ErrorIs(t, a.Err, purchase.ErrOpenings)
}
