package voucher_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

func ExampleParseAmount() {
	a, err := voucher.ParseAmount("250000")
	fmt.Println(a, a.FormatTokens(6), err)
	_, err = voucher.ParseAmount("0.25")
	fmt.Println(errors.Is(err, voucher.ErrAmountSyntax))
	// Output:
	// 250000 0.25 <nil>
	// true
}

func ExampleParseTokens() {
	for _, s := range []string{"0.25", "3", "250000u", "0.0000001"} {
		a, err := voucher.ParseTokens(s, 6)
		fmt.Println(a, err != nil)
	}
	// Output:
	// 250000 false
	// 3000000 false
	// 250000 false
	// 0 true
}

func ExampleAmount_Add() {
	_, err := voucher.MaxAmount.Add(voucher.Units(1))
	fmt.Println(errors.Is(err, voucher.ErrAmountRange))
	// Output: true
}

func ExampleDomain_Digest() {
	escrow := common.HexToAddress("0x4d50500000000000000000000000000000000000")
	d := voucher.NewDomain(voucher.V2, 42431, escrow)
	v := voucher.Voucher{
		ChannelID: common.HexToHash(
			"0xdf9ea7cf21fe2a02604b06593a394b79ce974c4a98a31cbce31099ed4daf8dde",
		),
		Cumulative: voucher.Units(250_000),
	}
	fmt.Println(d.Digest(v))
	// Output: 0x330cf5a06df964a0828dd41a4d2b8a539759283538ec27b2d9aa9161c4cc6ff8
}

// The channel's authorized signer signs a voucher, which is verified against its address.
func ExampleVerify() {
	key, err := voucher.ParseKey(
		"0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
	) // a public test key
	if err != nil {
		panic(err)
	}
	d := voucher.NewDomain(
		voucher.V2, 42431, common.HexToAddress("0x4d50500000000000000000000000000000000000"),
	)
	v := voucher.Voucher{ChannelID: common.Hash{1}, Cumulative: voucher.Units(250_000)}
	sig, err := key.SignVoucher(context.Background(), d, v)
	if err != nil {
		panic(err)
	}

	signed := voucher.Signed{Voucher: v, Signature: sig}
	fmt.Println(voucher.Verify(d, signed, key.Address()))

	signed.Cumulative = voucher.Units(250_001)
	fmt.Println(errors.Is(voucher.Verify(d, signed, key.Address()), voucher.ErrSignerMismatch))
	// Output:
	// <nil>
	// true
}

// A printed signer shows its address, never its key.
func ExampleKeySigner() {
	key, err := voucher.ParseKey(
		"0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
	)
	fmt.Printf("%v %#v %v\n", key, key, err)
	// Output: 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 <nil>
}

func ExampleProof() {
	key, err := voucher.ParseKey(
		"0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
	)
	if err != nil {
		panic(err)
	}
	p := voucher.Proof{
		ChainID:     42431,
		Account:     key.Address(),
		ChallengeID: "kM9xPqWvT2nJrHsY4aDfEb",
		Realm:       "api.example.com",
	}
	sig, err := key.SignProof(context.Background(), p)
	if err != nil {
		panic(err)
	}
	who, err := voucher.RecoverAddress(p.Digest(), sig)
	fmt.Println(who == p.Account, err)
	// Output: true <nil>
}

// A key in a KMS: the address is derived from its public key, and its signatures are made canonical
// and verified.
func ExampleNewDigestSigner() {
	publicKey := opensslKey // DER, as the KMS returns it
	sign := func(_ context.Context, digest common.Hash) ([]byte, error) {
		// Call the KMS here. It must sign the digest and not hash it again.
		return opensslSignature, nil
	}

	address, err := voucher.ParsePublicKey(publicKey)
	if err != nil {
		panic(err)
	}
	signer, err := voucher.NewDigestSigner(address, sign)
	if err != nil {
		panic(err)
	}
	sig, err := signer.SignVoucher(context.Background(), v2Domain, goldenV2)
	fmt.Println(len(sig), err)
	// Output: 65 <nil>
}

// An access key signs the transactions of its root account, and vouchers of its own.
func ExampleNewAccessKey() {
	key, err := voucher.ParseKey(
		"0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
	)
	if err != nil {
		panic(err)
	}
	payer, err := voucher.NewAccessKey(
		common.HexToAddress("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"), key,
	)
	fmt.Println("payer ", payer, err)
	fmt.Println("signer", key)
	// Output:
	// payer  0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266 <nil>
	// signer 0x70997970C51812dc3A010C7d01b50e0d17dc79C8
}
