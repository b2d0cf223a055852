package client

import (
	"context"
	"net/http"
	"sync"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/internal/ledger"
	"github.com/seed-5fe1f529/tallystick/receipt"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Payment is what was paid for one response. [PaymentOf] finds it. Its fields are final when the response is
// handed over; what a stream goes on to cost is told by [Payment.Receipt] at its end.
type Payment struct {
	// Operation names the request in Config.Journal: its Idempotency-Key. Empty where nothing was to be paid.
	Operation string
	// Outcome says how it ended; [None] where the response was free.
	Outcome Outcome
	// ChannelID is the channel, the zero hash where the response was free.
	ChannelID common.Hash
	// Price is the price of one unit, Cumulative the voucher that was presented, in base units.
	Price, Cumulative voucher.Amount
	// Problem is the type of the last problem that the server had with the payment, without its base.
	Problem string
	// Err is what this side makes of a rejection, where it knows more than the answer says: [ErrBehind]. Nil elsewhere.
	Err error

	sent bool
	left *ledger.Reservation // released when the answer was a redirect: the request may go on there

	mu      sync.Mutex // guards receipt
	receipt *receipt.Receipt
}

// Receipt is the last receipt that counts, nil where none came. A stream's final one comes with its end.
// It is safe to call while a stream is read.
func (p *Payment) Receipt() *receipt.Receipt {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.receipt
}

func (p *Payment) setReceipt(r receipt.Receipt) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.receipt = &r
}

type paymentKey struct{}

func withPayment(ctx context.Context, p *Payment) context.Context {
	return context.WithValue(ctx, paymentKey{}, p)
}

// PaymentOf returns what was paid for a response of a [Transport], or nil where it did not come through
// one.
func PaymentOf(resp *http.Response) *Payment {
	if resp == nil || resp.Request == nil {
		return nil
	}
	p, _ := resp.Request.Context().Value(paymentKey{}).(*Payment)
	return p
}
