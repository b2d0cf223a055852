package client_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
)

// moods are what a payee, or the way to it, makes of one credential.
var moods = []string{
	"serves", "serves", "fails", "charges and fails", "breaks", "charges and breaks", "refuses",
	"wants more", "is behind", "serves half",
}

// moody is a shop whose moods change at random.
type moody struct {
	*shop
	mu sync.Mutex // guards r and calm
	r  *rand.Rand
	// calm makes it serve.
	calm bool
}

// mood returns the next mood.
func (m *moody) mood() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.calm {
		return "serves"
	}
	return moods[m.r.IntN(len(moods))]
}

// answer acts the mood on a request with a credential.
func (m *moody) answer(p *payer, l *liar) func(int, sent) (*http.Response, error) {
	return func(_ int, s sent) (*http.Response, error) {
		if s.Paid == nil {
			return nil, nil
		}
		key := s.Header.Get("Idempotency-Key")
		m.says(key, 0)
		switch m.mood() {
		case "fails":
			return reply(http.StatusInternalServerError, ""), nil
		case "charges and fails":
			m.says(key, http.StatusInternalServerError)
		case "breaks":
			return nil, errBroken
		case "charges and breaks":
			m.says(key, broken)
		case "serves half":
			m.says(key, http.StatusPartialContent) // the liar breaks it, see randomRetries
		case "refuses":
			return refusal(http.StatusPaymentRequired, "", nil), nil
		case "wants more":
			return wants("session/insufficient-balance", "/shop")(p, l, s), nil
		case "is behind":
			return wants("verification-failed", "/shop")(p, l, s), nil
		}
		return nil, nil
	}
}

// TestRandomRetries: whatever becomes of the tries of some requests with keys, in whatever order
// and at the same time, what was signed is at most one price for each key, the budget of the run
// counts one price for each key, and in the end a payee that knows its keys has served each of
// them, for one price.
func TestRandomRetries(t *testing.T) {
	for seed := range uint64(12) {
		for _, knows := range []bool{true, false} {
			t.Run(fmt.Sprintf("seed %d, knows its keys %t", seed, knows), func(t *testing.T) {
				t.Parallel()
				randomRetries(t, seed, knows)
			})
		}
	}
}

func randomRetries(t *testing.T, seed uint64, knows bool) {
	const keys, tries = 5, 30
	r := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // reproducible on purpose
	srv := clienttest.New(t, clienttest.Config{})
	moods := rand.New(rand.NewPCG(seed, 2)) //nolint:gosec // as above
	m := &moody{shop: sells(srv, "/shop"), r: moods}
	m.forgets = !knows
	var d diary
	p := newPayer(t, srv, d.kept)
	if r.IntN(2) == 0 {
		p.ok(p.keyed(t.Context(), "before", "/shop", nil)) // else the first try opens the channel
	}
	before := p.signed()
	l := p.lied()
	l.answer = m.answer(p, l)
	l.after = func(_ int, s sent, resp *http.Response) {
		if s.Paid != nil && resp.StatusCode == http.StatusPartialContent {
			rewrite(resp, http.StatusOK, "")
			resp.Body = io.NopCloser(brokenBody{})
		}
	}
	run := client.NewBudget(asset(srv), u(100_000))
	ctx := client.WithBudget(t.Context(), run)
	used, served := map[string]bool{}, map[string]bool{}
	var mu sync.Mutex // guards served
	try := func(key string) {
		var body io.Reader
		if key > "2" {
			body = strings.NewReader("order " + key)
		}
		resp, err := p.keyed(ctx, key, "/shop", body)
		if err != nil {
			var e *client.Error
			if errors.As(err, &e) {
				unpaid := e.Outcome != client.OutcomeUnknown && e.Outcome != client.OutcomeAcceptedNoContent
				assert.Equal(t, unpaid, e.Retryable(), "%v", e)
			}
			return
		}
		defer resp.Body.Close()
		_, err = io.Copy(io.Discard, resp.Body)
		if err == nil && resp.StatusCode == http.StatusOK {
			mu.Lock()
			served[key] = true
			mu.Unlock()
		}
	}
	check := func() {
		most := uint64(100 * len(used)) //nolint:gosec // small
		signed, taken := p.signedAbove(before), u(100_000).SubFloor(run.Left())
		assert.False(t, u(most).Less(signed), "signed %s for %d keys", signed, len(used))
		assert.False(t, u(most).Less(taken), "the budget counts %s for %d keys", taken, len(used))
		assert.False(t, taken.Less(signed), "the budget counts %s, signed %s", taken, signed)
	}
	for range tries {
		var together sync.WaitGroup
		for range 1 + r.IntN(3) {
			key := fmt.Sprint(r.IntN(keys))
			used[key] = true
			together.Go(func() { try(key) })
		}
		together.Wait()
		check()
	}
	m.calm = true
	for key := range used {
		for range 3 {
			try(key)
		}
	}
	check()
	if knows {
		assert.Len(t, served, len(used), "served %v of %v", served, used)
		for key := range used {
			assert.Equal(t, 1, m.charged[key], "key %s", key)
		}
		taken := u(100_000).SubFloor(run.Left())
		assert.Equal(t, u(uint64(100*len(used))), taken) //nolint:gosec // small
	}
	require.NoError(t, p.session.Close(t.Context()))
	p.sync()
	d.reconciles(p)
}

// brokenBody is a body whose connection broke.
type brokenBody struct{}

func (brokenBody) Read([]byte) (int, error) { return 0, errBroken }
