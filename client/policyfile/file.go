// Package policyfile reads from a TOML file what a program may spend: limits, hosts and payees, and
// whether anything may be signed at all. The program, for example an agent, pays within the file's
// limits and cannot pay outside of them.
//
//	policy, err := policyfile.Load("policy.toml")
//	cfg := client.Config{Signer: key, Payer: key, Chain: chain, Store: files}
//	policy.Apply(&cfg)
//	cfg.Approve = askOwner // if the file sets ask
//	session, err := client.New(cfg)
//
// # The format
//
// Amounts are text: tokens ("0.25") or base units ("250000u"). Those of [limits], [raise] and [origin]
// are of the known dollar tokens ([channel.Dollars]), which have 6 decimals. An origin is written
// as scheme://host or scheme://host:port, an address as 0x and 40 hexadecimal digits; in mixed
// case, its checksum (EIP-55) must be right.
//
//	mode      = "pay"        # or "read-only": nothing is ever signed
//	pin       = true         # other terms of an origin are refused until they are accepted
//	bootstrap = false        # send servers a zero-dollar proof to find existing channels
//	escrow    = "0x…"        # trust this escrow instead of the chain's canonical one
//
//	[limits]                 # price, deposit, total, fund, stream, step, ahead, ask,
//	                         # hour, day, month, piece-by-piece
//	price   = "0.001"
//	deposit = "1"
//
//	[limits.origin]          # hour, day, month for each origin
//	[limits.payee]           # hour, day, month for each payee
//	[limits.fees]            # transaction, hour, day, month for the fees of transactions
//	[raise]                  # how far client.WithLimits may raise limits: the same amounts
//	[origin."https://api.example.com"]   # in place of [limits] for this origin: its keys but total
//	[asset."0x…"]            # another token: chain, symbol, decimals, and the keys of [limits]
//	[hosts]                  # allow, deny: lists of hosts and origins, see client.AllowHosts
//	[payees]                 # allow, deny: lists of addresses
//	[tokens]                 # allow: a list of addresses, for prices and for fees
//
// [channel.Limits] describes the limits, and what applies if one is not set: without price and deposit
// nothing is paid. Fees of transactions count in the limits over time and in total, and [limits.fees]
// bounds them by themselves.
//
// Whatever is not understood is an error with its line: an unknown key, a malformed amount, an
// empty list, limits that contradict each other. A file with a mistake is not used at all.
package policyfile

import (
	"context"
	"errors"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Mode decides whether anything may be signed. Any value other than [Pay] signs nothing.
type Mode string

// The modes.
const (
	Pay      Mode = "pay"       // sign and pay within the limits
	ReadOnly Mode = "read-only" // sign nothing
)

// File is the content of a policy file. [Parse] and [Load] return one. The zero File is read-only.
type File struct {
	// Mode is [Pay] if the file does not set it.
	Mode Mode
	// Pin adds [client.PinFirstUse] to the lists. It is true if the file does not set it.
	Pin bool
	// Bootstrap, Escrow, Limits, Raise and Origins are fields of [client.Config]. Origins are
	// spelled as [channel.ParseOrigin] returns them.
	Bootstrap     bool
	Escrow        common.Address
	Limits, Raise channel.Limits
	Origins       map[string]channel.Limits
	// Assets are limits of tokens that are no known dollar tokens, in the order of their addresses. They
	// are Config.Assets.
	Assets []channel.Limits
	// Hosts, Payees and Tokens are lists of [client.AllowHosts], [client.DenyHosts] and their like.
	// Nil is no list.
	Hosts  List[string]
	Payees List[common.Address]
	Tokens []common.Address
}

// List has the entries that may be paid and those that may not. If Allow is nil, every entry that is not
// in Deny may be paid. An entry in both may not.
type List[T any] struct{ Allow, Deny []T }

// ErrReadOnly means that a read-only policy refused a signature.
var ErrReadOnly = errors.New("policyfile: the policy is read-only, nothing is signed")

// Apply sets the policy in a config. It replaces Limits, Raise, Origins, Assets,
// Escrow and Bootstrap. If
// the config has a Policy, it is asked after the file's lists and before pins. Pins are kept in
// Config.Store, so set that first. To spend less than the file allows, use [client.WithLimits].
//
// A read-only policy also replaces the keys: Signer and Payer keep their addresses and return
// [ErrReadOnly] when they are to sign. So nothing is signed: no payment, opening or top-up, no
// voucher of a stream, no proof and no withdrawal. A channel can only be closed with a voucher that
// exists. Records, quotes and budgets can be read. A request that costs something fails with
// [client.ErrPolicy] and ErrReadOnly, or with the [channel.LimitError] of a limit that refuses it.
func (f *File) Apply(cfg *client.Config) {
	cfg.Limits, cfg.Raise, cfg.Origins = f.Limits, f.Raise, f.Origins
	cfg.Assets = f.Assets
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
	policies := []client.Policy{
		client.DenyHosts(f.Hosts.Deny...),
		client.DenyPayees(f.Payees.Deny...),
	}
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
		// Last: an origin that a list refuses is not pinned.
		policies = append(policies, client.PinFirstUse(cfg.Store))
	}
	cfg.Policy = client.AllOf(policies...)
}

// sealed is a key that has an address and does not sign. It is no [voucher.ProofSigner].
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
