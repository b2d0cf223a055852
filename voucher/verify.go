package voucher

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"
)

// Verify says whether the escrow of d would accept s as a voucher of signer (the channel's authorized
// signer, or its payer where that is zero). nil is yes. The signature must be in its one canonical
// form: on v1 65 bytes of secp256k1, on v2 a TIP-1020 primitive (see [RecoverAddress]).
//
// The errors are [ErrSignatureFormat], [ErrHighS], [ErrSignerMismatch] (the signature is sound, but over
// something else or by somebody else; also where signer is the zero address), [ErrAmountRange] and
// [ErrDomain]. Verify looks at the signature alone: that the channel and the amount are ours to care
// about is for the caller to know.
func Verify(d *Domain, s Signed, signer common.Address) error {
	if err := d.check(s.Voucher); err != nil {
		return err
	}
	if signer == (common.Address{}) {
		return fmt.Errorf("%w: the zero address signs nothing: resolve it to the payer first", ErrSignerMismatch)
	}
	if d.protocol == V1 && len(s.Signature) != secp256k1Len {
		return fmt.Errorf("%w: a v1 voucher has %d bytes of secp256k1: %s", ErrSignatureFormat, secp256k1Len, describe(s.Signature))
	}
	got, err := RecoverAddress(d.Digest(s.Voucher), s.Signature)
	if err != nil {
		return err
	}
	if got != signer {
		return fmt.Errorf("%w: %s, want %s", ErrSignerMismatch, got, signer)
	}
	return nil
}
