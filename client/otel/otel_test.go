package otel_test

import (
	"context"
	"errors"
	"io"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/client/otel"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/store/journal"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// observed is a payer whose telemetry stays in memory.
type observed struct {
	t      *testing.T
	srv    *clienttest.Server
	spans  *tracetest.InMemoryExporter
	reader *metric.ManualReader
	tel    *otel.Telemetry
	paying *client.Session
	http   *http.Client
}

func observe(t *testing.T) *observed {
	t.Helper()
	o := &observed{t: t, srv: clienttest.New(t, clienttest.Config{}), spans: tracetest.NewInMemoryExporter(), reader: metric.NewManualReader()}
	tel, err := otel.New(otel.Config{
		TracerProvider: trace.NewTracerProvider(trace.WithSyncer(o.spans)),
		MeterProvider:  metric.NewMeterProvider(metric.WithReader(o.reader)),
	})
	require.NoError(t, err)
	o.tel = tel
	key, err := voucher.ParseKey(o.srv.Payer().Hex)
	require.NoError(t, err)
	chain, err := escrow.Dial(t.Context(), o.srv.RPCURL)
	require.NoError(t, err)
	t.Cleanup(chain.Close)
	base := http.DefaultTransport.(*http.Transport).Clone()
	session, err := client.New(client.Config{
		Signer: key, Payer: key, Chain: chain, Store: store.NewMem(), OnEvent: tel.Event, Journal: tel.Journal(nil), Base: tel.Base(base),
		Limits: channel.Limits{Price: voucher.Units(1000), Deposit: voucher.Units(10_000), Stream: voucher.Units(5000)},
	})
	require.NoError(t, err)
	o.paying = session
	watch, err := tel.Watch(session)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, watch.Unregister()) })
	o.http = &http.Client{Transport: tel.Transport(&client.Transport{Session: session})}
	t.Cleanup(o.http.CloseIdleConnections)
	return o
}

// get fetches a path and reads the answer. It returns the span of the payment and those of its sendings.
func (o *observed) get(path string) (payment tracetest.SpanStub, sends []tracetest.SpanStub) {
	o.t.Helper()
	o.spans.Reset()
	resp, err := o.http.Get(o.srv.URL + path)
	if err == nil {
		_, err = io.Copy(io.Discard, resp.Body)
		require.NoError(o.t, err)
		require.NoError(o.t, resp.Body.Close())
	}
	for _, s := range o.spans.GetSpans() {
		if s.Name == "payment" {
			require.Empty(o.t, payment.Name, "one span for a request")
			payment = s
		} else {
			sends = append(sends, s)
		}
	}
	require.Equal(o.t, "payment", payment.Name)
	for _, s := range sends {
		assert.Equal(o.t, "payment send", s.Name)
		assert.Equal(o.t, payment.SpanContext.SpanID(), s.Parent.SpanID())
	}
	return payment, sends
}

func attr(attrs []attribute.KeyValue, key attribute.Key) string {
	for _, a := range attrs {
		if a.Key == key {
			return a.Value.String()
		}
	}
	return ""
}

func steps(s tracetest.SpanStub) (names []string) {
	for _, e := range s.Events {
		names = append(names, strings.TrimPrefix(e.Name, "payment."))
	}
	return names
}

// sums returns the sum of each counter, and how often each histogram was recorded, by the name and the kind.
func (o *observed) sums() map[string]int64 {
	o.t.Helper()
	var all metricdata.ResourceMetrics
	require.NoError(o.t, o.reader.Collect(context.Background(), &all))
	out := map[string]int64{}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				for _, p := range data.DataPoints {
					kind, _ := p.Attributes.Value("payment.kind")
					event, _ := p.Attributes.Value("payment.event")
					out[strings.TrimSpace(m.Name+" "+kind.AsString()+event.AsString())] += p.Value
				}
			case metricdata.Gauge[int64]:
				for _, p := range data.DataPoints {
					_, token := p.Attributes.Value("payment.token")
					require.True(o.t, token)
					out[m.Name] += p.Value
				}
			case metricdata.Histogram[int64]:
				for _, p := range data.DataPoints {
					out[m.Name] += p.Sum
				}
			case metricdata.Histogram[float64]:
				for _, p := range data.DataPoints {
					out[m.Name] += int64(p.Count)
				}
			}
		}
	}
	return out
}

// TestPurchase: the steps of a purchase are in its span, and what it cost is in the metrics, to the unit.
func TestPurchase(t *testing.T) {
	o := observe(t)
	first, sends := o.get("/data")
	assert.Equal(t, []string{"challenge", "opening", "opened", "paid"}, steps(first))
	assert.Len(t, sends, 2, "unpaid and paid")
	assert.Equal(t, "2", attr(first.Attributes, "payment.sendings"))
	assert.Equal(t, "accepted", attr(first.Attributes, "payment.outcome"))
	assert.Equal(t, "200", attr(first.Attributes, "http.response.status_code"))
	assert.NotEmpty(t, attr(first.Attributes, "payment.operation"))

	second, sends := o.get("/data?secret=path")
	assert.Equal(t, []string{"paid"}, steps(second))
	assert.Len(t, sends, 1)
	paid := second.Events[0].Attributes
	assert.Equal(t, "100", attr(paid, "payment.price"))
	assert.Equal(t, "200", attr(paid, "payment.cumulative"))
	assert.Equal(t, attr(second.Attributes, "payment.operation"), attr(paid, "payment.operation"))

	free, _ := o.get("/free")
	assert.Empty(t, steps(free))
	assert.Equal(t, "none", attr(free.Attributes, "payment.outcome"))

	stream, _ := o.get("/stream/20/10")
	assert.Contains(t, steps(stream), "voucher", "the span lasts as long as the stream")
	assert.Equal(t, "receipt", steps(stream)[len(steps(stream))-1])
	spans := o.spans.GetSpans()
	assert.Equal(t, "payment", spans[len(spans)-1].Name, "it ends last")

	assert.Equal(t, "100", attr(first.Attributes, "payment.cost"))
	assert.Empty(t, attr(free.Attributes, "payment.cost"))
	assert.Equal(t, "200", attr(stream.Attributes, "payment.cost"), "at its end")

	got := o.sums()
	account := o.srv.Accounts()[0]
	accepted, _ := account.Accepted.Uint64()
	assert.EqualValues(t, accepted, got["payment.authorized pay"]+got["payment.authorized stream"])
	assert.EqualValues(t, 5_000, got["payment.deposited open"])
	assert.EqualValues(t, 1, got["payment.operations open"])
	assert.EqualValues(t, 1, got["payment.operations stream"])
	assert.EqualValues(t, 1, got["payment.events opened"])
	assert.Positive(t, got["payment.sendings"])
	assert.Positive(t, got["payment.operation.duration"])
	for _, s := range slices.Concat([]tracetest.SpanStub{second}, sends) {
		for _, a := range s.Attributes {
			assert.NotContains(t, a.Value.String(), "secret")
		}
	}
}

// TestRefused: a refusal is a step of the span, with the reason.
func TestRefused(t *testing.T) {
	o := observe(t)
	span, _ := o.get("/data?price=1001")
	assert.Equal(t, []string{"challenge", "refused"}, steps(span))
	assert.Contains(t, attr(span.Events[1].Attributes, "error.message"), "Limits.Price")
	assert.Equal(t, codes.Error, span.Status.Code)
	assert.EqualValues(t, 1, o.sums()["payment.events refused"])
	assert.Zero(t, o.sums()["payment.authorized pay"])
}

// TestExposure: what channels hold and payees can take is measured when it is collected, and what was sent again counted.
func TestExposure(t *testing.T) {
	o := observe(t)
	assert.Empty(t, o.sums(), "no channel")
	o.get("/data")
	o.get("/data?price=70") // which the challenge of the route does not pay
	got := o.sums()
	assert.EqualValues(t, 5_000, got["payment.locked"])
	assert.EqualValues(t, 200, got["payment.takable"])
	assert.EqualValues(t, 30, got["payment.unserved"], "a voucher of 200 left, 170 were charged")
	assert.EqualValues(t, 1, got["payment.retries"])
	for c := range o.paying.Channels().All(t.Context()) {
		require.NoError(t, o.paying.Channels().Close(t.Context(), c.ID))
	}
	got = o.sums()
	assert.Zero(t, got["payment.locked"]+got["payment.takable"]+got["payment.unserved"])
}

type broken struct{ got int }

func (b *broken) Append(context.Context, journal.Entry) error { b.got++; return errDisk }

var errDisk = errors.New("the disk is full")

// TestJournal: lines reach the journal behind, whose error is returned; amounts that no counter has are counted as the
// most that it has, and a clock that was set back is no negative time.
func TestJournal(t *testing.T) {
	o := observe(t)
	next := &broken{}
	huge, err := voucher.AmountFromBig(new(big.Int).Lsh(big.NewInt(1), 100))
	require.NoError(t, err)
	e := journal.Entry{Kind: journal.KindPay, Raised: huge, Start: time.Unix(100, 0), End: time.Unix(50, 0)}
	assert.ErrorIs(t, o.tel.Journal(next).Append(t.Context(), e), errDisk)
	assert.Equal(t, 1, next.got)
	assert.EqualValues(t, int64(1<<63-1), o.sums()["payment.authorized pay"])
}

// TestFeesAreMeasured once: by the line that tells what a transaction was charged.
func TestFeesAreMeasured(t *testing.T) {
	o := observe(t)
	lines := o.tel.Journal(nil)
	most := journal.Fee{Token: o.srv.Token, Max: voucher.Units(90)}
	known := most
	known.Charged, known.Known = voucher.Units(56), true
	for _, e := range []journal.Entry{
		{Kind: journal.KindOpen, Fee: most},
		{Kind: journal.KindFee, Fee: known},
		{Kind: journal.KindFee, Fee: journal.Fee{Token: o.srv.Token, Max: voucher.Units(90), Known: true}}, // never mined
	} {
		require.NoError(t, lines.Append(t.Context(), e))
	}
	assert.EqualValues(t, 56, o.sums()["payment.fees"])
}
