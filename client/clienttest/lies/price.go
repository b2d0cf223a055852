package lies

import (
	"strings"

	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/hook"
	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/message"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Lies about the price.
const (
	// PriceRaised asks for five times the price once a challenge is answered.
	PriceRaised Lie = "price-raised"
	// PriceRises doubles the price at every answer to a challenge.
	PriceRises Lie = "price-rises"
	// PriceSeesaw alternates between one base unit and five times the price at every answer.
	PriceSeesaw Lie = "price-seesaw"
	// PriceFalls asks for one base unit once a challenge is answered.
	PriceFalls Lie = "price-falls"
	// PriceHuge asks for all that a channel can hold.
	PriceHuge Lie = "price-huge"
	// PriceTooWide asks for a price of eighty digits.
	PriceTooWide Lie = "price-too-wide"
	// PriceZero asks for a session price of zero.
	PriceZero Lie = "price-zero"
	// PriceNegative asks for a price below zero.
	PriceNegative Lie = "price-negative"
	// PriceHex writes the price in hexadecimal digits.
	PriceHex Lie = "price-hex"
	// PriceNumber writes the price as a JSON number with an exponent.
	PriceNumber Lie = "price-number"
	// PriceBlank writes the price as the empty string.
	PriceBlank Lie = "price-blank"
	// PriceTwice writes the price twice with two values.
	PriceTwice Lie = "price-twice"
	// DepositHuge suggests a deposit of all that a channel can hold.
	DepositHuge Lie = "deposit-huge"
	// MinDeltaHuge requires every voucher to grow by a million at least.
	MinDeltaHuge Lie = "min-delta-huge"
)

var priceTable = table{
	PriceRaised: priced(
		func(_ hook.Request, price voucher.Amount) voucher.Amount { return fivefold(price) },
	),
	PriceRises: priced(func(r hook.Request, price voucher.Amount) voucher.Amount {
		for range min(r.Count("doublings"), 60) {
			price = price.AddCapped(price)
		}
		return price
	}),
	PriceSeesaw: priced(func(r hook.Request, price voucher.Amount) voucher.Amount {
		if r.Count("seesaw")%2 == 1 {
			return voucher.Units(1)
		}
		return fivefold(price)
	}),
	PriceFalls: priced(
		func(hook.Request, voucher.Amount) voucher.Amount { return voucher.Units(1) },
	),
	PriceHuge:     amount(voucher.V2.Max().String()),
	PriceTooWide:  amount(strings.Repeat("9", 80)),
	PriceZero:     amount("0"),
	PriceNegative: amount("-100"),
	PriceHex:      amount("0x64"),
	PriceNumber:   amount(1e20),
	PriceBlank:    amount(""),
	PriceTwice: rewritten(func(text string) string {
		return strings.Replace(text, `{"amount"`, `{"amount":"1","amount"`, 1)
	}),
	DepositHuge: asks(func(request, _ message.Document) {
		request["suggestedDeposit"] = voucher.V2.Max().String()
	}),
	MinDeltaHuge: asks(
		func(_, details message.Document) { details["minVoucherDelta"] = "1000000" },
	),
}

func fivefold(price voucher.Amount) voucher.Amount {
	return price.AddCapped(price.AddCapped(price)).AddCapped(price.AddCapped(price))
}

// priced changes the price once a challenge is answered.
func priced(price func(hook.Request, voucher.Amount) voucher.Amount) hook.Hooks {
	return hook.Hooks{Terms: func(r hook.Request, t *hook.Terms) {
		if r.Paying() {
			t.Price = price(r, t.Price)
		}
	}}
}

// amount replaces the price in session challenges.
func amount(value any) hook.Hooks {
	return asks(func(request, _ message.Document) { request["amount"] = value })
}
