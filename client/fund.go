package client

import (
	"context"
	"time"

	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// A transaction that puts money into a channel has one life: it is planned within the limits, prepared
// and signed, recorded, presented to the payee, and confirmed by the payee or the chain. Each step can
// be resumed from the record: what was recorded is presented again, never signed a second time.

// transfer is a funding transaction before it is presented.
type transfer struct {
	// plan reserves the amount under the limits; zero means that nothing has to be done.
	plan func() (voucher.Amount, error)
	// prepare signs the transaction for the amount.
	prepare func(ctx context.Context, amount voucher.Amount) error
	// record stores the transaction, and returns it; false if another process was first.
	record func() (rule.Funding, bool, error)
}

// prepareWait bounds how long a funding key and the chain may take to prepare a transaction.
const prepareWait = time.Minute

// fund plans, prepares and records a transfer. busy reports that nothing was recorded because another
// request or process was first. Nothing that was signed leaves before it is recorded.
func (s *Session) fund(ctx context.Context, t transfer) (busy bool, err error) {
	amount, err := t.plan()
	if err != nil || amount.IsZero() {
		return err == nil, err
	}
	recorded := false
	defer func() {
		if !recorded {
			s.ledger.Unplan(amount)
		}
	}()
	switch {
	case s.cfg.Chain == nil:
		return false, ErrNoChain
	case s.cfg.Payer == nil:
		return false, ErrNoPayer
	}
	if err := s.within(ctx, prepareWait, func(ctx context.Context) error { return t.prepare(ctx, amount) }); err != nil {
		return false, err
	}
	f, recorded, err := t.record()
	if err != nil || !recorded {
		return err == nil, err
	}
	s.ledger.Leave(f, amount)
	return false, nil
}

// within runs f, and returns when it does or when the time or the context is over. An f that ignores
// its context is left behind, and what it returns is dropped.
func (s *Session) within(ctx context.Context, d time.Duration, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
