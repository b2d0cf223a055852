package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// TestBooksOfEachKind runs a small cell of each kind without mppx; run compares the books.
func TestBooksOfEachKind(t *testing.T) {
	b, err := newBench(mppxNever)
	require.NoError(t, err)
	defer b.close()
	base := cell{Server: serverTest, Goroutines: 4, Requests: 12, Rounds: 2}
	for name, change := range map[string]func(*cell){
		"v1 and HTTP/2":   func(c *cell) { c.Protocol, c.Major = voucher.V1, 2 },
		"delayed":         func(c *cell) { c.RTT = 2 * time.Millisecond },
		"processes":       func(c *cell) { c.Processes, c.File = 2, true },
		"slow":            func(c *cell) { c.Think = 10 * time.Millisecond },
		"equal refused":   func(c *cell) { c.Equal = true },
		"streams, HTTP/2": func(c *cell) { c.Pieces, c.Pause, c.Major = 3, time.Millisecond, 2 },
	} {
		t.Run(name, func(t *testing.T) {
			c := base
			change(&c)
			r, err := b.run(t.Context(), c.completed())
			require.NoError(t, err)
			for _, f := range r.Figures[:3] {
				assert.Empty(t, f.Skipped)
				assert.Equal(t, 24, f.Requests)
				assert.Positive(t, f.Rate)
				assert.GreaterOrEqual(t, f.Sends, 1.0, f.Client)
				assert.GreaterOrEqual(t, f.P99, f.P50)
			}
			assert.Equal(t, 1.0, r.Figures[0].Ratio)
			assert.Equal(t, 1.0, r.Figures[0].Sends, "the unpaid client repeats nothing")
			assert.Zero(t, r.Figures[0].Refused+r.Figures[0].Failed)
		})
	}
}

// TestCompareFindsEachDifference changes one number at a time in books that agree.
func TestCompareFindsEachDifference(t *testing.T) {
	u := voucher.Units
	books := func() (account, ledger) {
		return account{Channels: 1, Accepted: u(500), Spent: u(500)},
			ledger{
				Channels:   1,
				Claimed:    u(500),
				Signed:     u(500),
				Authorized: u(700),
				Asked:      u(500),
				Put:        u(1000),
			}
	}
	a, l := books()
	require.NoError(t, compare(a, l, 500, 200, true))
	for name, change := range map[string]func(*account, *ledger){
		"a second channel":     func(a *account, _ *ledger) { a.Channels = 2 },
		"no channel on record": func(_ *account, l *ledger) { l.Channels = 0 },
		"charged more":         func(a *account, _ *ledger) { a.Spent = u(501) },
		"charged less":         func(a *account, _ *ledger) { a.Spent = u(499) },
		"claimed more":         func(_ *account, l *ledger) { l.Claimed = u(501) },
		"accepted more":        func(a *account, _ *ledger) { a.Accepted = u(501) },
		"signed above the ceiling": func(a *account, l *ledger) {
			a.Accepted, l.Signed = u(701), u(701)
		},
		"authorized more than allowed": func(_ *account, l *ledger) { l.Authorized = u(701) },
		"authorized above the deposit": func(_ *account, l *ledger) { l.Put = u(699) },
		"deposited above the limit":    func(_ *account, l *ledger) { l.Put = u(maxDeposit + 1) },
	} {
		a, l := books()
		change(&a, &l)
		assert.Error(t, compare(a, l, 500, 200, true), name)
	}
	a, l = books()
	a.Spent, l.Claimed = u(520), u(530) // of a stream that broke off
	require.NoError(t, compare(a, l, 500, 200, false))
	l.Claimed = u(519)
	require.Error(t, compare(a, l, 500, 200, false), "charged for what was not claimed")
	a.Spent = u(499)
	require.Error(t, compare(a, l, 500, 200, false), "served more than was charged")
}

// TestJobRepeatsAndCounts: every third response is a refusal, and the slow route is requested, too.
func TestJobRepeatsAndCounts(t *testing.T) {
	var n, slow atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			slow.Add(1)
		} else if n.Add(1)%3 == 0 {
			w.WriteHeader(http.StatusPaymentRequired)
		}
	}))
	defer s.Close()
	j := job{
		URL:      s.URL,
		Slow:     s.URL + "/slow",
		Workers:  2,
		Requests: 9,
		Patience: 100,
		Limit:    60_000,
		Deadline: 60_000,
	}
	r := j.do(t.Context(), s.Client())
	assert.Equal(t, 9, r.Served)
	assert.Len(t, r.Took, 9)
	assert.EqualValues(t, 9+r.Refused, n.Load())
	assert.NotZero(t, r.Refused)
	assert.EqualValues(t, r.Slow, slow.Load())
	assert.Zero(t, r.Failed)
	assert.Equal(t, "Payment Required", r.Failure)
}

// TestJobEnds: with a server that refuses everything, and with one that does not answer.
func TestJobEnds(t *testing.T) {
	refusing := httptest.NewServer(http.NotFoundHandler())
	defer refusing.Close()
	r := job{
		URL:      refusing.URL,
		Workers:  1,
		Requests: 5,
		Patience: 7,
		Limit:    60_000,
		Deadline: 60_000,
	}.do(
		t.Context(),
		refusing.Client(),
	)
	assert.Equal(t, tally{Refused: 7, Failure: "Not Found", Elapsed: r.Elapsed}, r)
	silent := httptest.NewServer(
		http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }),
	)
	defer silent.Close()
	r = job{
		URL:      silent.URL,
		Workers:  1,
		Requests: 5,
		Patience: 2,
		Limit:    5,
		Deadline: 60_000,
	}.do(
		t.Context(),
		silent.Client(),
	)
	assert.Equal(t, 2, r.Failed, "each request has a limit")
	r = job{
		URL:      silent.URL,
		Workers:  3,
		Requests: 5,
		Patience: 1000,
		Limit:    60_000,
		Deadline: 5,
	}.do(
		t.Context(),
		silent.Client(),
	)
	assert.Equal(t, 3, r.Failed, "the round has a deadline")
}

func TestStreamWithOtherPiecesFails(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "event: message\ndata: 1\n\ndata: 2\n\n")
	}))
	defer s.Close()
	j := job{
		URL:      s.URL,
		Workers:  1,
		Requests: 1,
		Pieces:   2,
		Patience: 1,
		Limit:    60_000,
		Deadline: 60_000,
	}
	assert.Equal(t, 1, j.do(t.Context(), s.Client()).Served)
	j.Pieces = 3
	r := j.do(t.Context(), s.Client())
	assert.Equal(t, 1, r.Failed)
	assert.Equal(t, "load: a stream of 2 pieces, want 3", r.Failure)
	j.Pieces, j.Major = 2, 2
	assert.Equal(
		t,
		"load: the response is HTTP/1.1, want HTTP/2",
		j.do(t.Context(), s.Client()).Failure,
	)
}

func TestShareLosesNothing(t *testing.T) {
	for _, n := range []int{1, 7, 8} {
		for all := range 40 {
			sum := 0
			for i := range n {
				sum += share(all, i, n)
			}
			assert.Equal(t, all, sum)
		}
	}
}

// TestPeerFailureShowsItsErrors: a command that fails comes with the end of standard error.
func TestPeerFailureShowsItsErrors(t *testing.T) {
	p, err := startPeer("", "sh", "-c", "echo broken pipes >&2; read line; exit 3")
	require.NoError(t, err)
	defer p.close()
	err = p.call(context.Background(), "start", nil, nil)
	require.ErrorContains(t, err, "the process ended")
	assert.Contains(t, err.Error(), "broken pipes")
	require.ErrorContains(t, p.call(context.Background(), "load", nil, nil), "ended")
}

func TestTailIsBounded(t *testing.T) {
	var last tail
	for range 100 {
		_, _ = last.Write([]byte(strings.Repeat("a", 1000)))
	}
	_, _ = last.Write([]byte("end"))
	assert.Len(t, last.String(), maxTail)
	assert.True(t, strings.HasSuffix(last.String(), "aend"))
}
