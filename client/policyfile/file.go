// Package policyfile reads what an owner allows a program to spend from a TOML file: limits, origins and payees, and whether
// anything may be signed at all. The program, an agent for example, then pays within it and cannot pay outside.
//
//	policy, err := policyfile.Load("policy.toml")
//	cfg := client.Config{Signer: key, Payer: key, Chain: chain, Store: files}
//	policy.Apply(&cfg)
//	session, err := client.New(cfg)
//
// # The format
//
// Amounts are text: tokens of 6 decimals ("0.25") or base units ("250000u"). Origins are scheme://host or
// scheme://host:port, addresses 0x and 40 hexadecimal digits, in mixed case with their checksum (EIP-55).
//
//	mode      = "pay"        # or "read-only": nothing is ever signed
//	pin       = true         # an origin that changes its payee, token, chain or escrow is refused until that is accepted
//	bootstrap = false        # ask servers with a zero-dollar proof for channels of ours
//	escrow    = "0x…"        # trust this escrow instead of the chain's canonical one
//
//	[limits]                 # price, deposit, total, fund, stream, step, ahead, ask, hour, day, month
//	price   = "0.001"
//	deposit = "1"
//
//	[limits.origin]          # hour, day, month of any one origin
//	[limits.payee]           # hour, day, month of any one payee
//	[raise]                  # how far client.WithLimits may raise; the same keys, and [raise.origin], [raise.payee]
//	[origin."https://api.example.com"]   # for this origin instead of [limits]: the same keys but total
//	[hosts]                  # allow, deny: lists of origins
//	[payees]                 # allow, deny: lists of addresses
//	[tokens]                 # allow: a list of addresses
//
// What the limits mean is said at [channel.Limits]. What is not set pays nothing, as always.
//
// Everything that is not understood is an error with its line: unknown keys, amounts that cannot be, lists that are empty, limits
// that contradict each other. A file is taken whole or not at all.
package policyfile

import (
	"context"
	"errors"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Mode says whether anything may be signed.
type Mode string

// The modes.
const (
	Pay      Mode = "pay"       // within the limits
	ReadOnly Mode = "read-only" // nothing is ever signed
)

// File is a policy as its owner wrote it. Make one with [Parse] or [Load]: the zero File has no mode and is read-only.
type File struct {
	// Mode is [Pay] where the file says nothing.
	Mode Mode
	// Pin adds [client.PinFirstUse] to the lists. True where the file says nothing.
	Pin bool
	// Bootstrap, Escrow, Limits, Raise and Origins are those of [client.Config]; origins have their port written.
	Bootstrap     bool
	Escrow        common.Address
	Limits, Raise channel.Limits
	Origins       map[string]channel.Limits
	// Hosts and Payees are with whom to deal, Tokens in what to pay. Nil lists nothing.
	Hosts  List[string]
	Payees List[common.Address]
	Tokens []common.Address
}

// List is with whom to deal: with those of Allow only, where it is not nil, and never with those of Deny.
type List[T any] struct{ Allow, Deny []T }

// ErrReadOnly is why a session of a read-only policy does not sign.
var ErrReadOnly = errors.New("policyfile: the policy is read-only, nothing is signed")

// Apply makes the policy the config's. Limits, Raise, Origins, Escrow and Bootstrap are replaced. A Policy that the
// config has is asked after the file's lists and before pins; those are kept in Config.Store, so set it first. A program that
// wants less than the file allows says so with [client.WithLimits].
//
// A read-only policy also takes the keys away: Signer and Payer keep their addresses and refuse to sign with
// [ErrReadOnly]. So nothing is signed at all: no payment, opening or top-up, no voucher of a stream, no proof, no withdrawal, and
// no close but with a voucher that exists. Records, quotes and budgets can be read. A request that would have to be paid fails
// with [client.ErrPolicy] and ErrReadOnly, or with the [channel.LimitError] of a limit that would refuse it anyway.
func (f *File) Apply(cfg *client.Config) {
	cfg.Limits, cfg.Raise, cfg.Origins = f.Limits, f.Raise, f.Origins
	cfg.Escrow, cfg.Bootstrap = f.Escrow, f.Bootstrap
	if f.Mode != Pay {
		cfg.Bootstrap = false
		cfg.Policy = func(context.Context, client.Proposal) error { return ErrReadOnly }
		if cfg.Signer != nil {
			cfg.Signer = sealed{cfg.Signer.Address()}
		}
		if cfg.Payer != nil {
			cfg.Payer = sealed{cfg.Payer.Address()}
		}
		return
	}
	policies := []client.Policy{client.DenyHosts(f.Hosts.Deny...), client.DenyPayees(f.Payees.Deny...)}
	if f.Hosts.Allow != nil {
		policies = append(policies, client.AllowHosts(f.Hosts.Allow...))
	}
	if f.Payees.Allow != nil {
		policies = append(policies, client.AllowPayees(f.Payees.Allow...))
	}
	if f.Tokens != nil {
		policies = append(policies, client.AllowTokens(f.Tokens...))
	}
	if cfg.Policy != nil {
		policies = append(policies, cfg.Policy)
	}
	if f.Pin {
		policies = append(policies, client.PinFirstUse(cfg.Store)) // last: who is on no list is not pinned
	}
	cfg.Policy = client.AllOf(policies...)
}

// sealed is a key of which only the address is known. It is no [voucher.ProofSigner].
type sealed struct{ address common.Address }

var (
	_ voucher.Signer            = sealed{}
	_ voucher.TransactionSigner = sealed{}
)

func (s sealed) Address() common.Address { return s.address }

func (sealed) SignVoucher(context.Context, *voucher.Domain, voucher.Voucher) ([]byte, error) {
	return nil, ErrReadOnly
}

func (sealed) SignTransaction(context.Context, voucher.Transaction) ([]byte, error) {
	return nil, ErrReadOnly
}
