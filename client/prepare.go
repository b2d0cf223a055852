package client

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/ledger"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/internal/wire"
	"github.com/seed-5fe1f529/tallystick/store/journal"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// maxPreparations bounds how often the way to a voucher starts again because another request, or another
// process, changed the channel in between: each time somebody else went first.
const maxPreparations = 256

// prepare makes a challenge payable: it asks for consent, finds or funds the channel, and gets the
// voucher from the gate.
func (p *payment) prepare(ctx context.Context, k *known) error {
	if err := p.s.place(ctx, p.out.req.URL, &k.offer); err != nil {
		return err
	}
	k.echo = wire.NewEcho(k.challenge, wire.FormatSource(k.offer.ChainID, p.s.payer))
	if err := p.consent(ctx, k.offer); err != nil {
		return err
	}
	p.known, p.info.Operation = k, p.out.operation()
	p.s.tell(ctx, Event{Kind: EventChallenge, Origin: p.origin, Price: k.offer.Price})
	for range maxPreparations {
		ready, err := p.fund(ctx)
		if err != nil {
			return err
		}
		if !ready {
			continue
		}
		if err = p.issue(ctx); err == nil {
			return nil
		}
		if p.openTx != nil && errors.Is(err, channel.ErrDeposit) {
			return fmt.Errorf("%w: an opening is under way that another request may have used up: %w", ErrPending, err)
		}
		if !errors.Is(err, channel.ErrDeposit) && !errors.Is(err, channel.ErrNotPayable) {
			return err
		}
	}
	return fmt.Errorf("%w: the channel changed under this request again and again", ErrPending)
}

// issue gets the voucher from the gate. A claim that the request has already is decided again, so that its
// price counts once.
func (p *payment) issue(ctx context.Context) (err error) {
	if p.claim != nil {
		p.signed, err = p.claim.Decide(ctx, ask(p.known.offer))
		return err
	}
	claim, signed, err := p.first(ctx, p.account, p.known.offer)
	if err != nil {
		p.rise = p.rise.And(claim.Rise())
		return err
	}
	p.claim, p.signed = claim, signed
	return nil
}

// fund finds the channel and sees to it that its deposit covers the price. It returns false where the
// channel has to be looked at again.
func (p *payment) fund(ctx context.Context) (ready bool, err error) {
	if p.openTx != nil {
		return true, nil
	}
	account, err := p.load(ctx)
	if err != nil {
		return false, err
	}
	if p.claim != nil && (account == nil || p.claim.Account() != account) {
		p.part(ctx, 0) // another channel now; what was asked for on the old one stays there
	}
	if p.account != account {
		p.record(ctx, journal.KindPay, Refused, 0, nil) // where something was authorized there and not signed
	}
	p.account = account
	offer := p.known.offer
	if account == nil || !account.State().Payable() {
		return p.open(ctx, account)
	}
	if account.State().Phase() == channel.Opening {
		return p.resumeOpening(ctx, account)
	}
	p.land()
	view := account.State
	if p.claim != nil {
		view = p.claim.Without
	}
	if ready, err := p.covered(view(), ask(offer)); ready || err != nil {
		return ready, err
	}
	return false, p.topUp(ctx, account, ask(offer), view)
}

// load returns the channel that the offer is paid from: the one that the caller named, the one that the scope
// uses, one that the server can prove is ours, or nil.
func (p *payment) load(ctx context.Context) (*ledger.Account, error) {
	offer := p.known.offer
	scope := p.scope(offer)
	if id, ok := channelFrom(ctx); ok {
		return p.s.named(ctx, id, scope, placeOf(p.out.req.URL))
	}
	account, err := p.s.ledger.Lookup(ctx, scope)
	if err != nil {
		return nil, err
	}
	if account == nil || !account.State().Payable() {
		if found := p.s.find(ctx, p, scope, offer, account); found != nil {
			account = found
		}
	}
	if account != nil {
		p.absorb(ctx, account, offer)
	}
	return account, nil
}

func (p *payment) scope(o channel.Offer) channel.Scope {
	return rule.ScopeOf(o, p.origin, p.s.payer, p.s.ledger.Signer())
}

// absorb books what a challenge says of our channel: numbers that can only lower what is signed next, and a
// voucher of our own hand, which proves that we signed it (a store that was restored from a backup
// learns it so).
// It reports whether the voucher proves more than was authorized.
func (p *payment) absorb(ctx context.Context, account *ledger.Account, o channel.Offer) (rose bool) {
	snap := o.Snapshot
	if snap == nil || snap.ChannelID != account.ID() {
		return false
	}
	state := account.State()
	if v := snap.Voucher; v != nil && state.Authorized().Less(v.Cumulative) {
		if state.Deposit.Less(v.Cumulative) && voucher.Verify(state.Domain(), *v, state.Descriptor.Signer()) == nil {
			if after, err := p.s.settle(ctx, account); err == nil { // a top-up that the record does not know
				state = after
			}
		}
		if next, err := state.Recover(*v); err != nil {
			p.s.tell(ctx, Event{Kind: EventViolation, Origin: p.origin, ChannelID: account.ID(), Err: err})
		} else if next.Authorized() != state.Authorized() {
			rose = p.s.recover(ctx, account, *v)
		}
	}
	if err := account.Reconcile(ctx, p.claim, snap.Report); err != nil {
		p.s.tell(ctx, Event{Kind: EventViolation, Origin: p.origin, ChannelID: account.ID(), Err: err})
	}
	return rose
}

// recover books a voucher of our own hand. Where that fails the next challenge brings it again.
func (s *Session) recover(ctx context.Context, account *ledger.Account, v voucher.Signed) (rose bool) {
	var rise ledger.Rise
	err := account.Update(ctx, func(s rule.State) rule.State {
		n, err := s.Recover(v)
		if rose = false; err != nil {
			return s
		}
		rise = ledger.Rise{}.Plus(s.Authorized(), n.Authorized())
		rose = s.Authorized().Less(n.Authorized())
		return n
	})
	if err != nil {
		return false
	}
	s.recordProof(ctx, account.State(), rise)
	return rose
}
