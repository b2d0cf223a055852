package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	"github.com/seed-5fe1f529/tallystick/internal/wire"
	"github.com/seed-5fe1f529/tallystick/receipt"
)

// answer is a payee's answer to a management request: a voucher, top-up or close without content.
type answer struct {
	status  int
	problem wire.Problem
	receipt *receipt.Receipt
	method  string // of the request
	// bare reports that an acceptance came without a receipt, challenged that a refusal came with a
	// challenge of the protocol, whether it can be answered or not.
	bare, challenged bool
	// displaced reports a 401 to a credential in place of the caller's Authorization.
	displaced bool
	// fresh is the challenge that came with a refusal; nil if none did.
	fresh *challenge
}

func (a answer) ok() bool { return a.status >= 200 && a.status < 300 }

// equalRefused reports whether the payee may have refused a voucher for being equal to the highest it has. The
// answer to a HEAD has no body to say so.
func (a answer) equalRefused() bool {
	return a.status == http.StatusPaymentRequired && (a.problem.Code == wire.ProblemDeltaTooSmall || a.problem.Code == wire.ProblemNone)
}

// err is why the request did not go through: the transport's error, or the payee's.
func (a answer) err(sent error) error {
	if sent != nil {
		return sent
	}
	if a.ok() {
		return nil
	}
	err := fmt.Errorf("%w: status %d %s %s", ErrRejected, a.status, a.problem.Name(), a.problem.Detail)
	if a.displaced {
		err = fmt.Errorf("%w: %w", err, ErrAuthorization)
	}
	return err
}

// manage sends a credential without content to the payment's URL. credential writes it for a challenge,
// and is called again, for the fresh one, if the first was stale. A fresh challenge is answered only if
// it has the terms that were agreed to; its price is for the request to answer, after consent. If
// something before the payee may have answered, the same credential goes by the next method. The
// requests are idempotent and none of them raises what is signed.
func (a *attempt) manage(ctx context.Context, methods []string, credential func(*challenge) (string, error)) (answer, error) {
	agreed := a.challenge
	defer func() {
		if a.challenge.offer.Price != agreed.offer.Price {
			a.challenge = agreed
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, managementWait)
	defer cancel()
	at := routeKey{origin: a.origin.Text, path: a.out.at.EscapedPath()}
	methods, bare := a.s.management.order(at, methods)
	var best answer
	for i, stale := 0, 0; i < len(methods); {
		got, err := a.manageBy(ctx, methods[i], credential)
		switch {
		case err != nil && best.ok():
			return best, nil // it was accepted
		case err != nil:
			return got, err
		case got.fresh != nil && got.fresh.wire.ID != a.challenge.wire.ID && agreed.sameBut(got.fresh) && stale == 0:
			stale++
			a.challenge = got.fresh
			continue
		}
		best = best.better(got)
		if i++; i < len(methods) && (!a.tryOther(got, methods[i]) || (got.ok() && bare)) {
			break
		}
	}
	if best.ok() {
		a.s.management.worked(at, best.method, best.bare)
	}
	return best, nil
}

// sameBut reports whether two challenges have the same terms, whatever their prices.
func (c *challenge) sameBut(other *challenge) bool {
	mine, theirs := c.wants, other.wants
	return mine.Terms == theirs.Terms && mine.Funding == theirs.Funding
}

// managementWait bounds one management request, with its retries and by both methods.
const managementWait = 30 * time.Second

func (a *attempt) manageBy(ctx context.Context, method string, credential func(*challenge) (string, error)) (answer, error) {
	value, err := credential(a.challenge)
	if err != nil {
		return answer{}, err
	}
	req, err := a.managementRequest(ctx, method, value)
	if err != nil {
		return answer{}, err
	}
	resp, err := a.manager().Do(req)
	if err != nil {
		return answer{}, fmt.Errorf("client: the management request to %s failed: %w", a.origin.Text, unwrapURL(err))
	}
	out := answer{method: method, status: resp.StatusCode, problem: problemOf(resp, readEarly(resp))}
	discard(resp)
	if !out.ok() {
		offered, malformed := wire.ParseChallenges(resp.Header)
		out.displaced = out.status == http.StatusUnauthorized && a.displaces(a.challenge.wire)
		out.challenged = len(offered) > 0 || malformed != nil
		out.fresh = a.s.recognize(ctx, a.out.req, a.origin, resp.Header).found
		return out, nil
	}
	text := resp.Header.Get(wire.HeaderPaymentReceipt)
	if out.bare = text == ""; !out.bare {
		r, err := receipt.Parse(text)
		out.receipt = a.checkReceipt(ctx, r, err)
	}
	return out, nil
}

// managementRequest returns a request with a credential and without content.
func (a *attempt) managementRequest(ctx context.Context, method, credential string) (*retryablehttp.Request, error) {
	u := *a.out.req.URL
	u.Fragment, u.RawFragment = "", ""
	req, err := retryablehttp.NewRequestWithContext(ctx, method, "", nil)
	if err != nil {
		return nil, errors.New("client: the management request could not be made")
	}
	req.URL, req.Host = &u, a.out.req.Host // as text an opaque URL may name another host
	req.Header = a.managementRequestHeader(acceptSession[0], header{a.challenge.wire.CredentialHeader(), credential})
	return req, nil
}

const (
	managementTries   = 2 // after the first
	managementBackoff = time.Second
)

// manager sends management requests. They carry the same bytes each time and are idempotent by the
// protocol, so they are sent again when a connection breaks or a server is busy; never for longer than the
// bounds above, whatever Retry-After says, and never across a redirect. The cookies of each answer go with
// the next.
func (a *attempt) manager() *retryablehttp.Client {
	return &retryablehttp.Client{
		HTTPClient: &http.Client{
			Transport:     a.s.unlimited(a.out.base),
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		RetryWaitMin: 50 * time.Millisecond, RetryWaitMax: managementBackoff, RetryMax: managementTries,
		CheckRetry:      retryManagement,
		ResponseLogHook: func(_ retryablehttp.Logger, resp *http.Response) { a.keepCookies(resp.Header) },
		PrepareRetry: func(req *http.Request) error {
			req.Header = req.Header.Clone() // the one that was sent may still be read
			a.addCookies(req.Header)
			return nil
		},
		Backoff:      cappedBackoff,
		ErrorHandler: retryablehttp.PassthroughErrorHandler,
	}
}

func retryManagement(ctx context.Context, resp *http.Response, err error) (bool, error) {
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	if err != nil {
		return true, nil
	}
	switch resp.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		text := readEarly(resp) // the body is drained before the next try, for as long as it lasts
		discard(resp)
		resp.Body = io.NopCloser(bytes.NewReader(text))
		return true, nil
	}
	return false, nil
}

func cappedBackoff(lo, hi time.Duration, attempt int, resp *http.Response) time.Duration {
	return min(retryablehttp.DefaultBackoff(lo, hi, attempt, resp), hi)
}

// unlimited returns a transport on which a voucher never waits for the connection of the stream that it
// pays for: an http.Transport with MaxConnsPerHost gets a twin without. Other round trippers are used as they
// are; one that bounds connections itself has to leave room for one more.
func (s *Session) unlimited(base http.RoundTripper) http.RoundTripper {
	t, ok := base.(*http.Transport)
	if !ok || t.MaxConnsPerHost == 0 {
		return base
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	twin := s.twins[t]
	if twin == nil {
		twin = t.Clone()
		twin.MaxConnsPerHost = 0
		s.twins[t] = twin
	}
	return twin
}

// unwrapURL takes the URL out of an error of net/http: its query may be secret.
func unwrapURL(err error) error {
	for {
		var u *url.Error
		if !errors.As(err, &u) {
			return err
		}
		err = u.Err
	}
}
