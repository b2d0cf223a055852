package devchain

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"errors"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// Type bytes of signature envelopes. A signature of exactly 65 bytes has none (TIP-1020).
const (
	sigP256       = 0x01
	sigWebAuthn   = 0x02
	sigKeychain   = 0x03
	sigKeychainV2 = 0x04
)

const p256Length = 130 // with its type byte

var (
	errSignature = errors.New("invalid signature")
	p256HalfN    = new(big.Int).Rsh(elliptic.P256().Params().N, 1)
)

// recoverPrimitive returns the address that made a signature over the digest: secp256k1 or P256, both
// with low s. Wrappers (keychain, multisig) are no primitives and are refused.
func recoverPrimitive(digest common.Hash, sig []byte) (common.Address, error) {
	switch {
	case len(sig) == crypto.SignatureLength:
		return recoverSecp256k1(digest, sig)
	case len(sig) == p256Length && sig[0] == sigP256:
		return recoverP256(digest, sig[1:])
	default:
		return common.Address{}, errSignature
	}
}

// recoverSecp256k1 takes r || s || v with v 27 or 28.
func recoverSecp256k1(digest common.Hash, sig []byte) (common.Address, error) {
	r, s, v := new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:64]), sig[64]
	if v != 27 && v != 28 || !crypto.ValidateSignatureValues(v-27, r, s, true) {
		return common.Address{}, errSignature
	}
	plain := append(append([]byte(nil), sig[:64]...), v-27)
	key, err := crypto.SigToPub(digest[:], plain)
	if err != nil {
		return common.Address{}, errSignature
	}
	return crypto.PubkeyToAddress(*key), nil
}

// recoverP256 takes r || s || x || y || prehash. With prehash 1 the digest was hashed once more.
func recoverP256(digest common.Hash, b []byte) (common.Address, error) {
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append([]byte{4}, b[64:128]...))
	if err != nil || b[128] > 1 {
		return common.Address{}, errSignature
	}
	if b[128] == 1 {
		digest = sha256.Sum256(digest[:])
	}
	r, s := new(big.Int).SetBytes(b[:32]), new(big.Int).SetBytes(b[32:64])
	if s.Cmp(p256HalfN) > 0 || !ecdsa.Verify(key, digest[:], r, s) {
		return common.Address{}, errSignature
	}
	return common.BytesToAddress(crypto.Keccak256(b[64:128])[12:]), nil
}

// recoverSender returns the account that a transaction's signature speaks for. For a keychain
// envelope that is the root account, and accessKey is the key that signed.
func recoverSender(digest common.Hash, sig []byte) (sender, accessKey common.Address, err error) {
	if len(sig) <= 21 || len(sig) == crypto.SignatureLength || sig[0] != sigKeychainV2 {
		sender, err = recoverPrimitive(digest, sig)
		return sender, common.Address{}, err
	}
	root := common.Address(sig[1:21])
	accessKey, err = recoverPrimitive(crypto.Keccak256Hash([]byte{sigKeychainV2}, digest[:], root[:]), sig[21:])
	return root, accessKey, err
}

// sign makes a secp256k1 signature with v 27 or 28.
func sign(digest common.Hash, key *ecdsa.PrivateKey) ([]byte, error) {
	sig, err := crypto.Sign(digest[:], key)
	if err != nil {
		return nil, err
	}
	sig[64] += 27
	return sig, nil
}
