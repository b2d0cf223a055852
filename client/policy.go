package client

import (
	"context"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
)

// Proposal is what a [Policy] is asked about: who wants money, where, and on what terms.
type Proposal struct {
	// Origin is scheme://host:port of the request, Route its method and path.
	Origin, Route string
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
		if u, err := ParseOrigin(o); err == nil {
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

// DenyHosts deals with all origins but these, each written as for [AllowHosts].
func DenyHosts(origins ...string) Policy {
	listed := AllowHosts(origins...)
	return func(ctx context.Context, p Proposal) error {
		if listed(ctx, p) == nil {
			return fmt.Errorf("origin %s is denied", p.Origin)
		}
		return nil
	}
}

// DenyPayees deals with all payees but these.
func DenyPayees(payees ...common.Address) Policy {
	return func(_ context.Context, p Proposal) error {
		if slices.Contains(payees, p.Offer.Payee) {
			return fmt.Errorf("payee %s is denied", p.Offer.Payee)
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
