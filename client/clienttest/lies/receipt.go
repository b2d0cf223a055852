package lies

import (
	"encoding/base64"
	"net/http"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/hook"
	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/message"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Lies in receipts, in headers and in streams.
const (
	// ReceiptAccepted reports twice the highest voucher as accepted.
	ReceiptAccepted Lie = "receipt-accepted"
	// ReceiptSpent reports twice the highest voucher as spent.
	ReceiptSpent Lie = "receipt-spent"
	// ReceiptAll reports twice the highest voucher as accepted and spent.
	ReceiptAll Lie = "receipt-all"
	// ReceiptMax reports the largest numbers there are.
	ReceiptMax Lie = "receipt-max"
	// ReceiptUnspent reports that nothing was spent.
	ReceiptUnspent Lie = "receipt-unspent"
	// ReceiptForgotten reports that nothing was accepted or spent.
	ReceiptForgotten Lie = "receipt-forgotten"
	// ReceiptEaten reports all that was signed as spent.
	ReceiptEaten Lie = "receipt-eaten"
	// ReceiptReplayed sends the very first receipt again and again.
	ReceiptReplayed Lie = "receipt-replayed"
	// ReceiptStale reports the amounts of the very first receipt again and again.
	ReceiptStale Lie = "receipt-stale"
	// ReceiptOfAnother is for another channel, with higher numbers.
	ReceiptOfAnother Lie = "receipt-of-another"
	// ReceiptChallenge is for another challenge, with higher numbers.
	ReceiptChallenge Lie = "receipt-challenge"
	// ReceiptNegative reports numbers below zero.
	ReceiptNegative Lie = "receipt-negative"
	// ReceiptHex reports hexadecimal numbers.
	ReceiptHex Lie = "receipt-hex"
	// ReceiptFailed has the status "failed".
	ReceiptFailed Lie = "receipt-failed"
	// ReceiptMethod is of another payment method, with higher numbers.
	ReceiptMethod Lie = "receipt-method"
	// ReceiptCase writes the channel id in capital letters.
	ReceiptCase Lie = "receipt-case"
	// ReceiptHalf does not report what was accepted.
	ReceiptHalf Lie = "receipt-half"
	// ReceiptTwofold sends two receipts, of which the first is forged.
	ReceiptTwofold Lie = "receipt-twofold"
	// ReceiptGarbage sends a receipt that is no base64.
	ReceiptGarbage Lie = "receipt-garbage"
	// ReceiptHuge sends a receipt of one megabyte.
	ReceiptHuge Lie = "receipt-huge"
	// ReceiptDouble writes what was spent twice with two values.
	ReceiptDouble Lie = "receipt-double"
	// ReceiptNone sends no receipt.
	ReceiptNone Lie = "receipt-none"
	// ReceiptOnFree adds a receipt to free answers: all of the newest channel's deposit is spent.
	ReceiptOnFree Lie = "receipt-on-free"
	// ReceiptOnRefusal adds such a receipt to every 402.
	ReceiptOnRefusal Lie = "receipt-on-refusal"
	// ReceiptOnStranger adds such a receipt to the answers of the other origin.
	ReceiptOnStranger Lie = "receipt-on-stranger"
)

var receiptTable = table{
	ReceiptAccepted: receipts(func(d message.Document) { d["acceptedCumulative"] = doubled(d) }),
	ReceiptSpent:    receipts(func(d message.Document) { d["spent"] = doubled(d) }),
	ReceiptAll:      receipts(func(d message.Document) { reported(d, doubled(d), doubled(d)) }),
	ReceiptMax: receipts(func(d message.Document) {
		reported(d, voucher.V1.Max().String(), voucher.V1.Max().String())
	}),
	ReceiptUnspent:   receipts(func(d message.Document) { d["spent"] = "0" }),
	ReceiptForgotten: receipts(func(d message.Document) { reported(d, "0", "0") }),
	ReceiptEaten:     receipts(func(d message.Document) { d["spent"] = d["acceptedCumulative"] }),
	ReceiptReplayed:  {Receipt: func(r hook.Request, d message.Document) { r.FirstReceipt(d) }},
	ReceiptStale: {Receipt: func(r hook.Request, d message.Document) {
		first := message.Document{}
		r.FirstReceipt(first)
		reported(d, first["acceptedCumulative"], first["spent"])
	}},
	ReceiptOfAnother: {Receipt: func(r hook.Request, d message.Document) {
		id, _ := d["channelId"].(string)
		reported(d, doubled(d), doubled(d))
		d["channelId"] = madeUp("channel").Hex()
		if other, _, ok := r.OtherChannel(common.HexToHash(id)); ok {
			d["channelId"] = other.Hex()
		}
	}},
	ReceiptChallenge: receipts(func(d message.Document) {
		d["challengeId"], d["spent"] = "another", doubled(d)
	}),
	ReceiptNegative: receipts(func(d message.Document) { reported(d, "-1", "-1") }),
	ReceiptHex:      receipts(func(d message.Document) { reported(d, "0xfffff", "0xfffff") }),
	ReceiptFailed:   receipts(func(d message.Document) { d["status"] = "failed" }),
	ReceiptMethod: receipts(func(d message.Document) {
		d["method"], d["spent"] = "card", doubled(d)
	}),
	ReceiptCase: receipts(func(d message.Document) {
		id, _ := d["channelId"].(string)
		d["channelId"] = "0x" + strings.ToUpper(strings.TrimPrefix(id, "0x"))
	}),
	ReceiptHalf: receipts(func(d message.Document) { delete(d, "acceptedCumulative") }),
	ReceiptTwofold: receiptHeaders(func(h http.Header) {
		h["Payment-Receipt"] = append([]string{forgedReceipt}, h["Payment-Receipt"]...)
	}),
	ReceiptGarbage: receiptHeaders(func(h http.Header) { h.Set("Payment-Receipt", "%%%") }),
	ReceiptHuge: receiptHeaders(func(h http.Header) {
		h.Set("Payment-Receipt", strings.Repeat("A", 1<<20))
	}),
	ReceiptDouble: receiptHeaders(func(h http.Header) {
		h.Set("Payment-Receipt", recode(h.Get("Payment-Receipt"), func(text string) string {
			return strings.Replace(text, `{"`, `{"spent":"1000000","`, 1)
		}))
	}),
	ReceiptNone: {Answer: func(_ hook.Request, status int, h http.Header) int {
		h.Del("Payment-Receipt")
		return status
	}},
	ReceiptOnFree: unaskedReceipt(func(r hook.Request, status int) bool {
		return !r.Paying() && status == http.StatusOK
	}),
	ReceiptOnRefusal: unaskedReceipt(func(_ hook.Request, status int) bool {
		return status == http.StatusPaymentRequired
	}),
	ReceiptOnStranger: unaskedReceipt(func(r hook.Request, _ int) bool { return r.Strayed() }),
}

// receipts changes all receipts.
func receipts(change func(message.Document)) hook.Hooks {
	return hook.Hooks{Receipt: func(_ hook.Request, d message.Document) { change(d) }}
}

// reported sets the two amounts of a receipt.
func reported(d message.Document, accepted, spent any) {
	d["acceptedCumulative"], d["spent"] = accepted, spent
}

// doubled returns twice what a receipt reports as accepted, and one more.
func doubled(d message.Document) string {
	text, _ := d["acceptedCumulative"].(string)
	accepted, _ := voucher.ParseAmount(text)
	return twice(accepted)
}

func twice(a voucher.Amount) string { return a.AddCapped(a).AddCapped(voucher.Units(1)).String() }

// madeUp returns a hash that nothing has.
func madeUp(name string) common.Hash { return common.BytesToHash([]byte("made up " + name)) }

// receiptHeaders changes the header of answers with a receipt.
func receiptHeaders(change func(http.Header)) hook.Hooks {
	return hook.Hooks{Answer: func(_ hook.Request, status int, h http.Header) int {
		if h.Get("Payment-Receipt") != "" {
			change(h)
		}
		return status
	}}
}

// forgedReceipt is a complete receipt for a channel that does not exist.
var forgedReceipt = base64.RawURLEncoding.EncodeToString(
	[]byte(`{"method":"tempo","intent":"session",` +
		`"status":"success","timestamp":"2026-01-01T00:00:00Z","reference":"x","challengeId":"x",` +
		`"channelId":"` + madeUp("channel").Hex() + `",` +
		`"acceptedCumulative":"1000000","spent":"1000000"}`),
)

// unaskedReceipt adds a forged receipt to answers that should have none.
func unaskedReceipt(when func(r hook.Request, status int) bool) hook.Hooks {
	return hook.Hooks{Answer: func(r hook.Request, status int, h http.Header) int {
		if when(r, status) {
			if forged := r.ForgedReceipt(); forged != "" {
				h.Set("Payment-Receipt", forged)
			}
		}
		return status
	}}
}
