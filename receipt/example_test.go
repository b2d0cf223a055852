package receipt_test

import (
	"errors"
	"fmt"

	"github.com/seed-5fe1f529/tallystick/receipt"
)

func ExampleParse() {
	// resp.Header.Get("Payment-Receipt") of a response to a paid request.
	header := "eyJtZXRob2QiOiJ0ZW1wbyIsImludGVudCI6InNlc3Npb24iLCJzdGF0dXMiOiJzdWNjZXNzIiwidGltZXN0YW1wIjoiMjAyNi0xMS0yMVQwMzo0Mzo1OS4xMjBaIiwicmVmZXJlbmNlIjoiMHhmODYxOTE3M2M4Mjg2ZDc2NjE2NDBmNmE3ODM1M2FkMmQyZmVlMzBiNDYzYWI5OWNhYTkyZmNhYTViZWVmYTcyIiwiY2hhbGxlbmdlSWQiOiJhRFpaY2hZbE96cXpLUWZHb2ZvblpkcE12M09HMVdJNHloQjQwQTZVMDFnIiwiY2hhbm5lbElkIjoiMHhmODYxOTE3M2M4Mjg2ZDc2NjE2NDBmNmE3ODM1M2FkMmQyZmVlMzBiNDYzYWI5OWNhYTkyZmNhYTViZWVmYTcyIiwiYWNjZXB0ZWRDdW11bGF0aXZlIjoiMTAwIiwic3BlbnQiOiIxMDAiLCJ1bml0cyI6MSwidHhIYXNoIjoiMHhlNDRiOTllYTAxYmRjZGNkNWU0ZTNiMDMwMjRlOTg2YWNjOTQ1ZDkwNzg3OWU2YTY3ZDk0ODU3NGFjN2YyMWI1In0"
	r, err := receipt.Parse(header)
	if err != nil {
		fmt.Println("the receipt is unreadable, the content is paid for all the same:", err)
		return
	}
	fmt.Println("channel", r.ChannelID)
	fmt.Printf("%s of %s base units spent, %d units\n", r.Spent, r.Accepted, r.Units)
	fmt.Println("opened by", r.TxHash)
	// Output:
	// channel 0xf8619173c8286d7661640f6a78353ad2d2fee30b463ab99caa92fcaa5beefa72
	// 100 of 100 base units spent, 1 units
	// opened by 0xe44b99ea01bdcdcd5e4e3b03024e986acc945d907879e6a67d948574ac7f21b5
}

func ExampleParseFrame() {
	// The data of a payment-receipt event at the end of a stream. Missing amounts are not zero.
	_, err := receipt.ParseFrame([]byte(`{"method":"tempo","intent":"session","status":"success",
		"timestamp":"2026-01-06T12:08:30Z","reference":"r1","spent":"237500"}`))
	fmt.Println(errors.Is(err, receipt.ErrMalformed))
	fmt.Println(err)
	// Output:
	// true
	// receipt: malformed: challengeId is missing
}

func ExampleReceipt_String() {
	r, err := receipt.ParseFrame(
		[]byte(
			`{"method":"tempo","status":"success","timestamp":"2026-01-06T12:08:30Z","reference":"r1"}`,
		),
	)
	fmt.Println(r, err)
	fmt.Println("has amounts:", r.Session)
	// Output:
	// receipt without amounts, reference "r1" <nil>
	// has amounts: false
}

func ExampleReceipt_Header() {
	// A server writes a receipt that Parse reads.
	made, err := receipt.ParseFrame(
		[]byte(
			`{"method":"tempo","status":"success","timestamp":"2026-01-06T12:08:30Z","reference":"r1"}`,
		),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	header, err := made.Header()
	fmt.Println(header, err)
	// Output:
	// eyJtZXRob2QiOiJ0ZW1wbyIsInN0YXR1cyI6InN1Y2Nlc3MiLCJ0aW1lc3RhbXAiOiIyMDI2LTAxLTA2VDEyOjA4OjMwWiIsInJlZmVyZW5jZSI6InIxIn0 <nil>
}
