package client_test

import (
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
)

var problems = []string{
	"", "no-such-type", "payment-required", "malformed-credential", "invalid-payload", "verification-failed", "invalid-challenge", "payment-expired",
	"payment-insufficient", "session/insufficient-balance", "session/amount-exceeds-deposit", "session/delta-too-small",
	"session/invalid-signature", "session/signer-mismatch", "session/challenge-not-found",
}

// TestServerThatNeverIsContent: whatever it says of the voucher, one request gives one price away at most, and
// the last 402 comes back to be read.
func TestServerThatNeverIsContent(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	for _, retries := range []int{1, 3, 10} {
		for _, known := range []bool{false, true} {
			for _, problem := range problems {
				var n pen
				p := newPayer(t, srv, n.counted, func(c *client.Config) { c.Retries = retries })
				before, paid := uint64(0), 0
				if known {
					p.get("/data")
					before, paid = 100, 1
				}
				l := p.lied()
				l.answer = func(_ int, s sent) (*http.Response, error) {
					if s.Paid == nil {
						return nil, nil
					}
					resp := reply(402, "")
					refuseWith(resp, p.unpaid("/data"), problem)
					return resp, nil
				}
				name := []any{"%s, %d retries, known %t", problem, retries, known}
				for request := uint64(1); request <= 3; request++ {
					sends := len(l.paid(""))
					resp, err := p.do(http.MethodGet, "/data", nil)
					require.NoError(t, err, name...)
					body, err := io.ReadAll(resp.Body)
					require.NoError(t, err)
					resp.Body.Close()
					assert.Equal(t, 402, resp.StatusCode)
					assert.Contains(t, string(body), problem, "the last answer can be read")
					assert.Equal(t, client.OutcomeRejected, client.PaymentOf(resp).Outcome, name...)
					assert.LessOrEqual(t, len(l.paid(""))-sends, 1+retries, name...)
					s := p.only()
					assert.False(t, u(before+100*request).Less(s.Authorized), "%s: %s after %d requests", problem, s.Authorized, request)
					assert.False(t, s.Authorized.Less(s.Claimed), name...)
					assert.Equal(t, u(10_000), s.Deposit, name...)
				}
				assert.EqualValues(t, 1, n.transactions.Load(), name...)
				assert.Len(t, p.events.of(client.EventPaid), 3+paid, name...)
			}
		}
	}
}

// TestSameChallengeAgain: a server that repeats its challenge gets nothing new.
func TestSameChallengeAgain(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	for _, problem := range problems {
		var n pen
		p := newPayer(t, srv, n.counted)
		p.get("/data")
		l := p.lied()
		asked := p.unpaid("/data")
		l.answer = func(int, sent) (*http.Response, error) {
			resp := reply(402, "")
			refuseWith(resp, asked, problem)
			return resp, nil
		}
		resp, err := p.do(http.MethodGet, "/data", nil)
		require.NoError(t, err)
		resp.Body.Close()
		assert.Equal(t, 402, resp.StatusCode)
		assert.False(t, u(200).Less(p.only().Authorized), problem)
		assert.LessOrEqual(t, n.vouchers.Load(), int64(2), problem)
	}
}

// TestAnswersWithoutAnotherChallenge after payment are the answer.
func TestAnswersWithoutAnotherChallenge(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	for name, header := range map[string][]string{
		"no challenge": nil,
		"another one":  {"WWW-Authenticate", `Payment id="1", realm="r", method="card", intent="charge", request="e30"`},
		"expired one":  {"WWW-Authenticate", `Payment id="1", realm="r", method="tempo", intent="session", request="e30", expires="2020-01-01T00:00:00Z"`},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPayer(t, srv)
			p.get("/data")
			l := p.lied()
			l.answer = func(int, sent) (*http.Response, error) { return reply(402, "no more", header...), nil }
			resp, err := p.do(http.MethodGet, "/data", nil)
			require.NoError(t, err)
			body, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			assert.Equal(t, "no more", string(body))
			assert.Len(t, l.all(), 1)
			l.answer = nil
			p.get("/data")
			assert.Equal(t, u(200), p.agree().Signed, "the voucher of the refused request pays for the next")
		})
	}
}

// TestStaleChallenge: a fresh challenge is answered with the voucher that exists.
func TestStaleChallenge(t *testing.T) {
	var ahead atomic.Int64
	srv := clienttest.New(t, clienttest.Config{Now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }})
	for _, rail := range []string{"", "/v1"} {
		ahead.Store(0)
		var n pen
		p := newPayer(t, srv, n.counted)
		l := p.lied()
		p.get(rail + "/data")
		ahead.Store(int64(10 * time.Minute)) // the server's clock, not ours: to us the challenge lives
		p.get(rail + "/data")
		twice := l.paid("voucher")
		require.Len(t, twice, 2)
		assert.Equal(t, twice[0].Paid.Payload.Signature, twice[1].Paid.Payload.Signature)
		assert.NotEqual(t, twice[0].Paid.Challenge.ID, twice[1].Paid.Challenge.ID)
		assert.EqualValues(t, 2, n.vouchers.Load())
		assert.Equal(t, u(200), p.agree().Signed)
	}
}

// TestStaleOpening: the fresh challenge gets the same transaction and the same voucher.
func TestStaleOpening(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	for _, rail := range []string{"", "/v1"} {
		var n pen
		p := newPayer(t, srv, n.counted)
		l := p.lied()
		l.answer = func(_ int, s sent) (*http.Response, error) {
			if len(l.paid("open")) != 1 || s.Paid == nil {
				return nil, nil
			}
			resp := reply(402, "")
			refuseWith(resp, p.unpaid(rail+"/data"), "payment-expired")
			return resp, nil
		}
		p.get(rail + "/data")
		twice := l.paid("open")
		require.Len(t, twice, 2)
		assert.Equal(t, twice[0].Paid.Payload, twice[1].Paid.Payload)
		assert.EqualValues(t, 1, n.vouchers.Load())
		assert.EqualValues(t, 1, n.transactions.Load())
		assert.Equal(t, u(100), p.agree().Signed)
	}
}
