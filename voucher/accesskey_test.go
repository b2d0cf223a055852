package voucher_test

import (
	"context"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// openV1 is the v1 opening transaction (approve and open) as viem 2.56.0 serializes it, signed by
// the test key.
const openV1 = "0x76f901b882a5bf843b9aca008504a817c800830dbba0f9011cf85c9420c000000000000000000000000000000000000080b844095ea7b3000000000000000000000000e1c4d3dce17bc111181ddf716f75bae49e61a3360000000000000000000000000000000000000000000000000000000000989680f8bc94e1c4d3dce17bc111181ddf716f75bae49e61a33680b8a4c79ea48500000000000000000000000070997970c51812dc3a010c7d01b50e0d17dc79c800000000000000000000000020c000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000009896801111111111111111111111111111111111111111111111111111111111111111000000000000000000000000f39fd6e51aad88f6f4ce6ab8827279cfffb92266c0a0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff80846955b919845f5e10009420c000000000000000000000000000000000000080c0b8419ef36a717b314ada334dd1527242bd21c3be478039beec7002bb67b56203a736763ecf1160f997a5c6d10a3d356486eced76ad41d1ddd5443e6c1514fe800fe41b"

// openV1Preimage returns the signed bytes: the same list without its last item, the signature.
func openV1Preimage() transaction {
	raw := hexutil.MustDecode(openV1)
	raw = raw[:len(raw)-67]
	raw[2], raw[3] = 0x01, 0xb8-67
	return raw
}

func accessKey(t testing.TB) (*voucher.AccessKey, *voucher.KeySigner) {
	inner, err := voucher.ParseKey(
		"0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
	)
	require.NoError(t, err)
	access, err := voucher.NewAccessKey(testKey(t).Address(), inner)
	require.NoError(t, err)
	return access, inner
}

// TestAccessKeyTransaction expects the keychain envelope of ox 0.14.33 for openV1.
func TestAccessKeyTransaction(t *testing.T) {
	access, inner := accessKey(t)
	assert.Equal(t, testKey(t).Address(), access.Address(), "the payer is the root account")
	tx := openV1Preimage()
	digest := crypto.Keccak256(tx)
	require.Equal(
		t, "0xe454391f4593a8a8b85e6a4614e5ce7a8db811619dae87653abcfa5fcb73352a",
		hexutil.Encode(digest),
	)

	sig, err := access.SignTransaction(t.Context(), tx)
	require.NoError(t, err)
	assert.Equal(
		t,
		"0x04f39fd6e51aad88f6f4ce6ab8827279cfffb92266991da0b3e50f77bbd88f82698341b26a2c8c442e3fe21699037c90921adb33bc7a2db37033bb48a41213a929cb70a519e47433dc6ec38153f17a2029aee66e361c",
		hexutil.Encode(sig),
	)

	payload := crypto.Keccak256Hash([]byte{4}, digest, access.Address().Bytes())
	require.Equal(
		t, common.HexToHash("0xa0dc521f0896ed7d435ef5ed50e4e7f89ba24d4c9952fe9d96ed3476162f06ce"),
		payload,
	)
	got, err := voucher.RecoverAddress(payload, sig[21:])
	require.NoError(t, err)
	assert.Equal(t, inner.Address(), got)
}

// TestAccessKeyProof checks that a proof names the root account and has a plain signature.
func TestAccessKeyProof(t *testing.T) {
	access, inner := accessKey(t)
	p := voucher.Proof{
		ChainID:     42431,
		Account:     access.Address(),
		ChallengeID: "id",
		Realm:       "api.example.com",
	}
	sig, err := access.SignProof(t.Context(), p)
	require.NoError(t, err)
	got, err := voucher.RecoverAddress(p.Digest(), sig)
	require.NoError(t, err)
	assert.Equal(t, inner.Address(), got)

	p.Account = inner.Address()
	_, err = access.SignProof(t.Context(), p)
	require.ErrorIs(t, err, voucher.ErrSignerMismatch)
}

func TestAccessKeyRefuses(t *testing.T) {
	_, inner := accessKey(t)
	for name, c := range map[string]struct {
		root common.Address
		key  voucher.Key
	}{
		"no root":      {common.Address{}, inner},
		"no key":       {common.Address{1}, nil},
		"the root key": {inner.Address(), inner},
	} {
		_, err := voucher.NewAccessKey(c.root, c.key)
		assert.ErrorIs(t, err, voucher.ErrKey, name)
	}
	var zero voucher.AccessKey
	_, err := zero.SignTransaction(t.Context(), transaction("x"))
	require.Error(t, err)
	_, err = zero.SignProof(t.Context(), voucher.Proof{})
	require.Error(t, err)

	access, _ := accessKey(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = access.SignTransaction(ctx, transaction("x"))
	require.ErrorIs(t, err, context.Canceled)
	_, err = access.SignProof(ctx, voucher.Proof{Account: access.Address()})
	require.ErrorIs(t, err, context.Canceled)
}

// TestAccessKeyP256 uses a P256 key as the access key.
func TestAccessKeyP256(t *testing.T) {
	access, err := voucher.NewAccessKey(common.Address{1}, p256Signer(t))
	require.NoError(t, err)
	sig, err := access.SignTransaction(t.Context(), transaction("x"))
	require.NoError(t, err)
	require.Len(t, sig, 1+20+130)
	payload := crypto.Keccak256Hash(
		[]byte{4}, crypto.Keccak256([]byte("x")), access.Address().Bytes(),
	)
	got, err := voucher.RecoverAddress(payload, sig[21:])
	require.NoError(t, err)
	assert.Equal(t, p256Signer(t).Address(), got)
}
