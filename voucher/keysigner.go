package voucher

import (
	"context"
	"crypto/ecdsa"
	"encoding/hex"
	"errors"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// ErrKey: the private key cannot be used. The error never holds a part of the key.
var ErrKey = errors.New("voucher: not a usable private key")

// errNoKey is what a signer answers that was not made by its constructor.
var errNoKey = errors.New("voucher: this signer holds no key: make it with its New function")

// KeySigner signs with a secp256k1 key in memory. It is a [Signer], a [ProofSigner] and a
// [TransactionSigner], and safe for concurrent use. Signatures are deterministic (RFC 6979), 65 bytes
// r || s || v with v 27 or 28 and low s. Printed, logged or marshaled it is its address.
type KeySigner struct {
	identity
	sign func(digest []byte) ([]byte, error) // holds the key, v is 0 or 1
}

var (
	_ Signer            = (*KeySigner)(nil)
	_ ProofSigner       = (*KeySigner)(nil)
	_ TransactionSigner = (*KeySigner)(nil)
)

// NewKeySigner returns a signer that holds a copy of the key. The error is [ErrKey] when the key is nil
// or not a secp256k1 key.
func NewKeySigner(key *ecdsa.PrivateKey) (*KeySigner, error) {
	if key == nil || key.Curve == nil || key.Params() == nil || key.Params().BitSize != 256 || key.Params().N.Cmp(crypto.S256().Params().N) != 0 {
		return nil, ErrKey
	}
	return newKeySigner(crypto.FromECDSA(key))
}

// ParseKey reads a secp256k1 private key as 64 hexadecimal digits, with or without 0x before them. The
// error is [ErrKey] and shows nothing of the text. Keys belong into a keystore file (package
// voucher/keyfile) or a KMS ([DigestSigner]); this is for tests and environments that hand keys over
// as text.
func ParseKey(text string) (*KeySigner, error) {
	raw, err := hex.DecodeString(strings.TrimPrefix(text, "0x"))
	if err != nil {
		return nil, ErrKey
	}
	return newKeySigner(raw)
}

func newKeySigner(raw []byte) (*KeySigner, error) {
	key, err := crypto.ToECDSA(raw) // its own range check; the error text is not passed on
	if err != nil {
		return nil, ErrKey
	}
	return &KeySigner{
		identity: identity{crypto.PubkeyToAddress(key.PublicKey)},
		sign:     func(digest []byte) ([]byte, error) { return crypto.Sign(digest, key) },
	}, nil
}

// SignVoucher signs v under d. It refuses an amount above [Protocol.Max] with [ErrAmountRange] and a
// nil or zero d with [ErrDomain].
func (k *KeySigner) SignVoucher(ctx context.Context, d *Domain, v Voucher) ([]byte, error) {
	if err := d.check(v); err != nil {
		return nil, err
	}
	return k.signDigest(ctx, d.Digest(v))
}

// SignProof signs p. It refuses a proof of another account with [ErrSignerMismatch].
func (k *KeySigner) SignProof(ctx context.Context, p Proof) ([]byte, error) {
	if err := p.check(k.address); err != nil {
		return nil, err
	}
	return k.signDigest(ctx, p.Digest())
}

// SignTransaction signs tx as its sender.
func (k *KeySigner) SignTransaction(ctx context.Context, tx Transaction) ([]byte, error) {
	return k.signDigest(ctx, crypto.Keccak256Hash(tx.SigningBytes()))
}

func (k *KeySigner) signDigest(ctx context.Context, digest common.Hash) ([]byte, error) {
	if k == nil || k.sign == nil {
		return nil, errNoKey
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	sig, err := k.sign(digest[:])
	if err != nil {
		return nil, err
	}
	sig[64] += 27
	return sig, nil
}
