package client

import (
	"net/http"
	"sync"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/receipt"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Payment tells what was paid for one response. [PaymentOf] returns it. Its fields are final when
// the response is handed over; what a stream costs after that is in [Payment.Cost], and in
// [Payment.Receipt] at its end.
type Payment struct {
	// Operation identifies the request in Config.Journal: its Idempotency-Key. Empty if nothing was to
	// be paid, for this request or for an earlier one of the same purchase.
	Operation string
	// Outcome says how the payment ended; [OutcomeNone] if the response was free. If the payee serves a
	// retry with the same Idempotency-Key without payment, it is that of the tries before, with their
	// ChannelID, and Price and Cumulative are zero.
	Outcome Outcome
	// ChannelID is the channel, the zero hash if the response was free.
	ChannelID common.Hash
	// Price is the price of one unit, Cumulative the voucher that was presented, in base units.
	Price, Cumulative voucher.Amount
	// Problem is the type of the last problem that the server had with the payment, without its
	// base URI; it may be set although a later attempt was accepted.
	Problem string
	// Err explains a 401, a 402 or a rejected payment if the client knows more than the response says:
	// why an offer was not paid, a limit, [ErrAuthorization] or [ErrBehind]. Nil otherwise.
	Err error

	cost   voucher.Amount // of what ended before the body of a stream began
	stream *meter         // the body of a paid stream, nil for others
	fees   *paidFees      // of the transactions that were made for the request, nil if none was
	route  string         // of the request, for the journal's lines about these

	mu      sync.Mutex // guards receipt
	receipt *receipt.Receipt
}

// Receipt returns the last receipt for this payment, nil if none came. If it has amounts (Session), it
// names the challenge and the channel of the payment. A stream's final one comes at its end. Receipts are
// reports of the payee and prove nothing. Receipt is safe to call while a stream is read.
func (p *Payment) Receipt() *receipt.Receipt {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.receipt
}

// Cost returns what the request costs, in base units: the prices that it agreed to and that the payee
// may have charged. Redirects that were charged on the way count, and so does a second payment of the
// request. The fees of transactions do not: see [Payment.Fees]. It is zero if the payee refused or nothing was paid: what
// the payee can redeem all the same is for budgets to count ([Budget]).
//
// The cost of a stream grows with its pieces and is final when the body was read to its end or closed.
// It is safe to call while a stream is read. A payee may charge less; its receipts say so.
func (p *Payment) Cost() voucher.Amount {
	if p.stream != nil {
		return p.cost.AddCapped(p.stream.a.reserved.Price())
	}
	return p.cost
}

type paymentKey struct{}

// PaymentOf returns what was paid for a response of a [Transport], or nil if resp is nil or did not
// come through one. After redirects it is the payment for the last response.
func PaymentOf(resp *http.Response) *Payment {
	if resp == nil || resp.Request == nil {
		return nil
	}
	p, _ := resp.Request.Context().Value(paymentKey{}).(*Payment)
	return p
}
