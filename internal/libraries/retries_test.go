package libraries

import (
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-retryablehttp"
	"github.com/openai/openai-go/v3/option"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
)

// failing gives the first n requests with a voucher a fault.
func (a *api) failing(n int64, f clienttest.Fault) {
	var left atomic.Int64
	left.Store(n)
	a.OnRequest(func(r clienttest.Request) clienttest.Fault {
		if r.Action == "voucher" && left.Add(-1) >= 0 {
			return f
		}
		return clienttest.Fault{}
	})
}

// patient are the libraries with the tries that they make by default, fast.
var patient = map[string]struct {
	tries uint64
	above func(a *api, s *client.Session) caller
}{
	"openai-go": {3, func(a *api, s *client.Session) caller {
		return official(a.URL, s.Client(), option.WithMaxRetryDelay(time.Millisecond))
	}},
	"go-openai": {1, func(a *api, s *client.Session) caller { return community(a.URL, s.Client()) }},
	"go-retryablehttp": {5, func(a *api, s *client.Session) caller {
		c := retrying(s)
		c.RetryWaitMin, c.RetryWaitMax = time.Millisecond, time.Millisecond
		return direct(a.URL, c.StandardClient())
	}},
}

// faults are answers to a paid request, and how often each is charged.
var faults = map[string]struct {
	clienttest.Fault
	charged uint64
}{
	"429 before the charge":       {clienttest.Fault{Refuse: 429}, 0},
	"500 after the charge":        {clienttest.Fault{FailAfter: 500}, 1},
	"connection reset afterwards": {clienttest.Fault{LoseAnswer: true}, 1},
}

// TestRetriesOfALibraryArePurchases: what a library sends again is another request to the client,
// and may be charged again: as often as the library tries, and no more.
func TestRetriesOfALibraryArePurchases(t *testing.T) {
	for name, lib := range patient {
		for what, fault := range faults {
			t.Run(name+", "+what, func(t *testing.T) {
				a := newAPI(t, separate)
				s := newSession(t, a.Server)
				c := lib.above(a, s)
				_, err := c.whole(t.Context()) // opens the channel
				require.NoError(t, err)

				a.failing(1, fault.Fault)
				_, err = c.whole(t.Context())
				charged := 1 + fault.charged
				if lib.tries == 1 {
					require.Error(t, err)
				} else {
					require.NoError(t, err, "the second try is served")
					charged++
				}
				assert.Equal(t, u(charged*price), a.Accounts()[0].Spent)

				a.failing(1000, fault.Fault)
				_, err = c.whole(t.Context())
				require.Error(t, err)
				charged += lib.tries * fault.charged
				assert.Equal(t, u(charged*price), a.Accounts()[0].Spent)

				a.failing(0, fault.Fault)
				_, err = c.whole(t.Context())
				require.NoError(t, err)
				assert.Equal(t, u((charged+1)*price), spent(t, a, s), "what was not charged is given back")
			})
		}
	}
}

// TestBudgetBoundsTheRetries: a budget in the context holds for all tries of a library together.
func TestBudgetBoundsTheRetries(t *testing.T) {
	for name, lib := range patient {
		for what, fault := range faults {
			t.Run(name+", "+what, func(t *testing.T) {
				a := newAPI(t, separate)
				s := newSession(t, a.Server)
				c := lib.above(a, s)
				_, err := c.whole(t.Context())
				require.NoError(t, err)
				a.failing(1000, fault.Fault)
				token := channel.Asset{ChainID: a.ChainID, Token: a.Token}
				ctx := client.WithBudget(t.Context(), client.NewBudget(token, u(price)))
				_, err = c.whole(ctx)
				require.Error(t, err)
				assert.Equal(t, u((1+fault.charged)*price), a.Accounts()[0].Spent, "once")
				if lib.tries > 1 {
					assert.ErrorIs(t, err, channel.ErrLimit)
				}
			})
		}
	}
}

// TestOneHeaderForKeyAndPayment: a server that names no header for the credential gets it in
// Authorization, instead of the API's key. One that wants the key, too, refuses every paid request.
// Nothing is charged and no deposit is made.
func TestOneHeaderForKeyAndPayment(t *testing.T) {
	a := newAPI(t, clienttest.Config{})
	s := newSession(t, a.Server)
	before := a.Chain.Balance(a.Payee)
	for range 2 {
		_, err := official(a.URL, s.Client(), option.WithMaxRetries(0)).whole(t.Context())
		assert.ErrorContains(t, err, "401")
		var e *client.Error
		assert.False(t, errors.As(err, &e), "it is the server's answer")
	}
	assert.EqualValues(t, 2, a.keyless.Load())
	assert.Empty(t, a.Accounts())
	assert.Equal(t, before, a.Chain.Balance(a.Payee))
	for c, err := range s.Channels().All(t.Context()) {
		require.NoError(t, err)
		assert.Equal(t, channel.Opening, c.Phase)
		assert.False(t, a.Chain.Channel(c.ID).Exists)
	}
}

// TestCarefulRetries: with the policy of docs/recipes.md, go-retryablehttp sends again what was not
// paid for certain, and nothing else.
func TestCarefulRetries(t *testing.T) {
	for what, one := range map[string]struct {
		clienttest.Fault
		action  string
		tries   int
		charged uint64
	}{
		"429 to the unpaid request":   {clienttest.Fault{Refuse: 429}, "", 5, 0},
		"429 to the paid request":     {clienttest.Fault{Refuse: 429}, "voucher", 1, 0},
		"500 after the charge":        {clienttest.Fault{FailAfter: 500}, "voucher", 1, 1},
		"connection reset afterwards": {clienttest.Fault{LoseAnswer: true}, "voucher", 1, 1},
	} {
		t.Run(what, func(t *testing.T) {
			a := newAPI(t, separate)
			s := newSession(t, a.Server)
			c := careful(s)
			c.Logger, c.RetryWaitMin, c.RetryWaitMax = nil, time.Millisecond, time.Millisecond
			ask := direct(a.URL, c.StandardClient())
			if one.action != "" {
				_, err := ask.whole(t.Context())
				require.NoError(t, err)
			}
			before := len(a.Requests())
			a.OnRequest(func(r clienttest.Request) (f clienttest.Fault) {
				if r.Action == one.action {
					f = one.Fault
				}
				return f
			})
			_, err := ask.whole(t.Context())
			require.Error(t, err)
			assert.Len(t, a.Requests(), before+one.tries)
			var charged uint64
			for _, account := range a.Accounts() {
				charged = account.Units - 1
			}
			assert.Equal(t, one.charged, charged)
		})
	}
}

// TestReverseProxyAnswersForTheClient: a limit of the proxy's session is 502 to its callers.
func TestReverseProxyAnswersForTheClient(t *testing.T) {
	a := newAPI(t, separate)
	s := newSession(t, a.Server, func(c *client.Config) { c.Limits.Price = u(1) })
	_, err := direct(proxy(t, a.URL, s), http.DefaultClient).whole(t.Context())
	assert.ErrorContains(t, err, "502")
	assert.Empty(t, a.Accounts())
}

// TestOneKeyForAllTries: with one Idempotency-Key for all tries of a request a library authorizes
// one price, whatever becomes of the tries, and gets what limits refuse at once.
func TestOneKeyForAllTries(t *testing.T) {
	libraries := map[string]func(a *api, c *http.Client) caller{
		"openai-go": func(a *api, c *http.Client) caller {
			return official(a.URL, c, option.WithMaxRetries(0))
		},
		"go-openai":        func(a *api, c *http.Client) caller { return community(a.URL, c) },
		"go-retryablehttp": func(a *api, c *http.Client) caller { return direct(a.URL, c) },
	}
	for name, above := range libraries {
		for what, fault := range faults {
			t.Run(name+", "+what, func(t *testing.T) {
				a := newAPI(t, separate)
				s := newSession(t, a.Server)
				c := Retrying(s)
				//nolint:forcetypeassert // as Retrying builds it
				retry := c.Transport.(oneKey).retry.(*retryablehttp.RoundTripper).Client
				retry.RetryWaitMin, retry.RetryWaitMax = time.Millisecond, time.Millisecond
				lib := above(a, c)
				_, err := lib.whole(t.Context()) // opens the channel
				require.NoError(t, err)

				a.failing(2, fault.Fault)
				_, err = lib.whole(t.Context())
				if fault.charged == 0 {
					require.NoError(t, err)
				} else {
					require.Error(t, err, "this server does not know the key, and wants more")
				}
				assert.Equal(t, u(2*price), a.Accounts()[0].Accepted)
				assert.Equal(t, u(2*price), a.Accounts()[0].Spent)

				got, err := lib.streamed(t.Context())
				require.NoError(t, err)
				assert.Equal(t, strings.Join(words, " "), got)

				a.failing(0, fault.Fault)
				asked := len(a.Requests())
				ctx := client.WithLimits(t.Context(), channel.Limits{Price: u(1)})
				_, err = lib.whole(ctx)
				require.ErrorIs(t, err, channel.ErrLimit)
				assert.LessOrEqual(t, len(a.Requests()), asked+1, "it is not tried again")
			})
		}
	}
}
