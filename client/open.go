package client

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/internal/ledger"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/internal/wire"
	"github.com/seed-5fe1f529/tallystick/store/journal"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// open prepares a new channel for the offer: the signed transaction is written down before anything
// leaves, and rides on the request. One request opens for a scope; the others wait for its answer.
// replaces is the channel that the scope used until now, nil where it had none.
func (p *payment) open(ctx context.Context, replaces *ledger.Account) (ready bool, err error) {
	if err := p.allowFunding(ctx); err != nil {
		return false, err
	}
	if p.opening == nil {
		if p.opening, err = p.s.fly(ctx, rule.ScopeKey(p.scope(p.known.offer))); err != nil || p.opening == nil {
			return false, err
		}
		return false, nil // look again: the one before may have opened it
	}
	offer := p.known.offer
	plan, err := p.s.ledger.Plan(ctx, p.terms, p.scope(p.known.offer), nil, ask(offer), offer.Suggested)
	if err != nil {
		return false, err
	}
	defer func() {
		if err != nil {
			p.s.ledger.Unplan(plan.Amount)
		}
	}()
	switch {
	case p.s.cfg.Chain == nil:
		return false, ErrNoChain
	case p.s.cfg.Payer == nil:
		return false, ErrNoPayer
	}
	tx, err := p.s.cfg.Chain.PrepareOpen(ctx, escrow.OpenParams{
		Protocol: offer.Protocol, ChainID: offer.ChainID, Escrow: offer.Escrow, Payer: p.s.cfg.Payer,
		Payee: offer.Payee, Operator: offer.Operator, Token: offer.Token, FeeToken: offer.FeeToken,
		AuthorizedSigner: p.s.ledger.Signer(), Deposit: plan.Amount, Sponsored: offer.FeePayer,
	})
	if err != nil {
		return false, err
	}
	state, err := rule.New(offer.Protocol, offer.ChainID, offer.Escrow, tx.Descriptor, p.scope(p.known.offer), rule.Funding{
		Amount: tx.Deposit, Raw: tx.Raw, Hash: tx.TxHash, ValidBefore: tx.ValidBefore,
	})
	if err != nil {
		return false, err
	}
	state.CreatedAt, state.URL = time.Now().UTC(), placeOf(p.out.req.URL)
	account, added, err := p.s.ledger.Add(ctx, state, replaces)
	if err != nil {
		return false, err
	}
	if !added {
		p.s.ledger.Unplan(plan.Amount) // another process was quicker; ours was never sent
		p.land()
		return false, nil
	}
	p.s.ledger.Leave(state.Opening, plan.Amount)
	p.account, p.openTx = account, state.Opening.Raw
	p.s.noteOpened(account.ID())
	p.s.tell(ctx, Event{Kind: EventOpening, Origin: p.origin, ChannelID: account.ID(), Price: offer.Price, Deposit: state.Deposit})
	return true, nil
}

// resumeOpening goes on with a channel whose opening transaction left without an answer, in this process or
// in one that died. The chain decides; while it cannot, the same transaction is presented again, never a
// second one.
func (p *payment) resumeOpening(ctx context.Context, account *ledger.Account) (ready bool, err error) {
	if p.opening == nil {
		if p.opening, err = p.s.fly(ctx, rule.ScopeKey(p.scope(p.known.offer))); err != nil || p.opening == nil {
			return false, err
		}
		return false, nil
	}
	state, err := p.s.settle(ctx, account)
	if err != nil {
		return false, err
	}
	if state.Phase() != channel.Opening {
		return false, nil // open, or never to be
	}
	p.s.ledger.Leave(state.Opening, voucher.Amount{})
	p.s.noteOpened(account.ID())
	p.openTx = state.Opening.Raw
	return true, nil
}

// opened books the payee's acceptance of the opening.
func (p *payment) opened(ctx context.Context) {
	err := p.account.Update(ctx, rule.State.Acknowledged)
	if err != nil {
		p.s.log.WarnContext(ctx, "an opened channel could not be written down as open; the chain will be asked next time", "channel", p.account.ID(), "error", err)
	}
	p.openTx = nil
	state := p.account.State()
	p.s.recordFunding(ctx, journal.KindOpen, state, state.Opening, Accepted, p.start, nil)
	p.s.tell(ctx, Event{Kind: EventOpened, Origin: p.origin, ChannelID: p.account.ID(), Deposit: p.account.State().Deposit, Err: err})
}

// settle asks the chain about a channel and books the answer.
func (s *Session) settle(ctx context.Context, account *ledger.Account) (rule.State, error) {
	before := account.State()
	word, err := s.chainWord(ctx, before)
	if err != nil {
		return before, err
	}
	return s.book(ctx, account, word)
}

// settled books a word of the chain that was asked for when the channel stood as before. Where the record was written
// since by one who saw the channel opened, a word that does not know it is the older one, and says nothing.
func settled(before rule.State, c rule.OnChain) func(rule.State) rule.State {
	return func(now rule.State) rule.State {
		if !c.Exists && before.Opening.Pending() && now.Confirmed && !now.Opening.Pending() {
			return now
		}
		return now.Settle(c)
	}
}

// book writes down what the chain says of a channel, in the journal too, and tells what it means.
func (s *Session) book(ctx context.Context, account *ledger.Account, word func(rule.State) rule.State) (rule.State, error) {
	before, after, err := s.enter(ctx, account, word)
	if err == nil {
		s.recordSettled(ctx, before, after)
	}
	return after, err
}

// look is settle for one who writes the journal's line about the end of the channel itself.
func (s *Session) look(ctx context.Context, account *ledger.Account) (rule.State, error) {
	before := account.State()
	word, err := s.chainWord(ctx, before)
	if err != nil {
		return before, err
	}
	_, after, err := s.enter(ctx, account, word)
	return after, err
}

// enter writes down what the chain says of a channel. After an error the two states are the same.
func (s *Session) enter(ctx context.Context, account *ledger.Account, word func(rule.State) rule.State) (before, after rule.State, err error) {
	before = account.State()
	var rise ledger.Rise
	if err := account.Update(ctx, func(s rule.State) rule.State {
		n := word(s)
		rise = ledger.Rise{}.Plus(s.Authorized(), n.Authorized())
		return n
	}); err != nil {
		return before, before, err
	}
	after = account.State()
	s.recordProof(ctx, after, rise)
	s.tellNews(ctx, before, after)
	s.ledger.Correct(before, after)
	if after.Phase() == channel.Closed && before.Phase() != channel.Closed {
		s.unhint(after.Scope.Origin, after.ID)
		s.tell(ctx, Event{Kind: EventClosed, Origin: after.Scope.Origin, ChannelID: after.ID, Deposit: after.Deposit, Outcome: Refunded})
	}
	return before, after, nil
}

// bookNews is book, without a write where the chain says nothing new.
func (s *Session) bookNews(ctx context.Context, account *ledger.Account, word func(rule.State) rule.State) (rule.State, error) {
	if st := account.State(); reflect.DeepEqual(st, word(st)) {
		return st, nil
	}
	return s.book(ctx, account, word)
}

// onChain reads a channel, past every cache.
func (s *Session) onChain(ctx context.Context, st rule.State) (rule.OnChain, error) {
	if s.cfg.Chain == nil {
		return rule.OnChain{}, ErrNoChain
	}
	s.cfg.Chain.Forget(st.ID)
	c, err := s.cfg.Chain.State(ctx, escrow.Ref{Protocol: st.Protocol, ChainID: st.ChainID, Escrow: st.Escrow, ChannelID: st.ID})
	if err != nil {
		return rule.OnChain{}, err
	}
	return rule.OnChain(c), nil
}

// covered reports whether the deposit covers an ask on a channel as it stands. It counts nothing against
// Limits.Total; the error is a limit's that no top-up of another request can change.
func (p *payment) covered(state rule.State, need rule.Request) (bool, error) {
	plan, err := rule.PlanPayment(&state, need, voucher.Amount{}, voucher.Amount{}, rule.Of(p.terms.Limits))
	return plan.Step == rule.Pay, err
}

// topUp sees to it that a channel's deposit covers need, one request at a time: the others look again then. The same
// transaction is presented until the payee or the chain has decided it; a second one is never signed for the
// same need. view is the channel as the ask has to see it.
func (p *payment) topUp(ctx context.Context, account *ledger.Account, need rule.Request, view func() rule.State) error {
	if !account.State().ToppingUp.Pending() {
		if err := p.allowFunding(ctx); err != nil {
			return err
		}
	}
	f, err := p.s.fly(ctx, "topup "+account.ID().Hex())
	if err != nil || f == nil {
		return err // nil: somebody else did; look again
	}
	defer f.end()
	state := account.State()
	if p.s.cfg.Chain != nil { // the deposit may have grown in another hand, or before the store was restored
		if state, err = p.s.settle(ctx, account); err != nil {
			return err
		}
	}
	if !state.ToppingUp.Pending() {
		now := view()
		plan, err := p.s.ledger.Plan(ctx, p.terms, account.State().Scope, &now, need, p.known.offer.Suggested)
		if err != nil || plan.Step != rule.TopUp {
			return err // nil: it is covered by now
		}
		if state, err = p.prepareTopUp(ctx, account, now.Deposit, plan.Amount); err != nil {
			p.s.ledger.Unplan(plan.Amount)
			if errors.Is(err, errOvertaken) {
				return nil
			}
			if errors.Is(err, escrow.ErrNoChannel) {
				// Never opened, whatever the payee said, or closed since. Once the chain is sure, another is opened.
				if after, chainErr := p.s.settle(ctx, account); chainErr == nil && !after.Payable() {
					return nil
				}
			}
			return err
		}
		p.s.ledger.Leave(state.ToppingUp, plan.Amount)
	} else {
		p.s.ledger.Leave(state.ToppingUp, voucher.Amount{})
	}
	start := time.Now()
	p.funded = true
	answer, err := p.manage(ctx, p.order(), func(k *known) (string, error) {
		return k.echo.Payload(wire.TopUp(account.ID(), wireDescriptor(state), state.ToppingUp.Raw, state.ToppingUp.Amount))
	})
	if p.s.cfg.Chain != nil {
		p.s.cfg.Chain.Forget(account.ID()) // what was read of it is of before
	}
	switch {
	case err == nil && answer.ok():
		if err := account.Update(ctx, rule.State.ToppedUp); err != nil {
			return err
		}
		p.s.recordFunding(ctx, journal.KindTopUp, account.State(), state.ToppingUp, Accepted, start, answer.receipt)
	default:
		// Refused, or no answer: it may be mined all the same.
		after, chainErr := p.s.settle(ctx, account)
		if chainErr != nil || !state.Deposit.Less(after.Deposit) {
			p.s.recordFunding(ctx, journal.KindTopUp, account.State(), after.ToppingUp, Unknown, start, nil)
			return errors.Join(fmt.Errorf("top up of channel %s by %s: %w", account.ID(), state.ToppingUp.Amount, ErrPending), answer.err(err), chainErr)
		}
	}
	p.funded = false
	p.s.tell(ctx, Event{Kind: EventToppedUp, Origin: p.origin, ChannelID: account.ID(), Deposit: account.State().Deposit, Receipt: answer.receipt})
	return nil
}

// errOvertaken: another session put money into the channel meanwhile, or is about to.
var errOvertaken = errors.New("client: another session topped the channel up")

// prepareTopUp signs a top-up of a deposit and writes it down. Where the record has another deposit by now, or a top-up
// that is under way, the amount was planned for what is no more: it is [errOvertaken], and the transaction stays here.
func (p *payment) prepareTopUp(ctx context.Context, account *ledger.Account, deposit, amount voucher.Amount) (rule.State, error) {
	state := account.State()
	switch {
	case p.s.cfg.Chain == nil:
		return state, ErrNoChain
	case p.s.cfg.Payer == nil:
		return state, ErrNoPayer
	}
	offer := p.known.offer
	tx, err := p.s.cfg.Chain.PrepareTopUp(ctx, escrow.TopUpParams{
		Protocol: state.Protocol, ChainID: state.ChainID, Escrow: state.Escrow, Payer: p.s.cfg.Payer,
		Descriptor: state.Descriptor, ChannelID: state.ID, FeeToken: offer.FeeToken, Additional: amount, Sponsored: offer.FeePayer,
	})
	if err != nil {
		return state, err
	}
	overtaken := false
	err = account.Update(ctx, func(s rule.State) rule.State {
		if overtaken = s.Deposit != deposit || s.ToppingUp.Pending(); overtaken {
			return s
		}
		return s.Funded(rule.Funding{Amount: amount, Raw: tx.Raw, Hash: tx.TxHash, ValidBefore: tx.ValidBefore})
	})
	if err == nil && overtaken {
		err = errOvertaken
	}
	return account.State(), err
}
