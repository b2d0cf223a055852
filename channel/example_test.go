package channel_test

import (
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Limits that are not set pay nothing, and the error says what to write.
func ExampleLimits() {
	var unset channel.Limits
	fmt.Println(unset.CheckPrice(voucher.Units(250)))

	limits := channel.Limits{Price: voucher.Units(1_000), Deposit: voucher.Units(1_000_000)}
	fmt.Println(limits.CheckPrice(voucher.Units(250)))
	// Output:
	// channel: limit Price: wanted 250 base units, allowed 0: set Limits.Price to at least 250 to allow this
	// <nil>
}

// A server that asks for more than callers agreed to gets an error and no signature.
func ExampleState_AuthorizeMore() {
	limits := channel.Limits{Price: voucher.Units(10), Deposit: voucher.Units(1_000), Stream: voucher.Units(500)}
	d := channel.Descriptor{Payer: common.Address{1}, Payee: common.Address{2}, Token: common.Address{3}}
	scope := channel.Scope{Protocol: voucher.V2, Payer: d.Payer, Payee: d.Payee, Token: d.Token, Signer: d.Payer}
	s, err := channel.New(voucher.V2, 0, common.Address{}, d, scope, channel.Funding{Amount: voucher.Units(1_000), Raw: []byte{0x76}})
	if err != nil {
		fmt.Println(err)
		return
	}
	s, claim, due, err := s.Authorize(channel.Ask{Price: voucher.Units(10)}, limits)
	fmt.Println(due, err)

	_, _, _, err = s.AuthorizeMore(claim, voucher.Units(10), voucher.Units(1_000), voucher.Units(10), limits)
	var desync *channel.DesyncError
	fmt.Println(errors.As(err, &desync), desync.Required, desync.Ours)
	// Output:
	// 10 <nil>
	// true 1000 20
}

// The id follows from the descriptor, the escrow and the chain.
func ExampleDescriptor_ID() {
	d := channel.Descriptor{
		Payer:             common.HexToAddress("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"),
		Payee:             common.HexToAddress("0x70997970C51812dc3A010C7d01b50e0d17dc79C8"),
		Token:             common.HexToAddress("0x20c0000000000000000000000000000000000000"),
		Salt:              common.HexToHash("0x1111111111111111111111111111111111111111111111111111111111111111"),
		AuthorizedSigner:  common.HexToAddress("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"),
		ExpiringNonceHash: common.HexToHash("0x14dff286840e9bc333ba7d4961514046af4a925a2ed2297031b720eb6f3553bb"),
	}
	fmt.Println(d.ID(voucher.V2, common.HexToAddress("0x4d50500000000000000000000000000000000000"), 42431))
	// Output: 0xdf9ea7cf21fe2a02604b06593a394b79ce974c4a98a31cbce31099ed4daf8dde
}
