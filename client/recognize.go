package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/internal/origin"
	"github.com/seed-5fe1f529/tallystick/internal/purchase"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/internal/wire"
)

// recognized is what the challenges of an answer offer us.
type recognized struct {
	found  *challenge // the first that can be paid, nil if there is none
	err    error      // why session challenges that were there and well-formed cannot be paid
	others bool       // the answer also offers methods that are not ours
}

// recognize reads the challenges of an answer to a request to an origin. A challenge that is malformed
// or has expired does not hide the others.
func (s *Session) recognize(
	ctx context.Context, req *http.Request, from origin.Origin, h http.Header,
) (out recognized) {
	challenges, malformed := wire.ParseChallenges(h)
	if malformed != nil {
		s.log.Debug("unreadable challenges were skipped", "origin", from.Text, "error", malformed)
	}
	for _, line := range h["Www-Authenticate"] {
		scheme, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		out.others = out.others || !strings.EqualFold(scheme, "Payment")
	}
	for _, c := range challenges {
		out.others = out.others || c.Method != "tempo" || c.Intent != "session"
	}
	if own, _ := valuesOf(req.Header, wire.HeaderAcceptPayment); len(own) > 0 {
		challenges = wantedChallenges(own, challenges...)
	}
	var errs []error
	ahead := skew(h)
	for _, c := range challenges {
		o, err := rule.ParseOffer(c)
		if errors.Is(err, channel.ErrNotSession) {
			continue
		}
		if err == nil {
			err = rule.Live(o, time.Now().Add(ahead))
		}
		if err == nil {
			err = s.complete(ctx, req.URL, from, &o)
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		out.found = &challenge{
			wire: c, offer: o, names: o.Snapshot != nil || o.ChannelID != zeroHash, skew: ahead, echo: wire.NewEcho(c, wire.FormatSource(o.ChainID, s.payer)),
			wants: purchase.Offer{
				Terms: o.Terms(), Price: o.Price, Funding: purchase.Funding{FeeToken: o.FeeToken, Sponsored: o.FeePayer},
			},
			request: rule.Request{Price: o.Price, MinDelta: o.MinDelta},
			scope: channel.Scope{
				Origin: from.Text, Protocol: o.Protocol, ChainID: o.ChainID, Escrow: o.Escrow, Payee: o.Payee,
				Operator: o.Operator, Token: o.Token, Payer: s.payer, Signer: s.cfg.Signer.Address(),
			},
		}
		return out
	}
	out.err = errors.Join(errs...)
	return out
}

// wantedChallenges returns those of the challenges that the caller's own Accept-Payment header wants,
// in its order; all if it cannot be read.
func wantedChallenges(own []string, challenges ...wire.Challenge) []wire.Challenge {
	prefs, err := wire.ParseAcceptPayment(strings.Join(own, ","))
	if err != nil {
		return challenges
	}
	return wire.Rank(prefs, challenges)
}

// complete fills in the chain and the escrow of an offer that names none, and refuses an offer that
// names others than the trusted ones, or comes over an insecure connection.
func (s *Session) complete(ctx context.Context, u *url.URL, from origin.Origin, o *channel.Offer) error {
	if u.Scheme != "https" && !from.Loopback {
		return fmt.Errorf("%w: %s", ErrInsecure, showOrigin(u))
	}
	named := o.ChainID != 0
	if !named {
		if s.cfg.Chain == nil {
			return fmt.Errorf("%w: a v1 challenge without a chain id is on the chain of Config.Chain, which is nil", ErrNoChain)
		}
		var err error
		if o.ChainID, err = s.cfg.Chain.ChainID(ctx); err != nil {
			return err
		}
	}
	want := s.cfg.Escrow
	if want == (common.Address{}) {
		var ok bool
		if want, ok = escrow.DefaultEscrow(o.Protocol, o.ChainID); !ok {
			return fmt.Errorf("%w: chain %d has no canonical %s escrow; set Config.Escrow", ErrEscrow, o.ChainID, o.Protocol)
		}
	}
	if o.Escrow = cmp.Or(o.Escrow, want); o.Escrow != want {
		return fmt.Errorf("%w: it names %s, trusted is %s; if that escrow is right, set Config.Escrow to it", ErrEscrow, o.Escrow, want)
	}
	var err error
	asset, dollar := channel.Asset{ChainID: o.ChainID, Token: o.Token}, false
	if o.Currency, dollar = s.dollars[asset]; !dollar {
		if o.Currency, err = s.other(ctx, asset); err != nil {
			return err
		}
	}
	if !named || s.cfg.Chain == nil {
		return nil
	}
	id, err := s.cfg.Chain.ChainID(ctx)
	if err == nil && o.ChainID != id {
		err = fmt.Errorf("%w: the challenge is on chain %d, Config.Chain on %d", escrow.ErrChainID, o.ChainID, id)
	}
	return err
}

// Bounds of what is believed of a server's clock. Below the first its Date is too coarse.
const (
	minSkew = 2 * time.Second
	maxSkew = 15 * time.Minute
)

// skew returns how far the clock of a server is ahead of ours, by the Date of its answer (RFC 9110,
// 6.6.1). A challenge expires by the clock that dated it. A false Date hurts only the server: what it
// calls live is answered to it, and what it calls expired is not.
func skew(h http.Header) time.Duration {
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return 0
	}
	ahead := time.Until(date)
	if off := ahead.Abs(); off < minSkew || off > maxSkew {
		return 0
	}
	return ahead
}
