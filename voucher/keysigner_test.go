package voucher_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

const testKeyHex = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"

func mustECDSA(t testing.TB) *ecdsa.PrivateKey {
	key, err := crypto.HexToECDSA(testKeyHex)
	require.NoError(t, err)
	return key
}

// transaction is a voucher.Transaction for tests: the bytes to sign and their calls.
type transaction []byte

func (x transaction) SigningBytes() []byte { return x }
func (x transaction) String() string       { return "a test transaction" }

func TestParseKey(t *testing.T) {
	for _, in := range []string{testKeyHex, "0x" + testKeyHex, "0x" + strings.ToUpper(testKeyHex)} {
		key, err := voucher.ParseKey(in)
		require.NoError(t, err)
		assert.Equal(
			t, common.HexToAddress("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"), key.Address(),
		)
	}
	for name, in := range map[string]string{
		"empty":          "",
		"prefix only":    "0x",
		"short":          testKeyHex[:62],
		"long":           testKeyHex + "00",
		"odd":            testKeyHex[:63],
		"not hex":        testKeyHex[:62] + "zz",
		"blank":          " " + testKeyHex,
		"line end":       testKeyHex + "\n",
		"zero":           strings.Repeat("00", 32),
		"the order":      "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141",
		"beyond":         strings.Repeat("ff", 32),
		"a public key":   hexutil.Encode(crypto.FromECDSAPub(&mustECDSA(t).PublicKey)),
		"prefixed twice": "0x0x" + testKeyHex,
	} {
		key, err := voucher.ParseKey(in)
		require.ErrorIs(t, err, voucher.ErrKey, name)
		assert.Nil(t, key, name)
		assert.Equal(
			t, voucher.ErrKey.Error(), err.Error(), "%s: the error shows nothing of the text", name,
		)
	}
}

func TestNewKeySigner(t *testing.T) {
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	for name, key := range map[string]*ecdsa.PrivateKey{
		"nil":         nil,
		"zero":        {},
		"P256":        p256,
		"P384":        p384,
		"no number":   {PublicKey: ecdsa.PublicKey{Curve: crypto.S256()}},
		"zero number": {PublicKey: ecdsa.PublicKey{Curve: crypto.S256()}, D: new(big.Int)},
		"negative":    {PublicKey: ecdsa.PublicKey{Curve: crypto.S256()}, D: big.NewInt(-5)},
		"too long": {
			PublicKey: ecdsa.PublicKey{Curve: crypto.S256()},
			D:         new(big.Int).Lsh(big.NewInt(1), 256),
		},
		"beyond": {
			PublicKey: ecdsa.PublicKey{Curve: crypto.S256()},
			D:         crypto.S256().Params().N,
		},
	} {
		_, err := voucher.NewKeySigner(key)
		assert.ErrorIs(t, err, voucher.ErrKey, name)
	}

	key := mustECDSA(t)
	signer, err := voucher.NewKeySigner(key)
	require.NoError(t, err)
	v := voucher.Voucher{ChannelID: common.Hash{1}}
	before, err := signer.SignVoucher(t.Context(), v1Domain, v)
	require.NoError(t, err)
	*key = *p256 // the caller may change its key
	after, err := signer.SignVoucher(t.Context(), v1Domain, v)
	require.NoError(t, err)
	assert.Equal(t, before, after)
}

func TestKeySignerRefuses(t *testing.T) {
	key := testKey(t)
	v := voucher.Voucher{ChannelID: common.Hash{1}, Cumulative: voucher.Units(1)}

	over, err := voucher.V2.Max().Add(voucher.Units(1))
	require.NoError(t, err)
	_, err = key.SignVoucher(t.Context(), v2Domain, voucher.Voucher{Cumulative: over})
	require.ErrorIs(t, err, voucher.ErrAmountRange)
	_, err = key.SignVoucher(t.Context(), v1Domain, voucher.Voucher{Cumulative: over})
	require.NoError(t, err, "v1 counts further")

	_, err = key.SignProof(t.Context(), voucher.Proof{Account: common.Address{1}})
	require.ErrorIs(t, err, voucher.ErrSignerMismatch)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, sign := range signings(key, v) {
		_, err := sign(ctx)
		require.ErrorIs(t, err, context.Canceled)
		_, err = sign(t.Context())
		require.NoError(t, err)
	}
	for _, sign := range signings(&voucher.KeySigner{}, v) {
		_, err := sign(t.Context())
		require.Error(t, err, "the zero value holds no key")
	}
}

type fullSigner interface {
	voucher.Signer
	voucher.ProofSigner
	voucher.TransactionSigner
}

func signings(k fullSigner, v voucher.Voucher) []func(context.Context) ([]byte, error) {
	return []func(context.Context) ([]byte, error){
		func(ctx context.Context) ([]byte, error) { return k.SignVoucher(ctx, v2Domain, v) },
		func(ctx context.Context) ([]byte, error) {
			return k.SignProof(ctx, voucher.Proof{Account: k.Address()})
		},
		func(ctx context.Context) ([]byte, error) {
			return k.SignTransaction(ctx,
				transaction("x"))
		},
	}
}

// openPreimage is the unsponsored opening transaction of viem 2.56.0 for the golden v2 channel.
const openPreimage = "0x76f9013282a5bf843b9aca008504a817c8008307a120f8def8dc944d5050000000000000000000000000000000000080b8c4edc53b0000000000000000000000000070997970c51812dc3a010c7d01b50e0d17dc79c8000000000000000000000000000000000000000000000000000000000000000000000000000000000000000020c000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000009896801111111111111111111111111111111111111111111111111111111111111111000000000000000000000000f39fd6e51aad88f6f4ce6ab8827279cfffb92266c0a0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff80846955b919809420c000000000000000000000000000000000000080c0"

func TestSignTransaction(t *testing.T) {
	tx := transaction(hexutil.MustDecode(openPreimage))
	sig, err := testKey(t).SignTransaction(t.Context(), tx)
	require.NoError(t, err)
	assert.Equal(
		t,
		hexutil.MustDecode(
			"0x537ac66b89c4f1ebf97eb1818234b5351b919a7b72f2d6820939c06cb75844255bc690e2347149a0ea589270f940d4e29427a1317c27a0e47f64415ef4da769b1b",
		),
		sig,
	)
	digest := crypto.Keccak256Hash(tx)
	assert.Equal(
		t, common.HexToHash("0xdb2379174ec34ebb020c06a9a29349e34be7260ef795ea2d133167597bf669c7"),
		digest,
	)
	got, err := voucher.RecoverAddress(digest, sig)
	require.NoError(t, err)
	assert.Equal(t, testKey(t).Address(), got)
}

// TestSignersDoNotPrintKeys prints, logs, dumps and marshals signers. Their keys must not appear.
func TestSignersDoNotPrintKeys(t *testing.T) {
	raw := common.FromHex(testKeyHex)
	secrets := []string{
		testKeyHex,
		strings.ToUpper(testKeyHex),
		new(big.Int).SetBytes(raw).String(),
	}
	for _, part := range []string{
		fmt.Sprintf("%d", raw), fmt.Sprintf("%#v", raw),
		fmt.Sprint(new(big.Int).SetBytes(raw).Bits()),
	} {
		secrets = append(secrets, strings.Trim(part, "[]byte{}"))
	}
	p256, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), raw)
	require.NoError(t, err)
	onP256, err := voucher.NewP256Signer(p256)
	require.NoError(t, err)
	access, err := voucher.NewAccessKey(common.Address{1}, testKey(t))
	require.NoError(t, err)
	remote, err := voucher.NewDigestSigner(testKey(t).Address(), localKMS(mustECDSA(t)))
	require.NoError(t, err)

	type config struct {
		Signer any
		hidden any
	}
	for _, signer := range []interface {
		Address() common.Address
		fmt.Stringer
	}{testKey(t), onP256, access, remote} {
		var value any
		switch s := signer.(type) {
		case *voucher.KeySigner:
			value = *s
		case *voucher.P256Signer:
			value = *s
		case *voucher.AccessKey:
			value = *s
		case *voucher.DigestSigner:
			value = *s
		}
		var out strings.Builder
		for _, x := range []any{
			signer, value,
			config{signer, signer},
			&config{value, value},
			[]any{signer, value},
		} {
			for _, verb := range []string{
				"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%T", "%10.3v", "% x",
			} {
				fmt.Fprintf(&out, verb+"\n", x)
			}
			js, err := json.Marshal(x)
			require.NoError(t, err)
			out.Write(js)
			var logs bytes.Buffer
			slog.New(slog.NewTextHandler(&logs, nil)).Info("x", "signer", x)
			slog.New(slog.NewJSONHandler(&logs, nil)).Info("x", "signer", x)
			out.Write(logs.Bytes())
		}
		assert.Equal(
			&recorder{out: &out}, value, config{hidden: value},
		) // testify's dumper walks unexported fields
		text := out.String()
		for _, secret := range secrets {
			assert.NotContains(t, text, secret, "%T", signer)
		}
		assert.Equal(t, signer.Address().Hex(), signer.String())
		assert.Equal(t, signer.Address().Hex(), fmt.Sprintf("%#v", value))
		js, err := json.Marshal(value)
		require.NoError(t, err)
		assert.Equal(t, `"`+signer.Address().Hex()+`"`, string(js))
	}
}

// recorder records the output of a failed assertion.
type recorder struct{ out *strings.Builder }

func (r *recorder) Errorf(format string, args ...any) { fmt.Fprintf(r.out, format, args...) }
