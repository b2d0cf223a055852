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

// DigestSigner signs with a secp256k1 key that lies elsewhere: in a KMS, an HSM, another process. It is a
// [Signer], a [ProofSigner] and a [TransactionSigner]. It turns typed data into its digest, has that
// signed, brings the answer into the one canonical form and verifies it: whatever the other side
// returns, nothing leaves that the escrow would not accept. It is safe for concurrent use when its
// function is. Printed, logged or marshaled it is its address.
//
// Every signature is one call of the function. With a KMS the natural arrangement is to fund with it
// (open, top up, withdraw) and to have vouchers signed by a local [KeySigner] as the authorized signer.
type DigestSigner struct{ digestKey }

var (
	_ Signer            = (*DigestSigner)(nil)
	_ ProofSigner       = (*DigestSigner)(nil)
	_ TransactionSigner = (*DigestSigner)(nil)
)

// NewDigestSigner returns a signer for the address. sign is called with a 32-byte digest, which it must not
// hash again, and returns an ECDSA signature over secp256k1 as ASN.1 DER, as 64 bytes r || s, or as 65
// bytes r || s || v with v 0, 1, 27 or 28; s may be high. It must obey the context. An answer in another
// form is [ErrSignatureFormat], one by another key [ErrSignerMismatch]; errors of sign are wrapped. The
// error of NewDigestSigner is [ErrKey], for a zero address or a nil function. [ParsePublicKey] reads the
// address out of what a KMS calls the public key.
func NewDigestSigner(address common.Address, sign func(ctx context.Context, digest common.Hash) ([]byte, error)) (*DigestSigner, error) {
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

// canonical turns a signature as key services return it into 65 bytes with low s and the v that leads to
// the address.
func canonical(digest common.Hash, raw []byte, address common.Address) ([]byte, error) {
	forms := rawForms(raw)
	if len(forms) == 0 {
		return nil, fmt.Errorf("%w: %d bytes are neither DER nor r || s nor r || s || v", ErrSignatureFormat, len(raw))
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
	return nil, fmt.Errorf("%w: the answer is not by %s over the digest that was asked for (was it hashed again?)", ErrSignerMismatch, address)
}

// rawForms returns each r || s that raw can mean. A DER signature may by chance be 64 or 65 bytes long, so
// there may be two; the address decides.
func rawForms(raw []byte) (forms [][]byte) {
	if len(raw) == 64 || (len(raw) == 65 && (raw[64] <= 1 || raw[64] == 27 || raw[64] == 28)) {
		forms = append(forms, bytes.Clone(raw[:64]))
	}
	var der struct{ R, S *big.Int }
	if rest, err := asn1.Unmarshal(raw, &der); err == nil && len(rest) == 0 && fits(der.R) && fits(der.S) {
		rs := make([]byte, 64)
		der.R.FillBytes(rs[:32])
		der.S.FillBytes(rs[32:])
		forms = append(forms, rs)
	}
	return forms
}

// fits says whether n may be a number of a 256-bit curve at all.
func fits(n *big.Int) bool { return n.Sign() > 0 && n.BitLen() <= 256 }

// lowerS replaces a high s by its low twin.
func lowerS(s []byte) {
	n := crypto.S256().Params().N
	if v := new(big.Int).SetBytes(s); bytes.Compare(s, secp256k1Half) > 0 && v.Cmp(n) < 0 {
		v.Sub(n, v).FillBytes(s)
	}
}
