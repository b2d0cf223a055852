package client

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"sync"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store/journal"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// A feeTeller is a [Chain] that knows what funding costs, as [escrow.Client] does. Amounts are not sized
// by fees with others.
type feeTeller interface {
	FundingFee(ctx context.Context, chainID uint64, p voucher.Protocol) (open, topUp voucher.Amount, err error)
}

// paidFees are what the transactions that were made for a request cost. The zero value is ready.
type paidFees struct {
	mu  sync.Mutex // guards all
	all []paidFee
}

type paidFee struct {
	tx  common.Hash // the zero hash of a sponsored one
	fee journal.Fee
}

// note adds the fee of a transaction, or what is known of it by now.
func (p *paidFees) note(tx common.Hash, fee journal.Fee) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.all {
		if p.all[i].tx == tx && tx != zeroHash {
			p.all[i].fee = fee
			return
		}
	}
	p.all = append(p.all, paidFee{tx, fee})
}

// Fees returns what the transactions cost that were made for the request: openings and top-ups, on redirects
// too, in their order. Often it is not known yet what one was charged when the response is handed over
// ([journal.Fee.Known]); the most that it can be counts then. A top-up that is made beside the requests
// is among the fees of the request that began it. Fees is safe to call at any time; what it returns may change
// until all are known. The journal and [EventFee] tell of each.
func (p *Payment) Fees() []journal.Fee {
	if p.fees == nil {
		return nil
	}
	p.fees.mu.Lock()
	defer p.fees.mu.Unlock()
	var fees []journal.Fee
	for _, one := range p.fees.all {
		fees = append(fees, one.fee)
	}
	return fees
}

// feeOf returns the fee of a transaction as far as its record knows it.
func feeOf(f rule.Funding) journal.Fee {
	switch {
	case f.Pending() && f.Hash == zeroHash:
		return journal.Fee{Sponsored: true} // only its sponsor can send it
	case f.MaxFee.IsZero():
		return journal.Fee{} // it costs nothing, or was made before fees were recorded
	}
	return journal.Fee{Token: f.FeeToken, Max: f.MaxFee, Charged: f.Fee, Known: f.FeeKnown}
}

// payers are the requests that transactions were made for, until it is known what these were charged. The zero
// value is ready.
type payers struct {
	mu  sync.Mutex                      // guards all
	all map[common.Hash]context.Context // contexts with a Payment, that do not end
}

// noteFee notes the fee of a transaction that is recorded and about to leave, for the request that it was made
// for.
func (a *attempt) noteFee(ctx context.Context, f rule.Funding) {
	fee := feeOf(f)
	if fee == (journal.Fee{}) || a.bought == nil {
		return
	}
	if a.out.key == "" { // the lines of its fee are of this operation
		own, _ := valuesOf(a.out.req.Header, "Idempotency-Key")
		a.out.key = cmp.Or(cmp.Or(own...), randomName())
	}
	if a.info.fees == nil {
		a.info.fees = &a.fees
	}
	a.info.Operation = a.out.key
	if a.s.cfg.Journal != nil {
		a.info.route = a.s.routeOf(a.out.req)
	}
	a.info.fees.note(f.Hash, fee)
	if f.MaxFee.IsZero() {
		return
	}
	// What becomes of it is told beside the request, which may go on using its Payment.
	told := &Payment{Operation: a.info.Operation, fees: a.info.fees, route: a.info.route}
	p := &a.s.payers
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.all == nil {
		p.all = map[common.Hash]context.Context{}
	}
	p.all[f.Hash] = context.WithValue(context.WithoutCancel(ctx), paymentKey{}, told)
}

// tellFee tells what a transaction was charged, once that is recorded: the request that it was made for, the
// journal and the caller's hook. Zero is the fee of one that can no longer be mined.
func (s *Session) tellFee(state rule.State, f rule.Fee, charged voucher.Amount) {
	s.payers.mu.Lock()
	ctx := s.payers.all[f.Hash]
	delete(s.payers.all, f.Hash)
	s.payers.mu.Unlock()
	if ctx == nil { // another session's, or of no request
		ctx = context.Background()
	}
	fee := journal.Fee{Token: f.Token, Max: f.Max, Charged: charged, Known: true}
	if info, ok := ctx.Value(paymentKey{}).(*Payment); ok {
		info.fees.note(f.Hash, fee)
	}
	outcome := OutcomeAccepted
	if charged.IsZero() {
		outcome = OutcomeRejected
	}
	if s.cfg.Journal != nil {
		s.recordEnd(ctx, state, journal.Entry{
			Kind: journal.KindFee, Transaction: f.Hash, Fee: fee, Outcome: string(outcome),
		})
	}
	s.tell(ctx, Event{
		Kind: EventFee, Origin: state.Scope.Origin, ChannelID: state.ID, Deposit: state.Deposit, Outcome: outcome, Fee: fee,
	})
}

// randomName returns a name for an operation.
func randomName() string {
	var name [16]byte
	_, _ = rand.Read(name[:]) // never fails
	return hex.EncodeToString(name[:])
}
