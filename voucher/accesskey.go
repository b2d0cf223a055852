package voucher

import (
	"context"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// Key is a key of this package: a [KeySigner], a [P256Signer] or a [DigestSigner].
type Key interface {
	// Address is the key's own address.
	Address() common.Address
	signDigest(context.Context, common.Hash) ([]byte, error)
}

// AccessKey spends for a root account with a key that the account has authorized on the chain (a Tempo
// account keychain). It is the root account's [TransactionSigner] and [ProofSigner]; Address is the root.
// It is safe for concurrent use, and printed, logged or marshaled it is the root's address.
//
// It is no [Signer]: an escrow takes no wrapped vouchers. The inner key itself signs those, and its
// address is the channel's authorized signer.
type AccessKey struct {
	identity
	key Key
}

var (
	_ ProofSigner       = (*AccessKey)(nil)
	_ TransactionSigner = (*AccessKey)(nil)
)

// NewAccessKey returns the signer for the root account. That the account has authorized the key, and what
// it may spend, only the chain knows. The error is [ErrKey], also where the key is the root account's own.
func NewAccessKey(root common.Address, key Key) (*AccessKey, error) {
	if root == (common.Address{}) || key == nil || key.Address() == root {
		return nil, fmt.Errorf("%w: an access key needs the address of its root account and a key of its own", ErrKey)
	}
	return &AccessKey{identity{root}, key}, nil
}

// SignTransaction signs tx as the root account: 0x04 || root || inner signature, where the inner key signs
// keccak256(0x04 || transaction digest || root), so that the signature holds for this root only.
func (a *AccessKey) SignTransaction(ctx context.Context, tx Transaction) ([]byte, error) {
	inner, err := a.inner()
	if err != nil {
		return nil, err
	}
	digest := crypto.Keccak256(tx.SigningBytes())
	sig, err := inner.signDigest(ctx, crypto.Keccak256Hash([]byte{keychainV2}, digest, a.address[:]))
	if err != nil {
		return nil, fmt.Errorf("voucher: access key of %s: %w", a.address, err)
	}
	return append(append([]byte{keychainV2}, a.address[:]...), sig...), nil
}

// SignProof signs p, whose account is the root, with the bare key: the digest binds the root already,
// and this is the form that every server reads. A proof of another account is [ErrSignerMismatch].
func (a *AccessKey) SignProof(ctx context.Context, p Proof) ([]byte, error) {
	inner, err := a.inner()
	if err != nil {
		return nil, err
	}
	if err := p.check(a.address); err != nil {
		return nil, err
	}
	return inner.signDigest(ctx, p.Digest())
}

func (a *AccessKey) inner() (Key, error) {
	if a.key == nil {
		return nil, errNoKey
	}
	return a.key, nil
}
