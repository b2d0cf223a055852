package escrow

import (
	"bytes"
	"context"
	"encoding/json"
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
	others             time.Duration // for other nodes, after one has answered
	limited            time.Duration // before a search that a node limits goes on; it doubles
}

var defaultWaits = waits{
	attempt: 10 * time.Second, retryMin: 100 * time.Millisecond, retryMax: time.Second,
	poll: 200 * time.Millisecond, confirm: time.Minute,
	others: 500 * time.Millisecond, limited: time.Second,
}

// repeatable marks the context of a request that may be sent again as it is: a read, or the raw bytes of
// a transaction. Without the mark a request is sent once.
type repeatable struct{}

// newHTTPClient sends marked requests again where an answer may yet come. A redirect is an answer, not a
// thing to follow: it would carry the node's credentials and signed bytes elsewhere.
func newHTTPClient(base http.RoundTripper, w waits) *http.Client {
	retrying := &retryablehttp.Client{
		HTTPClient:   &http.Client{Transport: noticing{bounded{base}}, CheckRedirect: stay, Timeout: w.attempt},
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
	if resp != nil && resp.Header.Get(limitedHeader) != "" {
		return true, nil
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

// noticing marks answers in which a node limits the rate with a JSON-RPC error inside HTTP 200, so that they
// are sent again like those with HTTP 429.
type noticing struct{ base http.RoundTripper }

// limitedHeader marks such an answer. Nodes cannot set it.
const limitedHeader = "Tallystick-Limited"

// RoundTrip is that of base.
func (l noticing) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := l.base.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	resp.Header.Del(limitedHeader)
	if resp.StatusCode != http.StatusOK {
		return resp, nil
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body = &readBody{bytes.NewReader(body), err, resp.Body}
	if err == nil && limitedIn(body) {
		resp.Header.Set(limitedHeader, "1")
		if bytes.HasPrefix(bytes.TrimSpace(body), []byte("{")) { // perhaps for a whole batch
			resp.StatusCode, resp.Status = http.StatusTooManyRequests, errLimited.Error()
		}
	}
	return resp, nil
}

// readBody is a body that was read, and how that ended.
type readBody struct {
	text *bytes.Reader
	err  error
	io.Closer
}

func (b *readBody) Read(p []byte) (int, error) {
	n, err := b.text.Read(p)
	if err == io.EOF && b.err != nil {
		return n, b.err
	}
	return n, err
}

// limitedIn reports whether a JSON-RPC answer, or one of a batch, limits the rate.
func limitedIn(body []byte) bool {
	if !bytes.Contains(body, []byte(`"error"`)) {
		return false
	}
	type answer struct {
		Error *struct {
			Code    int    `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	var all []answer
	if json.Unmarshal(body, &all) != nil {
		all = make([]answer, 1)
		if json.Unmarshal(body, &all[0]) != nil {
			return false
		}
	}
	for _, one := range all {
		if one.Error != nil && limits(one.Error.Code, one.Error.Message) {
			return true
		}
	}
	return false
}
