package client

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/origin"
)

// Proposal is one decision of a [Policy]: an origin offers a route for payment on these terms.
type Proposal struct {
	// Origin is that of the request, as [channel.ParseOrigin] returns it. Route is its method and
	// path ("GET /data").
	Origin, Route string
	// Offer is the decoded challenge. Terms are Offer.Terms(): what a consent to it covers, besides
	// the price.
	Offer channel.Offer
	Terms channel.Terms
	// Funding reports that a channel is to be opened or topped up. The fee of that transaction is
	// paid by the server if Offer.FeePayer is set, and otherwise by the payer in Offer.FeeToken
	// (zero means Offer.Token).
	Funding bool
	// Proof reports that nothing is to be paid yet: the origin asks who the payer is before it
	// names a price. If the policy agrees, it is sent a zero-dollar proof. Of Offer only ChainID,
	// Payee, Token and Realm are set.
	Proof bool
}

// Policy decides with whom to deal. It returns nil to go on, or an error that says why not. The
// request then fails with an [*Error] that wraps [ErrPolicy] and that error, and nothing is signed
// for it. If it refuses a proposal with Proof set, the payee's 402 is returned instead, and the Err
// of its [Payment] wraps [ErrProof], ErrPolicy and that error.
//
// A policy is called before a challenge is answered, with Proposal.Proof set if the payee asks who
// the payer is, and with Proposal.Funding set if a channel has to be opened or topped up for it.
// That may be the only call for a challenge, so a check of hosts, payees or tokens must not depend
// on Funding. If a call had Funding not set and funds are needed after all, it is called again. It
// is not called for what the limits refuse. It may be slow, must obey the context, and must be safe
// for concurrent use. How much may be spent is not its concern: [channel.Limits] bound that.
type Policy func(ctx context.Context, p Proposal) error

// AllowHosts returns a policy that deals with the listed hosts only. An entry is an origin
// ("https://api.example.com", "http://localhost:8080") or a host with or without a port
// ("api.example.com", "api.example.com:8443"). A missing scheme means https, a missing port that of
// the scheme. A host does not cover the names below it.
//
// If an entry cannot be read, the policy refuses everything with an error that names the entry.
func AllowHosts(entries ...string) Policy {
	list, err := hosts("AllowHosts", entries)
	for i := range list {
		list[i] = list[i].Narrowest()
	}
	return onHost(err, func(o string) error {
		if !covered(list, o) {
			return fmt.Errorf("origin %s is not on the list of AllowHosts "+
				"([hosts] allow in a policy file): add it there if it is to be paid", o)
		}
		return nil
	})
}

// DenyHosts returns a policy that deals with all hosts but the listed ones. Entries are written as
// for [AllowHosts], but a host without a scheme is denied on both schemes, and without a port on
// every port. Prefer AllowHosts: a machine can have many names, and only the listed ones are
// denied.
//
// If an entry cannot be read, the policy refuses everything with an error that names the entry.
func DenyHosts(entries ...string) Policy {
	list, err := hosts("DenyHosts", entries)
	return onHost(err, func(o string) error {
		if covered(list, o) {
			return fmt.Errorf("origin %s is denied by DenyHosts ([hosts] deny in a policy file)", o)
		}
		return nil
	})
}

// hosts reads the entries of a list. The error names each one that cannot be read.
func hosts(name string, entries []string) (list []origin.Entry, err error) {
	for i, text := range entries {
		e, bad := origin.ParseEntry(text)
		if bad != nil {
			err = errors.Join(err, fmt.Errorf("%s: entry %d: %w; "+
				"nothing is paid until it is corrected: write a host (api.example.com) "+
				"or an origin (https://api.example.com)", name, i+1, bad))
		}
		list = append(list, e)
	}
	return list, err
}

// onHost returns a policy about the canonical origin of a proposal. Where broken is an error, it
// refuses with that.
func onHost(broken error, decide func(canonical string) error) Policy {
	return func(_ context.Context, p Proposal) error {
		if broken != nil {
			return broken
		}
		o, err := origin.Parse(p.Origin)
		if err != nil {
			return err
		}
		return decide(o)
	}
}

func covered(list []origin.Entry, canonical string) bool {
	return slices.ContainsFunc(list, func(e origin.Entry) bool { return e.Covers(canonical) })
}

// AllowPayees returns a policy that deals with these payees only, at any origin.
func AllowPayees(payees ...common.Address) Policy {
	payees = slices.Clone(payees)
	return func(_ context.Context, p Proposal) error {
		if !slices.Contains(payees, p.Offer.Payee) {
			return fmt.Errorf("payee %s is not on the list of AllowPayees "+
				"([payees] allow in a policy file): add it there if it is to be paid", p.Offer.Payee)
		}
		return nil
	}
}

// DenyPayees returns a policy that deals with all payees but these.
func DenyPayees(payees ...common.Address) Policy {
	payees = slices.Clone(payees)
	return func(_ context.Context, p Proposal) error {
		if slices.Contains(payees, p.Offer.Payee) {
			return fmt.Errorf("payee %s is denied by DenyPayees ([payees] deny in a policy file)",
				p.Offer.Payee)
		}
		return nil
	}
}

// AllowTokens returns a policy that pays in these tokens only: the price, and the fee of a
// transaction that funds a channel, unless the server pays that fee.
func AllowTokens(tokens ...common.Address) Policy {
	tokens = slices.Clone(tokens)
	return func(_ context.Context, p Proposal) error {
		if !slices.Contains(tokens, p.Offer.Token) {
			return offTokens("token", p.Offer.Token)
		}
		fee := p.Offer.FeeToken
		if p.Funding && !p.Offer.FeePayer && fee != (common.Address{}) && !slices.Contains(tokens,
			fee) {
			return offTokens("fee token", fee)
		}
		return nil
	}
}

func offTokens(what string, token common.Address) error {
	return fmt.Errorf("%s %s is not on the list of AllowTokens ([tokens] allow in a policy file): "+
		"add it there if it may be paid in", what, token)
}

// AllOf returns a policy that deals only if every one of the policies does, asked in their order
// until one refuses. Without policies, or if one of them is nil, it refuses everything.
func AllOf(policies ...Policy) Policy {
	policies = slices.Clone(policies)
	return func(ctx context.Context, p Proposal) error {
		if len(policies) == 0 {
			return errors.New("AllOf has no policies: nothing is paid")
		}
		if i := slices.IndexFunc(policies, func(p Policy) bool { return p == nil }); i >= 0 {
			return fmt.Errorf("AllOf: policy %d is nil: nothing is paid; "+
				"write PinFirstUse for the default policy", i+1)
		}
		for _, one := range policies {
			if err := one(ctx, p); err != nil {
				return err
			}
		}
		return nil
	}
}
