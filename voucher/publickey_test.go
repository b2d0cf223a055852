package voucher_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Output of OpenSSL 3.0 for the test key: its public key in two forms, and a signature of the
// golden v2 voucher.
var (
	opensslKey = hexutil.MustDecode(
		"0x3056301006072a8648ce3d020106052b8104000a034200048318535b54105d4a7aae60c08fc45f9687181b4fdfc625bd1a753fa7397fed753547f11ca8696646f2f3acb08e31016afac23e630c5d11f59f61fef57b0d2aa5",
	)
	opensslCompressed = hexutil.MustDecode(
		"0x3036301006072a8648ce3d020106052b8104000a032200038318535b54105d4a7aae60c08fc45f9687181b4fdfc625bd1a753fa7397fed75",
	)
	opensslSignature = hexutil.MustDecode(
		"0x30450221009c2d3ed1e8cdb7435f2c325ccda1293fa4b1bb43b8c26382d1c5d91603e0056302201546fa0fa3ff440f443b365db40f363aadd5e4d812c9edcdaa3cbefe11f860f0",
	)
)

func TestParsePublicKey(t *testing.T) {
	for _, der := range [][]byte{opensslKey, opensslCompressed} {
		got, err := voucher.ParsePublicKey(der)
		require.NoError(t, err)
		assert.Equal(t, testKey(t).Address(), got)
	}
	onP256, err := x509.MarshalPKIXPublicKey(&p256Key(t).PublicKey)
	require.NoError(t, err)
	changed := func(der []byte, at int, to byte) []byte {
		out := bytes.Clone(der)
		out[at] = to
		return out
	}
	for name, der := range map[string][]byte{
		"empty":                  nil,
		"PEM":                    []byte("-----BEGIN PUBLIC KEY-----"),
		"P256":                   onP256,
		"another algorithm":      changed(opensslKey, 12, 9),
		"a byte more":            append(bytes.Clone(opensslKey), 0),
		"a byte less":            opensslKey[:len(opensslKey)-1],
		"unused bits":            changed(opensslKey, 22, 4),
		"not a point":            changed(opensslKey, len(opensslKey)-1, 0),
		"an x without a y":       changed(opensslCompressed, len(opensslCompressed)-1, 0x77),
		"a compressed key's tag": changed(opensslCompressed, 23, 7),
		"hybrid":                 changed(opensslKey, 23, 6),
	} {
		got, err := voucher.ParsePublicKey(der)
		require.ErrorIs(t, err, voucher.ErrKey, name)
		assert.Zero(t, got, name)
	}
}

// TestDigestSignerOpenSSL uses a signature that OpenSSL made.
func TestDigestSignerOpenSSL(t *testing.T) {
	address, err := voucher.ParsePublicKey(opensslKey)
	require.NoError(t, err)
	signer, err := voucher.NewDigestSigner(
		address,
		func(_ context.Context, digest common.Hash) ([]byte, error) {
			require.Equal(t, v2Domain.Digest(goldenV2), digest)
			return opensslSignature, nil
		},
	)
	require.NoError(t, err)
	sig, err := signer.SignVoucher(t.Context(), v2Domain, goldenV2)
	require.NoError(t, err)
	assert.NoError(
		t, voucher.Verify(v2Domain, voucher.Signed{Voucher: goldenV2, Signature: sig}, address),
	)
}

func FuzzParsePublicKey(f *testing.F) {
	f.Add(opensslKey)
	f.Add(opensslCompressed)
	f.Fuzz(func(t *testing.T, der []byte) {
		got, err := voucher.ParsePublicKey(der)
		if err != nil {
			require.ErrorIs(t, err, voucher.ErrKey)
		}
		require.Equal(t, err == nil, got != common.Address{})
	})
}
