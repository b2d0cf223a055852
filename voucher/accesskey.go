package voucher

import (
	"context"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// Key is a key of this package: a [KeySigner], a [P256Signer] or a [DigestSigner].
type Key interface {
	// Address returns the address of the key itself.
	Address() common.Address
	signDigest(context.Context, common.Hash) ([]byte, error)
}

// AccessKey signs for a root account with a key that the account has authorized on the chain (a
// Tempo account keychain). It is a [TransactionSigner] and a [ProofSigner] whose Address is the
// root account. It is safe for concurrent use. Printing, logging or marshaling it shows the address
// of the root account.
//
// It is not a [Signer], because an escrow accepts no keychain envelopes on vouchers. The inner key
// signs the vouchers itself, and its address is the authorized signer of the channel.
type AccessKey struct {
	identity
	key Key
}

var (
	_ ProofSigner       = (*AccessKey)(nil)
	_ TransactionSigner = (*AccessKey)(nil)
)

// NewAccessKey returns a signer for the root account. It cannot check whether the account has authorized
// the key, and up to which amount; only the chain can. The error is [ErrKey], also if key is the key of
// the root account itself.
func NewAccessKey(root common.Address, key Key) (*AccessKey, error) {
	if root == (common.Address{}) || key == nil || key.Address() == root {
		return nil, fmt.Errorf("%w: an access key needs the address of its root account "+
			"and a key other than the root account's", ErrKey)
	}
	return &AccessKey{identity{root}, key}, nil
}

// SignTransaction signs tx as the root account. The result is 0x04 || root || inner signature. The
// inner key signs keccak256(0x04 || transaction digest || root), so the signature is valid for this
// root account only.
func (a *AccessKey) SignTransaction(ctx context.Context, tx Transaction) ([]byte, error) {
	inner, err := a.inner()
	if err != nil {
		return nil, err
	}
	digest := crypto.Keccak256(tx.SigningBytes())
	sig, err := inner.signDigest(
		ctx, crypto.Keccak256Hash([]byte{keychainV2}, digest, a.address[:]),
	)
	if err != nil {
		return nil, fmt.Errorf("voucher: access key of %s: %w", a.address, err)
	}
	return append(append([]byte{keychainV2}, a.address[:]...), sig...), nil
}

// SignProof signs p with the inner key, without an envelope: the digest contains the root account
// already, and every server accepts this form. The error is [ErrSignerMismatch] if p names another
// account than the root.
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
