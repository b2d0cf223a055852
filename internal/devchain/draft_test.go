package devchain

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"math/big"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/stretchr/testify/require"
)

// draft is a transaction that a test can spoil before it is signed.
type draft struct {
	fields []rlp.RawValue
	c      *Chain
}

// newDraft is a sound one: expiring nonce, generous gas, paid by the sender.
func newDraft(c *Chain, calls ...Call) *draft {
	list := make([]rlp.RawValue, len(calls))
	for i, one := range calls {
		list[i] = rawList(rawString(one.To[:]), emptyString, rawString(one.Data))
	}
	return &draft{[]rlp.RawValue{
		rawUint(c.ChainID()), emptyString, rawUint(20_000_000_000), rawUint(2_000_000), rawList(list...), emptyList,
		rawNumber(expiringNonceKey.Big()), emptyString, rawUint(uint64(c.Now().Unix()) + 25), rawUint(1), rawString(PathUSD[:]), emptyString, emptyList,
	}, c}
}

// with replaces one field.
func (d *draft) with(field int, value rlp.RawValue) *draft {
	d.fields[field] = value
	return d
}

// sponsored asks for a sponsor, in the form that is signed.
func (d *draft) sponsored() *draft {
	return d.with(fieldFeeToken, emptyString).with(fieldFeePayer, sponsorSlotEmpty)
}

func (d *draft) digest() common.Hash { return keccak(envelope(typeTempo, d.fields)) }

// signed serializes with a signature over the fields.
func (d *draft) signed(key *ecdsa.PrivateKey) []byte {
	sig, err := sign(d.digest(), key)
	if err != nil {
		panic(err)
	}
	return d.carrying(sig)
}

// carrying serializes with the given signature.
func (d *draft) carrying(sig []byte) []byte {
	return envelope(typeTempo, append(append([]rlp.RawValue(nil), d.fields...), rawString(sig)))
}

// handoff serializes in the 0x78 form.
func (d *draft) handoff(p party) []byte {
	sig, err := sign(d.digest(), p.key)
	if err != nil {
		panic(err)
	}
	fields := append([]rlp.RawValue(nil), d.fields...)
	fields[fieldFeePayer] = rawString(p.addr[:])
	return envelope(typeHandoff, append(fields, rawString(sig)))
}

// p256Key is a key on the other curve.
func p256Key(t *testing.T, n byte) (*ecdsa.PrivateKey, common.Address) {
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), common.LeftPadBytes([]byte{n}, 32))
	require.NoError(t, err)
	pub, err := key.PublicKey.Bytes()
	require.NoError(t, err)
	return key, common.BytesToAddress(crypto.Keccak256(pub[1:])[12:])
}

// signP256 makes a P256 envelope.
func signP256(t *testing.T, digest common.Hash, key *ecdsa.PrivateKey) []byte {
	r, s, err := ecdsa.Sign(zeroReader{}, key, digest[:])
	require.NoError(t, err)
	if s.Cmp(p256HalfN) > 0 {
		s.Sub(elliptic.P256().Params().N, s)
	}
	pub, err := key.PublicKey.Bytes()
	require.NoError(t, err)
	out := append([]byte{sigP256}, make([]byte, 64)...)
	r.FillBytes(out[1:33])
	s.FillBytes(out[33:65])
	return append(append(out, pub[1:]...), 0)
}

type zeroReader struct{}

func (zeroReader) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func big64(n uint64) *big.Int { return new(big.Int).SetUint64(n) }

// seconds of the chain's clock.
func (c *Chain) testTime() uint64 { return uint64(c.Now().Unix()) }

var noCall = Call{To: common.Address{0xaa}}

const second = time.Second
