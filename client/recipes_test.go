package client_test

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/hashicorp/go-retryablehttp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/internal/bubble"
)

// What follows is in docs/recipes.md, word by word.

// Retrying returns a client that makes a failed request again. All of its tries are one purchase.
func Retrying(session *client.Session) *http.Client {
	retry := retryablehttp.NewClient()
	retry.HTTPClient = session.Client()
	retry.Logger = nil // it logs URLs
	retry.ErrorHandler = retryablehttp.PassthroughErrorHandler
	retry.CheckRetry = func(ctx context.Context, resp *http.Response, err error) (bool, error) {
		var payment *client.Error
		if ctx.Err() == nil && errors.As(err, &payment) {
			switch payment.Outcome {
			case client.OutcomeUnknown, client.OutcomeAcceptedNoContent:
				// The tries have one key, so it is paid once.
				return !errors.Is(err, client.ErrPaidBefore) && !errors.Is(err, channel.ErrLimit), nil
			}
			return payment.Retryable(), nil
		}
		return retryablehttp.DefaultRetryPolicy(ctx, resp, err)
	}
	return &http.Client{Transport: oneKey{&retryablehttp.RoundTripper{Client: retry}}}
}

// oneKey gives all tries of a request one Idempotency-Key.
type oneKey struct{ retry http.RoundTripper }

func (k oneKey) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Header.Get("Idempotency-Key") == "" {
		req = req.Clone(req.Context())
		req.Header.Set("Idempotency-Key", rand.Text())
	}
	return k.retry.RoundTrip(req)
}

// TestRetryingClient: what a server answers in between costs one price, what limits refuse is not
// tried again, and a new request is a new purchase.
func TestRetryingClient(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		srv, p, l := offline(t, clienttest.Config{})
		s := sells(srv, "/shop")
		dear := clienttest.Terms{Price: u(5000), Deposit: u(100_000)}
		srv.Handle("/dear", srv.Paid(dear, http.NotFoundHandler()))
		c := Retrying(p.session)
		failures := []string{"503", "reset", "charged and 503", "charged and reset", ""}
		for i, failure := range failures {
			failed := false
			l.answer = func(_ int, sent sent) (*http.Response, error) {
				key := sent.Header.Get("Idempotency-Key")
				if sent.Paid == nil || failed {
					s.says(key, 0)
					return nil, nil
				}
				failed = true
				switch failure {
				case "503":
					return reply(http.StatusServiceUnavailable, ""), nil
				case "reset":
					return nil, errBroken
				case "charged and 503":
					s.says(key, http.StatusServiceUnavailable)
				case "charged and reset":
					s.says(key, broken)
				}
				return nil, nil
			}
			resp, err := c.Post(srv.URL+"/shop", "text/plain", strings.NewReader("order"))
			assert.True(t, strings.HasPrefix(p.ok(resp, err), "sold"), failure)
			assert.Equal(t, client.OutcomeAccepted, client.PaymentOf(resp).Outcome)
			assert.Equal(t, u(uint64(100*(i+1))), p.agree().Signed, failure) //nolint:gosec // small
		}
		assert.Len(t, s.charged, len(failures))

		n := len(l.all())
		_, err := c.Get(srv.URL + "/dear")
		var limit *channel.LimitError
		require.ErrorAs(t, err, &limit)
		assert.Len(t, l.all(), n+1, "asked once, and not again")
	})
}
