package escrow

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// findSender derives Sender from the signature, or compares the two in a hand-off.
func (t *Tx) findSender(claimed bool) error {
	switch {
	case t.Signature == nil:
		return nil
	case isType(t.Signature, keychainV2):
		root := common.BytesToAddress(t.Signature[1:21])
		if claimed && root != t.Sender {
			return fmt.Errorf("%w: signed for another account than its sender", ErrTx)
		}
		t.Sender = root
		return nil
	}
	sender, err := voucher.RecoverAddress(t.SigningHash(), t.Signature)
	switch {
	case err != nil:
		return nil // only a node can tell
	case claimed && sender != t.Sender:
		return fmt.Errorf("%w: signed by another key than its sender's", ErrTx)
	}
	t.Sender = sender
	return nil
}

// The first byte of signatures that a node verifies and this package cannot, or not by itself.
const (
	webAuthn   = 0x02 // TIP-1020
	keychainV2 = 0x04 // 0x04 || root account || signature of an access key
)

// isType reports whether the signature is of a typed form. 65 bytes are always the untyped secp256k1 form,
// whatever they begin with.
func isType(sig []byte, kind byte) bool {
	return len(sig) > crypto.SignatureLength && sig[0] == kind
}

// checkSignature tells whether sig, fresh from a signer, is the sender's as far as that can be told
// here. A WebAuthn signature is believed.
func (t *Tx) checkSignature(sig []byte) error {
	digest := t.SigningHash()
	if isType(sig, webAuthn) {
		return nil
	}
	if isType(sig, keychainV2) {
		if common.BytesToAddress(sig[1:21]) != t.Sender {
			return fmt.Errorf("%w: the keychain envelope names another account than %s", ErrSignature, t.Sender)
		}
		inner := crypto.Keccak256Hash([]byte{keychainV2}, digest[:], t.Sender[:])
		if isType(sig[21:], webAuthn) {
			return nil
		}
		// Which key it is, only the account's keychain knows.
		if _, err := voucher.RecoverAddress(inner, sig[21:]); err != nil {
			return fmt.Errorf("%w: %w", ErrSignature, err)
		}
		return nil
	}
	signer, err := voucher.RecoverAddress(digest, sig)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSignature, err)
	}
	if signer != t.Sender {
		return fmt.Errorf("%w: signed by %s, the payer is %s", ErrSignature, signer, t.Sender)
	}
	return nil
}
