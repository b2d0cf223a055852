package voucher_test

import (
	"bytes"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/internal/vectors"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

func TestVerifyForms(t *testing.T) {
	key := testKey(t)
	access, err := voucher.NewAccessKey(common.Address{9}, key)
	require.NoError(t, err)
	for _, d := range []*voucher.Domain{v1Domain, v2Domain} {
		v := voucher.Voucher{ChannelID: common.Hash{1}, Cumulative: voucher.Units(5)}
		sig, err := key.SignVoucher(t.Context(), d, v)
		require.NoError(t, err)
		wrapped, err := access.SignTransaction(t.Context(), transaction("x"))
		require.NoError(t, err)
		replaced := func(at int, with []byte) []byte {
			s := bytes.Clone(sig)
			copy(s[at:], with)
			return s
		}
		for _, c := range []struct {
			name   string
			sig    []byte
			signer common.Address
			want   error
		}{
			{"good", sig, key.Address(), nil},
			{"empty", nil, key.Address(), voucher.ErrSignatureFormat},
			{"one byte", []byte{1}, key.Address(), voucher.ErrSignatureFormat},
			{
				"v as in EIP-155", replaced(64, []byte{42}), key.Address(),
				voucher.ErrSignatureFormat,
			},
			{"v 0", replaced(64, []byte{0}), key.Address(), voucher.ErrSignatureFormat},
			{
				"the other v", replaced(64, []byte{sig[64] ^ 7}), key.Address(),
				voucher.ErrSignerMismatch,
			},
			{"r zero", replaced(0, make([]byte, 32)), key.Address(), voucher.ErrSignatureFormat},
			{"s zero", replaced(32, make([]byte, 32)), key.Address(), voucher.ErrSignatureFormat},
			{
				"r beyond the order", replaced(0, bytes.Repeat([]byte{0xff}, 32)), key.Address(),
				voucher.ErrSignatureFormat,
			},
			{
				"s beyond the order", replaced(32, bytes.Repeat([]byte{0xff}, 32)), key.Address(),
				voucher.ErrHighS,
			},
			{
				"magic suffix", append(bytes.Clone(sig), bytes.Repeat([]byte{0x77}, 32)...),
				key.Address(), voucher.ErrSignatureFormat,
			},
			{"EIP-2098", sig[:64], key.Address(), voucher.ErrSignatureFormat},
			{
				"secp256k1 with a type byte", append([]byte{0}, sig...), key.Address(),
				voucher.ErrSignatureFormat,
			},
			{
				"WebAuthn", append([]byte{2}, make([]byte, 200)...), key.Address(),
				voucher.ErrSignatureFormat,
			},
			{
				"keychain v1", append([]byte{3}, make([]byte, 85)...), key.Address(),
				voucher.ErrSignatureFormat,
			},
			{"keychain v2", wrapped, key.Address(), voucher.ErrSignatureFormat},
			{
				"multisig", append([]byte{5}, make([]byte, 200)...), key.Address(),
				voucher.ErrSignatureFormat,
			},
			{
				"a P256 type byte and junk", append([]byte{1}, make([]byte, 129)...), key.Address(),
				nil,
			},
			{
				"a short P256", append([]byte{1}, make([]byte, 100)...), key.Address(),
				voucher.ErrSignatureFormat,
			},
			{"huge", make([]byte, 1<<20), key.Address(), voucher.ErrSignatureFormat},
			{"another signer", sig, common.Address{1}, voucher.ErrSignerMismatch},
			{"the zero signer", sig, common.Address{}, voucher.ErrSignerMismatch},
		} {
			t.Run(d.Protocol().String()+" "+c.name, func(t *testing.T) {
				err := voucher.Verify(d, voucher.Signed{Voucher: v, Signature: c.sig}, c.signer)
				if c.name == "a P256 type byte and junk" {
					require.ErrorIs(t, err, voucher.ErrSignatureFormat)
					return
				}
				require.ErrorIs(t, err, c.want)
			})
		}
	}
}

// TestVerifyProtocol checks that a signature for one protocol is invalid for the other, even with
// the same escrow.
func TestVerifyProtocol(t *testing.T) {
	v := voucher.Voucher{ChannelID: common.Hash{1}, Cumulative: voucher.Units(5)}
	one, two := voucher.NewDomain(
		voucher.V1, 1, common.Address{1},
	), voucher.NewDomain(
		voucher.V2, 1, common.Address{1},
	)
	sig, err := testKey(t).SignVoucher(t.Context(), one, v)
	require.NoError(t, err)
	require.ErrorIs(
		t, voucher.Verify(two, voucher.Signed{Voucher: v, Signature: sig}, testKey(t).Address()),
		voucher.ErrSignerMismatch,
	)
}

// FuzzVerify checks that a signature is accepted only in the form that a signer produces.
func FuzzVerify(f *testing.F) {
	seeds := 0
	for _, file := range protocols {
		for _, c := range vectors.Load[voucherVectors](f, file).Verify {
			f.Add([]byte(c.Signature))
			seeds++
		}
	}
	if seeds == 0 {
		f.Fatal("no seeds")
	}
	v := voucher.Voucher{ChannelID: common.Hash{1}, Cumulative: voucher.Units(5)}
	p256, err := p256Signer(f).SignVoucher(f.Context(), v2Domain, v)
	require.NoError(f, err)
	f.Add(p256)
	f.Fuzz(func(t *testing.T, sig []byte) {
		for _, d := range []*voucher.Domain{v1Domain, v2Domain} {
			signed := voucher.Signed{Voucher: v, Signature: sig}
			got, err := voucher.RecoverAddress(d.Digest(v), sig)
			if err != nil {
				require.Zero(t, got)
				require.Error(t, voucher.Verify(d, signed, testKey(t).Address()))
				continue
			}
			require.True(t, len(sig) == 65 || len(sig) == 130)
			verr := voucher.Verify(d, signed, got)
			if d.Protocol() == voucher.V1 && len(sig) != 65 {
				require.ErrorIs(t, verr, voucher.ErrSignatureFormat)
			} else {
				require.NoError(t, verr)
			}
			require.ErrorIs(
				t,
				voucher.Verify(
					d,
					voucher.Signed{
						Voucher:   voucher.Voucher{ChannelID: common.Hash{2}},
						Signature: p256,
					},
					got,
				),
				errAny(d),
			)
		}
	})
}

// errAny is the error of a P256 voucher of other data for each protocol.
func errAny(d *voucher.Domain) error {
	if d.Protocol() == voucher.V1 {
		return voucher.ErrSignatureFormat
	}
	return voucher.ErrSignerMismatch
}

func TestRecoverAddress(t *testing.T) {
	digest := crypto.Keccak256Hash([]byte("x"))
	sig, err := crypto.Sign(digest[:], mustECDSA(t))
	require.NoError(t, err)
	_, err = voucher.RecoverAddress(digest, sig)
	require.ErrorIs(t, err, voucher.ErrSignatureFormat, "v is 0 or 1")
	sig[64] += 27
	got, err := voucher.RecoverAddress(digest, sig)
	require.NoError(t, err)
	assert.Equal(t, testKey(t).Address(), got)
	before := bytes.Clone(sig)
	_, _ = voucher.RecoverAddress(digest, sig)
	assert.Equal(t, before, sig, "the signature is left alone")
}
