package voucher

import (
	"context"
	"errors"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

var errNoKey = errors.New(
	"voucher: the zero signer has no key: create signers with their New functions",
)

// digestKey is the common part of the signers of this package. It maps typed data to the digest
// that is signed. The key is in a closure, where printers that walk fields by reflection do not
// find it.
type digestKey struct {
	identity
	sign func(context.Context, common.Hash) ([]byte, error)
}

// SignVoucher signs v under d. The error is [ErrAmountRange] if the amount is above [Protocol.Max],
// and [ErrDomain] if d is nil or zero.
func (k digestKey) SignVoucher(ctx context.Context, d *Domain, v Voucher) ([]byte, error) {
	if err := d.check(v); err != nil {
		return nil, err
	}
	return k.signDigest(ctx, d.Digest(v))
}

// SignProof signs p. The error is [ErrSignerMismatch] if p names another account.
func (k digestKey) SignProof(ctx context.Context, p Proof) ([]byte, error) {
	if err := p.check(k.address); err != nil {
		return nil, err
	}
	return k.signDigest(ctx, p.Digest())
}

// SignTransaction signs tx as its sender.
func (k digestKey) SignTransaction(ctx context.Context, tx Transaction) ([]byte, error) {
	return k.signDigest(ctx, crypto.Keccak256Hash(tx.SigningBytes()))
}

func (k digestKey) signDigest(ctx context.Context, digest common.Hash) ([]byte, error) {
	if k.sign == nil {
		return nil, errNoKey
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return k.sign(ctx, digest)
}
