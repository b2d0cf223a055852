package lies

import (
	"strings"

	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/hook"
	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/message"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Lies in need-voucher frames that are due for one unit.
const (
	// NeedAll requires all of the deposit.
	NeedAll Lie = "need-all"
	// NeedMax requires the largest amount there is.
	NeedMax Lie = "need-max"
	// NeedLess requires nothing.
	NeedLess Lie = "need-less"
	// NeedOther requires a voucher of a channel that does not exist.
	NeedOther Lie = "need-other"
	// NeedPoor reports a deposit of one base unit.
	NeedPoor Lie = "need-poor"
	// NeedRich reports the largest deposit there is.
	NeedRich Lie = "need-rich"
	// NeedAccepted reports all of the deposit as accepted.
	NeedAccepted Lie = "need-accepted"
	// NeedForgot reports that nothing was accepted so far.
	NeedForgot Lie = "need-forgot"
	// NeedNegative requires an amount below zero.
	NeedNegative Lie = "need-negative"
	// NeedHex requires a hexadecimal amount.
	NeedHex Lie = "need-hex"
	// NeedHalf does not say which amount is required.
	NeedHalf Lie = "need-half"
	// NeedOfAnother requires a voucher of another payer's channel, or of an older one.
	NeedOfAnother Lie = "need-of-another"
	// NeedLines spreads the JSON of the frame over several data lines.
	NeedLines Lie = "need-lines"
	// NeedDouble writes the required amount twice with two values.
	NeedDouble Lie = "need-double"
	// NeedHuge makes the frame one megabyte long.
	NeedHuge Lie = "need-huge"
)

var needTable = table{
	NeedAll: needs(func(d message.Document) { d["requiredCumulative"] = d["deposit"] }),
	NeedMax: needs(
		func(d message.Document) { d["requiredCumulative"] = voucher.V2.Max().String() },
	),
	NeedLess:     needs(func(d message.Document) { d["requiredCumulative"] = "0" }),
	NeedOther:    needs(func(d message.Document) { d["channelId"] = madeUp("channel").Hex() }),
	NeedPoor:     needs(func(d message.Document) { d["deposit"] = "1" }),
	NeedRich:     needs(func(d message.Document) { d["deposit"] = voucher.V2.Max().String() }),
	NeedAccepted: needs(func(d message.Document) { d["acceptedCumulative"] = d["deposit"] }),
	NeedForgot:   needs(func(d message.Document) { d["acceptedCumulative"] = "0" }),
	NeedNegative: needs(func(d message.Document) { d["requiredCumulative"] = "-10" }),
	NeedHex:      needs(func(d message.Document) { d["requiredCumulative"] = "0xff" }),
	NeedHalf:     needs(func(d message.Document) { delete(d, "requiredCumulative") }),
	NeedOfAnother: {Need: func(m hook.Stream, d message.Document) {
		if other, _, ok := m.OtherChannel(m.ChannelID()); ok {
			d["channelId"] = other.Hex()
		}
	}},
	NeedLines: needFrames(func(frame string) string {
		return strings.ReplaceAll(frame, `,"`, ",\ndata: \"")
	}),
	NeedDouble: needFrames(func(frame string) string {
		return strings.Replace(frame, `{"`, `{"requiredCumulative":"1","`, 1)
	}),
	NeedHuge: needs(func(d message.Document) { d["comment"] = strings.Repeat("x", 1<<20) }),
}

// needs changes the JSON of need-voucher frames.
func needs(change func(message.Document)) hook.Hooks {
	return hook.Hooks{Need: func(_ hook.Stream, d message.Document) { change(d) }}
}

// needFrames changes the text of need-voucher frames.
func needFrames(change func(string) string) hook.Hooks {
	return hook.Hooks{Pieces: func(frame string) []string {
		if strings.HasPrefix(frame, needPrefix) {
			frame = change(frame)
		}
		return []string{frame}
	}}
}

// needPrefix begins every need-voucher frame.
const needPrefix = "event: payment-need-voucher\n"
