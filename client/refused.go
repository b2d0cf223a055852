package client

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/internal/wire"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Bounds of second tries for one request. Each is there for a case that an honest server can bring
// about; none of them authorizes the price a second time.
const (
	maxFreshened = 2  // the challenge was stale; the same voucher answers the fresh one
	maxOvertaken = 16 // a higher voucher of ours arrived first; the highest is presented
	maxCorrected = 3  // the voucher was too low, or the deposit; what is authorized is presented
	maxEarly     = 8  // the channel was opened a moment ago, and its payee may not have written it down yet
)

// young is how long after its opening a channel may be unknown to its payee, who is told of it by another request.
const young = 10 * time.Second

// refused decides what to do about a 402 or 410 to our credential. again says that the request is to be
// sent once more; false leaves the answer to the caller, with the price free again.
func (p *payment) refused(ctx context.Context, resp *http.Response) (again bool, err error) {
	problem := readProblem(resp)
	p.info.Problem = problem.Name()
	fresh, _ := p.s.recognize(p.out.req, resp.Header)
	p.s.drop(p.route, p.known)
	if resp.StatusCode == http.StatusGone || problem.Code.Gone() {
		return p.gone(ctx, resp.StatusCode)
	}
	if fresh == nil {
		return false, nil // nothing to answer
	}
	if !rule.SameTerms(fresh.offer, p.known.offer) {
		// Somebody else wants the money now. That is a new decision.
		p.part(ctx, resp.StatusCode)
		p.account, p.openTx = nil, nil
		if p.freshened++; p.freshened > maxFreshened {
			return false, nil
		}
		return true, p.prepare(ctx, fresh)
	}
	if p.openTx != nil {
		return p.openingRefused(ctx, fresh, problem)
	}
	if p.absorb(ctx, p.account, fresh.offer) && !p.reminded {
		p.reminded = true // the record was behind: the price counts from what is proved
		p.part(ctx, resp.StatusCode)
		return true, p.prepare(ctx, fresh)
	}
	if fresh.offer.Price != p.known.offer.Price {
		return p.repriced(ctx, fresh)
	}
	return p.presentAgain(ctx, fresh, problem)
}

// presentAgain presents what is authorized already, against the fresh challenge.
func (p *payment) presentAgain(ctx context.Context, fresh *known, problem wire.Problem) (again bool, err error) {
	same := fresh.challenge.ID == p.known.challenge.ID
	p.known = fresh
	if p.signed.Cumulative.Less(p.account.State().Signed) && p.overtaken < maxOvertaken {
		if err := p.stepAside(ctx); err != nil {
			return false, err
		}
		return p.again(ctx)
	}
	switch {
	case problem.Code == wire.ProblemAmountExceedsDeposit:
		return p.deepen(ctx, voucher.Amount{})
	case problem.Code == wire.ProblemVerificationFailed && p.overtaken < maxOvertaken:
		// Most likely another session presented a higher one; the gate reads the record to see.
		if err := p.stepAside(ctx); err != nil {
			return false, err
		}
		return p.again(ctx)
	case problem.Code.TooLow():
		if p.account.Shared() && p.info.Problem == insufficient && p.overtaken < maxOvertaken {
			// Other sessions use the same credit, and who asks next is refused next.
			if err := p.stepAside(ctx); err != nil {
				return false, err
			}
		}
		return p.again(ctx)
	case problem.Code.Stale() && !same && p.freshened < maxFreshened:
		p.freshened++
		return true, nil
	case problem.Code == wire.ProblemNone && !same && p.freshened < 1:
		p.freshened++
		return true, nil
	case problem.Code == wire.ProblemNone:
		return p.again(ctx)
	}
	return false, nil
}

// stepAside lets other requests of the channel go first, a little longer each time: whoever presents the highest
// voucher while another is signed is overtaken again.
func (p *payment) stepAside(ctx context.Context) error {
	p.overtaken++
	longest := min(time.Millisecond<<p.overtaken, 128*time.Millisecond)
	select {
	case <-time.After(rand.N(longest)):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

const insufficient = "session/insufficient-balance"

// again asks the gate what else may be presented for this price.
func (p *payment) again(ctx context.Context) (bool, error) {
	if p.overtaken == 0 {
		if p.corrected++; p.corrected > maxCorrected {
			return false, nil
		}
	}
	signed, err := p.claim.Again(ctx, p.signed.Cumulative)
	switch {
	case errors.Is(err, channel.ErrSpent):
		if learned, err := p.remind(ctx); learned || err != nil {
			return learned, err
		}
		// A stream of the same channel may have used the credit before its own ask was counted.
		if p.info.Problem != insufficient || p.overtaken >= maxOvertaken || (p.claim.Alone() && !p.account.Shared()) {
			return false, nil
		}
		return true, p.stepAside(ctx)
	case errors.Is(err, channel.ErrDeposit):
		return p.deepen(ctx, p.signed.Cumulative)
	case err != nil:
		return false, err
	}
	p.signed = signed
	return true, nil
}

// deepen looks at the deposit on chain and tops it up where it really is too small. spent is what the payee says is
// used up of our own voucher: it makes room in the deposit, and is not signed.
func (p *payment) deepen(ctx context.Context, spent voucher.Amount) (bool, error) {
	if grown := p.account.State().Deposit; p.deepest.Less(grown) {
		p.deepest = grown // requests that share a channel also share what one of them puts in
	} else if p.corrected++; p.corrected > maxCorrected {
		return false, nil
	}
	if _, err := p.s.settle(ctx, p.account); err != nil {
		return false, err
	}
	view := func() rule.State {
		s := p.claim.Without()
		s.Claimed = s.Claimed.Max(spent)
		return s
	}
	need := ask(p.known.offer)
	if ready, err := p.covered(view(), need); err != nil {
		return false, err
	} else if !ready {
		if err := p.topUp(ctx, p.account, need, view); err != nil {
			return false, err
		}
	}
	return true, p.prepare(ctx, p.known)
}

// repriced answers a fresh challenge with another price: the claim is decided again at the new price, under
// the same limits.
func (p *payment) repriced(ctx context.Context, fresh *known) (bool, error) {
	if p.freshened++; p.freshened > maxFreshened {
		return false, nil
	}
	return true, p.prepare(ctx, fresh)
}

// openingRefused goes on after the opening was refused: the channel may exist all the same.
func (p *payment) openingRefused(ctx context.Context, fresh *known, problem wire.Problem) (bool, error) {
	acknowledged, repriced := false, p.known.offer.Price.Less(fresh.offer.Price)
	if snap := fresh.offer.Snapshot; snap != nil && snap.ChannelID == p.account.ID() && snap.Report.Accepted == p.signed.Cumulative {
		acknowledged = true
	}
	if !acknowledged {
		state, err := p.s.settle(ctx, p.account)
		if err != nil {
			return false, err
		}
		acknowledged = state.Phase() == channel.Open
	}
	switch {
	case acknowledged && repriced:
		p.opened(ctx)
		return p.repriced(ctx, fresh)
	case acknowledged:
		p.opened(ctx)
		p.known = fresh
		if p.corrected++; p.corrected > maxCorrected {
			return false, nil
		}
		return true, nil
	case repriced:
		return false, nil // an opening goes with the price that was agreed to
	}
	p.known = fresh
	if (problem.Code.Stale() || problem.Code == wire.ProblemNone) && p.freshened < maxFreshened {
		p.freshened++
		return true, nil // the same transaction against the fresh challenge
	}
	return false, nil
}

// gone puts a channel aside that its payee no longer takes, and asks once more without it. Its record
// stays; where the chain says that it still holds money, it is listed until it is closed.
func (p *payment) gone(ctx context.Context, status int) (bool, error) {
	account := p.account
	if st := account.State(); p.openTx == nil && st.Accepted.IsZero() && time.Since(st.CreatedAt) < young && p.overtaken < maxEarly {
		return true, p.stepAside(ctx)
	}
	p.claim.Release()
	p.s.unhint(p.origin, account.ID())
	state := account.State()
	if p.s.cfg.Chain != nil {
		if after, err := p.s.settle(ctx, account); err == nil {
			state = after
		}
	}
	if state.Phase() != channel.Closed {
		if err := account.Update(ctx, rule.State.Abandoned); err != nil {
			return false, err
		}
		p.s.tell(ctx, Event{Kind: EventGone, Origin: p.origin, ChannelID: account.ID(), Deposit: state.Deposit})
	}
	if p.regone || p.openTx != nil {
		return false, nil // one opening a request
	}
	p.regone = true
	p.part(ctx, status)
	p.account, p.openTx, p.signed = nil, nil, voucher.Signed{}
	return true, nil
}

// openedEmpty asks once more where the opening was taken but brought no content: some servers answer it
// with 204 and charge nothing. The voucher that opened covers the second sending.
func (p *payment) openedEmpty(ctx context.Context, resp *http.Response) (bool, error) {
	if resp.StatusCode != http.StatusNoContent || p.openTx == nil || !p.out.repeatable {
		return false, nil
	}
	r := p.reconcile(ctx, resp)
	charged := r != nil && r.Session && !r.Spent.IsZero()
	get := p.out.req.Method == http.MethodGet || p.out.req.Method == ""
	if charged || (!get && (r == nil || !r.Session)) {
		return false, nil // it was content, or may have been: nothing is done twice
	}
	p.opened(ctx)
	return true, nil
}

// maxProblem bounds how much of a problem body is read.
const maxProblem = 64 << 10

// readProblem reads the problem details of an answer and leaves its body as it was.
func readProblem(resp *http.Response) wire.Problem {
	if !strings.HasPrefix(strings.ToLower(resp.Header.Get("Content-Type")), "application/problem+json") {
		return wire.Problem{}
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxProblem))
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(strings.NewReader(string(text)), resp.Body), resp.Body}
	if err != nil {
		return wire.Problem{}
	}
	problem, _ := wire.ParseProblem(resp.Header.Get("Content-Type"), text)
	return problem
}
