package client

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/internal/ledger"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store/journal"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// A fee has one life: the most that it can be is reserved before the transaction is signed, stored with the
// transaction before that leaves, and corrected once the chain tells what was charged. What was reserved for
// a transaction that never left is given back.

// feeHold reserves the fee of a transaction while that is prepared. A funding key that ignores its context
// may ask for it when nobody waits any more.
type feeHold struct {
	s    *Session
	kind journal.Kind
	use  ledger.FeeUse

	mu    sync.Mutex // guards what follows
	fee   rule.Fee
	ended bool
	left  bool // it is on record, as far as is known
}

var (
	errLate     = errors.New("client: the transaction was not prepared in time")
	errUnagreed = errors.New("client: Config.Chain has a transaction signed whose fee it did not ask for (Agree)")
)

// agree reserves the fee. Nothing is signed after an error.
func (h *feeHold) agree(ctx context.Context, f escrow.Fee) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended {
		return errLate
	}
	h.giveBack(ctx) // a chain that asks once more signs what it asks for last
	use := h.use
	asset := channel.Asset{ChainID: use.Scope.ChainID, Token: f.Token}
	if own := (channel.Asset{ChainID: asset.ChainID, Token: use.Scope.Token}); own != asset {
		_, dollar := h.s.dollars[asset]
		if _, both := h.s.dollars[own]; !dollar || !both {
			use.Price, use.Back = voucher.Amount{}, voucher.Amount{} // they are under other limits
		}
	}
	if use.Terms.Limits.Currency.Asset != asset {
		currency, err := h.s.currency(ctx, asset)
		if err == nil {
			use.Terms.Limits, err = h.s.limits(ctx, use.Terms.Origin, currency)
		}
		if use.Returns && errors.Is(err, channel.ErrAsset) {
			use.Terms.Limits, err = channel.Limits{}, nil // money comes back without limits for it, too
		}
		if err != nil {
			return err
		}
	}
	fee := rule.Fee{Kind: string(h.kind), Token: f.Token, Max: f.Max, ValidBefore: f.ValidBefore}
	fee, err := h.s.ledger.ReserveFee(ctx, use, fee)
	if err == nil {
		h.fee = fee
	}
	return err
}

// of returns what is stored with a signed transaction: the fee that was agreed to, with its hash. One that can
// cost more is dropped, and nothing is reserved for it: another Chain may not have asked.
func (h *feeHold) of(tx common.Hash, signed escrow.Fee) (rule.Fee, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.fee.Max.Less(signed.Max) || !signed.Max.IsZero() && signed.Token != h.fee.Token {
		h.giveBack(context.Background())
		return rule.Fee{}, errUnagreed
	}
	h.fee.Hash, h.fee.ValidBefore = tx, max(h.fee.ValidBefore, signed.ValidBefore)
	return h.fee, nil
}

// end gives back what was reserved for a transaction that never leaves.
func (h *feeHold) end(ctx context.Context) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended = true; !h.left {
		h.giveBack(ctx)
	}
}

// giveBack gives back what is reserved. The caller holds the mutex.
func (h *feeHold) giveBack(ctx context.Context) {
	if h.fee.Max.IsZero() {
		return
	}
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), besideGrace)
	defer cancel()
	if err := h.s.ledger.SettleFee(bounded, h.use.Scope, h.fee, voucher.Amount{}); err != nil {
		h.s.log.WarnContext(ctx, "the fee of a transaction that was not sent goes on counting", "fee", h.fee.Max, "error", err)
	}
	h.fee = rule.Fee{}
}

// unminedAfter is how long after the time for which a transaction is valid its absence shows that it will
// never be mined, in seconds of the chain: replicas of a node lag.
const unminedAfter = 300

// readFees asks the chain what transactions of a channel were charged. What it does not tell goes on counting
// with its highest. The error is that of the chain or of the store.
func (s *Session) readFees(ctx context.Context, account *ledger.Account) error {
	if s.cfg.Chain == nil {
		return nil
	}
	var errs []error
	for _, f := range account.State().FeesDue() {
		r, found, err := s.cfg.Chain.Confirm(ctx, f.Hash)
		switch {
		case err != nil:
		case found:
			err = s.feeTold(ctx, account, f, r)
		case r.Time >= f.ValidBefore+unminedAfter:
			err = s.feeKnown(ctx, account, f, f.Missing())
		}
		if errs = append(errs, err); ctx.Err() != nil {
			break
		}
	}
	return errors.Join(errs...)
}

// feeTold books what a receipt tells of a fee, if it does. The payer pays the fees of its own transactions;
// a receipt that names another one is of no use.
func (s *Session) feeTold(ctx context.Context, account *ledger.Account, f rule.Fee, r escrow.Receipt) error {
	if !r.FeeKnown || r.FeePayer != account.State().Descriptor.Payer {
		return nil
	}
	if f.Max.Less(r.Fee) {
		s.log.WarnContext(ctx, "a node says that a transaction was charged more than it can be; its highest fee counts",
			"channel", account.ID(), "transaction", f.Hash, "says", r.Fee, "most", f.Max)
	}
	return s.feeKnown(ctx, account, f, r.Fee.Min(f.Max))
}

// feeKnown books what a transaction was charged: in the record of the channel, and then, by the one session
// that did, in all that it counts in. If a session is killed in between, too much counts.
func (s *Session) feeKnown(ctx context.Context, account *ledger.Account, f rule.Fee, charged voucher.Amount) error {
	var first bool
	err := account.Update(ctx, func(st rule.State) rule.State {
		var next rule.State
		next, _, first = st.Charged(f.Hash, charged, time.Now().Unix())
		return next
	})
	if err != nil || !first {
		return err
	}
	defer s.tellFee(account.State(), f, charged)
	return s.ledger.SettleFee(ctx, account.State().Scope, f, charged)
}

// feesBeside are the readers of fees that no request waits for: one for a channel. They end with the
// session.
type feesBeside struct {
	rest intervals // the channels of which the last one did not learn all

	mu     sync.Mutex // guards what follows
	closed bool
	busy   map[common.Hash]underway
}

// Bounds of reading fees beside requests: how long in all, and how long after a receipt was missing. What is
// not known then is read when the channel is read the next time.
const (
	feesWait  = 20 * time.Second
	feesPause = time.Second
	feesRest  = time.Minute // from one that learned too little to the next, if no transaction was sent
)

// readFeesBeside reads the fees of a channel when its transactions have been mined, and keeps nobody waiting.
// sent reports that one was just sent.
func (s *Session) readFeesBeside(ctx context.Context, account *ledger.Account, sent bool) {
	if s.cfg.Chain == nil || len(account.State().FeesDue()) == 0 {
		return
	}
	b := &s.fees
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, busy := b.busy[account.ID()]; busy || b.closed || !sent && b.rest.within(feesRest, account.ID().Hex()) {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), feesWait)
	one := underway{cancel, make(chan struct{})}
	if b.busy == nil {
		b.busy = map[common.Hash]underway{}
	}
	b.busy[account.ID()] = one
	go func() {
		defer func() {
			if r := recover(); r != nil {
				s.log.ErrorContext(ctx, "reading what a transaction was charged panicked", "channel", account.ID(), "panic", r)
			}
			cancel()
			b.mu.Lock()
			delete(b.busy, account.ID())
			b.mu.Unlock()
			close(one.ended)
		}()
		for pause := feesPause; ; pause *= 2 {
			err := s.readFees(ctx, account)
			if len(account.State().FeesDue()) == 0 {
				return
			}
			select {
			case <-time.After(pause):
			case <-ctx.Done():
				b.rest.begin(account.ID().Hex(), 0)
				s.log.DebugContext(ctx, "what a transaction was charged is not known yet", "channel", account.ID(), "error", err)
				return
			}
		}
	}()
}

// end lets no reader begin any more, and waits for those under way as halt does.
func (b *feesBeside) end(ctx context.Context) {
	b.mu.Lock()
	b.closed = true
	var all []underway
	for _, one := range b.busy {
		all = append(all, one)
	}
	b.mu.Unlock()
	if len(all) > 0 {
		halt(ctx, all...)
	}
}
