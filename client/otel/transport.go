package otel

import (
	"context"
	"io"
	"mime"
	"net/http"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/seed-5fe1f529/tallystick/client"
)

type sentKey struct{}

// Transport returns a transport that makes a span for each request that goes through next, which pays. The span has the
// outcome, the operation and the cost of the payment.
func (t *Telemetry) Transport(next http.RoundTripper) http.RoundTripper { return &outer{t, next} }

type outer struct {
	t    *Telemetry
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (o *outer) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, span := o.t.tracer.Start(req.Context(), "payment", trace.WithSpanKind(trace.SpanKindInternal), trace.WithAttributes(
		attribute.String("http.request.method", req.Method), attribute.String("server.address", req.URL.Hostname())))
	var sent atomic.Int64
	resp, err := o.next.RoundTrip(req.WithContext(context.WithValue(ctx, sentKey{}, &sent)))
	if n := sent.Load(); n > 0 {
		o.t.sendings.Record(ctx, n, metric.WithAttributes(attribute.String("server.address", req.URL.Hostname())))
		span.SetAttributes(attribute.Int64("payment.sendings", n))
	}
	if err != nil {
		span.SetStatus(codes.Error, err.Error())
		span.End()
		return nil, err
	}
	span.SetAttributes(attribute.Int("http.response.status_code", resp.StatusCode))
	paid := client.PaymentOf(resp)
	if paid != nil {
		span.SetAttributes(attribute.String("payment.outcome", string(paid.Outcome)))
		if paid.Operation != "" {
			span.SetAttributes(attribute.String("payment.operation", paid.Operation))
		}
	}
	if kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); kind != "text/event-stream" {
		cost(span, paid)
		span.End()
		return resp, nil
	}
	resp.Body = &body{ReadCloser: resp.Body, span: span, paid: paid}
	return resp, nil
}

// CloseIdleConnections closes those of next, if it has such a method.
func (o *outer) CloseIdleConnections() { closeIdle(o.next) }

// body ends the span of a stream when it ends.
type body struct {
	io.ReadCloser
	span trace.Span
	paid *client.Payment // nil if nothing is known of it
	once sync.Once
}

// cost sets what a request cost, if it cost something.
func cost(span trace.Span, p *client.Payment) {
	if p != nil && !p.Cost().IsZero() {
		span.SetAttributes(attribute.String("payment.cost", amount(p.Cost())))
	}
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		b.end(err)
	}
	return n, err
}

// Close implements io.Closer.
func (b *body) Close() error {
	err := b.ReadCloser.Close()
	b.end(io.EOF)
	return err
}

func (b *body) end(err error) {
	b.once.Do(func() {
		if err != io.EOF { //nolint:errorlint // a reader returns io.EOF as it is
			b.span.SetStatus(codes.Error, err.Error())
		}
		cost(b.span, b.paid)
		b.span.End()
	})
}

// Base returns a transport that makes a span for each sending, and counts them for [Telemetry.Transport]. It is for
// client.Config.Base, or client.Transport.Base. Nil means http.DefaultTransport.
//
// A session makes connections of its own for the vouchers of streams if its Base is an [http.Transport]. Through this
// one they go over the connections of next.
func (t *Telemetry) Base(next http.RoundTripper) http.RoundTripper {
	if next == nil {
		next = http.DefaultTransport
	}
	return &inner{t, next}
}

type inner struct {
	t    *Telemetry
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (i *inner) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, span := i.t.tracer.Start(req.Context(), "payment send", trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
		attribute.String("http.request.method", req.Method), attribute.String("server.address", req.URL.Hostname())))
	defer span.End()
	if sent, ok := ctx.Value(sentKey{}).(*atomic.Int64); ok {
		sent.Add(1)
	}
	resp, err := i.next.RoundTrip(req.WithContext(ctx))
	if err != nil {
		span.SetStatus(codes.Error, err.Error())
		return nil, err
	}
	span.SetAttributes(attribute.Int("http.response.status_code", resp.StatusCode))
	return resp, nil
}

// CloseIdleConnections closes those of next, if it has such a method.
func (i *inner) CloseIdleConnections() { closeIdle(i.next) }

func closeIdle(next http.RoundTripper) {
	if c, ok := next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}
