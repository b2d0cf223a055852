package client

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
)

// Proposal is what a [Policy] is asked about: who wants money, where, and on what terms.
type Proposal struct {
	// Origin is scheme://host:port of the request.
	Origin string
	// Offer is the decoded challenge.
	Offer channel.Offer
}

// Policy says with whom to deal. It returns nil to go on, or an error that says why not; the request
// then fails with an [*Error] that wraps [ErrPolicy] and that error, and nothing is signed. It is asked
// once for every challenge, may be slow, must obey the context, and must be safe for concurrent use. How much may
// be spent is not its business: that is [channel.Limits].
type Policy func(ctx context.Context, p Proposal) error

// AllowHosts deals with these origins only, each written as scheme://host or scheme://host:port.
func AllowHosts(origins ...string) Policy {
	allowed := map[string]bool{}
	for _, o := range origins {
		if u, err := parseOrigin(o); err == nil {
			allowed[u] = true
		}
	}
	return func(_ context.Context, p Proposal) error {
		if !allowed[p.Origin] {
			return fmt.Errorf("origin %s is not on the list", p.Origin)
		}
		return nil
	}
}

// AllowPayees deals with these payees only, at whatever origin.
func AllowPayees(payees ...common.Address) Policy {
	return func(_ context.Context, p Proposal) error {
		if !slices.Contains(payees, p.Offer.Payee) {
			return fmt.Errorf("payee %s is not on the list", p.Offer.Payee)
		}
		return nil
	}
}

// AllowTokens pays in these tokens only.
func AllowTokens(tokens ...common.Address) Policy {
	return func(_ context.Context, p Proposal) error {
		if !slices.Contains(tokens, p.Offer.Token) {
			return fmt.Errorf("token %s is not on the list", p.Offer.Token)
		}
		return nil
	}
}

// All deals only where every one of the policies does.
func All(policies ...Policy) Policy {
	return func(ctx context.Context, p Proposal) error {
		for _, one := range policies {
			if err := one(ctx, p); err != nil {
				return err
			}
		}
		return nil
	}
}

// PinFirstUse deals with whatever payee, token, chain and escrow an origin names first, and refuses
// that origin when it names others later. The memory is the returned policy's own and lasts as long as
// it. It is what a nil Policy means.
func PinFirstUse() Policy {
	var mu sync.Mutex // guards pins
	pins := map[string]channel.Offer{}
	return func(_ context.Context, p Proposal) error {
		mu.Lock()
		defer mu.Unlock()
		// An origin may serve both protocol versions; each is pinned on its own.
		key := p.Origin + " " + p.Offer.Protocol.String()
		pin, ok := pins[key]
		if !ok {
			pins[key] = p.Offer
			return nil
		}
		if !pin.SameTerms(p.Offer) {
			return fmt.Errorf("%s first asked for %s and now asks for %s; to accept that, allow it by a Policy", p.Origin, terms(pin), terms(p.Offer))
		}
		return nil
	}
}

// terms are the terms of an offer but its price, in words.
func terms(o channel.Offer) string {
	return fmt.Sprintf("payee %s, operator %s, token %s, escrow %s on chain %d", o.Payee, o.Operator, o.Token, o.Escrow, o.ChainID)
}
