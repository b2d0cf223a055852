package client

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/ledger"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/receipt"
	"github.com/seed-5fe1f529/tallystick/store/journal"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// EventKind names an [Event].
type EventKind string

// The events.
const (
	EventChallenge EventKind = "challenge" // a session challenge arrived that can be paid
	EventOpening   EventKind = "opening"   // an opening transaction is recorded and about to leave
	EventOpened    EventKind = "opened"    // the payee or the chain confirmed it
	EventToppedUp  EventKind = "topped_up" // a top-up was confirmed
	EventUnmined   EventKind = "unmined"   // a top-up expired without being mined; no deposit was made
	EventFound     EventKind = "found"     // a channel that was not on record was found, by its payee's answer or on chain
	EventPaid      EventKind = "paid"      // a request was answered; Outcome says how
	EventRefused   EventKind = "refused"   // this session did not pay, and nothing was sent; Err says why
	EventVoucher   EventKind = "voucher"   // the payee accepted a voucher in the middle of a stream
	EventReceipt   EventKind = "receipt"   // a stream ended, or a receipt for the payment came
	EventViolation EventKind = "violation" // the server reported impossible numbers; see Err. No money was lost
	EventBehind    EventKind = "behind"    // the payee rejected the highest voucher on record; Err is ErrBehind
	EventGone      EventKind = "gone"      // the payee accepts no more vouchers of a channel that holds money
	EventClosed    EventKind = "closed"    // it is proved that a channel is closed
	EventNotSeen   EventKind = "not_seen"  // the chain does not show a channel, and no proof that it is closed
	EventBudget    EventKind = "budget"    // 80% of a budget is used; see Decision
	EventJournal   EventKind = "journal"   // Config.Journal failed; Err says why, and which operation has no line

	EventToppingUp      EventKind = "topping_up"      // a top-up is recorded and about to leave; Deposit is what the channel holds with it
	EventCloseRequested EventKind = "close_requested" // the chain shows a close request of the payer's
	EventFee            EventKind = "fee"             // it is known what a transaction of the payer's was charged; see Fee
	EventReopened       EventKind = "reopened"        // a top-up canceled a close request
	EventSettled        EventKind = "settled"         // the payee redeemed on chain; Cumulative is how much in all
	EventCostly         EventKind = "costly"          // a limit makes funding costly; Err has the arithmetic. Told once a session
	EventLocked         EventKind = "locked"          // the session is closed and this money stays in a channel; see Locked, or Err for a sum
	EventDelayed        EventKind = "delayed"         // a sweep failed in part; Err says why. It is tried again
)

// Event is something that happened to money. It is a copy; changing it changes nothing.
type Event struct {
	Kind EventKind
	// Operation is that of [Payment]: the lines of the journal about the request have it too. Empty if
	// no request caused the event, or nothing was decided about its price.
	Operation string
	// Origin is scheme://host:port.
	Origin    string
	ChannelID common.Hash
	// Currency is what the amounts are in. It has no symbol for a token that no limits are for, and is
	// zero if no amount of the event is known to be in one.
	Currency channel.Currency
	// Price is what the request costs, Cumulative the voucher that was presented, Deposit what the
	// channel holds, in base units; zero if it does not apply.
	Price, Cumulative, Deposit voucher.Amount
	// Total is what this session has authorized so far, on all channels in the asset of this one, in
	// base units. It is zero for events without a channel.
	Total   voucher.Amount
	Outcome Outcome
	// Status is the HTTP status of the answer, zero if there is none.
	Status int
	// Sendings is how often the request was sent with a credential, for [EventPaid]: above 1, it was
	// sent again. It is zero for other events.
	Sendings int
	// Receipt is the receipt that came, nil if none did.
	Receipt *receipt.Receipt
	// Decision is the budget that is nearly used up, nil for other events.
	Decision *channel.Decision
	// Fee is what the transaction of the event costs the payer, in base units of its own token: the most that it
	// can be, until [EventFee] tells what was charged. It is zero for events without a transaction of the payer.
	Fee journal.Fee
	// Locked is what stays in the channel, nil for other events, and for the sum of what was left over
	// in other channels.
	Locked *channel.Locked
	Err    error

	ctx context.Context // of the request
}

// Context returns the context of the request that caused the event, with its values and without its end:
// a hook that traces finds the span of the request in it. It is never nil.
func (e Event) Context() context.Context {
	if e.ctx == nil {
		return context.Background()
	}
	return context.WithoutCancel(e.ctx)
}

func (s *Session) reportNear(n ledger.Near) {
	s.tell(context.Background(), Event{Kind: EventBudget, Currency: n.Decision.Currency, Origin: n.Scope.Origin, ChannelID: n.ChannelID, Decision: &n.Decision})
}

// reportCostly tells once that the limits keep a deposit so small that fees are a large part of it.
func (s *Session) reportCostly(ctx context.Context, o channel.Offer, plan rule.Plan, fee voucher.Amount) {
	s.costly.Do(func() {
		in := o.Currency
		lasting, _ := fee.Mul(rule.FundedFees)
		s.tell(ctx, Event{Kind: EventCostly, Currency: in, Price: o.Price, Deposit: plan.Amount, Err: fmt.Errorf(
			"client: the limits allow a deposit of %s, less than %d requests of %s, and the fee of each such deposit is about %s: "+
				"with %s in Limits.Deposit, Limits.Total and, if it is set, Limits.Fund, fees are about 1%%",
			in.Format(plan.Amount), rule.FundedRequests, in.Format(o.Price), in.Format(fee), in.Format(lasting))})
	})
}

// tell passes an event to the log and the caller's hook, after the write and outside all locks. A hook
// that panics does not stop a payment.
func (s *Session) tell(ctx context.Context, e Event) {
	if !s.watched {
		return
	}
	if info, ok := ctx.Value(paymentKey{}).(*Payment); ok {
		e.Operation = info.Operation
	}
	var asset channel.Asset
	if e.Total, asset = s.ledger.Risen(e.ChannelID); e.Currency.Asset == (channel.Asset{}) {
		e.Currency = s.called(asset)
	}
	e.ctx = ctx
	level := slog.LevelDebug
	switch e.Kind {
	case EventRefused, EventLocked:
		level = slog.LevelInfo
	case EventViolation, EventBehind, EventGone, EventNotSeen, EventUnmined, EventBudget, EventJournal, EventDelayed,
		EventCostly:
		level = slog.LevelWarn
	}
	if s.log.Enabled(ctx, level) {
		s.log.LogAttrs(ctx, level, "payment", e.attrs()...)
	}
	if s.cfg.OnEvent == nil {
		return
	}
	defer func() {
		if r := recover(); r != nil {
			s.log.LogAttrs(ctx, slog.LevelError, "the event hook panicked", slog.Any("panic", r))
		}
	}()
	s.cfg.OnEvent(e)
}

// attrs returns the fields of a log line: those that mean something for the event.
func (e Event) attrs() []slog.Attr {
	attrs := append(make([]slog.Attr, 0, 14), slog.String("event", string(e.Kind)))
	text := func(name, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(name, value))
		}
	}
	amount := func(name string, value voucher.Amount) {
		if !value.IsZero() {
			attrs = append(attrs, slog.String(name, value.String()))
		}
	}
	text("operation", e.Operation)
	text("origin", e.Origin)
	if e.ChannelID != zeroHash {
		text("channel", e.ChannelID.Hex())
	}
	text("currency", e.Currency.Symbol)
	amount("price", e.Price)
	amount("cumulative", e.Cumulative)
	amount("deposit", e.Deposit)
	amount("total", e.Total)
	if f := e.Fee; f != (journal.Fee{}) {
		amount("max_fee", f.Max)
		if f.Known {
			amount("fee", f.Charged)
		}
		if f.Sponsored {
			attrs = append(attrs, slog.Bool("sponsored", true))
		}
		if f.Token != (common.Address{}) {
			text("fee_token", f.Token.Hex())
		}
	}
	if e.Decision != nil {
		text("budget", e.Decision.Rule)
		amount("left", e.Decision.Left)
		amount("allowed", e.Decision.Allowed)
	}
	if e.Locked != nil {
		amount("locked", e.Locked.Amount)
		if !e.Locked.Until.IsZero() {
			attrs = append(attrs, slog.Time("until", e.Locked.Until))
		}
	}
	text("outcome", string(e.Outcome))
	if e.Status != 0 {
		attrs = append(attrs, slog.Int("status", e.Status))
	}
	if e.Sendings > 1 {
		attrs = append(attrs, slog.Int("sendings", e.Sendings))
	}
	if e.Err != nil {
		attrs = append(attrs, slog.Any("error", e.Err))
	}
	return attrs
}
