package policyfile

import (
	"fmt"
	"strings"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// decimals is how many decimals the known dollar tokens have.
const decimals = 6

// AmountSyntax describes how an amount is written. It is for messages.
const AmountSyntax = "tokens (0.25) or base units (250000u)"

// ParseAmount parses an amount as a person writes it: tokens of 6 decimals ("0.25") or base units
// ("250000u"), like [voucher.ParseTokens]. The error is a [voucher.ErrAmountSyntax] that describes
// the mistake in one line.
func ParseAmount(text string) (voucher.Amount, error) {
	return parseAmount(text, decimals)
}

// parseAmount is [ParseAmount] for a token of so many decimals.
func parseAmount(text string, decimals int) (voucher.Amount, error) {
	a, err := voucher.ParseTokens(text, decimals)
	if err == nil {
		return a, nil
	}
	_, fraction, _ := strings.Cut(text, ".")
	problem := "is not an amount"
	switch {
	case strings.HasPrefix(text, "-"):
		problem = "is negative"
	case len(fraction) > decimals && strings.Trim(fraction, "0123456789") == "":
		problem = fmt.Sprintf("has %d decimals, a token has %d", len(fraction), decimals)
	case strings.Trim(text, "0123456789.u") == "" && len(text) > 30:
		problem = "is more than any token has"
	}
	return a, &amountError{shown(text) + " " + problem}
}

// FormatAmount formats an amount of a token with 6 decimals in tokens. [ParseAmount] reads it back.
func FormatAmount(a voucher.Amount) string { return a.FormatTokens(decimals) }

// amountError is a voucher.ErrAmountSyntax with its own text.
type amountError struct{ text string }

func (e *amountError) Error() string { return e.text }
func (e *amountError) Unwrap() error { return voucher.ErrAmountSyntax }
