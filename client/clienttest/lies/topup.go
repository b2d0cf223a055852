package lies

import (
	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/hook"
	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/message"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Lies about top-ups.
const (
	// TopUpNotMined answers a top-up with a receipt and throws its transaction away.
	TopUpNotMined Lie = "top-up-not-mined"
	// TopUpMinedLate answers a top-up with a receipt and keeps its transaction until the next one.
	TopUpMinedLate Lie = "top-up-mined-late"
	// TopUpMined sends a top-up to the chain and refuses it all the same.
	TopUpMined Lie = "top-up-mined"
	// TopUpRefused refuses every top-up.
	TopUpRefused Lie = "top-up-refused"
	// TopUpPriced asks for five times the price once a top-up comes.
	TopUpPriced Lie = "top-up-priced"
	// TopUpDemanded refuses every voucher because the deposit is said to be a million too small.
	TopUpDemanded Lie = "top-up-demanded"
)

var topUpTable = table{
	TopUpNotMined: takes("topUp", func(x hook.Payment, p *message.Payload) (bool, error) {
		return false, x.TopUpUnmined(p)
	}),
	TopUpMinedLate: takes("topUp", func(x hook.Payment, p *message.Payload) (bool, error) {
		held, err := x.Hold(p.Transaction), x.TopUpUnmined(p)
		if held > 1 {
			x.SendHeld()
		}
		return false, err
	}),
	TopUpMined: thenRefuses("topUp", func(*message.Payload) error {
		return message.VerificationFailed("not that one")
	}),
	TopUpRefused: refuses(
		"topUp",
		func(*message.Payload) error { return message.VerificationFailed("no") },
	),
	TopUpPriced: {Terms: func(r hook.Request, t *hook.Terms) {
		if r.Action() == "topUp" {
			t.Price = fivefold(t.Price)
		}
	}},
	TopUpDemanded: refuses("voucher", func(p *message.Payload) error {
		e := message.AmountExceedsDeposit("more").On(p.ChannelID)
		e.RequiredTopUp = voucher.Units(1_000_000)
		return e
	}),
}
