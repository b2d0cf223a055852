package voucher

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
)

// Lengths and type bytes of signatures (TIP-1020).
const (
	secp256k1Len = 65  // r || s || v, without a type byte
	p256Len      = 130 // type || r || s || x || y || prehash
	p256Type     = 0x01
	webAuthnType = 0x02
	keychainV1   = 0x03
	keychainV2   = 0x04
	multisigType = 0x05
)

// Half of each curve's order. If (r, s) is a signature, so is (r, order-s). Only the one with the
// lower s is accepted, so that no second signature can be derived from a first.
var (
	secp256k1Half = hexutil.MustDecode(
		"0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0",
	)
	p256Half = hexutil.MustDecode(
		"0x7fffffff800000007fffffffffffffffde737d56d38bcf4279dce5617e3192a8",
	)
)

// RecoverAddress returns the address of the key that signed the digest. It accepts two TIP-1020
// primitives: secp256k1 (65 bytes r || s || v, v 27 or 28) and P256 (130 bytes with type 0x01,
// prehash 0 or 1), both with low s. For anything else the error is [ErrSignatureFormat] or
// [ErrHighS]: the 64-byte form of EIP-2098, v 0 or 1, WebAuthn, keychain and multisig envelopes,
// and trailing bytes.
//
// The result proves nothing until it is compared with the expected address, because almost any 65
// bytes recover to some address. For vouchers use [Verify].
func RecoverAddress(digest common.Hash, sig []byte) (common.Address, error) {
	switch {
	case len(sig) == secp256k1Len:
		return recoverSecp256k1(digest, sig)
	case len(sig) == p256Len && sig[0] == p256Type:
		return recoverP256(digest, sig)
	default:
		return common.Address{}, fmt.Errorf("%w: %s", ErrSignatureFormat, describe(sig))
	}
}

func recoverSecp256k1(digest common.Hash, sig []byte) (common.Address, error) {
	if bytes.Compare(sig[32:64], secp256k1Half) > 0 {
		return common.Address{}, ErrHighS
	}
	v := sig[64]
	if v != 27 && v != 28 {
		return common.Address{}, fmt.Errorf(
			"%w: the last byte is %d, want 27 or 28", ErrSignatureFormat, v,
		)
	}
	raw := [secp256k1Len]byte(sig)
	raw[64] -= 27
	pub, err := crypto.Ecrecover(digest[:], raw[:])
	if err != nil {
		return common.Address{}, fmt.Errorf(
			"%w: no secp256k1 public key can be recovered from it", ErrSignatureFormat,
		)
	}
	return addressOf(pub), nil
}

func recoverP256(digest common.Hash, sig []byte) (common.Address, error) {
	r, s, point, prehash := sig[1:33], sig[33:65], sig[65:129], sig[129]
	if bytes.Compare(s, p256Half) > 0 {
		return common.Address{}, ErrHighS
	}
	if prehash > 1 {
		return common.Address{}, fmt.Errorf(
			"%w: the prehash byte is %d, want 0 or 1", ErrSignatureFormat, prehash,
		)
	}
	if prehash == 1 {
		digest = sha256.Sum256(digest[:])
	}
	uncompressed := append([]byte{4}, point...)
	pub, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), uncompressed)
	if err != nil {
		return common.Address{}, fmt.Errorf(
			"%w: the public key is not a point of P256", ErrSignatureFormat,
		)
	}
	if !ecdsa.Verify(pub, digest[:], new(big.Int).SetBytes(r), new(big.Int).SetBytes(s)) {
		return common.Address{}, fmt.Errorf(
			"%w: the P256 key in the envelope did not sign this digest", ErrSignerMismatch,
		)
	}
	return addressOf(uncompressed), nil
}

// addressOf returns the address of an uncompressed public key on either curve: the last 20 bytes of
// keccak256(x || y).
func addressOf(uncompressed []byte) common.Address {
	return common.BytesToAddress(crypto.Keccak256(uncompressed[1:])[12:])
}

// describe describes a refused signature for an error message, without showing it.
func describe(sig []byte) string {
	switch {
	case len(sig) == 0:
		return "the signature is empty"
	case len(sig) == 64:
		return "64 bytes (EIP-2098) are not accepted, want 65"
	case len(sig) > secp256k1Len && sig[0] == p256Type:
		return fmt.Sprintf("a P256 envelope has %d bytes, not %d", p256Len, len(sig))
	case len(sig) > secp256k1Len && sig[0] == webAuthnType:
		return "WebAuthn envelopes are not supported"
	case len(sig) > secp256k1Len && (sig[0] == keychainV1 || sig[0] == keychainV2):
		return "keychain envelopes are for transactions only: use the access key's bare signature"
	case len(sig) > secp256k1Len && sig[0] == multisigType:
		return "multisig envelopes are not accepted"
	default:
		return fmt.Sprintf("%d bytes are not a known form", len(sig))
	}
}
