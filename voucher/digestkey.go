package voucher

import (
	"context"
	"errors"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

var errNoKey = errors.New("voucher: this signer holds no key: make it with its New function")

// digestKey is what the signers of this package share: a key that signs digests, and the rule which
// digest belongs to which typed data. The key lies in a closure, where printers that walk fields by
// reflection (test differs, dumpers) do not come.
type digestKey struct {
	identity
	sign func(context.Context, common.Hash) ([]byte, error)
}

// SignVoucher signs v under d. It refuses an amount above [Protocol.Max] with [ErrAmountRange] and a nil
// or zero d with [ErrDomain].
func (k digestKey) SignVoucher(ctx context.Context, d *Domain, v Voucher) ([]byte, error) {
	if err := d.check(v); err != nil {
		return nil, err
	}
	return k.signDigest(ctx, d.Digest(v))
}

// SignProof signs p. It refuses a proof that names another account with [ErrSignerMismatch].
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
