package policyfile

import (
	"fmt"
	"strings"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// decimals are those of TIP-20 stablecoins. Base units are for tokens with others.
const decimals = 6

// AmountSyntax says how an amount is written, for messages.
const AmountSyntax = "tokens (0.25) or base units (250000u)"

// ParseAmount reads an amount as a person writes it: tokens of 6 decimals ("0.25") or base units ("250000u"), as
// [voucher.ParseTokens]. The error, [voucher.ErrAmountSyntax], says in one line what is wrong with the text.
func ParseAmount(text string) (voucher.Amount, error) {
	a, err := voucher.ParseTokens(text, decimals)
	if err == nil {
		return a, nil
	}
	_, fraction, _ := strings.Cut(text, ".")
	problem := "is not an amount"
	switch {
	case text == "":
		problem = "is no amount"
	case strings.HasPrefix(text, "-"):
		problem = "is negative"
	case len(fraction) > decimals && strings.Trim(fraction, "0123456789") == "":
		problem = fmt.Sprintf("has %d decimals, a token has %d", len(fraction), decimals)
	case strings.Trim(text, "0123456789.u") == "" && len(text) > 30:
		problem = "is more than any token has"
	}
	return a, &amountError{shown(text) + " " + problem}
}

// FormatAmount writes an amount in tokens, as [ParseAmount] reads it.
func FormatAmount(a voucher.Amount) string { return a.FormatTokens(decimals) }

// amountError is an ErrAmountSyntax in words of its own.
type amountError struct{ text string }

func (e *amountError) Error() string { return e.text }
func (e *amountError) Unwrap() error { return voucher.ErrAmountSyntax }
