package client_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
)

// TestBodyThatFailsAfterARefusal: the payee refused, and the body for the next try cannot be made.
// The outcome of the payment is known, and its budget stays charged: a refused voucher can be
// settled.
func TestBodyThatFailsAfterARefusal(t *testing.T) {
	lost := errors.New("the file is gone")
	for name, c := range map[string]struct {
		refusal turn
		bodies  int    // that can be made
		signed  uint64 // for the request
	}{
		"stale":             {wants("invalid-challenge", "/data"), 1, 100},
		"expired":           {wants("payment-expired", "/data"), 1, 100},
		"no problem":        {wants("", "/data"), 1, 100},
		"other protocol":    {wants("payment-required", "/v1/data"), 1, 200},
		"lower price":       {wants("payment-required", "/data", priceIs("60")), 1, 100},
		"channel not found": {unknown("session/channel-not-found"), 1, 100},
		"stale, twice":      {wants("invalid-challenge", "/data"), 2, 100},
	} {
		t.Run(name, func(t *testing.T) {
			srv := clienttest.New(t, clienttest.Config{})
			p := newPayer(t, srv)
			p.get("/data")
			p.get("/v1/data")
			budget := client.NewBudget(asset(srv), u(1000))
			ctx := client.WithBudget(t.Context(), budget)
			l := p.follow(serves, c.refusal)
			req := p.request(ctx, http.MethodPost, "/data", strings.NewReader("x"))
			made := 0
			req.GetBody = func() (io.ReadCloser, error) {
				if made++; made > c.bodies {
					return nil, lost
				}
				return io.NopCloser(strings.NewReader("x")), nil
			}
			e := p.refused(p.send(req))
			require.ErrorIs(t, e, lost)
			assert.Equal(t, client.OutcomeRejected, e.Outcome)
			assert.Equal(t, u(200), e.Cumulative)
			assert.Equal(t, u(1000-c.signed), budget.Left())
			assert.NotEmpty(t, l.spenders())
		})
	}
}
