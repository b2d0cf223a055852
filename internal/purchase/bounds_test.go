package purchase_test

import (
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/internal/purchase"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// TestWaitsForOtherRequests: a voucher that is overtaken is presented again beyond the retries, and
// sixteen times in a row at most if nothing higher was found to present.
func TestWaitsForOtherRequests(t *testing.T) {
	g := newGame(t)
	g.paid(100)
	for n := range 16 {
		if n < 4 { // at once, before newcomers
			overtaken := refusedFor(purchase.Unverified, 100)
			overtaken.Higher = true
			g.leads(overtaken, purchase.Again)
		} else {
			g.leads(refusedFor(purchase.Unverified, 100), purchase.Wait)
			g.leads(purchase.Event{Kind: purchase.Waited}, purchase.Again)
		}
		g.leads(issued(100), purchase.SendPaid)
	}
	g.leads(refusedFor(purchase.Unverified, 100), purchase.HandOver)
}

// TestOvertakenByOtherSessionsAgainAndAgain: a request that higher vouchers of other sessions
// overtake, which it finds only then, goes on, and sixty-four times at most.
func TestOvertakenByOtherSessionsAgainAndAgain(t *testing.T) {
	g := newGame(t)
	g.paid(100)
	refused := refusedFor(purchase.Unverified, 100)
	refused.Shared = true
	for n := range 64 {
		if n < 4 {
			g.leads(refused, purchase.Again)
		} else {
			g.leads(refused, purchase.Wait)
			g.leads(purchase.Event{Kind: purchase.Waited}, purchase.Again)
		}
		higher := issued(100)
		higher.Higher = true
		g.leads(higher, purchase.SendPaid)
	}
	g.leads(refused, purchase.HandOver)
}

// TestTooLowAfterOthers: what is too low after higher vouchers of ours went first uses up no retries, since that
// was theirs by then. All of it is sent again sixty-four times at most.
func TestTooLowAfterOthers(t *testing.T) {
	g := newGame(t)
	g.paid(100)
	overtaken := refusedFor(purchase.Unverified, 100)
	overtaken.Higher = true
	g.leads(overtaken, purchase.Again)
	for range 63 {
		g.leads(issued(100), purchase.SendPaid)
		g.leads(refusedFor(purchase.TooLow, 100), purchase.Again)
	}
	g.leads(issued(100), purchase.SendPaid)
	g.leads(refusedFor(purchase.TooLow, 100), purchase.HandOver)
}

// TestCreditThatOthersUse: a request that has raised all that it may waits for others who use the same credit, and is
// sent again with the voucher that it has: eight times at most. A payee that refuses a voucher that it has
// already is never sent one again; the gate may know a higher one after one of sixteen waits.
func TestCreditThatOthersUse(t *testing.T) {
	for apart, waits := range map[bool]int{false: 8, true: 16} {
		g := newGame(t)
		g.paid(100)
		refused := refusedFor(purchase.Insufficient, 100)
		spent := purchase.Event{Kind: purchase.Denied, Denial: purchase.DeniedSpent, Raised: voucher.Units(100), Apart: apart}
		g.leads(refused, purchase.Again)
		for range waits {
			g.leads(spent, purchase.Wait)
			if apart {
				g.leads(purchase.Event{Kind: purchase.Waited}, purchase.Again)
				continue
			}
			g.leads(purchase.Event{Kind: purchase.Waited}, purchase.SendPaid)
			g.leads(refused, purchase.Again)
		}
		g.leads(spent, purchase.HandOver)
	}
}

// TestWaitsForAYoungChannel: a payee that does not know a channel yet is waited for beyond the
// retries, and eight times at most.
func TestWaitsForAYoungChannel(t *testing.T) {
	g := newGame(t)
	g.paid(100)
	young := purchase.Event{
		Kind:   purchase.Answered,
		Status: 410,
		Paid:   true,
		Gone:   true,
		Young:  true,
	}
	g.leads(young, purchase.ReadChain)
	open := purchase.Event{Kind: purchase.Read, Standing: purchase.Usable}
	for i := range 8 {
		if i == 0 {
			g.leads(open, purchase.Wait)
		} else {
			g.leads(young, purchase.Wait)
		}
		g.leads(purchase.Event{Kind: purchase.Waited}, purchase.SendPaid)
	}
	g.leads(young, purchase.ReadChain)
}

// TestPriceThatChangesAgainAndAgain: the third change is not answered.
func TestPriceThatChangesAgainAndAgain(t *testing.T) {
	g := newGame(t)
	g.paid(100)
	for _, price := range []uint64{90, 80} {
		g.leads(refusedFor(purchase.Stale, price), purchase.Select)
		g.leads(selected(chA, purchase.Usable), purchase.Issue)
		g.leads(issued(100), purchase.SendPaid)
	}
	a := g.leads(refusedFor(purchase.Stale, 70), purchase.HandOver)
	require.Equal(t, purchase.Rejected, a.Outcome)
}

// TestOthersAreAlwaysFirst: the channel is selected again 256 times at most.
func TestOthersAreAlwaysFirst(t *testing.T) {
	g := newGame(t)
	g.leads(offered(100), purchase.Select)
	g.leads(selected(chA, purchase.Usable), purchase.Consent)
	g.leads(purchase.Event{Kind: purchase.Consented}, purchase.Issue)
	closed := purchase.Event{Kind: purchase.Denied, Denial: purchase.DeniedClosed}
	for range 256 {
		g.leads(closed, purchase.Select)
		g.leads(selected(chA, purchase.Usable), purchase.Issue)
	}
	a := g.leads(closed, purchase.GiveUp)
	require.ErrorIs(t, a.Err, purchase.ErrChanged)
	require.Equal(t, purchase.Refused, a.Outcome)
}

// TestChallengesThatExpireWhileTheOwnerThinks: each is replaced by a fresh one and not answered,
// and the third fresh one is the last.
func TestChallengesThatExpireWhileTheOwnerThinks(t *testing.T) {
	g := newGame(t)
	for i := range uint64(3) {
		g.leads(offered(100+i), purchase.Select)
		g.leads(selected(chA, purchase.Usable), purchase.Consent)
		g.leads(purchase.Event{Kind: purchase.Consented, Expired: true}, purchase.SendUnpaid)
	}
	a := g.leads(offered(103), purchase.HandOver)
	require.ErrorIs(t, a.Err, purchase.ErrChanged)
}

// TestLimitRefusesBeforeTheOwnerIsAsked: nothing left, so the purchase is refused.
func TestLimitRefusesBeforeTheOwnerIsAsked(t *testing.T) {
	g := newGame(t)
	g.leads(offered(100), purchase.Select)
	e := selected(chA, purchase.Usable)
	e.Err = purchase.ErrPending
	a := g.leads(e, purchase.GiveUp)
	require.Equal(t, purchase.Refused, a.Outcome)
}

// TestOutcomeOfACredentialThatLeft: it is unknown unless the payee answered it, and a failure is no
// answer to it.
func TestOutcomeOfACredentialThatLeft(t *testing.T) {
	lost := purchase.Event{Kind: purchase.Lost, Paid: true}
	arrived, answered := lost, purchase.Event{Kind: purchase.Answered, Paid: true}
	arrived.Written = true
	failed, served := answered, answered
	failed.Status, served.Status, served.Content = 500, 200, true
	for name, c := range map[string]struct {
		e    purchase.Event
		do   purchase.Do
		want purchase.Outcome
	}{
		"no answer":  {arrived, purchase.GiveUp, purchase.Unknown},
		"never left": {lost, purchase.GiveUp, purchase.NotSent},
		"a failure":  {failed, purchase.HandOver, purchase.Unknown},
		"a refusal":  {refusedFor(purchase.OtherProblem, 100), purchase.HandOver, purchase.Rejected},
		"served":     {served, purchase.HandOver, purchase.Accepted},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGame(t)
			g.paid(100)
			require.Equal(t, c.want, g.leads(c.e, c.do).Outcome)
		})
	}
}

// TestTopUpThatWasShown: it may still be mined, so the outcome is unknown though no credential
// left.
func TestTopUpThatWasShown(t *testing.T) {
	for _, shown := range []bool{false, true} {
		g := newGame(t)
		g.leads(offered(100), purchase.Select)
		g.leads(selected(chA, purchase.Usable), purchase.Consent)
		g.leads(purchase.Event{Kind: purchase.Consented}, purchase.Issue)
		g.leads(
			purchase.Event{Kind: purchase.Denied, Denial: purchase.DeniedDeposit},
			purchase.TopUp,
		)
		g.leads(purchase.Event{Kind: purchase.ToppedUp, Written: shown}, purchase.Issue)
		a := g.leads(
			purchase.Event{Kind: purchase.Denied, Denial: purchase.DeniedOther},
			purchase.GiveUp,
		)
		require.Equal(
			t,
			map[bool]purchase.Outcome{false: purchase.Refused, true: purchase.Unknown}[shown],
			a.Outcome,
		)
	}
}

// TestNamedChannelIsNotReplaced: a request that names its channel is paid from no other.
func TestNamedChannelIsNotReplaced(t *testing.T) {
	for _, named := range []bool{false, true} {
		g := newGame(t)
		g.leads(offered(100), purchase.Select)
		e := selected(chA, purchase.Usable)
		e.Named = named
		g.leads(e, purchase.Consent)
		g.leads(purchase.Event{Kind: purchase.Consented}, purchase.Issue)
		g.leads(issued(100), purchase.SendPaid)
		g.leads(
			purchase.Event{Kind: purchase.Answered, Status: 410, Paid: true, Gone: true},
			purchase.ReadChain,
		)
		g.leads(purchase.Event{Kind: purchase.Read, Standing: purchase.Usable}, purchase.PutAside)
		want := map[bool]purchase.Do{false: purchase.SendUnpaid, true: purchase.HandOver}[named]
		g.leads(purchase.Event{Kind: purchase.SetAside}, want)
	}
}

// TestOpeningStaysWithItsOffer: an answer to other terms does not carry the opening for the first.
func TestOpeningStaysWithItsOffer(t *testing.T) {
	g := newGame(t)
	g.opened(100)
	require.True(t, g.p.Carrying)
	e := refusedFor(purchase.Stale, 100)
	e.Offer.Terms.Payee = common.HexToAddress("0x02")
	g.leads(e, purchase.Select)
	g.leads(selected(chB, purchase.Usable), purchase.Consent)
	g.leads(purchase.Event{Kind: purchase.Consented}, purchase.Issue)
	g.leads(purchase.Event{Kind: purchase.Issued, Raised: voucher.Units(100)}, purchase.SendPaid)
	require.False(t, g.p.Carrying)
}

// TestOpeningThatDoesNotFit: one that the payee refused to another request is replaced, unless the
// payee or origin had that within the hour. One of this request is not.
func TestOpeningThatDoesNotFit(t *testing.T) {
	misfit := purchase.Event{Kind: purchase.Read, Standing: purchase.Pending, Misfit: true}
	for _, recent := range []bool{false, true} {
		g := newGame(t)
		g.leads(offered(100), purchase.Select)
		g.leads(selected(chA, purchase.Pending), purchase.Consent)
		g.leads(purchase.Event{Kind: purchase.Consented}, purchase.ReadChain)
		misfit.Recent = recent
		if recent {
			require.ErrorIs(t, g.leads(misfit, purchase.GiveUp).Err, purchase.ErrPending)
			continue
		}
		g.leads(misfit, purchase.PutAside)
		g.leads(purchase.Event{Kind: purchase.SetAside}, purchase.Open)
		require.True(t, g.p.Replaces)
	}

	g := newGame(t)
	g.opened(100)
	e := refusedFor(purchase.Stale, 100)
	e.Offer.Funding.Sponsored = true
	g.leads(e, purchase.Select)
	g.leads(selected(chA, purchase.Pending), purchase.Consent)
	g.leads(purchase.Event{Kind: purchase.Consented}, purchase.ReadChain)
	misfit.Recent = false
	require.ErrorIs(t, g.leads(misfit, purchase.HandOver).Err, purchase.ErrPending)
}

// TestFirstWhereNoVoucherIsTakenTwice: where another session was first and nothing is left to present, the price
// counts no more while the request waits, and is decided anew, sixteen times at most.
func TestFirstWhereNoVoucherIsTakenTwice(t *testing.T) {
	for _, problem := range []purchase.Problem{purchase.Unverified, purchase.TooLow} {
		g := newGame(t)
		g.paid(100)
		refused := refusedFor(problem, 100)
		refused.Shared = true
		spent := purchase.Event{
			Kind: purchase.Denied, Denial: purchase.DeniedSpent, Raised: voucher.Units(100), Apart: true, Shared: true,
		}
		require.Equal(t, purchase.Again, g.p.Next(refused).Do)
		tries := 0
		for do := g.p.Next(spent); do.Do != purchase.HandOver; do = g.p.Next(spent) {
			require.Equal(t, purchase.Wait, do.Do)
			require.True(t, do.Release)
			require.Equal(t, purchase.Issue, g.p.Next(purchase.Event{Kind: purchase.Waited}).Do)
			tries++
			require.LessOrEqual(t, tries, 16)
		}
		require.GreaterOrEqual(t, tries, 15, "the refusal may be one")
	}
}

// TestFirstIsNotRaisedForEver: each time that the request is decided anew it may raise what others used of what it
// raised before, and its run counts that. A payee that refuses it for ever gains four sendings.
func TestFirstIsNotRaisedForEver(t *testing.T) {
	g := newGame(t)
	g.paid(100)
	refused := refusedFor(purchase.Unverified, 100)
	refused.Shared = true
	spent := purchase.Event{
		Kind: purchase.Denied, Denial: purchase.DeniedSpent, Raised: voucher.Units(100), Apart: true, Shared: true,
	}
	sent := 1
	for {
		do := g.p.Next(refused)
		if do.Do == purchase.Wait { // no longer before others
			do = g.p.Next(purchase.Event{Kind: purchase.Waited})
		}
		require.Equal(t, purchase.Again, do.Do)
		if do = g.p.Next(spent); do.Do == purchase.HandOver {
			break
		}
		require.Equal(t, purchase.Wait, do.Do)
		require.Equal(t, purchase.Issue, g.p.Next(purchase.Event{Kind: purchase.Waited}).Do)
		require.Equal(t, purchase.SendPaid, g.p.Next(issued(200)).Do)
		sent++
		require.LessOrEqual(t, sent, 8)
	}
	require.Equal(t, 5, sent)
}
