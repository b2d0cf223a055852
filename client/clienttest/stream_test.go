package clienttest_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// live is an open event stream.
type live struct {
	t      testing.TB
	res    *http.Response
	lines  *bufio.Reader
	cancel context.CancelFunc
}

// stream opens a stream with a credential.
func (p *payer) stream(
	method, path string,
	a ask,
	payload map[string]any,
	header map[string]string,
) *live {
	p.t.Helper()
	ctx, cancel := context.WithCancel(p.t.Context())
	p.t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, method, p.srv.URL+path, nil)
	require.NoError(p.t, err)
	req.Header.Set("Authorization", p.credential(a, payload, p.source()))
	for k, v := range header {
		req.Header.Set(k, v)
	}
	res, err := http.DefaultClient.Do(req)
	require.NoError(p.t, err)
	p.t.Cleanup(func() { _ = res.Body.Close() })
	if res.StatusCode != http.StatusOK {
		require.Equal(p.t, http.StatusOK, res.StatusCode, readReply(p.t, res).detail)
	}
	return &live{p.t, res, bufio.NewReader(res.Body), cancel}
}

// frame reads one event: its type and data lines. ok is false at the end.
func (l *live) frame() (name, data string, err error) {
	var lines []string
	for {
		line, err := l.lines.ReadString('\n')
		if err != nil {
			return name, data, err
		}
		line = strings.TrimSuffix(line, "\n")
		if line == "" {
			return name, strings.Join(lines, "\n"), nil
		}
		if v, ok := strings.CutPrefix(line, "event: "); ok {
			name = v
		}
		if v, ok := strings.CutPrefix(line, "data: "); ok {
			lines = append(lines, v)
		}
	}
}

func (l *live) want(name string) map[string]any {
	l.t.Helper()
	got, data, err := l.frame()
	require.NoError(l.t, err)
	require.Equal(l.t, name, got, data)
	var doc map[string]any
	if name != "message" {
		require.NoError(l.t, json.Unmarshal([]byte(data), &doc))
	}
	return doc
}

func (l *live) end() {
	l.t.Helper()
	name, data, err := l.frame()
	require.Error(l.t, err, "%s %s", name, data)
}

func TestStreamChargesChunkByChunk(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	c := p.opened(voucher.V2, "/data")
	a := p.ask("/stream/3/25")
	assert.Equal(t, "chunk", a.request(t)["unitType"])
	l := p.stream("GET", "/stream/3/25", a, p.voucher(c, "voucher", 125), nil)
	assert.Equal(t, "text/event-stream; charset=utf-8", l.res.Header.Get("Content-Type"))
	assert.Equal(t, "no-cache, no-transform", l.res.Header.Get("Cache-Control"))
	assert.Empty(t, l.res.Header.Get("Payment-Receipt"))
	l.want("message") // the unit that was paid in advance
	for i, required := range []string{"150", "175"} {
		need := l.want("payment-need-voucher")
		assert.Equal(t, map[string]any{
			"channelId": c.id.Hex(), "requiredCumulative": required,
			"acceptedCumulative": fmt.Sprint(125 + 25*i), "deposit": "10000",
		}, need)
		r := p.pay("POST", "/stream/3/25", a, p.voucher(c, "voucher", uint64(150+25*i)))
		require.Equal(t, 204, r.status, r.detail)
		assert.Equal(t, required, r.receipt["acceptedCumulative"])
		assert.Equal(
			t, fmt.Sprint(125+25*i), r.receipt["spent"], "a voucher's receipt lags the stream",
		)
		l.want("message")
	}
	receipt := l.want("payment-receipt")
	l.end()
	assert.Equal(t, "175", receipt["spent"])
	assert.Equal(t, "175", receipt["acceptedCumulative"])
	assert.EqualValues(t, 4, receipt["units"], "the channel's total")
	assert.Equal(t, a["id"], receipt["challengeId"])
	assert.Equal(t, 1, srv.Served("/stream/3/25"))
}

func TestStreamPaidAhead(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	payload, c := p.opening(voucher.V2, open{deposit: 10_000, amount: 500})
	l := p.stream("GET", "/stream/4/10", p.ask("/stream/4/10"), payload, nil)
	for range 4 {
		l.want("message")
	}
	receipt := l.want("payment-receipt")
	assert.Equal(t, "40", receipt["spent"])
	assert.Len(t, receipt["txHash"], 66)
	got, _ := srv.Account(c.id)
	assert.EqualValues(t, 4, got.Units)
}

func TestStreamOfOneUnit(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	for _, method := range []string{"GET", "POST"} {
		path := "/stream/5/10?unit=request"
		payload, c := p.opening(voucher.V2, open{deposit: 10_000, amount: 10})
		l := p.stream(method, path, p.ask(path), payload, nil)
		for range 5 {
			l.want("message")
		}
		assert.Equal(t, "10", l.want("payment-receipt")["spent"], method)
		l.end()
		got, _ := srv.Account(c.id)
		assert.EqualValues(t, 1, got.Units, method)
	}
}

// TestPostedStreamIsNotPaidInAdvance checks that a POST is charged for its chunks alone: none cost
// nothing. A voucher posted with a query starts a second stream and does not feed the first.
func TestPostedStreamIsNotPaidInAdvance(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	c := p.opened(voucher.V2, "/data")
	l := p.stream(
		"POST", "/stream?n=0&price=7", p.ask("/stream?n=0&price=7"), p.voucher(c, "voucher", 107),
		nil,
	)
	assert.Equal(t, "100", l.want("payment-receipt")["spent"])
	l = p.stream(
		"GET", "/stream?n=0&price=7", p.ask("/stream?n=0&price=7"), p.voucher(c, "voucher", 107),
		nil,
	)
	assert.Equal(t, "107", l.want("payment-receipt")["spent"], "kept, although there was no chunk")
	r := p.pay(
		"POST", "/stream?n=0&price=7", p.ask("/stream?n=0&price=7"), p.voucher(c, "voucher", 114),
	)
	assert.Equal(t, 200, r.status)
	assert.Contains(t, r.body, "event: payment-receipt")
	assert.Equal(t, 3, srv.Served("/stream"))
}

func TestStreamEndsUnpaid(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{VoucherWait: 20 * time.Millisecond})
	p := newPayer(t, srv)
	c := p.opened(voucher.V2, "/data")
	l := p.stream("GET", "/stream/3/25", p.ask("/stream/3/25"), p.voucher(c, "voucher", 125), nil)
	l.want("message")
	l.want("payment-need-voucher")
	assert.Equal(t, "125", l.want("payment-receipt")["spent"])
	l.end()
}

func TestAbandonedStreamChargesWhatWasSent(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	c := p.opened(voucher.V2, "/data")
	l := p.stream("GET", "/stream/3/25", p.ask("/stream/3/25"), p.voucher(c, "voucher", 149), nil)
	l.want("message")
	l.want("payment-need-voucher")
	l.cancel()
	require.Equal(
		t, 204,
		p.pay("HEAD", "/stream/3/25", p.ask("/stream/3/25"), p.voucher(c, "voucher", 500)).status,
	)
	// Close waits for the stream, so all its charges are made by then.
	srv.Close()
	got, _ := srv.Account(c.id)
	assert.LessOrEqual(t, got.Units, uint64(4))
	assert.Equal(t, voucher.Units(100+25*(got.Units-1)), got.Spent)
}

func TestChannelClosedDuringStream(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	c := p.opened(voucher.V2, "/data")
	l := p.stream("GET", "/stream/3/25", p.ask("/stream/3/25"), p.voucher(c, "voucher", 125), nil)
	l.want("message")
	l.want("payment-need-voucher")
	require.Equal(t, 204, p.pay("POST", "/data", p.ask("/data"), p.voucher(c, "close", 125)).status)
	l.end()
}

// TestTwoStreamsOfOneChannel checks that two streams do not spend the same credit: what one has
// charged, the other requests in a further voucher.
func TestTwoStreamsOfOneChannel(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	c := p.opened(voucher.V2, "/data")
	path := "/stream/2/25"
	a := p.ask(path)
	one := p.stream("GET", path, a, p.voucher(c, "voucher", 125), nil)
	one.want("message")
	assert.Equal(t, "150", one.want("payment-need-voucher")["requiredCumulative"])
	two := p.stream("GET", path, a, p.voucher(c, "voucher", 150), nil) // its own first unit
	two.want("message")
	assert.Equal(t, "175", two.want("payment-need-voucher")["requiredCumulative"])
	assert.Equal(t, "175", one.want("payment-need-voucher")["requiredCumulative"])
	require.Equal(t, 204, p.pay("POST", path, a, p.voucher(c, "voucher", 175)).status)
	var receipts []any
	for _, l := range []*live{one, two} {
		name, data, err := l.frame()
		require.NoError(t, err)
		if name == "payment-need-voucher" {
			assert.Contains(t, data, `"requiredCumulative":"200"`)
			require.Equal(t, 204, p.pay("POST", path, a, p.voucher(c, "voucher", 200)).status)
			l.want("message")
		}
		receipts = append(receipts, l.want("payment-receipt")["spent"])
	}
	assert.Contains(t, receipts, "200")
}

func TestMeter(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{VoucherWait: 10 * time.Millisecond})
	terms := clienttest.Terms{Price: voucher.Units(10), Deposit: voucher.Units(1000)}
	var late error
	srv.Handle("/words", srv.Metered(terms, func(m *clienttest.Meter, r *http.Request) error {
		for _, err := range []error{
			m.Charge(3), m.Send("two\r\nlines\rand a third\nevent: payment-receipt"),
			m.Raw([]byte(": a comment\r\nid: 7\r\ndata:x\r\n\r\n")),
			m.ChargeAmount(voucher.Units(5)), m.Send(""),
		} {
			if err != nil {
				return err
			}
		}
		late = m.Charge(1_000)
		return late
	}))
	srv.Handle("/failing", srv.Metered(terms, func(m *clienttest.Meter, r *http.Request) error {
		return errors.Join(m.Send("a"), m.Charge(1), errors.New("the application gave up"))
	}))
	p := newPayer(t, srv)
	payload, c := p.opening(voucher.V2, open{deposit: 1000, amount: 100})
	r := p.pay("GET", "/words", p.ask("/words"), payload)
	body, receipt, _ := strings.Cut(r.body, "event: payment-need-voucher\n")
	assert.Equal(
		t,
		"event: message\ndata: two\ndata: lines\ndata: and a third\ndata: event: payment-receipt\n\n"+
			": a comment\r\nid: 7\r\ndata:x\r\n\r\nevent: message\ndata: \n\n",
		body,
	)
	assert.Equal(t, 1, strings.Count(receipt, "event: payment-receipt\n"))
	require.ErrorIs(t, late, clienttest.ErrUnpaid)
	got, _ := srv.Account(c.id)
	assert.Equal(t, voucher.Units(35), got.Spent)
	assert.EqualValues(t, 4, got.Units)

	l := p.stream("GET", "/failing", p.ask("/failing"), p.voucher(c, "voucher", 100), nil)
	l.want("message")
	l.end()
	got, _ = srv.Account(c.id)
	assert.Equal(t, voucher.Units(45), got.Spent, "what was reserved and not sent is given back")

	assert.Panics(t, func() { srv.Metered(clienttest.Terms{}, nil) }, "no price")
}
