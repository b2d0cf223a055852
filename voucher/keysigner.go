package voucher

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/hex"
	"errors"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// ErrKey means that a key is missing, out of range, of another curve, or unreadable. The error
// never contains a part of the key.
var ErrKey = errors.New("voucher: not a usable key")

// KeySigner signs with a secp256k1 key in memory. It is a [Signer], a [ProofSigner] and a
// [TransactionSigner], and safe for concurrent use. Signatures are deterministic (RFC 6979), 65
// bytes r || s || v with v 27 or 28 and low s. Printing, logging or marshaling it shows its
// address. Create one with [NewKeySigner] or [ParseKey]; the zero value signs nothing.
//
// With cgo, signing takes constant time (libsecp256k1). Without cgo it does not; use cgo if others
// can run programs on the same machine.
type KeySigner struct{ digestKey }

var (
	_ Signer            = (*KeySigner)(nil)
	_ ProofSigner       = (*KeySigner)(nil)
	_ TransactionSigner = (*KeySigner)(nil)
)

// NewKeySigner returns a signer with a copy of the key. The error is [ErrKey] if the key is nil or
// not a secp256k1 key.
func NewKeySigner(key *ecdsa.PrivateKey) (*KeySigner, error) {
	return newKeySigner(rawKey(key, crypto.S256()))
}

// ParseKey reads a secp256k1 private key of 64 hexadecimal digits, with or without 0x. The error is
// [ErrKey] and shows nothing of the text. Use it in tests, and in environments that pass keys as
// text. Keep a long-lived key in a keystore file (package voucher/keyfile) or a KMS
// ([DigestSigner]).
func ParseKey(text string) (*KeySigner, error) {
	raw, err := hex.DecodeString(strings.TrimPrefix(text, "0x"))
	if err != nil {
		return nil, ErrKey // the error of hex quotes what it read
	}
	return newKeySigner(raw)
}

func newKeySigner(raw []byte) (*KeySigner, error) {
	key, err := crypto.ToECDSA(raw)
	if err != nil {
		return nil, ErrKey
	}
	return &KeySigner{digestKey{
		identity: identity{crypto.PubkeyToAddress(key.PublicKey)},
		sign: func(_ context.Context, digest common.Hash) ([]byte, error) {
			sig, err := crypto.Sign(digest[:], key)
			if err != nil {
				return nil, err
			}
			sig[64] += 27
			return sig, nil
		},
	}}, nil
}

// rawKey returns the private number of a key of the curve as 32 bytes, or nil if it is not such a
// key.
func rawKey(key *ecdsa.PrivateKey, curve elliptic.Curve) []byte {
	if key == nil || key.Curve == nil || key.Params().N.Cmp(curve.Params().N) != 0 {
		return nil
	}
	d := key.D //nolint:staticcheck // its replacement does not support secp256k1
	if d == nil || !fits(d) {
		return nil
	}
	return d.FillBytes(make([]byte, 32))
}
