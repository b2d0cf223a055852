package voucher_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"encoding/asn1"
	"errors"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// localKMS signs like a key service: DER, with a low or high s (here: high for odd digests).
func localKMS(key *ecdsa.PrivateKey) func(context.Context, common.Hash) ([]byte, error) {
	return func(_ context.Context, digest common.Hash) ([]byte, error) {
		sig, err := crypto.Sign(digest[:], key)
		if err != nil {
			return nil, err
		}
		return der(sig, digest[31]&1 == 1)
	}
}

// der returns r || s as ASN.1, with s or its high twin.
func der(rs []byte, high bool) ([]byte, error) {
	r, s := new(big.Int).SetBytes(rs[:32]), new(big.Int).SetBytes(rs[32:64])
	if high {
		s.Sub(crypto.S256().Params().N, s)
	}
	return asn1.Marshal(struct{ R, S *big.Int }{r, s})
}

// highTwin returns the other valid signature of the same digest.
func highTwin(sig []byte) []byte {
	out := bytes.Clone(sig)
	s := new(big.Int).SetBytes(sig[32:64])
	s.Sub(crypto.S256().Params().N, s).FillBytes(out[32:64])
	out[64] ^= 1
	return out
}

// TestDigestSignerForms checks that each form of response gives the bytes of a local signature.
func TestDigestSignerForms(t *testing.T) {
	local := testKey(t)
	forms := map[string]func(sig []byte) ([]byte, error){
		"DER":         func(sig []byte) ([]byte, error) { return der(sig, false) },
		"DER, high s": func(sig []byte) ([]byte, error) { return der(sig, true) },
		"64 bytes":    func(sig []byte) ([]byte, error) { return sig[:64], nil },
		"64, high s":  func(sig []byte) ([]byte, error) { return highTwin(sig)[:64], nil },
		"v 0 or 1":    func(sig []byte) ([]byte, error) { return sig, nil },
		"v 27 or 28": func(sig []byte) ([]byte, error) {
			return append(sig[:64:64], sig[64]+27),
				nil
		},
		"high s with v": func(sig []byte) ([]byte, error) { return highTwin(sig), nil },
		"the wrong v, 0": func(sig []byte) ([]byte, error) {
			return append(sig[:64:64], sig[64]^1),
				nil
		},
	}
	for name, form := range forms {
		remote, err := voucher.NewDigestSigner(
			local.Address(),
			func(_ context.Context, digest common.Hash) ([]byte, error) {
				sig, err := crypto.Sign(digest[:], mustECDSA(t))
				if err != nil {
					return nil, err
				}
				return form(sig)
			},
		)
		require.NoError(t, err)
		for i := range 20 {
			v := voucher.Voucher{ChannelID: common.Hash{1}, Cumulative: voucher.Units(uint64(i))}
			want, err := local.SignVoucher(t.Context(), v2Domain, v)
			require.NoError(t, err)
			got, err := remote.SignVoucher(t.Context(), v2Domain, v)
			require.NoError(t, err, name)
			require.Equal(t, want, got, name)
		}
		for _, sign := range signings(remote, voucher.Voucher{}) {
			_, err := sign(t.Context())
			require.NoError(t, err)
		}
	}
}

// TestDigestSignerShortDER signs with r and s so short that their DER has 64 or 65 bytes, like r ||
// s and r || s || v. Random signatures are never that short, so the test chooses r and s and
// computes the key.
func TestDigestSignerShortDER(t *testing.T) {
	tx := transaction("x")
	digest := crypto.Keccak256Hash(tx)
	for _, size := range []int{64, 65} {
		rs := make([]byte, 65)
		rs[32+3], rs[32+31] = 0x11, 0x22 // s of 29 bytes
		first := 3                       // r of 29 bytes
		if size == 65 {
			first = 2
		}
		rs[first] = 0x33
		var address common.Address
		for try := byte(0); ; try++ {
			rs[31] = try
			if pub, err := crypto.SigToPub(digest[:], rs); err == nil {
				address = crypto.PubkeyToAddress(*pub)
				break
			}
		}
		text, err := der(rs, false)
		require.NoError(t, err)
		require.Len(t, text, size)
		signer, err := voucher.NewDigestSigner(
			address,
			func(context.Context, common.Hash) ([]byte, error) { return text, nil },
		)
		require.NoError(t, err)
		sig, err := signer.SignTransaction(t.Context(), tx)
		require.NoError(t, err)
		got, err := voucher.RecoverAddress(digest, sig)
		require.NoError(t, err)
		assert.Equal(t, address, got)
	}
}

func TestDigestSignerRefuses(t *testing.T) {
	key := mustECDSA(t)
	address := crypto.PubkeyToAddress(key.PublicKey)
	v := voucher.Voucher{ChannelID: common.Hash{1}}
	digest := v2Domain.Digest(v)
	good, err := crypto.Sign(digest[:], key)
	require.NoError(t, err)
	goodDER, err := der(good, false)
	require.NoError(t, err)
	again := crypto.Keccak256(digest[:])
	rehashed, err := crypto.Sign(again, key)
	require.NoError(t, err)
	outside, err := asn1.Marshal(
		struct{ R, S *big.Int }{new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(1)},
	)
	require.NoError(t, err)
	negative, err := asn1.Marshal(struct{ R, S *big.Int }{big.NewInt(-1), big.NewInt(1)})
	require.NoError(t, err)

	for _, c := range []struct {
		name   string
		answer []byte
		want   error
	}{
		{"nothing", nil, voucher.ErrSignatureFormat},
		{"63 bytes", good[:63], voucher.ErrSignatureFormat},
		{"v of EIP-155", append(good[:64:64], 37), voucher.ErrSignatureFormat},
		{"DER and a byte", append(bytes.Clone(goodDER), 0), voucher.ErrSignatureFormat},
		{"DER cut", goodDER[:len(goodDER)-1], voucher.ErrSignatureFormat},
		{"DER beyond 256 bits", outside, voucher.ErrSignatureFormat},
		{"DER below zero", negative, voucher.ErrSignatureFormat},
		{"r and s zero", make([]byte, 64), voucher.ErrSignerMismatch},
		{
			"s beyond the order", append(good[:32:32], bytes.Repeat([]byte{0xff}, 32)...),
			voucher.ErrSignerMismatch,
		},
		{"hashed again", rehashed, voucher.ErrSignerMismatch},
	} {
		signer, err := voucher.NewDigestSigner(
			address,
			func(context.Context, common.Hash) ([]byte, error) { return c.answer, nil },
		)
		require.NoError(t, err)
		sig, err := signer.SignVoucher(t.Context(), v2Domain, v)
		require.ErrorIs(t, err, c.want, c.name)
		assert.Nil(t, sig, c.name)
	}

	other, err := voucher.NewDigestSigner(common.Address{1}, localKMS(key))
	require.NoError(t, err)
	_, err = other.SignVoucher(t.Context(), v2Domain, v)
	require.ErrorIs(t, err, voucher.ErrSignerMismatch)

	down := errors.New("the service is down")
	broken, err := voucher.NewDigestSigner(
		address,
		func(context.Context, common.Hash) ([]byte, error) { return nil, down },
	)
	require.NoError(t, err)
	_, err = broken.SignVoucher(t.Context(), v2Domain, v)
	require.ErrorIs(t, err, down)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	untouched, err := voucher.NewDigestSigner(
		address,
		func(context.Context, common.Hash) ([]byte, error) {
			t.Error("called after its time")
			return nil, nil
		},
	)
	require.NoError(t, err)
	_, err = untouched.SignVoucher(ctx, v2Domain, v)
	require.ErrorIs(t, err, context.Canceled)

	_, err = voucher.NewDigestSigner(common.Address{}, localKMS(key))
	require.ErrorIs(t, err, voucher.ErrKey)
	_, err = voucher.NewDigestSigner(address, nil)
	require.ErrorIs(t, err, voucher.ErrKey)
}

// FuzzDigestSigner checks that a response gives the canonical signature or an error.
func FuzzDigestSigner(f *testing.F) {
	local, v := testKey(f), voucher.Voucher{ChannelID: common.Hash{1}}
	want, err := local.SignVoucher(f.Context(), v2Domain, v)
	require.NoError(f, err)
	for _, high := range []bool{false, true} {
		text, err := der(want, high)
		require.NoError(f, err)
		f.Add(text)
	}
	f.Add(want)
	f.Add(want[:64])
	f.Fuzz(func(t *testing.T, answer []byte) {
		signer, err := voucher.NewDigestSigner(
			local.Address(),
			func(context.Context, common.Hash) ([]byte, error) { return answer, nil },
		)
		require.NoError(t, err)
		got, err := signer.SignVoucher(t.Context(), v2Domain, v)
		if err == nil {
			require.NoError(
				t,
				voucher.Verify(
					v2Domain, voucher.Signed{Voucher: v, Signature: got}, local.Address(),
				),
			)
		} else {
			require.Nil(t, got)
		}
	})
}
