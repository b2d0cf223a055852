package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/client/clienttest/lies"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// purchaseTrial tests a server that changes its terms within a request. Each request costs 100 and
// is one purchase: what it signs is bounded, whatever the responses are.
type purchaseTrial struct {
	lies []lies.Lie
	// path is the requested path. Empty means /data.
	path string
	// warm pays one honest request on each protocol first.
	warm bool
	// times is the number of requests while the server lies. Zero means 3.
	times int
	// price is the most that one request may cost. Zero means 100.
	price uint64
	// most is the highest sum that may be signed while the server lies. Zero means one price for
	// each request and one more, because the second payment rule allows a second payment once an
	// hour.
	most uint64
	// hosts replaces most under a policy that accepts all terms of an origin. Zero means most.
	hosts uint64
	// openings is the number of channels that may be opened while the server lies. Zero means 2, or
	// 1 if warm.
	openings int
	// run is the sum of a budget for WithBudget, hour is Limits.All.Hour. Zero means none.
	run, hour uint64
	// stall is Config.Stall.
	stall time.Duration
	// again is how often one request may send the same voucher. Zero means any number.
	again int
}

// TestHostilePurchases checks that each request is one purchase, with each policy and with an owner
// who approves every amount.
func TestHostilePurchases(t *testing.T) {
	for _, m := range purchaseTrials() {
		for _, policy := range []string{"pin", "hosts", "approve"} {
			t.Run(m.String()+", "+policy, func(t *testing.T) { m.try(t, policy) })
		}
	}
}

// String returns the name of the trial.
func (m purchaseTrial) String() string {
	var b strings.Builder
	for _, l := range m.lies {
		b.WriteString(string(l) + " ")
	}
	b.WriteString(strings.Trim(m.path, "/"))
	if m.warm {
		b.WriteString(" warm")
	}
	if m.run+m.hour > 0 {
		fmt.Fprintf(&b, " run %d hour %d", m.run, m.hour)
	}
	return b.String()
}

func (m purchaseTrial) try(t *testing.T, policy string) {
	t.Parallel()
	srv := clienttest.New(t, clienttest.Config{})
	agreed := &consents{srv: srv}
	p := &victim{home: srv.URL, payer: newPayer(t, srv, func(c *client.Config) {
		c.Limits, c.Stall = hostileLimits, m.stall
		c.Limits.All = channel.Windows{Hour: u(m.hour), Day: u(m.hour), Month: u(m.hour)}
		agreed.install(c, policy)
	})}
	p.wire = p.lied()
	if m.warm {
		for _, path := range []string{"/data", "/v1/data"} {
			require.Equal(t, end{}, p.ask(http.MethodGet, path), "an honest request")
		}
	}
	before, opened := m.signed(p), m.opened(p)
	ctx := t.Context()
	if m.run > 0 {
		ctx = client.WithBudget(ctx, client.NewBudget(asset(srv), u(m.run)))
	}

	srv.Lie(m.lies...)
	price, times := defaulted(m.price, 100), uint64(defaulted(m.times, 3))
	for i := range times {
		sent := len(p.wire.all())
		got, outcome := m.ask(ctx, p)
		m.honest(t, p.wire.all()[sent:], got, outcome)
		signed := m.signed(p).SubFloor(before)
		assert.False(
			t, u((i+2)*price).Less(signed), "signed %s after %d requests (%s)", signed, i+1, got,
		)
	}
	most := defaulted(m.most, (times+1)*price)
	if policy == "hosts" {
		most = defaulted(m.hosts, most)
	}
	if m.run > 0 {
		most = min(most, m.run)
	}
	if m.hour > 0 {
		most = min(most, m.hour)
	}
	signed := m.signed(p).SubFloor(before)
	assert.False(
		t, u(most).Less(signed), "signed %s in %d requests, at most %d", signed, times, most,
	)
	openings := defaulted(m.openings, 2)
	if m.warm {
		openings--
	}
	assert.LessOrEqual(t, m.opened(p)-opened, openings, "channels opened")
	agreed.cover(t, p)
	for _, l := range m.lies {
		assert.NotZero(t, srv.Lied(l), "the trial does not try %s", l)
	}
	for _, s := range p.wire.all() {
		for name, values := range s.Header {
			if name != "Authorization" && name != "Payment-Authorization" {
				assert.NotContains(
					t, strings.Join(values, " "), "Payment ey", "a credential in %s", name,
				)
			}
		}
	}
}

// ask sends one request and returns how it ended and the outcome of its payment.
func (m purchaseTrial) ask(ctx context.Context, p *victim) (end, client.Outcome) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	began := time.Now()
	defer func() {
		assert.Less(p.t, time.Since(began), 15*time.Second, "a request that waits without end")
	}()
	path := defaulted(m.path, "/data")
	req := p.request(ctx, http.MethodGet, p.home+path, nil)
	if strings.Contains(path, "stream") {
		req.Header.Set("Accept", "text/event-stream")
	}
	resp, err := p.send(req)
	if err == nil {
		defer resp.Body.Close()
		_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, 32<<20))
		if err == nil {
			o := client.PaymentOf(resp).Outcome
			return end{status: resp.StatusCode, outcome: o}, o
		}
	}
	var e *client.Error
	if errors.As(err, &e) {
		return end{err: err}, e.Outcome
	}
	return end{err: err}, ""
}

// honest asserts that a request that sent credentials does not end as unpaid, and that it did not
// send one voucher too often.
func (m purchaseTrial) honest(t *testing.T, sent []sent, got end, outcome client.Outcome) {
	t.Helper()
	same, left := map[voucher.Voucher]int{}, 0
	for _, s := range sent {
		if s.Paid == nil || s.Paid.Payload.Action == "" {
			continue
		}
		left++
		payload := s.Paid.Payload
		v := voucher.Voucher{ChannelID: payload.ChannelID, Cumulative: payload.CumulativeAmount}
		if same[v]++; m.again > 0 {
			assert.LessOrEqual(t, same[v], m.again, "the same voucher of %s again", v.Cumulative)
		}
	}
	if left > 0 {
		harmless := []client.Outcome{
			client.OutcomeNone, client.OutcomeRefused, client.OutcomeNotSent,
		}
		assert.NotContains(
			t, harmless, outcome, "%d credentials left, and it ended with: %s", left, got,
		)
	}
}

// signed returns the sum of the highest vouchers that were sent.
func (m purchaseTrial) signed(p *victim) (sum voucher.Amount) {
	highest := map[common.Hash]voucher.Amount{}
	for _, s := range p.wire.paid("") {
		if payload := s.Paid.Payload; payload.Action != "" {
			highest[payload.ChannelID] = highest[payload.ChannelID].Max(payload.CumulativeAmount)
		}
	}
	for _, amount := range highest {
		sum = sum.AddCapped(amount)
	}
	return sum
}

// opened returns the number of channels whose opening was sent.
func (m purchaseTrial) opened(p *victim) int {
	ids := map[common.Hash]bool{}
	for _, s := range p.wire.paid("open") {
		ids[s.Paid.Payload.ChannelID] = true
	}
	return len(ids)
}
