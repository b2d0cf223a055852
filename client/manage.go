package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/internal/wire"
	"github.com/seed-5fe1f529/tallystick/receipt"
)

// answer is what a payee said to a management request: a voucher, top-up or close that goes without
// content.
type answer struct {
	status  int
	problem wire.Problem
	receipt *receipt.Receipt
	// fresh is the challenge that came with a refusal; nil where none did.
	fresh *known
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
	return fmt.Errorf("%w: status %d %s %s", ErrRejected, a.status, a.problem.Name(), a.problem.Detail)
}

var (
	headFirst = []string{http.MethodHead, http.MethodPost}
	postFirst = []string{http.MethodPost, http.MethodHead}
)

// order is how a management request for this payment is sent. HEAD is management on every server, so
// it goes first where the URL has a query (a POST would be taken for content) or the request was a GET or HEAD;
// otherwise an empty POST.
func (p *payment) order() []string {
	if m := p.out.req.Method; p.out.req.URL.RawQuery != "" || m == "" || m == http.MethodGet || m == http.MethodHead {
		return headFirst
	}
	return postFirst
}

// manage sends a credential without content to the payment's URL. credential writes it for a challenge, and is
// called again, for the fresh one, where the first was stale. Where a method is not allowed the next is
// tried.
func (p *payment) manage(ctx context.Context, methods []string, credential func(*known) (string, error)) (answer, error) {
	var a answer
	var err error
	agreed := p.known
	defer func() {
		if p.known.offer.Price != agreed.offer.Price {
			p.known = agreed // another price is for the request to answer, after consent
		}
	}()
	for i, stale := 0, 0; i < len(methods); {
		if a, err = p.manageBy(ctx, methods[i], credential); err != nil {
			return a, err
		}
		switch {
		case a.ok():
			return a, nil
		case a.status == http.StatusNotFound, a.status == http.StatusMethodNotAllowed, a.status == http.StatusNotImplemented:
			i++
		case a.fresh != nil && a.fresh.challenge.ID != p.known.challenge.ID && rule.SameTerms(a.fresh.offer, p.known.offer) && stale == 0:
			stale++
			p.known = a.fresh
		default:
			return a, nil
		}
	}
	return a, nil
}

func (p *payment) manageBy(ctx context.Context, method string, credential func(*known) (string, error)) (answer, error) {
	value, err := credential(p.known)
	if err != nil {
		return answer{}, err
	}
	u := *p.out.req.URL
	u.Fragment, u.RawFragment = "", ""
	req, err := retryablehttp.NewRequestWithContext(ctx, method, u.String(), nil)
	if err != nil {
		return answer{}, errors.New("client: the management request could not be made")
	}
	req.Host = p.out.req.Host
	req.Header.Set(wire.HeaderAcceptPayment, acceptSession[0])
	// A caller's own Authorization goes along where the credential travels in a header of its own.
	name := p.known.challenge.CredentialHeader()
	if own := p.out.req.Header.Get("Authorization"); own != "" && name != wire.HeaderAuthorization {
		req.Header.Set(wire.HeaderAuthorization, own)
	}
	req.Header.Set(name, value)
	resp, err := p.s.manager(p.out.base).Do(req)
	if err != nil {
		return answer{}, fmt.Errorf("client: the management request to %s failed: %w", p.origin, unwrapURL(err))
	}
	defer resp.Body.Close()
	a := answer{status: resp.StatusCode, problem: readProblem(resp)}
	drain(resp.Body)
	if !a.ok() {
		a.fresh, _ = p.s.recognize(p.out.req, resp.Header)
		return a, nil
	}
	if text := resp.Header.Get(wire.HeaderPaymentReceipt); text != "" {
		r, err := receipt.Parse(text)
		if err == nil {
			err = p.bound(r)
		}
		if err != nil {
			p.tellViolation(ctx, err)
		} else {
			a.receipt = &r
		}
	}
	return a, nil
}

const (
	managementTries = 2 // after the first
	managementWait  = time.Second
)

// manager sends management requests. They carry the same bytes each time and are idempotent by the
// protocol, so they are sent again when a connection breaks or a server is busy; never for longer than the
// bounds above, whatever Retry-After says, and never across a redirect.
func (s *Session) manager(base http.RoundTripper) *retryablehttp.Client {
	return &retryablehttp.Client{
		HTTPClient: &http.Client{
			Transport:     s.unlimited(base),
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		RetryWaitMin: 50 * time.Millisecond, RetryWaitMax: managementWait, RetryMax: managementTries,
		CheckRetry:   retryManagement,
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
