package voucher

import (
	"encoding/asn1"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// subjectPublicKeyInfo is the DER form of a public key on a named curve (RFC 5480).
type subjectPublicKeyInfo struct {
	Algorithm struct{ Type, Curve asn1.ObjectIdentifier }
	Key       asn1.BitString
}

var (
	oidECPublicKey = asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}
	oidSecp256k1   = asn1.ObjectIdentifier{1, 3, 132, 0, 10}
)

// ParsePublicKey returns the address of a secp256k1 public key in DER (SubjectPublicKeyInfo), the
// form that key services and openssl return. crypto/x509 does not support this curve. Decode PEM
// with encoding/pem first. The error is [ErrKey].
func ParsePublicKey(der []byte) (common.Address, error) {
	var info subjectPublicKeyInfo
	rest, err := asn1.Unmarshal(der, &info)
	switch {
	case err != nil || len(rest) != 0:
		return common.Address{}, fmt.Errorf(
			"%w: not a DER public key (decode PEM with encoding/pem first)", ErrKey,
		)
	case !info.Algorithm.Type.Equal(oidECPublicKey) || !info.Algorithm.Curve.Equal(oidSecp256k1):
		return common.Address{}, fmt.Errorf("%w: the public key is not on secp256k1", ErrKey)
	case info.Key.BitLength != 8*len(info.Key.Bytes):
		return common.Address{}, fmt.Errorf(
			"%w: the bit length of the public key is not a multiple of 8", ErrKey,
		)
	}
	point := info.Key.Bytes
	if len(point) == 33 {
		pub, err := crypto.DecompressPubkey(point)
		if err != nil {
			return common.Address{}, fmt.Errorf(
				"%w: the public key is not a point of secp256k1", ErrKey,
			)
		}
		return crypto.PubkeyToAddress(*pub), nil
	}
	pub, err := crypto.UnmarshalPubkey(point)
	if err != nil {
		return common.Address{}, fmt.Errorf(
			"%w: the public key is not a point of secp256k1", ErrKey,
		)
	}
	return crypto.PubkeyToAddress(*pub), nil
}
