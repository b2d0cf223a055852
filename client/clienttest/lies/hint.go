package lies

import (
	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/hook"
	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/message"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Lies in flat hints, which nothing proves. With them every route sends such hints.
const (
	// HintAccepted reports twice the deposit as accepted.
	HintAccepted Lie = "hint-accepted"
	// HintRequired requires a voucher for twice the deposit.
	HintRequired Lie = "hint-required"
	// HintSpent reports twice the deposit as spent.
	HintSpent Lie = "hint-spent"
	// HintDeposit reports twice the deposit.
	HintDeposit Lie = "hint-deposit"
	// HintAll reports twice the deposit everywhere.
	HintAll Lie = "hint-all"
	// HintChannel names a channel that does not exist.
	HintChannel Lie = "hint-channel"
	// HintOfAnother names another payer's channel, or an older one, all of it accepted.
	HintOfAnother Lie = "hint-of-another"
)

var hintTable = table{
	HintAccepted: flat(inflated("acceptedCumulative")),
	HintRequired: flat(inflated("requiredCumulative")),
	HintSpent:    flat(inflated("spent")),
	HintDeposit:  flat(inflated("deposit")),
	HintAll:      flat(inflated("acceptedCumulative", "requiredCumulative", "spent", "deposit")),
	HintChannel: asks(func(_, details message.Document) {
		details["channelId"] = madeUp("channel").Hex()
		details["acceptedCumulative"], details["spent"] = "1000000", "0"
	}),
	HintOfAnother: flat(hook.Hooks{Request: func(r hook.Request, request message.Document) {
		details, _ := request["methodDetails"].(message.Document)
		id, _ := details["channelId"].(string)
		other, deposit, ok := r.OtherChannel(common.HexToHash(id))
		if !ok {
			return
		}
		details["channelId"], details["spent"] = other.Hex(), "0"
		details["acceptedCumulative"], details["deposit"] = deposit.String(), deposit.String()
	}}),
}

// flat turns flat hints on.
func flat(h hook.Hooks) hook.Hooks {
	h.Terms = func(_ hook.Request, t *hook.Terms) { t.Hints = hook.FlatHints }
	return h
}

// inflated replaces hints by twice the deposit.
func inflated(keys ...string) hook.Hooks {
	return asks(func(_, details message.Document) {
		text, ok := details["deposit"].(string)
		if !ok {
			return
		}
		deposit, _ := voucher.ParseAmount(text)
		for _, key := range keys {
			if details[key] != nil {
				details[key] = twice(deposit)
			}
		}
	})
}
