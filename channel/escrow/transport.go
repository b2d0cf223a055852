package escrow

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

// Bounds of what a node can cost us.
const (
	maxResends = 3       // sends after the first
	maxAnswer  = 4 << 20 // bytes of a response body
)

// waits are the pauses of a client. Tests shorten them.
type waits struct {
	attempt            time.Duration // one HTTP exchange, body included
	retryMin, retryMax time.Duration // between attempts, whatever Retry-After says
	poll               time.Duration // between look-ups of a receipt
	confirm            time.Duration // the longest wait for a receipt
}

var defaultWaits = waits{
	attempt: 10 * time.Second, retryMin: 100 * time.Millisecond, retryMax: time.Second,
	poll: 200 * time.Millisecond, confirm: time.Minute,
}

// repeatable marks the context of a request that may be sent again as it is: a read, or the raw bytes of
// a transaction. Without the mark a request is sent once.
type repeatable struct{}

// newHTTPClient sends marked requests again where an answer may yet come. A redirect is an answer, not a
// thing to follow: it would carry the node's credentials and signed bytes elsewhere.
func newHTTPClient(base http.RoundTripper, w waits) *http.Client {
	retrying := &retryablehttp.Client{
		HTTPClient:   &http.Client{Transport: bounded{base}, CheckRedirect: stay, Timeout: w.attempt},
		Logger:       nil, // the default one prints URLs with their queries
		RetryWaitMin: w.retryMin,
		RetryWaitMax: w.retryMax,
		RetryMax:     maxResends,
		CheckRetry:   shouldResend,
		Backoff:      backoff,
		ErrorHandler: retryablehttp.PassthroughErrorHandler,
	}
	return &http.Client{Transport: &retryablehttp.RoundTripper{Client: retrying}, CheckRedirect: stay}
}

func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// shouldResend never returns an error of its own: a response beside an error would be lost unclosed.
func shouldResend(ctx context.Context, resp *http.Response, err error) (bool, error) {
	if ctx.Err() != nil || ctx.Value(repeatable{}) == nil || errors.Is(err, errTooLarge) {
		return false, nil
	}
	again, _ := retryablehttp.DefaultRetryPolicy(ctx, resp, err)
	return again, nil
}

// backoff is the library's, which takes any Retry-After at its word, kept within longest.
func backoff(shortest, longest time.Duration, attempt int, resp *http.Response) time.Duration {
	wait := retryablehttp.DefaultBackoff(shortest, longest, attempt, resp)
	if wait < shortest {
		return shortest // also what overflowed
	}
	return min(wait, longest)
}

// errTooLarge: the node's answer is longer than maxAnswer.
var errTooLarge = errors.New("answer too large")

// bounded ends response bodies at maxAnswer bytes with an error.
type bounded struct{ base http.RoundTripper }

// RoundTrip is that of base.
func (b bounded) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := b.base.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	resp.Body = &boundedBody{resp.Body, maxAnswer}
	return resp, nil
}

type boundedBody struct {
	io.ReadCloser
	left int
}

func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooLarge
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}
