package client

import (
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
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/internal/wire"
)

// recognized is what the challenges of an answer offer us.
type recognized struct {
	found  *challenge // the first that can be paid, nil if there is none
	err    error      // why session challenges that were there and well-formed cannot be paid
	others bool       // the answer also offers methods that are not ours
}

// recognize reads the challenges of an answer. A challenge that is malformed or has expired does not
// hide the others.
func (s *Session) recognize(ctx context.Context, req *http.Request, h http.Header) (out recognized) {
	challenges, malformed := wire.ParseChallenges(h)
	if malformed != nil {
		s.log.Debug("unreadable challenges were skipped", "origin", showOrigin(req.URL), "error", malformed)
	}
	out.others = otherSchemes(h)
	var errs []error
	ahead := skew(h)
	wanted := wantedChallenges(req, challenges...)
	for _, c := range challenges {
		out.others = out.others || c.Method != "tempo" || c.Intent != "session"
	}
	for _, c := range wanted {
		o, err := rule.ParseOffer(c)
		if errors.Is(err, channel.ErrNotSession) {
			continue
		}
		if err == nil {
			err = rule.Live(o, time.Now().Add(ahead))
		}
		if err == nil {
			err = s.complete(ctx, req.URL, &o)
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		source := wire.FormatSource(o.ChainID, s.payer)
		out.found = &challenge{wire: c, offer: o, echo: wire.NewEcho(c, source), skew: ahead}
		return out
	}
	out.err = errors.Join(errs...)
	return out
}

// wantedChallenges returns those of the challenges that the caller's own Accept-Payment header wants,
// in its order; all if it has none that can be read.
func wantedChallenges(req *http.Request, challenges ...wire.Challenge) []wire.Challenge {
	own := strings.Join(req.Header.Values(wire.HeaderAcceptPayment), ",")
	prefs, err := wire.ParseAcceptPayment(own)
	if err != nil {
		return challenges
	}
	return wire.Rank(prefs, challenges)
}

// otherSchemes reports whether a WWW-Authenticate header begins with another scheme than Payment.
func otherSchemes(h http.Header) bool {
	for _, line := range h.Values("WWW-Authenticate") {
		scheme, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		if scheme != "" && !strings.EqualFold(scheme, "Payment") {
			return true
		}
	}
	return false
}

// complete fills in the chain and the escrow of an offer that names none, and refuses an offer that
// names others than the trusted ones, or comes over an insecure connection.
func (s *Session) complete(ctx context.Context, u *url.URL, o *channel.Offer) error {
	if !secure(u) {
		return fmt.Errorf("%w: %s", ErrInsecure, showOrigin(u))
	}
	if o.ChainID == 0 && s.cfg.Chain == nil {
		return fmt.Errorf("%w: a v1 challenge without a chain id is on the chain of Config.Chain, which is nil", ErrNoChain)
	}
	if o.ChainID != 0 {
		if err := s.trustEscrow(o); err != nil || s.cfg.Chain == nil {
			return err
		}
	}
	id, err := s.cfg.Chain.ChainID(ctx)
	if err != nil {
		return err
	}
	if o.ChainID == 0 {
		o.ChainID = id
		return s.trustEscrow(o)
	}
	if o.ChainID != id {
		return fmt.Errorf("%w: the challenge is on chain %d, Config.Chain on %d", escrow.ErrChainID, o.ChainID, id)
	}
	return nil
}

// trustEscrow fills in the escrow, or refuses one that is not trusted.
func (s *Session) trustEscrow(o *channel.Offer) error {
	want := s.cfg.Escrow
	if want == (common.Address{}) {
		var ok bool
		if want, ok = escrow.DefaultEscrow(o.Protocol, o.ChainID); !ok {
			return fmt.Errorf("%w: chain %d has no canonical %s escrow; set Config.Escrow", ErrEscrow, o.ChainID, o.Protocol)
		}
	}
	if o.Escrow == (common.Address{}) {
		o.Escrow = want
	}
	if o.Escrow != want {
		return fmt.Errorf("%w: it names %s, trusted is %s; if that escrow is right, set Config.Escrow to it", ErrEscrow, o.Escrow, want)
	}
	return nil
}
