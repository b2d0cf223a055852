package lies

import (
	"net/http"

	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/hook"
	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/message"
)

// Lies about closes.
const (
	// CloseNotMined answers a close with a receipt and sends nothing to the chain.
	CloseNotMined Lie = "close-not-mined"
	// CloseAll takes all of the highest voucher at a close, whatever was spent.
	CloseAll Lie = "close-all"
	// CloseSpent doubles what was spent in the receipt of a close.
	CloseSpent Lie = "close-spent"
	// CloseAccepted doubles what was accepted in the receipt of a close.
	CloseAccepted Lie = "close-accepted"
	// CloseNoTx leaves the transaction out of the receipt of a close.
	CloseNoTx Lie = "close-no-tx"
	// CloseOther names another channel in the receipt of a close.
	CloseOther Lie = "close-other"
	// CloseNoReceipt answers a close without a receipt.
	CloseNoReceipt Lie = "close-no-receipt"
	// CloseRefused refuses every close as too low.
	CloseRefused Lie = "close-refused"
	// CloseFails sends a close to the chain and answers 500.
	CloseFails Lie = "close-fails"
	// CloseHangs never answers a close.
	CloseHangs Lie = "close-hangs"
)

var closeTable = table{
	CloseNotMined: takes("close", func(x hook.Payment, p *message.Payload) (bool, error) {
		return false, x.CloseUnmined(p)
	}),
	CloseAll: takes("close", func(x hook.Payment, p *message.Payload) (bool, error) {
		if err := x.SpendAll(p.ChannelID); err != nil {
			return false, err
		}
		return x.Do(p)
	}),
	CloseSpent:    closeReceipts(func(d message.Document) { d["spent"] = doubled(d) }),
	CloseAccepted: closeReceipts(func(d message.Document) { d["acceptedCumulative"] = doubled(d) }),
	CloseNoTx:     closeReceipts(func(d message.Document) { delete(d, "txHash") }),
	CloseOther: closeReceipts(
		func(d message.Document) { d["channelId"] = madeUp("channel").Hex() },
	),
	CloseNoReceipt: {Answer: func(r hook.Request, status int, h http.Header) int {
		if r.Action() == "close" {
			h.Del("Payment-Receipt")
		}
		return status
	}},
	CloseRefused: refuses("close", func(*message.Payload) error {
		return message.VerificationFailed("the closing voucher must be higher")
	}),
	CloseFails: thenRefuses(
		"close",
		func(*message.Payload) error { return message.InternalError("no idea") },
	),
	CloseHangs: takes("close", func(x hook.Payment, _ *message.Payload) (bool, error) {
		x.Hang()
		return false, nil
	}),
}

// closeReceipts changes the receipts of closes.
func closeReceipts(change func(message.Document)) hook.Hooks {
	return hook.Hooks{Receipt: func(r hook.Request, d message.Document) {
		if r.Action() == "close" {
			change(d)
		}
	}}
}
