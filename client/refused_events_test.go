package client_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// TestRefusalsAreEvents: what this session did not pay is told once, with the reason; what was paid or free is not.
func TestRefusalsAreEvents(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	srv.Handle("/other", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", `Payment id="x", realm="x", method="other", intent="charge", request="e30"`)
		w.WriteHeader(http.StatusPaymentRequired)
	}))
	p := newPayer(t, srv, func(c *client.Config) {
		c.Limits.Price = u(200)
	})
	told := 0
	refusedNow := func() []client.Event {
		all := p.events.of(client.EventRefused)
		now := all[told:]
		told = len(all)
		return now
	}
	type key struct{}
	p.get("/free")
	ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "the caller's"))
	resp, err := p.send(p.request(ctx, http.MethodGet, "/data", nil))
	require.NoError(t, err)
	resp.Body.Close()
	cancel()
	paidNow := p.events.of(client.EventPaid)
	require.Len(t, paidNow, 1)
	assert.Equal(t, "the caller's", paidNow[0].Context().Value(key{}))
	assert.NoError(t, paidNow[0].Context().Err(), "it does not end with the request")
	assert.NoError(t, client.Event{}.Context().Err())
	require.Empty(t, refusedNow())
	for range 2 {
		p.refused(p.do(http.MethodPost, "/data?price=201", nil))
		got := refusedNow()
		require.Len(t, got, 1)
		assert.ErrorIs(t, got[0].Err, channel.ErrLimit)
		assert.Equal(t, client.OutcomeRefused, got[0].Outcome)
		assert.Equal(t, u(201), got[0].Price)
		assert.Equal(t, srv.URL, got[0].Origin)
		assert.True(t, got[0].Cumulative.IsZero())
	}
	resp, err = p.do(http.MethodGet, "/other", nil)
	require.NoError(t, err)
	resp.Body.Close()
	assert.Empty(t, refusedNow(), "it offers nothing that could have been paid")
	// Where a voucher was sent before, the event of the answer has the reason.
	p.refused(p.do(http.MethodGet, "/data?price=201", nil))
	assert.Empty(t, refusedNow())
	paid := p.events.of(client.EventPaid)
	assert.ErrorIs(t, paid[len(paid)-1].Err, channel.ErrLimit)
	assert.Equal(t, client.OutcomeRejected, paid[len(paid)-1].Outcome)
}

// TestLogLines: a line names its operation, which is that of the journal, and has no field without a meaning.
func TestLogLines(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	var log bytes.Buffer
	p := newPayer(t, srv, func(c *client.Config) {
		c.Limits.Price = u(200)
		c.Limits.All.Day = u(250)
		c.Log = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	req := p.request(t.Context(), http.MethodGet, "/data", nil)
	req.Header.Set("Idempotency-Key", "mine")
	resp, err := p.send(req)
	require.NoError(t, err)
	resp.Body.Close()
	p.refused(p.do(http.MethodPost, "/data?price=201", nil))
	p.get("/data?price=110")
	fields := map[string][]string{}
	for line := range strings.Lines(log.String()) {
		var got map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &got))
		delete(got, "time")
		kind := got["event"].(string)
		if _, seen := fields[kind]; !seen {
			fields[kind] = append([]string{got["level"].(string)}, slices.Sorted(maps.Keys(got))...)
			if kind == "paid" {
				assert.Equal(t, "mine", got["operation"])
			}
		}
		for name, value := range got {
			assert.NotContains(t, []any{"", "0", nil, 0.0, "0x" + strings.Repeat("0", 64)}, value, "%s of %s", name, kind)
		}
	}
	want := map[string]string{
		"challenge": "DEBUG currency event level msg origin price",
		"opening":   "DEBUG channel currency deposit event level msg origin price",
		"opened":    "DEBUG channel currency deposit event level msg operation origin total",
		"paid":      "DEBUG channel cumulative currency deposit event level msg operation origin outcome price status total",
		"refused":   "INFO currency error event level msg origin outcome price status",
		"budget":    "WARN allowed budget channel currency event left level msg origin total",
	}
	for kind, names := range want {
		assert.Equal(t, names, strings.Join(fields[kind], " "), kind)
	}
}

// TestLogLevels: what somebody has to look at is a warning, so that a log at that level misses none of it.
func TestLogLevels(t *testing.T) {
	var log bytes.Buffer
	p := newPayer(t, clienttest.New(t, clienttest.Config{NoSockets: true}), func(c *client.Config) {
		c.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))
	})
	for kind, warns := range map[client.EventKind]bool{
		client.EventViolation: true, client.EventBehind: true, client.EventGone: true, client.EventNotSeen: true,
		client.EventUnmined: true, client.EventBudget: true, client.EventJournal: true, client.EventDelayed: true,
		client.EventCostly:    true,
		client.EventChallenge: false, client.EventOpening: false, client.EventOpened: false, client.EventToppingUp: false, client.EventToppedUp: false,
		client.EventFound: false, client.EventPaid: false, client.EventRefused: false, client.EventVoucher: false,
		client.EventReceipt: false, client.EventClosed: false, client.EventCloseRequested: false,
		client.EventReopened: false, client.EventSettled: false, client.EventLocked: false,
	} {
		log.Reset()
		p.session.Tell(client.Event{Kind: kind})
		assert.Equal(t, warns, strings.Contains(log.String(), "event="+string(kind)), kind)
	}
}

// TestEventsHaveARunningTotal: of all channels, of what vouchers were authorized by, and of how often a request was sent.
func TestEventsHaveARunningTotal(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv, func(c *client.Config) { c.Limits.PieceByPiece = true })
	last := func() client.Event {
		paid := p.events.of(client.EventPaid)
		return paid[len(paid)-1]
	}
	p.get("/data")
	assert.Equal(t, u(100), last().Total)
	p.get("/v1/data?price=70")
	assert.Equal(t, u(170), last().Total, "both channels")
	assert.Equal(t, 1, last().Sendings)
	first := true
	p.lied().answer = func(_ int, s sent) (*http.Response, error) {
		if s.Paid != nil && first {
			first = false
			return p.unpaid("/data"), nil
		}
		return nil, nil
	}
	p.get("/data")
	assert.Equal(t, u(270), last().Total)
	assert.Equal(t, 2, last().Sendings, "the challenge was stale")
	p.get("/stream/5/10")
	ends := p.events.of(client.EventReceipt)
	assert.Equal(t, u(320), ends[len(ends)-1].Total)
	assert.Zero(t, ends[0].Sendings)
	assert.Zero(t, p.events.of(client.EventChallenge)[0].Total, "no channel")
	var sum voucher.Amount
	for _, c := range p.channels() {
		sum = sum.AddCapped(c.Authorized)
	}
	assert.Equal(t, sum, ends[len(ends)-1].Total)
	p.restart()
	p.get("/data")
	assert.Equal(t, u(100), last().Total, "of this session")
}
