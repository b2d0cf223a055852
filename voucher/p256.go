package voucher

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/asn1"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
)

// P256Signer signs with a P256 (secp256r1) key in memory, which Tempo accounts may use. It is a
// [Signer] for v2 vouchers, a [ProofSigner] and a [TransactionSigner], and safe for concurrent use.
// For v1 vouchers, which are signed with secp256k1 only, it returns [ErrSignatureFormat].
// Signatures are deterministic (RFC 6979), in the 130-byte envelope of TIP-1020 with low s and
// without prehash. Printing, logging or marshaling it shows its address.
type P256Signer struct{ digestKey }

var (
	_ Signer            = (*P256Signer)(nil)
	_ ProofSigner       = (*P256Signer)(nil)
	_ TransactionSigner = (*P256Signer)(nil)
)

// NewP256Signer returns a signer with a copy of the key. The error is [ErrKey] if the key is nil,
// of another curve or out of range.
func NewP256Signer(key *ecdsa.PrivateKey) (*P256Signer, error) {
	own, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), rawKey(key, elliptic.P256()))
	if err != nil {
		return nil, ErrKey
	}
	point, err := own.PublicKey.Bytes()
	if err != nil {
		return nil, ErrKey
	}
	return &P256Signer{digestKey{
		identity: identity{addressOf(point)},
		sign: func(_ context.Context, digest common.Hash) ([]byte, error) {
			// Without a source of randomness the signature is deterministic.
			der, err := own.Sign(nil, digest[:], crypto.SHA256)
			if err != nil {
				return nil, err
			}
			return p256Envelope(der, point[1:])
		},
	}}, nil
}

// SignVoucher signs v under d, which must be a v2 domain. The errors are [ErrSignatureFormat] for
// v1, [ErrAmountRange] and [ErrDomain].
func (k *P256Signer) SignVoucher(ctx context.Context, d *Domain, v Voucher) ([]byte, error) {
	if d.known() && d.protocol != V2 {
		return nil, fmt.Errorf(
			"%w: %s vouchers are signed with secp256k1 only: use a KeySigner", ErrSignatureFormat,
			d.protocol,
		)
	}
	return k.digestKey.SignVoucher(ctx, d, v)
}

// p256Envelope converts a DER signature to type || r || s || x || y || prehash.
func p256Envelope(der, xy []byte) ([]byte, error) {
	var sig struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &sig); err != nil {
		return nil, err
	}
	out := make([]byte, p256Len)
	out[0] = p256Type
	sig.R.FillBytes(out[1:33])
	sig.S.FillBytes(out[33:65])
	if bytes.Compare(out[33:65], p256Half) > 0 {
		sig.S.Sub(elliptic.P256().Params().N, sig.S).FillBytes(out[33:65])
	}
	copy(out[65:], xy)
	return out, nil
}
