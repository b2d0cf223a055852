package voucher

import (
	"bytes"
	"context"
	"encoding/asn1"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// DigestSigner signs with a secp256k1 key outside this process, for example in a KMS or an HSM. It
// is a [Signer], a [ProofSigner] and a [TransactionSigner]. It hashes the typed data, calls a
// function that signs the digest, converts the result to the canonical form and verifies it, so it
// never returns a signature that the escrow would refuse. It is safe for concurrent use if the
// function is. Printing, logging or marshaling it shows its address.
//
// Every signature calls the function once. With a slow or costly KMS, use the DigestSigner as the
// funding key only, and a local [KeySigner] as the authorized signer of vouchers.
type DigestSigner struct{ digestKey }

var (
	_ Signer            = (*DigestSigner)(nil)
	_ ProofSigner       = (*DigestSigner)(nil)
	_ TransactionSigner = (*DigestSigner)(nil)
)

// NewDigestSigner returns a signer for the address. The function sign gets a 32-byte digest, which
// it must not hash again. It returns an ECDSA signature over secp256k1 as ASN.1 DER, as 64 bytes r
// || s, or as 65 bytes r || s || v with v 0, 1, 27 or 28; s may be high. It must obey the context.
//
// The error of NewDigestSigner is [ErrKey] if the address is zero or sign is nil. The methods of
// the signer wrap the errors of sign. They return [ErrSignatureFormat] for a result in another
// form, and [ErrSignerMismatch] for one by another key. [ParsePublicKey] returns the address of the
// public key of a KMS.
func NewDigestSigner(
	address common.Address,
	sign func(ctx context.Context, digest common.Hash) ([]byte, error),
) (*DigestSigner, error) {
	if address == (common.Address{}) || sign == nil {
		return nil, ErrKey
	}
	return &DigestSigner{digestKey{
		identity: identity{address},
		sign: func(ctx context.Context, digest common.Hash) ([]byte, error) {
			raw, err := sign(ctx, digest)
			if err != nil {
				return nil, fmt.Errorf("voucher: the signing function of %s: %w", address, err)
			}
			return canonical(digest, raw, address)
		},
	}}, nil
}

// canonical converts a signature of a key service to 65 bytes with low s and the v that recovers
// the address.
func canonical(digest common.Hash, raw []byte, address common.Address) ([]byte, error) {
	forms := rawForms(raw)
	if len(forms) == 0 {
		return nil, fmt.Errorf(
			"%w: the signing function returned %d bytes, which are not DER, r || s or r || s || v",
			ErrSignatureFormat, len(raw),
		)
	}
	for _, rs := range forms {
		lowerS(rs[32:])
		for _, v := range []byte{27, 28} {
			sig := make([]byte, secp256k1Len)
			copy(sig, rs)
			sig[64] = v
			if got, err := recoverSecp256k1(digest, sig); err == nil && got == address {
				return sig, nil
			}
		}
	}
	return nil, fmt.Errorf("%w: the signing function did not sign this digest with the key of %s "+
		"(did it hash the digest again?)", ErrSignerMismatch, address)
}

// rawForms returns each r || s that raw can stand for. A DER signature can be 64 or 65 bytes long
// by chance, so there may be two. The address decides between them.
func rawForms(raw []byte) (forms [][]byte) {
	if len(raw) == 64 || (len(raw) == 65 && (raw[64] <= 1 || raw[64] == 27 || raw[64] == 28)) {
		forms = append(forms, bytes.Clone(raw[:64]))
	}
	var der struct{ R, S *big.Int }
	if rest, err := asn1.Unmarshal(raw, &der); err == nil && len(rest) == 0 && fits(der.R) &&
		fits(der.S) {
		rs := make([]byte, 64)
		der.R.FillBytes(rs[:32])
		der.S.FillBytes(rs[32:])
		forms = append(forms, rs)
	}
	return forms
}

// fits reports whether n is above zero and fits into 256 bits.
func fits(n *big.Int) bool { return n.Sign() > 0 && n.BitLen() <= 256 }

// lowerS replaces a high s by its low counterpart.
func lowerS(s []byte) {
	n := crypto.S256().Params().N
	if v := new(big.Int).SetBytes(s); bytes.Compare(s, secp256k1Half) > 0 && v.Cmp(n) < 0 {
		v.Sub(n, v).FillBytes(s)
	}
}
