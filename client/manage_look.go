package client

import (
	"context"
	"fmt"
	"net/http"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/ledger"
	"github.com/seed-5fe1f529/tallystick/internal/purchase"
)

// managing returns the attempt that carries a management request without a request of the caller's: to
// where the channel was opened, under a challenge of the same terms. verb says what for, in errors.
func (s *Session) managing(ctx context.Context, account *ledger.Account, verb string) (*attempt, error) {
	state := account.State()
	if state.URL == "" {
		return nil, fmt.Errorf("client: channel %s has no URL to %s at: Channels.Import gives it one", state.ID, verb)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, state.URL, nil)
	if err != nil {
		return nil, err
	}
	a := &attempt{
		s: s, out: fork(req, s.cfg.Base, 0, false), account: account, info: &Payment{},
		bought: &bought{decision: new(purchase.Purchase)},
	}
	if a.origin, err = originOf(req.URL); err == nil {
		err = givenHeader(ctx, req, a.origin.Text)
	}
	if err == nil {
		a.challenge, err = a.challengeToManage(ctx, verb)
	}
	if err != nil {
		return nil, err
	}
	if !sameScope(a.challenge.scope, state.Scope) {
		return nil, fmt.Errorf("%w: %s offers other terms now than channel %s was opened for", channel.ErrOffer, a.origin.Text, state.ID)
	}
	a.absorb(ctx, a.challenge.offer)
	return a, nil
}

// challengeToManage asks for a challenge: the request is sent unpaid, by HEAD, by GET if that brings
// none, and without a body by POST, which is how the credential will go, if the URL serves nothing else.
func (a *attempt) challengeToManage(ctx context.Context, verb string) (*challenge, error) {
	ctx, cancel := context.WithTimeout(ctx, managementWait)
	defer cancel()
	req, last := a.out.req, 0
	for _, req.Method = range []string{http.MethodHead, http.MethodGet, http.MethodPost} {
		status, h, err := a.look(ctx, a.account.ID().Hex())
		if err != nil {
			return nil, err
		}
		if last = status; status != http.StatusPaymentRequired {
			continue
		}
		if r := a.s.recognize(ctx, req, a.origin, h); r.found != nil || r.err != nil {
			a.route = routeKey{origin: a.origin.Text, method: req.Method, path: a.out.at.EscapedPath()}
			req.Method = http.MethodPost
			return r.found, r.err
		}
	}
	return nil, fmt.Errorf(
		"%w: %s sends no challenge to %s a channel under (status %d); "+
			"if it wants a key, give its header (client.WithHeader, or -H of tally)",
		ErrRejected, a.origin.Text, verb, last,
	)
}

// sameScope compares the scope of an offer with that of a record, which may spell its origin in an
// older way.
func sameScope(now, stored channel.Scope) bool {
	now.Origin, stored.Origin = "", ""
	return now == stored
}
