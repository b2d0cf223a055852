package voucher_test

import (
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

func BenchmarkDigest(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		v2Domain.Digest(goldenV2)
	}
}

func BenchmarkProofDigest(b *testing.B) {
	p := voucher.Proof{
		ChainID:     42431,
		Account:     common.Address{1},
		ChallengeID: "kM9xPqWvT2nJrHsY4aDfEb",
		Realm:       "api.example.com",
	}
	b.ReportAllocs()
	for b.Loop() {
		p.Digest()
	}
}

// BenchmarkBareSign measures the curve alone.
func BenchmarkBareSign(b *testing.B) {
	key, digest := mustECDSA(b), v2Domain.Digest(goldenV2)
	b.ReportAllocs()
	for b.Loop() {
		_, _ = crypto.Sign(digest[:], key)
	}
}

// BenchmarkSignVoucher measures digest and signature. It should take at most a tenth more than
// BenchmarkBareSign.
func BenchmarkSignVoucher(b *testing.B) {
	key, ctx := testKey(b), b.Context()
	b.ReportAllocs()
	for b.Loop() {
		_, _ = key.SignVoucher(ctx, v2Domain, goldenV2)
	}
}

func BenchmarkSignVoucherP256(b *testing.B) {
	key, ctx := p256Signer(b), b.Context()
	b.ReportAllocs()
	for b.Loop() {
		_, _ = key.SignVoucher(ctx, v2Domain, goldenV2)
	}
}

func BenchmarkVerify(b *testing.B) {
	key := testKey(b)
	sig, err := key.SignVoucher(b.Context(), v2Domain, goldenV2)
	if err != nil {
		b.Fatal(err)
	}
	signed := voucher.Signed{Voucher: goldenV2, Signature: sig}
	b.ReportAllocs()
	for b.Loop() {
		if err := voucher.Verify(v2Domain, signed, key.Address()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseAmount(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		_, _ = voucher.ParseAmount(maxUint96)
	}
}
