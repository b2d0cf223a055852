package main

import (
	"fmt"

	"github.com/seed-5fe1f529/tallystick/client/policyfile"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// amount is a flag: tokens (0.25) or base units (250000u), as in policy files.
type amount struct{ to *voucher.Amount }

// Set implements pflag.Value.
func (a amount) Set(text string) error {
	v, err := policyfile.ParseAmount(text)
	if err != nil {
		return fmt.Errorf("%w: write %s", err, policyfile.AmountSyntax)
	}
	*a.to = v
	return nil
}

// String implements pflag.Value.
func (a amount) String() string {
	if a.to == nil || a.to.IsZero() {
		return ""
	}
	return tokens(*a.to)
}

// Type implements pflag.Value; it is what the help shows.
func (amount) Type() string { return "AMOUNT" }

// tokens is an amount as it is printed.
func tokens(a voucher.Amount) string { return policyfile.FormatAmount(a) }
