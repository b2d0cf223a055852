package clienttest

import (
	"encoding/base64"
	"net/http"
	"strings"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Lies in receipts, in headers and in streams.
var (
	ReceiptAccepted = lie("receipt-accepted", "A receipt says that twice the highest voucher was accepted.", receipts(func(d document) { d["acceptedCumulative"] = doubled(d) }))
	ReceiptSpent    = lie("receipt-spent", "A receipt says that twice the highest voucher is spent.", receipts(func(d document) { d["spent"] = doubled(d) }))
	ReceiptAll      = lie("receipt-all", "A receipt says that twice the highest voucher was accepted and spent.", receipts(func(d document) { d["acceptedCumulative"], d["spent"] = doubled(d), doubled(d) }))
	ReceiptMax      = lie("receipt-max", "A receipt has the largest numbers there are.", receipts(func(d document) {
		d["acceptedCumulative"], d["spent"] = voucher.V1.Max().String(), voucher.V1.Max().String()
	}))
	ReceiptUnspent   = lie("receipt-unspent", "A receipt says that nothing was spent.", receipts(func(d document) { d["spent"] = "0" }))
	ReceiptForgotten = lie("receipt-forgotten", "A receipt says that nothing was accepted or spent.", receipts(func(d document) { d["acceptedCumulative"], d["spent"] = "0", "0" }))
	ReceiptEaten     = lie("receipt-eaten", "A receipt says that all that was signed is spent.", receipts(func(d document) { d["spent"] = d["acceptedCumulative"] }))
	ReceiptReplayed  = lie("receipt-replayed", "Every receipt is the first one of all.", deed{receipt: func(v *visit, d document) { v.s.deceit.again(&v.s.deceit.receipt, d) }})
	ReceiptStale     = lie("receipt-stale", "Every receipt has the numbers of the first one of all.", deed{receipt: func(v *visit, d document) {
		old := document{}
		v.s.deceit.again(&v.s.deceit.receipt, old)
		d["acceptedCumulative"], d["spent"] = old["acceptedCumulative"], old["spent"]
	}})
	ReceiptOfAnother  = lie("receipt-of-another", "A receipt is for another channel, an older one of the same payer where there is one, with higher numbers.", deed{receipt: receiptOfAnother})
	ReceiptChallenge  = lie("receipt-challenge", "A receipt is for another challenge.", receipts(func(d document) { d["challengeId"] = "another"; d["spent"] = doubled(d) }))
	ReceiptNegative   = lie("receipt-negative", "A receipt has numbers below zero.", receipts(func(d document) { d["acceptedCumulative"], d["spent"] = "-1", "-1" }))
	ReceiptHex        = lie("receipt-hex", "A receipt has hexadecimal numbers.", receipts(func(d document) { d["acceptedCumulative"], d["spent"] = "0xfffff", "0xfffff" }))
	ReceiptFailed     = lie("receipt-failed", "A receipt says that it failed.", receipts(func(d document) { d["status"] = "failed" }))
	ReceiptMethod     = lie("receipt-method", "A receipt is of another payment method.", receipts(func(d document) { d["method"] = "card"; d["spent"] = doubled(d) }))
	ReceiptCase       = lie("receipt-case", "A receipt writes the channel in capital letters.", receipts(func(d document) { d["channelId"] = "0x" + strings.ToUpper(d["channelId"].(string)[2:]) }))
	ReceiptHalf       = lie("receipt-half", "A receipt has no word on what was accepted.", receipts(func(d document) { delete(d, "acceptedCumulative") }))
	ReceiptTwofold    = lie("receipt-twofold", "Two receipts come, and the first is a forged one.", receiptHeaders(func(h http.Header) { h["Payment-Receipt"] = append([]string{forgedReceipt}, h["Payment-Receipt"]...) }))
	ReceiptGarbage    = lie("receipt-garbage", "The receipt is no base64.", receiptHeaders(func(h http.Header) { h.Set("Payment-Receipt", "%%%") }))
	ReceiptHuge       = lie("receipt-huge", "The receipt is a megabyte long.", receiptHeaders(func(h http.Header) { h.Set("Payment-Receipt", strings.Repeat("A", 1<<20)) }))
	ReceiptDouble     = lie("receipt-double", "A receipt has one number twice, and they differ.", receiptHeaders(doubleReceipt))
	ReceiptNone       = lie("receipt-none", "No receipt comes.", deed{answer: noReceipt})
	ReceiptOnFree     = lie("receipt-on-free", "Free answers carry a receipt for the newest channel, with all of its deposit spent.", deed{answer: receiptUnasked(func(v *visit, status int) bool { return !v.paying() && status == http.StatusOK })})
	ReceiptOnRefusal  = lie("receipt-on-refusal", "Answers that ask for money carry a receipt for the newest channel, with all of its deposit spent.", deed{answer: receiptUnasked(func(_ *visit, status int) bool { return status == http.StatusPaymentRequired })})
	ReceiptOnStranger = lie("receipt-on-stranger", "The other origin answers with a receipt for the newest channel, with all of its deposit spent.", deed{answer: receiptUnasked(func(v *visit, _ int) bool { return v.s.strayed(v.r) })})
)

// receipts changes receipts.
func receipts(change func(document)) deed {
	return deed{receipt: func(_ *visit, d document) { change(d) }}
}

// doubled is twice what a receipt says was accepted.
func doubled(d document) string {
	text, _ := d["acceptedCumulative"].(string)
	accepted, _ := voucher.ParseAmount(text)
	return twice(accepted)
}

func receiptOfAnother(v *visit, d document) {
	id, _ := decodeHash(d["channelId"].(string))
	v.s.book.mu.Lock()
	defer v.s.book.mu.Unlock()
	d["channelId"], d["acceptedCumulative"], d["spent"] = madeUp("channel").Hex(), doubled(d), doubled(d)
	if a := v.s.book.byID[id]; a != nil {
		if b := v.s.book.other(a); b != nil {
			d["channelId"] = b.id.Hex()
		}
	}
}

// receiptHeaders changes the header where it carries a receipt.
func receiptHeaders(change func(http.Header)) deed {
	return deed{answer: func(_ *visit, status int, h http.Header) int {
		if h.Get("Payment-Receipt") != "" {
			change(h)
		}
		return status
	}}
}

func noReceipt(_ *visit, status int, h http.Header) int {
	h.Del("Payment-Receipt")
	return status
}

// forgedReceipt is a whole receipt that is for nothing.
var forgedReceipt = base64.RawURLEncoding.EncodeToString([]byte(`{"method":"tempo","intent":"session","status":"success","timestamp":"2026-01-01T00:00:00Z","reference":"x","challengeId":"x","channelId":"` +
	madeUp("channel").Hex() + `","acceptedCumulative":"1000000","spent":"1000000"}`))

func doubleReceipt(h http.Header) {
	h.Set("Payment-Receipt", recode(h.Get("Payment-Receipt"), func(text string) string {
		return strings.Replace(text, `{"`, `{"spent":"1000000","`, 1)
	}))
}

// receiptUnasked puts a receipt on answers that should have none.
func receiptUnasked(when func(v *visit, status int) bool) func(*visit, int, http.Header) int {
	return func(v *visit, status int, h http.Header) int {
		if !when(v, status) {
			return status
		}
		v.s.book.mu.Lock()
		defer v.s.book.mu.Unlock()
		if n := len(v.s.book.order); n > 0 {
			a := v.s.book.byID[v.s.book.order[n-1]]
			id := "unasked"
			if v.credential != nil {
				id = v.credential.challenge.ID
			}
			h.Set("Payment-Receipt", (&visit{s: v.s}).receiptHeader(id, figures{a.id, a.deposit, a.deposit, a.units}, madeUp("transaction")))
		}
		return status
	}
}
