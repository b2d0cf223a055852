package devchain

import (
	"crypto/ecdsa"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"
)

// Limits that a sponsor keeps, so that a stranger's transaction cannot cost it much.
const (
	sponsorMaxGas    = 2_000_000
	sponsorMaxExpiry = 900 // seconds
)

var (
	sponsorMaxFee   = big.NewInt(100_000_000_000)        // attodollars for each unit of gas
	sponsorMaxTotal = big.NewInt(50_000_000_000_000_000) // of gas times maxFeePerGas
)

// Cosign completes a sender's transaction as its sponsor: it takes the 0x78 hand-off, or a 0x76 whose
// fee payer is the placeholder 0x00, and returns the 0x76 transaction that the sponsor's key pays for
// in feeToken. The error is a [*RefusedError] for what a sponsor must not sign: other chains, more
// than 2,000,000 gas, prices and validity beyond bounds, other than expiring nonces, value, access
// lists. Which calls it pays for is for the caller to check.
func (c *Chain) Cosign(raw []byte, key *ecdsa.PrivateKey, feeToken common.Address) ([]byte, error) {
	t, err := decodeTransaction(raw)
	if err != nil {
		return nil, refusef("it cannot be decoded: %v", err)
	}
	if err := t.wellFormed(c.cfg.ChainID); err != nil {
		return nil, &RefusedError{err.Error()}
	}
	if err := t.sponsorable(uint64(c.Now().Unix()), c.cfg.BaseFee == 0); err != nil {
		return nil, err
	}
	sender, _, err := recoverSender(keccak(t.senderPreimage()), t.signature)
	if err != nil || t.feePayer == feePayerSender && sender != t.handoffSender {
		return nil, refusef("the sender's signature does not verify")
	}
	return t.cosign(sender, key, feeToken)
}

// cosign puts the sponsor's signature and fee token into the sender's transaction.
func (t *transaction) cosign(sender common.Address, key *ecdsa.PrivateKey, feeToken common.Address) ([]byte, error) {
	sig, err := crypto.Sign(crypto.Keccak256(t.sponsorPreimage(sender, feeToken)), key)
	if err != nil {
		return nil, fmt.Errorf("devchain: sign: %w", err)
	}
	fields := append([]rlp.RawValue(nil), t.fields...)
	fields[fieldFeeToken] = rawString(feeToken[:])
	r, s := new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:64])
	fields[fieldFeePayer] = rawList(rawUint(uint64(sig[64])), rawNumber(r), rawNumber(s))
	return envelope(typeTempo, append(fields, rawString(t.signature))), nil
}

// sponsorMaxTip is the largest maxPriorityFeePerGas, which is higher on the testnet.
func sponsorMaxTip(chainID uint64) *big.Int {
	if chainID == Moderato {
		return big.NewInt(50_000_000_000)
	}
	return big.NewInt(10_000_000_000)
}

// sponsorable checks the rules of a sponsor, on a chain whose transactions are free or not.
func (t *transaction) sponsorable(now uint64, free bool) error {
	total := new(big.Int).Mul(new(big.Int).SetUint64(t.gas), t.maxFee)
	switch {
	case t.feePayer != feePayerSender && t.feePayer != feePayerPlaceholder:
		return refusef("it asks for no sponsor")
	case t.hasFeeToken:
		return refusef("the sender must leave the fee token to the sponsor")
	case !t.expiring():
		return refusef("a sponsor signs expiring nonces only")
	case t.gas == 0 || t.gas > sponsorMaxGas:
		return refusef("gas limit %d; a sponsor pays for 1 to %d", t.gas, sponsorMaxGas)
	case t.maxFee.Sign() == 0 && !free || t.maxFee.Cmp(sponsorMaxFee) > 0 || t.maxPriorityFee.Cmp(sponsorMaxTip(t.chainID)) > 0 || total.Cmp(sponsorMaxTotal) > 0:
		return refusef("fees of %s and %s for %d gas are more than a sponsor pays", t.maxFee, t.maxPriorityFee, t.gas)
	case t.validBefore == 0 || t.validBefore > now+sponsorMaxExpiry:
		return refusef("validBefore %d is missing or too far ahead", t.validBefore)
	case string(t.fields[fieldAccessList]) != string(emptyList):
		return refusef("a sponsored transaction must not have an access list")
	}
	return nil
}
