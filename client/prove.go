package client

import (
	"context"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store/journal"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Prove asks the payee what was signed on a channel: it sends a HEAD request, and a GET where that brings no challenge, to
// where the channel was last paid, unpaid and with the channel's name on it. A snapshot in the answer that shows a voucher of
// our own hand raises the record to it; nothing else that is said there raises anything. It is for a channel that comes
// from a backup or from another program, before it is used. The error is [ErrRejected] where no challenge came, or the
// transport's.
func (s *Session) Prove(ctx context.Context, id common.Hash) (channel.Info, error) {
	account, err := s.ledger.Account(ctx, id)
	if err != nil {
		return channel.Info{}, err
	}
	_, err = s.closing(ctx, account) // the way to a close begins so; it is not gone further
	return account.State().Info(), err
}

// Agree authorizes and signs amount more on a channel, in base units, as if the caller had asked for something at that price: what
// another program, or a store that is lost, signed for requests of its own. It is for a payee that shows no voucher of ours
// ([Session.Prove]) and refuses lower ones. Nobody's word but the caller's is taken for the amount, and the limits bound it like
// any price. Nothing is sent; the next request presents it. The error is an [*Error].
func (s *Session) Agree(ctx context.Context, id common.Hash, amount voucher.Amount) (channel.Info, error) {
	account, err := s.ledger.Account(ctx, id)
	if err != nil {
		return channel.Info{}, err
	}
	origin := account.State().Scope.Origin
	terms, err := s.terms(ctx, origin)
	if err != nil {
		return account.State().Info(), err
	}
	claim, signed, err := account.Reserve(ctx, terms, rule.Request{Price: amount})
	if err != nil {
		return account.State().Info(), &Error{Op: "agree", Outcome: Refused, Origin: origin, ChannelID: id, Price: amount, Err: err}
	}
	claim.Keep()
	e := lineOf(journal.KindPay, account.State(), claim.Rise())
	e.Price, e.Cumulative, e.Outcome = amount, signed.Cumulative, string(NotSent)
	s.write(ctx, e)
	return account.State().Info(), nil
}
