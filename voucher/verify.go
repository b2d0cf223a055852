package voucher

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"
)

// Verify returns nil if the escrow of d would accept s as a voucher of signer. The parameter signer is
// the channel's authorized signer, or its payer if the channel names none. The signature must have the
// canonical form: on v1 65 bytes of secp256k1, on v2 a TIP-1020 primitive (see [RecoverAddress]).
//
// The errors are [ErrSignatureFormat], [ErrHighS], [ErrSignerMismatch] (the signature is by another
// key or over other data, or signer is the zero address), [ErrAmountRange] and [ErrDomain]. Verify
// checks the signature only. The caller must check that the channel and the amount are the expected
// ones.
func Verify(d *Domain, s Signed, signer common.Address) error {
	if err := d.check(s.Voucher); err != nil {
		return err
	}
	if signer == (common.Address{}) {
		return fmt.Errorf(
			"%w: the zero address cannot sign: use the payer if the channel names no signer",
			ErrSignerMismatch,
		)
	}
	if d.protocol == V1 && len(s.Signature) != secp256k1Len {
		return fmt.Errorf(
			"%w: a v1 signature has %d bytes (secp256k1): %s", ErrSignatureFormat, secp256k1Len,
			describe(s.Signature),
		)
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
