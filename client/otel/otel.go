// Package otel traces and measures payments with OpenTelemetry. It is a module of its own, so that nobody depends on
// OpenTelemetry who does not ask for it.
//
//	t, err := otel.New(otel.Config{})
//	session, err := client.New(client.Config{…, OnEvent: t.Event, Journal: t.Journal(file), Base: t.Base(nil)})
//	httpClient := &http.Client{Transport: t.Transport(&client.Transport{Session: session})}
//	watch, err := t.Watch(session) // what its channels hold; watch.Unregister() ends it
//
// # Traces
//
// [Telemetry.Transport] makes one span "payment" for each request, which ends with its response, or with its stream. The
// steps of the purchase are events of the span: the challenge, an opening, a refusal, a voucher of a stream. Each
// sending that [Telemetry.Base] carries out is a span "payment send" inside it.
//
// # Metrics
//
//	payment.authorized          how much payees may take more than before, in base units, from the journal's lines
//	payment.deposited           what accepted transactions put into channels, in base units, from the journal's lines: if
//	                            several lines have one transaction, each counts
//	payment.fees                what transactions were charged to the payer, in base units of the fee token, from the
//	                            journal's lines of KindFee; a fee that is not known yet is not in it
//	payment.operations          lines of the journal, those of KindFee included
//	payment.operation.duration  how long operations took, in seconds; lines of KindFee have none
//	payment.events              events of the session
//	payment.sendings            how often each request was sent
//	payment.retries             paid sendings of requests beyond their first
//
// and, at each collection of the metrics, after [Telemetry.Watch], by token and chain:
//
//	payment.locked              what channels hold, in base units
//	payment.takable             the part of it that payees can take by vouchers that may exist
//	payment.unserved            the part of that which payees do not report as charged
//
// A sending is one HTTP request on the wire: a request that is paid is sent at least twice, unless the challenge is
// known. Only payment.fees has its token as an attribute. The other counters add amounts of different tokens: export
// them from sessions with one token. No attribute has a path, a query, a header or a channel id; an origin is scheme,
// host and port.
package otel

import (
	"context"
	"math"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/store/journal"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

const scope = "github.com/seed-5fe1f529/tallystick/client/otel"

// Config is what [New] uses. The zero Config uses the global providers.
type Config struct {
	// TracerProvider makes the tracer. Nil means the global one.
	TracerProvider trace.TracerProvider
	// MeterProvider makes the instruments. Nil means the global one.
	MeterProvider metric.MeterProvider
}

// Telemetry traces and measures. It is safe for concurrent use.
type Telemetry struct {
	tracer                        trace.Tracer
	meter                         metric.Meter
	authorized, deposited, fees   metric.Int64Counter
	operations, happened, retries metric.Int64Counter
	duration                      metric.Float64Histogram
	sendings                      metric.Int64Histogram
	locked, takable, unserved     metric.Int64ObservableGauge
}

// New returns a Telemetry. The error is the provider's, about an instrument.
func New(cfg Config) (*Telemetry, error) {
	if cfg.TracerProvider == nil {
		cfg.TracerProvider = otel.GetTracerProvider()
	}
	if cfg.MeterProvider == nil {
		cfg.MeterProvider = otel.GetMeterProvider()
	}
	t := &Telemetry{tracer: cfg.TracerProvider.Tracer(scope), meter: cfg.MeterProvider.Meter(scope)}
	meter := t.meter
	for _, one := range []struct {
		to               *metric.Int64Counter
		name, unit, text string
	}{
		{&t.authorized, "payment.authorized", "{base_unit}", "What payees were allowed to take more."},
		{&t.deposited, "payment.deposited", "{base_unit}", "What was put into channels."},
		{&t.fees, "payment.fees", "{base_unit}", "What transactions cost the payer."},
		{&t.operations, "payment.operations", "{operation}", "Operations that could cost money."},
		{&t.happened, "payment.events", "{event}", "Events of the session."},
		{&t.retries, "payment.retries", "{sending}", "Paid sendings of requests beyond their first."},
	} {
		var err error
		if *one.to, err = meter.Int64Counter(one.name, metric.WithUnit(one.unit), metric.WithDescription(one.text)); err != nil {
			return nil, err
		}
	}
	if err := t.gauges(); err != nil {
		return nil, err
	}
	var err error
	t.duration, err = meter.Float64Histogram("payment.operation.duration", metric.WithUnit("s"),
		metric.WithDescription("How long operations took."))
	if err != nil {
		return nil, err
	}
	t.sendings, err = meter.Int64Histogram("payment.sendings", metric.WithUnit("{sending}"),
		metric.WithDescription("How often a request was sent."), metric.WithExplicitBucketBoundaries(1, 2, 3, 4, 6, 10))
	return t, err
}

// Event counts an event and adds it to the span of its request. It is for client.Config.OnEvent.
func (t *Telemetry) Event(e client.Event) {
	ctx := e.Context()
	kind := attribute.String("payment.event", string(e.Kind))
	t.happened.Add(ctx, 1, metric.WithAttributes(kind, attribute.String("payment.origin", e.Origin)))
	if e.Sendings > 1 {
		t.retries.Add(ctx, int64(e.Sendings-1), metric.WithAttributes(
			attribute.String("payment.origin", e.Origin), attribute.String("payment.outcome", string(e.Outcome))))
	}
	span := trace.SpanFromContext(ctx)
	if !span.IsRecording() {
		return
	}
	attrs := []attribute.KeyValue{attribute.String("payment.origin", e.Origin)}
	for _, one := range []struct{ name, value string }{
		{"payment.operation", e.Operation},
		{"payment.outcome", string(e.Outcome)},
		{"payment.price", amount(e.Price)},
		{"payment.cumulative", amount(e.Cumulative)},
		{"payment.deposit", amount(e.Deposit)},
		{"payment.total", amount(e.Total)},
		{"payment.currency", e.Currency.Symbol},
		{"payment.fee", amount(e.Fee.Counted())},
	} {
		if one.value != "" {
			attrs = append(attrs, attribute.String(one.name, one.value))
		}
	}
	if e.Err != nil {
		attrs = append(attrs, attribute.String("error.message", e.Err.Error()))
	}
	span.AddEvent("payment."+string(e.Kind), trace.WithAttributes(attrs...))
	if e.Kind == client.EventRefused {
		span.SetStatus(codes.Error, "refused")
	}
}

// amount is an amount in base units, empty if it is zero.
func amount(a voucher.Amount) string {
	if a.IsZero() {
		return ""
	}
	return a.String()
}

// Journal returns a journal that measures what is appended, and appends it to next. It is for client.Config.Journal.
// Nil keeps nothing and measures.
func (t *Telemetry) Journal(next journal.Appender) journal.Appender { return &measured{t, next} }

type measured struct {
	t    *Telemetry
	next journal.Appender
}

// Append implements journal.Appender. The error is that of next.
func (m *measured) Append(ctx context.Context, e journal.Entry) error {
	attrs := metric.WithAttributes(
		attribute.String("payment.kind", string(e.Kind)), attribute.String("payment.origin", e.Origin),
		attribute.String("payment.outcome", e.Outcome),
	)
	m.t.operations.Add(ctx, 1, attrs)
	if e.Kind != journal.KindFee { // which is of no time of its own
		m.t.duration.Record(ctx, max(0, e.End.Sub(e.Start).Seconds()), attrs)
	}
	if !e.Raised.IsZero() {
		m.t.authorized.Add(ctx, number(e.Raised), attrs)
	}
	if (e.Kind == journal.KindOpen || e.Kind == journal.KindTopUp) && e.Accepted() {
		m.t.deposited.Add(ctx, number(e.Amount), attrs)
	}
	if e.Kind == journal.KindFee && !e.Fee.Charged.IsZero() {
		m.t.fees.Add(ctx, number(e.Fee.Charged), metric.WithAttributes(
			attribute.String("payment.origin", e.Origin), attribute.String("payment.token", e.Fee.Token.Hex())))
	}
	if m.next == nil {
		return nil
	}
	return m.next.Append(ctx, e)
}

// number is an amount for a counter, which cannot count higher.
func number(a voucher.Amount) int64 {
	n, ok := a.Uint64()
	if !ok || n > math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(n)
}
