package client_test

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-retryablehttp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/internal/bubble"
	"github.com/seed-5fe1f529/tallystick/store/journal"
	"github.com/seed-5fe1f529/tallystick/voucher"
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

// Bill prints what the lines of a journal cost since a time, by origin and by run.
func Bill(ctx context.Context, w io.Writer, session *client.Session, dir string, since time.Time) error {
	spent, err := session.Spending(ctx, func(yield func(journal.Entry, error) bool) {
		for e, err := range journal.Read(ctx, dir) {
			if (err != nil || !e.End.Before(since)) && !yield(e, err) {
				return
			}
		}
	})
	for _, one := range spent { // one for each asset
		fmt.Fprintf(w, "%s of %s\n", one.Total.FormatTokens(6), one.Asset)
		for _, by := range []map[string]voucher.Amount{one.Origins, one.Runs} {
			for _, name := range slices.Sorted(maps.Keys(by)) {
				fmt.Fprintf(w, "  %s %s\n", by[name].FormatTokens(6), cmp.Or(name, "(no name)"))
			}
		}
	}
	return err // lines that cannot be read: the sums are of the others
}

// TestBill prints what was spent since a time.
func TestBill(t *testing.T) {
	dir := t.TempDir()
	file, err := journal.Open(dir, 0)
	require.NoError(t, err)
	defer file.Close()
	p := newPayer(t, clienttest.New(t, clienttest.Config{}), func(c *client.Config) { c.Journal = file })
	p.get("/data")
	p.ok(p.send(p.request(client.WithBudget(t.Context(), client.NewBudget(asset(p.srv), u(1000)).Named("nightly")), http.MethodGet, "/data", nil)))
	p.get("/data")
	var out strings.Builder
	require.NoError(t, Bill(t.Context(), &out, p.session, dir, time.Now().Add(time.Hour)))
	assert.Empty(t, out.String(), "nothing yet")
	require.NoError(t, Bill(t.Context(), &out, p.session, dir, time.Time{}))
	scope := p.only().Scope
	want := fmt.Sprintf("0.0003 of token %s on chain %d\n  0.0003 %s\n  0.0002 (no name)\n  0.0001 nightly\n", scope.Token, scope.ChainID, p.srv.URL)
	assert.Equal(t, want, out.String())
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
