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
