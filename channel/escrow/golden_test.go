package escrow_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// The public test key of every development chain.
const testKey = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"

const goldenOpen = "0xedc53b0000000000000000000000000070997970c51812dc3a010c7d01b50e0d17dc79c8000000000000000000000000000000000000000000000000000000000000000000000000000000000000000020c000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000009896801111111111111111111111111111111111111111111111111111111111111111000000000000000000000000f39fd6e51aad88f6f4ce6ab8827279cfffb92266"

var goldenPayee = common.HexToAddress("0x70997970C51812dc3A010C7d01b50e0d17dc79C8")

func goldenTx() escrow.Tx {
	return escrow.Tx{
		ChainID: escrow.Moderato, MaxPriorityFeePerGas: 1_000_000_000, MaxFeePerGas: 20_000_000_000, Gas: 500_000,
		Calls:    []escrow.Call{{To: &escrow.Reserve, Data: common.FromHex(goldenOpen)}},
		NonceKey: escrow.ExpiringNonceKey, ValidBefore: 1767225625, FeeToken: escrow.PathUSD,
		Sender: common.HexToAddress("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"),
	}
}

func signed(t *testing.T, tx escrow.Tx) escrow.Tx {
	t.Helper()
	key, err := voucher.ParseKey(testKey)
	require.NoError(t, err)
	tx.Signature, err = key.SignTransaction(context.Background(), &tx)
	require.NoError(t, err)
	return tx
}

// Golden values made with ox 0.14.33, viem 2.56.0 and mppx 0.11.0.
func TestGoldenOpen(t *testing.T) {
	tx := signed(t, goldenTx())
	preimage := "0x76f9013282a5bf843b9aca008504a817c8008307a120f8def8dc944d5050000000000000000000000000000000000080b8c4" + goldenOpen[2:] +
		"c0a0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff80846955b919809420c000000000000000000000000000000000000080c0"
	assert.Equal(t, preimage, hexutil.Encode(tx.SigningBytes()))
	assert.Equal(t, "0xdb2379174ec34ebb020c06a9a29349e34be7260ef795ea2d133167597bf669c7", tx.SigningHash().Hex())
	assert.Equal(t, "0x537ac66b89c4f1ebf97eb1818234b5351b919a7b72f2d6820939c06cb75844255bc690e2347149a0ea589270f940d4e29427a1317c27a0e47f64415ef4da769b1b", hexutil.Encode(tx.Signature))
	assert.Equal(t, "0x76f90175"+preimage[10:]+"b841"+hexutil.Encode(tx.Signature)[2:], hexutil.Encode(tx.Serialize()))
	assert.Equal(t, "0x13bea24d6ff2d37951a742489adc246f75e98d689230b6578a561bea0aeebd36", tx.Hash().Hex())
	assert.Equal(t, "0x14dff286840e9bc333ba7d4961514046af4a925a2ed2297031b720eb6f3553bb", tx.ExpiringNonceHash().Hex())
	assert.Equal(t, "0xdf9ea7cf21fe2a02604b06593a394b79ce974c4a98a31cbce31099ed4daf8dde", goldenID(tx).Hex())
}

func goldenID(tx escrow.Tx) common.Hash {
	d := channel.Descriptor{
		Payer: tx.Sender, Payee: goldenPayee, Token: escrow.PathUSD, AuthorizedSigner: tx.Sender,
		Salt: common.HexToHash("0x1111111111111111111111111111111111111111111111111111111111111111"), ExpiringNonceHash: tx.ExpiringNonceHash(),
	}
	return d.ID(voucher.V2, escrow.Reserve, escrow.Moderato)
}

func TestGoldenSponsored(t *testing.T) {
	tx := goldenTx()
	tx.Sponsored = true // the fee token that is still set is not signed
	tx = signed(t, tx)
	assert.Equal(t, "0x76f9011e", hexutil.Encode(tx.SigningBytes())[:10])
	assert.Equal(t, "0x6badd7bcc659a759199b9141a47b26b8ed3f1f08e23d2cb6a6cda0b223a1d7fd", tx.SigningHash().Hex())
	assert.Equal(t, "0xc1111b74e54f6c70d1141c7b4b6050692596bbbc1527b897467db2997882fcb95bd56b586c900aa3e0518702c800b40bdf5f34f0e373c75d41dc3c722fa29d151c", hexutil.Encode(tx.Signature))
	assert.Equal(t, "0x76f90161", hexutil.Encode(tx.Serialize())[:10])
	assert.Equal(t, "0x78f90175", hexutil.Encode(tx.Handoff())[:10])
	assert.Contains(t, hexutil.Encode(tx.Handoff()), "808094f39fd6e51aad88f6f4ce6ab8827279cfffb92266c0")
	assert.Equal(t, "0x3c43ab50ec9dedbeffe060c9e579701cb35796f402b0829c6b06ced154f1c54d", tx.ExpiringNonceHash().Hex())
	assert.Equal(t, "0x83fd2b0dac682f4db9eec0eee42a0e1427962dcf29bc00f3a468d954c1be0174", goldenID(tx).Hex())
	assert.Equal(t, "0xc807db377d2f6745a81129c65bdd7fb056ce33d5894f63d4942a98aadd23e061", sponsorHash(t, &tx).Hex())
}

func TestGoldenV1(t *testing.T) {
	const raw = "0x76f901b882a5bf843b9aca008504a817c800830dbba0f9011cf85c9420c000000000000000000000000000000000000080b844095ea7b3000000000000000000000000e1c4d3dce17bc111181ddf716f75bae49e61a3360000000000000000000000000000000000000000000000000000000000989680f8bc94e1c4d3dce17bc111181ddf716f75bae49e61a33680b8a4c79ea48500000000000000000000000070997970c51812dc3a010c7d01b50e0d17dc79c800000000000000000000000020c000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000009896801111111111111111111111111111111111111111111111111111111111111111000000000000000000000000f39fd6e51aad88f6f4ce6ab8827279cfffb92266c0a0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff80846955b919845f5e10009420c000000000000000000000000000000000000080c0b8419ef36a717b314ada334dd1527242bd21c3be478039beec7002bb67b56203a736763ecf1160f997a5c6d10a3d356486eced76ad41d1ddd5443e6c1514fe800fe41b"
	tx := reread(t, common.FromHex(raw))
	assert.Equal(t, "0xe454391f4593a8a8b85e6a4614e5ce7a8db811619dae87653abcfa5fcb73352a", tx.SigningHash().Hex())
	assert.Equal(t, "0x29e3c39797b792b9da546d69e8f13d0a3f8a9eefc99f42103250c072ba85d73b", tx.Hash().Hex())
	assert.Equal(t, goldenTx().Sender, tx.Sender)
	assert.Equal(t, "allow 0xe1c4d3dce17BC111181DdF716F75Bae49e61a336 to take 10000000 base units of token 0x20C0000000000000000000000000000000000000, then "+
		"open a v1 channel in escrow 0xe1c4d3dce17BC111181DdF716F75Bae49e61a336: deposit 10000000 base units of token 0x20C0000000000000000000000000000000000000 "+
		"for payee 0x70997970C51812dc3A010C7d01b50e0d17dc79C8, vouchers signed by 0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266, "+
		"salt 0x1111111111111111111111111111111111111111111111111111111111111111; chain 42431; "+
		"fee at most 18000 base units of 0x20C0000000000000000000000000000000000000; valid until 1767225625", tx.String())
}

// A transaction tells a person what it does, down to the last byte; what it cannot tell, it says.
func ExampleDecodeTx() {
	unsigned := goldenTx()
	tx, err := escrow.DecodeTx(unsigned.Serialize())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(tx)
	tx.Calls[0].Data = append(tx.Calls[0].Data, 0)
	fmt.Println(tx.Calls[0])
	// Output:
	// open a v2 channel in escrow 0x4d50500000000000000000000000000000000000: deposit 10000000 base units of token 0x20C0000000000000000000000000000000000000 for payee 0x70997970C51812dc3A010C7d01b50e0d17dc79C8, operator 0x0000000000000000000000000000000000000000, vouchers signed by 0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266, salt 0x1111111111111111111111111111111111111111111111111111111111111111; chain 42431; fee at most 10000 base units of 0x20C0000000000000000000000000000000000000; valid until 1767225625
	// UNKNOWN CALL to 0x4d50500000000000000000000000000000000000 with value 0 and 197 bytes 0xedc53b00…
}
