package otel

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// gauges makes the instruments of [Telemetry.Watch].
func (t *Telemetry) gauges() error {
	for _, one := range []struct {
		to         *metric.Int64ObservableGauge
		name, text string
	}{
		{&t.locked, "payment.locked", "What channels hold."},
		{&t.takable, "payment.takable", "What payees can take by vouchers that may exist."},
		{&t.unserved, "payment.unserved", "What payees can take and do not report as charged."},
	} {
		var err error
		*one.to, err = t.meter.Int64ObservableGauge(one.name, metric.WithUnit("{base_unit}"), metric.WithDescription(one.text))
		if err != nil {
			return err
		}
	}
	return nil
}

// exposure is what can be lost in one asset.
type exposure struct{ locked, takable, unserved voucher.Amount }

// Watch measures the channels of a session at each collection of the metrics: what they hold, which part of it payees
// can take, and which part of that they do not report as charged. A payee that reports no amounts has charged nothing.
// Each collection reads the store's records of channels that may hold money, and nothing of the chain. Watch one session
// of a store: others would report the same channels. Unregister the result to end it. The error is the provider's; a
// record that cannot be read is an error of the collection.
func (t *Telemetry) Watch(s *client.Session) (metric.Registration, error) {
	return t.meter.RegisterCallback(func(ctx context.Context, o metric.Observer) error {
		sums, err := exposures(ctx, s)
		for asset, e := range sums {
			attrs := metric.WithAttributes(
				attribute.String("payment.token", asset.Token.Hex()), attribute.Int64("payment.chain", int64(asset.ChainID)), //nolint:gosec // ids of chains are small
			)
			o.ObserveInt64(t.locked, number(e.locked), attrs)
			o.ObserveInt64(t.takable, number(e.takable), attrs)
			o.ObserveInt64(t.unserved, number(e.unserved), attrs)
		}
		return err
	}, t.locked, t.takable, t.unserved)
}

func exposures(ctx context.Context, s *client.Session) (sums map[channel.Asset]exposure, bad error) {
	sums = map[channel.Asset]exposure{}
	for c, err := range s.Channels().Live(ctx) {
		if err != nil {
			bad = errors.Join(bad, err)
			continue
		}
		asset := channel.Asset{ChainID: c.ChainID, Token: c.Descriptor.Token}
		e := sums[asset] // one whose channels are all closed holds zero
		if c.HoldsMoney() {
			most := c.Authorized.Min(c.Deposit)
			e.locked = e.locked.AddCapped(c.Deposit.SubFloor(c.Settled))
			e.takable = e.takable.AddCapped(most.SubFloor(c.Settled))
			e.unserved = e.unserved.AddCapped(most.SubFloor(c.Spent.Max(c.Settled)))
		}
		sums[asset] = e
	}
	return sums, bad
}
