package sse

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	receiptBlock = "event: payment-receipt\ndata: {}\n\n"
	voucherBlock = "event: payment-need-voucher\ndata: {}\n\n"
)

// TestBlocks expects the same result for all sizes of reads from the body and by the application.
func TestBlocks(t *testing.T) {
	cut := func(names ...string) (frames []frame) {
		for _, name := range names {
			frames = append(frames, frame{name, "{}"})
		}
		return frames
	}
	x100 := strings.Repeat("x", 100)
	for _, c := range []struct {
		name   string
		stream string
		want   result
	}{
		{"empty", "", result{}},
		{"receipt", receiptBlock, result{frames: cut(Receipt)}},
		{"other payment name", "event: payment-other\ndata: 1\n\n", result{out: "event: payment-other\ndata: 1\n\n", events: 1}},
		{"longer name", "event: payment-receipts\ndata: 1\n\n", result{out: "event: payment-receipts\ndata: 1\n\n", events: 1}},
		{"case counts", "Event: payment-receipt\ndata: 1\n\n", result{out: "Event: payment-receipt\ndata: 1\n\n", events: 1}},
		{"one space only", "event:  payment-receipt\ndata: 1\n\n", result{out: "event:  payment-receipt\ndata: 1\n\n", events: 1}},
		{"last name wins", "event: x\ndata: {}\nevent:payment-receipt\n\n", result{frames: cut(Receipt)}},
		{"last name is the application's", "event: payment-receipt\ndata: 1\nevent: x\n\n", result{out: "event: payment-receipt\ndata: 1\nevent: x\n\n", events: 1}},
		{"name taken back", "event: payment-receipt\ndata: 1\nevent\n\n", result{out: "event: payment-receipt\ndata: 1\nevent\n\n", events: 1}},
		{"name in data", "data: event: payment-receipt\n\n", result{out: "data: event: payment-receipt\n\n", events: 1}},
		{"payment event without data", "event: payment-receipt\nid: 3\n\ndata: x\n\n", result{out: "data: x\n\n", events: 1}},
		{"comment before payment event", ": a\n" + receiptBlock, result{out: ": a\n", frames: cut(Receipt)}},
		{"comment within payment event", "event: payment-receipt\n: a\ndata: {}\n\n", result{frames: cut(Receipt)}},
		{"blank lines around", "\n\r\n\r" + receiptBlock + "\n\n", result{out: "\n\r\n\r\n\n", frames: cut(Receipt)}},
		{"CRLF behind a cut", "event: payment-receipt\r\ndata: {}\r\n\r\n\r\ndata: x\r\n\r\n", result{out: "\r\ndata: x\r\n\r\n", frames: cut(Receipt), events: 1}},
		{"CRLF of a comment behind a cut", receiptBlock + ":\r\ndata: x\r\n\r\n", result{out: ":\r\ndata: x\r\n\r\n", frames: cut(Receipt), events: 1}},
		{"CR behind a cut", "event: payment-receipt\rdata: {}\r\r\rdata: x\r\r", result{out: "\rdata: x\r\r", frames: cut(Receipt), events: 1}},
		{"byte order mark", "\uFEFF" + receiptBlock + "data: x\n\n", result{out: "\uFEFFdata: x\n\n", frames: cut(Receipt), events: 1}},
		{"only a byte order mark", "\uFEFF", result{out: "\uFEFF"}},
		{"half a byte order mark", "\xEF\xBB", result{out: "\xEF\xBB"}},
		{"second byte order mark", "\uFEFF\uFEFFevent: payment-receipt\ndata: x\n\n", result{out: "\uFEFF\uFEFFevent: payment-receipt\ndata: x\n\n", events: 1}},
		{"no event", "id: 7\nretry: 10\nevent: x\n\n", result{out: "id: 7\nretry: 10\nevent: x\n\n"}},
		{"several", voucherBlock + "data\n\n" + voucherBlock + receiptBlock, result{out: "data\n\n", frames: cut(NeedVoucher, NeedVoucher, Receipt), events: 1}},

		{"unfinished line", "data: x\n\ndata: y", result{out: "data: x\n\ndata: y", events: 1}},
		{"unfinished block", "data: x\n\ndata: y\r\n", result{out: "data: x\n\ndata: y\r\n", events: 1}},
		{"unfinished comment", "data: x\n\n: y", result{out: "data: x\n\n: y", events: 1}},
		{"unfinished name", "data: x\nevent: payment-rec", result{out: "data: x\nevent: payment-rec"}},
		{"unfinished receipt after its name", "data: x\n\nevent: payment-receipt", result{out: "data: x\n\n", events: 1}},
		{"unfinished receipt in its data", "event: payment-receipt\ndata: {", result{}},
		{"unfinished receipt before its blank line", "event: payment-receipt\r\ndata: {}\r\n", result{}},
		{"receipt of which half the last CRLF is there", "event: payment-receipt\r\ndata: {}\r\n\r", result{frames: cut(Receipt)}},

		// The maximum is 64 bytes.
		{"large line", "data: " + x100 + "\n\n", result{out: "data: " + x100 + "\n\n", events: 1}},
		{"large block", strings.Repeat("data: xxx\n", 20) + "\n", result{out: strings.Repeat("data: xxx\n", 20) + "\n", events: 1}},
		{"large block with data late", "id: " + x100 + "\ndata: x\n\n" + receiptBlock, result{out: "id: " + x100 + "\ndata: x\n\n", events: 1, frames: cut(Receipt)}},
		{"large block with large data late", "id: " + x100 + "\ndata:" + x100 + "\n\n", result{out: "id: " + x100 + "\ndata:" + x100 + "\n\n", events: 1}},
		{"large block without data", "id: " + x100 + "\nretry: 1\ndatas: " + x100 + "\n:\n\n", result{out: "id: " + x100 + "\nretry: 1\ndatas: " + x100 + "\n:\n\n"}},
		{"large block, then payment", "data:" + x100 + "\r\n\r\n" + receiptBlock, result{out: "data:" + x100 + "\r\n\r\n", events: 1, frames: cut(Receipt)}},
		{"large named block", "event: x\ndata:" + x100 + "\n\n", result{out: "event: x\ndata:" + x100 + "\n\n", events: 1}},
		{"large block with a name late", "data:" + x100 + "\nevent: x\n\n", result{out: "data:" + x100 + "\nevent: x\n\n", events: 1}},
		{"large comment", ":" + x100 + x100 + "\ndata: x\n\n", result{out: ":" + x100 + x100 + "\ndata: x\n\n", events: 1}},
		{"large comment within", "data: x\n:" + x100 + "\n\n", result{out: "data: x\n:" + x100 + "\n\n", events: 1}},
		{"large block unfinished", "data:" + x100 + "\neve", result{out: "data:" + x100 + "\neve"}},
		{"large block unfinished after a payment name", "data:" + x100 + "\nevent: payment-need-voucher", result{out: "data:" + x100 + "\n"}},
		{"large payment event", "data: x\n\nevent: payment-receipt\ndata: " + x100 + "\n\n", result{out: "data: x\n\n", events: 1, tooLarge: true}},
		{"large payment event, unfinished", "event: payment-receipt\ndata: " + x100, result{tooLarge: true}},
		{"large payment event, many lines", "event: payment-receipt\n" + strings.Repeat(":\n", 40), result{tooLarge: true}},
		{"large payment event, name late", "data: " + x100 + "\nevent: payment-receipt\n\n", result{out: "data: " + x100 + "\n", tooLarge: true}},
		{"payment event of just the maximum", "event: payment-receipt\ndata: " + x100[:64-30] + "\n\n", result{frames: []frame{{Receipt, x100[:64-30]}}}},
		{"payment event of one byte more", "event: payment-receipt\ndata: " + x100[:64-29] + "\n\n", result{tooLarge: true}},
		{"application event of one byte more", "event: payment-receipx\ndata: " + x100[:64-29] + "\n\n", result{out: "event: payment-receipx\ndata: " + x100[:64-29] + "\n\n", events: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.want.contents = reference(c.stream, 64).contents
			require.Equal(t, c.want, reference(c.stream, 64))
			for size := 1; size <= len(c.stream)+1; size++ {
				require.Equal(
					t, c.want, filtered(t, c.stream, 64, []int{size}, 512), "reads of %d", size,
				)
				require.Equal(
					t, c.want, filtered(t, c.stream, 64, nil, size), "reads into %d", size,
				)
			}
		})
	}
}
