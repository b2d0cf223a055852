package purchase_test

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/purchase"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

var (
	sequences = flag.Int("sequences", 20_000, "random sequences of events")
	seed      = flag.Uint64("seed", 20261130, "seed of the first sequence")
)

// TestRandomEventsKeepTheInvariants drives purchases with random events, as a hostile payee, a lagging
// node, a failing store and impatient owners would, and checks the invariants of the package after
// every event. With -sequences and -seed it runs longer.
func TestRandomEventsKeepTheInvariants(t *testing.T) {
	reached := map[string]int{}
	for i := range *sequences {
		w := newWorld(*seed + uint64(i)) //nolint:gosec // a counter
		if err := w.run(reached); err != nil {
			t.Fatalf("seed %d: %v\n%s", *seed+uint64(i), err, w.history) //nolint:gosec // a counter
		}
	}
	if *sequences < 20_000 {
		return
	}
	for _, name := range purchase.Rows() {
		if reached[name] == 0 {
			t.Errorf("no sequence reaches the row %q", name)
		}
	}
}

// world plays everything around one purchase: the payee, the gate, the chain, the owner. It keeps its
// own account of what was agreed, raised and sent, and does not trust that of the purchase.
type world struct {
	r       *rand.Rand
	p       *purchase.Purchase
	history string

	offers   []purchase.Offer
	channels map[channel.Terms]common.Hash
	standing map[common.Hash]purchase.Standing
	raised   map[common.Hash]voucher.Amount // what each channel's ceiling rose by for the request
	dead     map[common.Hash]voucher.Amount // of it, what can no longer be redeemed
	below    map[common.Hash]voucher.Amount // of it, what an older signature of ours covers
	current  purchase.Offer
	channel  common.Hash
	approved map[purchase.Offer]voucher.Amount // by terms: the highest sum that was consented to
	charged  voucher.Amount
	highest  voucher.Amount
	openings map[common.Hash]bool
	hops     int
	sent     bool
	funded   bool // a top-up left
	recent   bool
	second   bool
	gone     bool
	proofs   int // proofs that left
	asked    purchase.Event
	retried  bool // it was made before
	served   bool // and served, or charged on its way
	doubt    bool // or nobody knows
	steps    int
}

func newWorld(seed uint64) *world {
	w := &world{
		r: rand.New(rand.NewPCG(seed, 0)), p: &purchase.Purchase{Retries: 3}, //nolint:gosec // reproducible on purpose
		channels: map[channel.Terms]common.Hash{}, standing: map[common.Hash]purchase.Standing{},
		raised: map[common.Hash]voucher.Amount{}, dead: map[common.Hash]voucher.Amount{}, below: map[common.Hash]voucher.Amount{},
		approved: map[purchase.Offer]voucher.Amount{}, openings: map[common.Hash]bool{},
	}
	w.recent = w.chance(3)
	for i := range 1 + w.r.IntN(3) {
		o := purchase.Offer{
			Terms: channel.Terms{
				Protocol: voucher.Protocol(1 + w.r.IntN(2)), ChainID: 1,
				Payee: common.BigToAddress(common.Big1), Unit: "request",
			},
			Price: voucher.Units(uint64(100 + w.r.IntN(3)*50)), //nolint:gosec // small
		}
		o.Terms.Operator[0] = byte(i)
		if w.chance(4) {
			o.Terms.Unit = "chunk"
		}
		w.offers = append(w.offers, o)
	}
	return w
}

func (w *world) chance(n int) bool { return w.r.IntN(n) == 0 }

// run plays the purchase to its end, over redirects.
func (w *world) run(reached map[string]int) error {
	e := w.start()
	for tries := 0; ; {
		if w.steps++; w.steps > 5_000 {
			return errors.New("the sequence does not end")
		}
		a := w.p.Next(e)
		reached[a.Row]++
		w.history += fmt.Sprintf("%+v\n\t-> %s (%s) %s %v\n", e, a.Do, a.Row, a.Outcome, a.Err)
		if err := w.check(a); err != nil {
			return err
		}
		switch a.Do {
		case purchase.GiveUp:
			if tries++; tries > 4 || w.chance(2) {
				return nil
			}
			e = w.retry(a.Outcome)
			continue
		case purchase.HandOver:
			redirected := a.Redirected || a.Row == "redirected and charged"
			if !redirected || w.hops == 5 || w.chance(8) {
				if tries++; tries > 4 || w.chance(2) {
					return nil
				}
				if a.Row == "redirected and charged" {
					w.charged = w.charged.AddCapped(w.current.Price)
				}
				e = w.retry(a.Outcome)
				continue
			}
			if !a.Redirected {
				w.charged = w.charged.AddCapped(w.current.Price)
			}
			w.hops++
			e = w.start()
			continue
		}
		e = w.answer(a)
	}
}

// retry makes the same request again, after it ended with o. The channel may have been closed
// since.
func (w *world) retry(o purchase.Outcome) purchase.Event {
	if o == purchase.Accepted || o == purchase.AcceptedNoContent || !w.charged.IsZero() {
		w.served = true
	}
	w.doubt = w.doubt || o == purchase.Unknown
	w.sent, w.funded, w.hops, w.retried = false, false, 0, true
	if w.chance(4) && w.standing[w.channel] == purchase.Usable {
		w.standing[w.channel] = purchase.Dead
		delete(w.openings, w.channel)
	}
	w.history += fmt.Sprintf("again, after %s\n", o)
	w.p.Resume(o)
	return w.unpaid(errors.New("failed"))
}

func (w *world) start() purchase.Event {
	e := purchase.Event{Kind: purchase.Started}
	if o := w.offers[0]; w.hops == 0 && w.chance(4) { // an earlier request had consent to it
		w.approved[key(o)], w.highest = o.Price, o.Price
	}
	if o := w.offers[0]; w.approved[key(o)] != (voucher.Amount{}) && !w.served && w.chance(2) {
		if sum := w.charged.AddCapped(o.Price); !w.approved[key(o)].Less(sum) {
			e.Remembered, e.Offer, e.Channel = true, o, w.id(o)
			w.current, w.channel = o, e.Channel
		}
	}
	return e
}

// key is what consent is about, apart from the sum.
func key(o purchase.Offer) purchase.Offer {
	o.Price = voucher.Amount{}
	return o
}

func (w *world) id(o purchase.Offer) common.Hash {
	id, ok := w.channels[o.Terms]
	if !ok {
		id = common.BigToHash(common.Big1)
		id[0] = byte(len(w.channels) + 1)
		w.channels[o.Terms] = id
		w.standing[id] = purchase.Standing(w.r.IntN(2)) //nolint:gosec // Absent or Usable
		if w.chance(8) {
			w.standing[id] = purchase.Pending // another request opens it
		}
	}
	return id
}

// offer is one of the payee's offers, now and then with another price or funding.
func (w *world) offer() purchase.Offer {
	o := w.offers[w.r.IntN(len(w.offers))]
	if w.chance(2) {
		o = w.offers[0]
	}
	switch w.r.IntN(8) {
	case 0:
		o.Price = voucher.Units(uint64(50 + w.r.IntN(5)*50)) //nolint:gosec // small
	case 1:
		o.Funding.Sponsored = true
	}
	return o
}

// answer plays what an action leads to.
func (w *world) answer(a purchase.Action) purchase.Event {
	failed := errors.New("failed")
	switch a.Do {
	case purchase.SendUnpaid:
		return w.unpaid(failed)
	case purchase.SendPaid:
		return w.paid(failed)
	case purchase.Select:
		return w.selected(failed)
	case purchase.Consent:
		return w.consented(failed)
	case purchase.Prove:
		if w.chance(4) {
			return purchase.Event{Kind: purchase.NotProved, Err: failed}
		}
		w.proofs++
		e := w.unpaid(failed)
		e.Proof, e.Introduced = true, e.Status == 200 && w.chance(2)
		return e
	case purchase.Search:
		e := purchase.Event{Kind: purchase.Searched, Proof: a.Proof && w.chance(2)}
		w.given(e.Proof)
		if w.chance(3) {
			w.standing[w.channel] = purchase.Usable
			e.Channel, e.Standing = w.channel, purchase.Usable
		}
		return e
	case purchase.Open:
		switch w.r.IntN(6) {
		case 0:
			return purchase.Event{Kind: purchase.Opened, Busy: true}
		case 1:
			return purchase.Event{Kind: purchase.Opened, Err: failed}
		}
		w.standing[w.channel] = purchase.Pending
		w.openings[w.channel] = true
		return purchase.Event{Kind: purchase.Opened, Channel: w.channel}
	case purchase.Issue, purchase.Again:
		return w.gate(a, failed)
	case purchase.TopUp:
		e := purchase.Event{Kind: purchase.ToppedUp, Busy: w.chance(5), Err: w.maybe(failed, 5), Written: w.chance(2)}
		w.funded = w.funded || e.Written
		return e
	case purchase.ReadChain:
		return w.read(failed)
	case purchase.Recover:
		e := purchase.Event{Kind: purchase.Recovered, Proved: w.chance(2), Err: failed, Standing: purchase.Usable}
		e.Proof = a.Proof && w.chance(2)
		w.given(e.Proof)
		w.prove(e.Proved)
		if w.chance(4) {
			w.standing[w.channel] = []purchase.Standing{purchase.Dead, purchase.Aside}[w.r.IntN(2)]
			if e.Standing = w.standing[w.channel]; e.Standing == purchase.Dead {
				delete(w.openings, w.channel)
			}
		}
		return e
	case purchase.PutAside:
		if w.chance(6) {
			return purchase.Event{Kind: purchase.Failed, Err: failed}
		}
		w.standing[w.channel] = purchase.Aside
		w.gone = true
		return purchase.Event{Kind: purchase.SetAside, Recent: w.recent}
	default: // Wait
		if w.chance(20) {
			return purchase.Event{Kind: purchase.Failed, Err: failed}
		}
		return purchase.Event{Kind: purchase.Waited}
	}
}

func (w *world) maybe(err error, n int) error {
	if w.chance(n) {
		return err
	}
	return nil
}

func (w *world) unpaid(failed error) purchase.Event {
	if w.chance(20) {
		return purchase.Event{Kind: purchase.Lost, Err: failed, Written: w.chance(2)}
	}
	e := purchase.Event{Kind: purchase.Answered, Status: 402, Others: w.chance(5)}
	switch w.r.IntN(10) {
	case 0:
		e.Status = 200
	case 1:
		e.Err = w.maybe(failed, 2)
	case 2, 3:
		w.asks(&e, failed)
	default:
		e.Offered, e.Offer = true, w.offer()
		w.current = e.Offer
	}
	return e
}

func (w *world) paid(failed error) purchase.Event {
	if w.chance(25) {
		written := w.chance(2)
		w.sent = w.sent || written
		return purchase.Event{Kind: purchase.Lost, Paid: true, Err: failed, Written: written}
	}
	w.sent = true
	e := purchase.Event{
		Kind: purchase.Answered, Paid: true, Status: 402, Others: w.chance(5), Receipt: w.chance(2), Charged: w.chance(2),
		Resendable: w.chance(2), Problem: purchase.Problem(w.r.IntN(7)), Fresh: w.chance(2), Higher: w.chance(6), //nolint:gosec // small
		Shared: w.chance(2), Acknowledged: w.chance(3),
	}
	switch w.r.IntN(16) {
	case 0:
		e.Status, e.Content = 200, true
	case 1:
		e.Status = 204
	case 2, 3:
		e.Status = 302
	case 4:
		e.Status = 500
	case 5, 6:
		e.Gone, e.Status, e.Young, e.Finalized = true, 410, w.chance(3), w.chance(3)
		if e.Offered = w.chance(2); e.Offered {
			e.Offer = w.current // the same offer, or the shell does not answer it
		}
	case 7:
	case 8:
		w.asks(&e, failed)
	default:
		e.Offered, e.Offer = true, w.current
		if w.chance(2) {
			e.Offer = w.offer()
		}
		if e.Offer.Terms == w.current.Terms && e.Offer.Funding == w.current.Funding && w.chance(8) && !w.p.Carrying {
			e.Proved = true
			w.prove(true)
		}
		w.current = e.Offer
	}
	return e
}

// asks makes an answer ask who the payer is, or for a charge.
func (w *world) asks(e *purchase.Event, failed error) {
	e.ProofAsked, e.Unproved = true, w.maybe(failed, 4)
	if w.chance(4) {
		e.ProofAmount = voucher.Units(1)
	}
	w.asked = *e
}

func (w *world) given(proof bool) {
	if proof {
		w.proofs++
	}
}

// prove makes what was raised on the channel lie below an older signature of ours.
func (w *world) prove(proved bool) {
	if proved {
		w.below[w.channel] = w.raised[w.channel]
	}
}

func (w *world) selected(failed error) purchase.Event {
	if w.chance(15) {
		return purchase.Event{Kind: purchase.Failed, Err: failed}
	}
	id := w.id(w.current)
	w.channel = id
	e := purchase.Event{Kind: purchase.Selected, Standing: w.standing[id], Recent: w.recent, Err: w.maybe(failed, 12), Named: w.chance(30), Nameable: w.chance(2)}
	if e.Standing == purchase.Absent {
		return e
	}
	e.Channel = id
	if w.chance(3) {
		e.Headroom = w.current.Price
	}
	return e
}

func (w *world) consented(failed error) purchase.Event {
	e := purchase.Event{Kind: purchase.Consented, Err: w.maybe(failed, 5), Expired: w.chance(6)}
	if e.Err == nil {
		k := key(w.current)
		w.approved[k] = w.approved[k].Max(w.charged.AddCapped(w.current.Price))
		w.highest = w.highest.Max(w.current.Price)
	}
	return e
}

// gate raises the ceiling as the rule does: by the price once, less what was raised elsewhere.
func (w *world) gate(a purchase.Action, failed error) purchase.Event {
	if w.channel == (common.Hash{}) {
		w.channel = w.id(w.current)
	}
	if a.Anew {
		w.below[w.channel] = w.raised[w.channel]
	}
	own := w.raised[w.channel].SubFloor(w.below[w.channel])
	e := purchase.Event{
		Kind: purchase.Denied, Denial: purchase.Denial(w.r.IntN(6)), Err: failed, //nolint:gosec // small
		Alone: w.chance(2), Highest: w.chance(2), Shared: w.chance(2), Apart: w.chance(2),
	}
	if a.Do == purchase.Again && w.chance(2) {
		e.Denial = purchase.DeniedSpent
	}
	room := w.current.Price.SubFloor(a.Elsewhere)
	if a.Do == purchase.Again {
		room = own // the simulation raises with the first decision
	}
	if !w.chance(4) {
		e.Kind = purchase.Issued
		if own.Less(room) && !a.Present {
			w.raised[w.channel] = w.below[w.channel].AddCapped(room)
		}
	}
	e.Raised = w.raised[w.channel].SubFloor(w.below[w.channel])
	return e
}

func (w *world) read(failed error) purchase.Event {
	if w.chance(8) {
		return purchase.Event{Kind: purchase.Read, Err: failed, Standing: w.standing[w.channel], Recent: w.recent}
	}
	if w.chance(12) {
		return purchase.Event{Kind: purchase.Read, Busy: true, Standing: w.standing[w.channel]}
	}
	st := []purchase.Standing{purchase.Usable, purchase.Pending, purchase.Dead}[w.r.IntN(3)]
	if was := w.standing[w.channel]; was != purchase.Pending && st == purchase.Pending || was == purchase.Dead {
		st = was
	}
	w.standing[w.channel] = st
	e := purchase.Event{Kind: purchase.Read, Channel: w.channel, Standing: st, Recent: w.recent, Misfit: w.chance(3)}
	if st == purchase.Dead {
		delete(w.openings, w.channel)
		live := w.raised[w.channel].SubFloor(w.below[w.channel])
		if w.chance(2) {
			w.dead[w.channel] = live
		}
		e.Redeemable = live.SubFloor(w.dead[w.channel])
	}
	return e
}

// check judges the invariants after an action was decided.
func (w *world) check(a purchase.Action) error {
	w.second = w.second || w.p.Twice
	sum := voucher.Amount{}
	for id, amount := range w.raised {
		sum = sum.AddCapped(amount.SubFloor(w.below[id]).SubFloor(w.dead[id]))
	}
	most := w.charged.AddCapped(w.highest)
	if w.second {
		most = most.AddCapped(w.highest)
	}
	if most.Less(sum) {
		return fmt.Errorf("raised %s, agreed %s", sum, most)
	}
	openings := 1
	if w.gone {
		openings = 2
	}
	if len(w.openings) > openings {
		return fmt.Errorf("%d openings", len(w.openings))
	}
	if a.Do == purchase.Open && w.recent && w.p.Replaces && !w.p.Twice {
		return errors.New("one more deposit in place of one that the payee does not take")
	}
	if w.proofs > 1 {
		return fmt.Errorf("%d proofs", w.proofs)
	}
	if w.served && (a.Do == purchase.Open || a.Do == purchase.TopUp || a.Do == purchase.Recover ||
		(a.Do == purchase.Issue || a.Do == purchase.Again) && !a.Present) {
		return fmt.Errorf("%s for a request that was paid before", a.Do)
	}
	switch a.Do {
	case purchase.Prove:
		if w.proofs > 0 || !w.asked.ProofAsked || !w.asked.ProofAmount.IsZero() || w.asked.Unproved != nil {
			return fmt.Errorf("a proof for %+v", w.asked)
		}
	case purchase.SendPaid, purchase.Issue, purchase.Open, purchase.TopUp:
		if w.approved[key(w.current)].Less(w.charged.AddCapped(w.current.Price)) {
			return fmt.Errorf("%s without consent to %+v", a.Do, w.current)
		}
	case purchase.HandOver, purchase.GiveUp:
		if (w.sent || w.funded) && (a.Outcome == purchase.None || a.Outcome == purchase.Refused || a.Outcome == purchase.NotSent) {
			return fmt.Errorf("a credential left, and the outcome is %s", a.Outcome)
		}
		if !w.sent && a.Outcome == purchase.Rejected {
			return errors.New("nothing left, and the outcome is rejected")
		}
		served := a.Outcome == purchase.Accepted || a.Outcome == purchase.AcceptedNoContent
		if w.served && !served || w.doubt && !served && a.Outcome != purchase.Unknown {
			return fmt.Errorf("an earlier try may have been charged: outcome %s", a.Outcome)
		}
	}
	return nil
}

func TestSameEventsSameActions(t *testing.T) {
	for i := range uint64(200) {
		a, b := newWorld(i), newWorld(i)
		require.NoError(t, a.run(map[string]int{}))
		require.NoError(t, b.run(map[string]int{}))
		require.Equal(t, a.history, b.history)
	}
}
