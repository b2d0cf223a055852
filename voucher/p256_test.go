package voucher_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

func p256Key(t testing.TB) *ecdsa.PrivateKey {
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), bytes.Repeat([]byte{7}, 32))
	require.NoError(t, err)
	return key
}

func p256Signer(t testing.TB) *voucher.P256Signer {
	signer, err := voucher.NewP256Signer(p256Key(t))
	require.NoError(t, err)
	return signer
}

var goldenV2 = voucher.Voucher{
	ChannelID: common.HexToHash(
		"0xdf9ea7cf21fe2a02604b06593a394b79ce974c4a98a31cbce31099ed4daf8dde",
	),
	Cumulative: voucher.Units(250_000),
}

// TestP256Golden expects the envelope of ox 0.14.33 for the golden v2 voucher.
func TestP256Golden(t *testing.T) {
	signer := p256Signer(t)
	assert.Equal(
		t, common.HexToAddress("0x9d585357d239ba7607aa785ab775e78dd26b90eb"), signer.Address(),
	)
	sig, err := signer.SignVoucher(t.Context(), v2Domain, goldenV2)
	require.NoError(t, err)
	assert.Equal(
		t,
		hexutil.MustDecode(
			"0x01604e23ecacec65e85db4f52e586d6fe260d3dc74b51d999d52784fbea752355d3af588464e3f039af1f10e93bd0dcd26ed7352f91a0355e6c36c7f77ec5b71241e18532fd4754c02f3041d9c75ceb33b83ffd81ac7ce4fe882ccb1c98bc5896ea46c311c4e2ff40dd96a3653e6e45445d32dfe486eced75c7a90c6a18881c0a300",
		),
		sig,
	)
	require.NoError(
		t,
		voucher.Verify(
			v2Domain, voucher.Signed{Voucher: goldenV2, Signature: sig}, signer.Address(),
		),
	)
}

func TestP256Signer(t *testing.T) {
	signer := p256Signer(t)
	for i := range 50 { // with low and high s
		v := voucher.Voucher{ChannelID: common.Hash{1}, Cumulative: voucher.Units(uint64(i))}
		sig, err := signer.SignVoucher(t.Context(), v2Domain, v)
		require.NoError(t, err)
		require.NoError(
			t,
			voucher.Verify(v2Domain, voucher.Signed{Voucher: v, Signature: sig}, signer.Address()),
		)
	}
	for _, sign := range signings(signer, goldenV2) {
		_, err := sign(t.Context())
		require.NoError(t, err)
	}
	tx := transaction("tx")
	sig, err := signer.SignTransaction(t.Context(), tx)
	require.NoError(t, err)
	got, err := voucher.RecoverAddress(crypto.Keccak256Hash(tx), sig)
	require.NoError(t, err)
	assert.Equal(t, signer.Address(), got)

	_, err = signer.SignVoucher(t.Context(), v1Domain, goldenV2)
	require.ErrorIs(t, err, voucher.ErrSignatureFormat, "v1 has no P256")
	_, err = signer.SignVoucher(t.Context(), nil, goldenV2)
	require.ErrorIs(t, err, voucher.ErrDomain)
	_, err = (&voucher.P256Signer{}).SignVoucher(t.Context(), v2Domain, goldenV2)
	require.Error(t, err)
}

func TestNewP256Signer(t *testing.T) {
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	for name, key := range map[string]*ecdsa.PrivateKey{
		"nil":         nil,
		"zero":        {},
		"secp256k1":   mustECDSA(t),
		"P384":        p384,
		"no number":   {PublicKey: ecdsa.PublicKey{Curve: elliptic.P256()}},
		"zero number": {PublicKey: ecdsa.PublicKey{Curve: elliptic.P256()}, D: new(big.Int)},
		"negative":    {PublicKey: ecdsa.PublicKey{Curve: elliptic.P256()}, D: big.NewInt(-5)},
		"too long": {
			PublicKey: ecdsa.PublicKey{Curve: elliptic.P256()},
			D:         new(big.Int).Lsh(big.NewInt(1), 256),
		},
		"beyond": {
			PublicKey: ecdsa.PublicKey{Curve: elliptic.P256()},
			D:         elliptic.P256().Params().N,
		},
	} {
		_, err := voucher.NewP256Signer(key)
		assert.ErrorIs(t, err, voucher.ErrKey, name)
	}
}

// p256Envelope signs with a low or high s and the given prehash byte.
func p256Envelope(
	t testing.TB,
	key *ecdsa.PrivateKey,
	digest common.Hash,
	prehash byte,
	high bool,
) []byte {
	if prehash == 1 {
		digest = sha256.Sum256(digest[:])
	}
	r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
	require.NoError(t, err)
	n := elliptic.P256().Params().N
	if isHigh := s.Cmp(new(big.Int).Rsh(n, 1)) > 0; isHigh != high {
		s.Sub(n, s)
	}
	point, err := key.PublicKey.Bytes()
	require.NoError(t, err)
	sig := append([]byte{1}, r.FillBytes(make([]byte, 32))...)
	sig = append(sig, s.FillBytes(make([]byte, 32))...)
	return append(append(sig, point[1:]...), prehash)
}

func TestVerifyP256(t *testing.T) {
	key, signer := p256Key(t), p256Signer(t).Address()
	digest := v2Domain.Digest(goldenV2)
	good := p256Envelope(t, key, digest, 0, false)
	verify := func(d *voucher.Domain, sig []byte) error {
		return voucher.Verify(d, voucher.Signed{Voucher: goldenV2, Signature: sig}, signer)
	}
	changed := func(at int, by byte) []byte {
		sig := bytes.Clone(good)
		sig[at] ^= by
		return sig
	}
	require.NoError(t, verify(v2Domain, good))
	require.NoError(
		t, verify(v2Domain, p256Envelope(t, key, digest, 1, false)),
		"hashed once more, as WebCrypto does",
	)

	assert.ErrorIs(t, verify(v2Domain, p256Envelope(t, key, digest, 0, true)), voucher.ErrHighS)
	assert.ErrorIs(
		t, verify(v2Domain, changed(129, 1)), voucher.ErrSignerMismatch, "not what was hashed",
	)
	assert.ErrorIs(t, verify(v2Domain, changed(129, 2)), voucher.ErrSignatureFormat, "prehash 2")
	assert.ErrorIs(t, verify(v2Domain, changed(1, 1)), voucher.ErrSignerMismatch, "another r")
	assert.ErrorIs(
		t, verify(v2Domain, changed(128, 1)), voucher.ErrSignatureFormat, "not on the curve",
	)
	assert.ErrorIs(
		t, verify(v2Domain, append(bytes.Clone(good), 0)), voucher.ErrSignatureFormat,
		"a byte more",
	)
	assert.ErrorIs(t, verify(v2Domain, good[:129]), voucher.ErrSignatureFormat, "a byte less")
	assert.ErrorIs(
		t, verify(v1Domain, p256Envelope(t, key, v1Domain.Digest(goldenV2), 0, false)),
		voucher.ErrSignatureFormat, "v1",
	)

	zeroR := bytes.Clone(good)
	clear(zeroR[1:33])
	assert.ErrorIs(t, verify(v2Domain, zeroR), voucher.ErrSignerMismatch)
	zeroS := bytes.Clone(good)
	clear(zeroS[33:65])
	assert.ErrorIs(t, verify(v2Domain, zeroS), voucher.ErrSignerMismatch)

	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	assert.ErrorIs(
		t, verify(v2Domain, p256Envelope(t, other, digest, 0, false)), voucher.ErrSignerMismatch,
	)
}
