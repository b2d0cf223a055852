package client

import (
	"net/http"
	"sync/atomic"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/internal/ledger"
	"github.com/seed-5fe1f529/tallystick/internal/purchase"
)

// bought is what a request of a caller keeps over all of its redirects, and over its retries under
// one Idempotency-Key: the decision, and its place on each channel that it touched.
type bought struct {
	keyed    *keyed // where it is remembered for retries, nil if it is not
	tries    uint64 // that it had when the last hop of this one ended
	decision *purchase.Purchase
	charge   *ledger.Charge // nil without a budget
	// left are the reservations on the channels that the request left, or on which a redirect found it;
	// written is what the journal has of a reservation.
	left       map[common.Hash]*ledger.Reservation
	written    map[*ledger.Reservation]ledger.Rise
	fees       paidFees    // of the transactions that were made for it
	last       shown       // the last voucher that may have reached a payee
	second     bool        // the second payment was noted
	redirected atomic.Bool // the last hop ended with a redirect that nobody has followed yet
}

// boughtKey is the key, in the context of what a session sends, of what the request keeps. Sessions can
// be stacked, and each has its own.
type boughtKey struct{ s *Session }

// boughtBefore returns what a request that follows a redirect has kept in this session so far. It
// returns nil if that was not sent by this session, or was followed already: one follows it, and whoever
// sends the same once more makes a new request.
func (s *Session) boughtBefore(redirect *http.Response) *bought {
	if redirect.Request == nil {
		return nil
	}
	b, _ := redirect.Request.Context().Value(boughtKey{s}).(*bought)
	if b == nil || !b.redirected.CompareAndSwap(true, false) {
		return nil
	}
	return b
}
