package channel_test

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// The id follows from the descriptor, the escrow and the chain.
func ExampleDescriptor_ID() {
	d := channel.Descriptor{
		Payer: common.HexToAddress("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"),
		Payee: common.HexToAddress("0x70997970C51812dc3A010C7d01b50e0d17dc79C8"),
		Token: common.HexToAddress("0x20c0000000000000000000000000000000000000"),
		Salt: common.HexToHash(
			"0x1111111111111111111111111111111111111111111111111111111111111111",
		),
		AuthorizedSigner: common.HexToAddress("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"),
		ExpiringNonceHash: common.HexToHash(
			"0x14dff286840e9bc333ba7d4961514046af4a925a2ed2297031b720eb6f3553bb",
		),
	}
	fmt.Println(
		d.ID(voucher.V2, common.HexToAddress("0x4d50500000000000000000000000000000000000"), 42431),
	)
	// Output: 0xdf9ea7cf21fe2a02604b06593a394b79ce974c4a98a31cbce31099ed4daf8dde
}

// An origin has one spelling, the host that is dialed: lists, limits and pins use it.
func ExampleParseOrigin() {
	for _, text := range []string{"https://Bücher.example./a?b", "http://[0:0::1]:080", "api.example.com"} {
		origin, err := channel.ParseOrigin(text)
		fmt.Println(origin, err != nil)
	}
	// Output:
	// https://xn--bcher-kva.example:443 false
	// http://[::1]:80 false
	//  true
}

// Limits by name, for a program that reads them from flags or a file of its own.
func ExampleLimits_Set() {
	var limits channel.Limits
	for name, text := range map[string]string{"Price": "0.001", "Deposit": "1", "Origin.Day": "0.25"} {
		amount, err := voucher.ParseTokens(text, 6)
		if err != nil {
			fmt.Println(err)
			return
		}
		if err := limits.Set(name, amount); err != nil {
			fmt.Println(err)
			return
		}
	}
	for name, amount := range limits.Fields() {
		if !amount.IsZero() {
			fmt.Println(name, *amount)
		}
	}
	// Output:
	// Price 1000
	// Deposit 1000000
	// Origin.Day 250000
}
