package main

import (
	"fmt"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// decimals are those of TIP-20 stablecoins. Base units are for tokens with others.
const decimals = 6

// amount is a flag: tokens (0.25) or base units (250000u).
type amount struct{ to *voucher.Amount }

// Set implements pflag.Value.
func (a amount) Set(text string) error {
	v, err := voucher.ParseTokens(text, decimals)
	if err != nil {
		return fmt.Errorf("%q is not an amount: write tokens (0.25) or base units (250000u)", text)
	}
	*a.to = v
	return nil
}

// String implements pflag.Value.
func (a amount) String() string {
	if a.to == nil || a.to.IsZero() {
		return ""
	}
	return a.to.FormatTokens(decimals)
}

// Type implements pflag.Value; it is what the help shows.
func (amount) Type() string { return "AMOUNT" }

// tokens is an amount as it is printed.
func tokens(a voucher.Amount) string { return a.FormatTokens(decimals) }
