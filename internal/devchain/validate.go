package devchain

import (
	"errors"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// maxExpiry is how many seconds ahead an expiring transaction's validBefore may lie (TIP-1009).
const maxExpiry = 30

// RefusedError is a transaction that the chain did not take: nothing was executed and no fee was
// paid. In JSON-RPC it has code -32003.
type RefusedError struct{ Reason string }

// Error says why.
func (e *RefusedError) Error() string { return "devchain: transaction refused: " + e.Reason }

// ErrorCode is the JSON-RPC code.
func (e *RefusedError) ErrorCode() int { return -32003 }

func refusef(format string, values ...any) error {
	return &RefusedError{fmt.Sprintf(format, values...)}
}

// admitted is a transaction that passed every check before execution.
type admitted struct {
	*transaction
	sender, payer common.Address
	feeToken      common.Address
	context       common.Hash // expiring nonce hash
	intrinsic     uint64      // gas before the first call
	price         *big.Int    // attodollars for each unit of gas
}

// admit checks a transaction before execution. The caller holds c.mu.
func (c *Chain) admit(t *transaction) (*admitted, error) {
	if t.kind == typeHandoff {
		return nil, refusef("this is the 0x78 hand-off for a sponsor; broadcast what the sponsor makes of it")
	}
	if c.sent[t.hash] != nil {
		return nil, refusef("already executed")
	}
	if c.waiting(&View{}, t.hash) != nil {
		return nil, refusef("already known")
	}
	if err := t.wellFormed(c.cfg.ChainID); err != nil {
		return nil, &RefusedError{err.Error()}
	}
	a := &admitted{transaction: t}
	if err := c.admitSigners(a); err != nil {
		return nil, err
	}
	for _, check := range []func(*admitted) error{c.admitTime, c.admitNonce, c.admitFee} {
		if err := check(a); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// wellFormed checks what does not depend on the chain's state.
func (t *transaction) wellFormed(chainID uint64) error {
	switch {
	case t.chainID != chainID:
		return fmt.Errorf("chain id %d; this is chain %d", t.chainID, chainID)
	case len(t.calls) == 0:
		return errors.New("a transaction needs at least one call")
	case len(t.fields) > fieldKeyAuthorization:
		return errors.New("key authorizations are not supported here; register the access key on the chain object")
	case string(t.fields[fieldAuthorizations]) != string(emptyList):
		return errors.New("authorization lists are not supported here")
	case t.validBefore != 0 && t.validBefore <= t.validAfter:
		return errors.New("validBefore must be later than validAfter")
	case t.maxPriorityFee.Cmp(t.maxFee) > 0:
		return errors.New("maxPriorityFeePerGas is above maxFeePerGas")
	}
	for i, one := range t.calls {
		if one.to == nil {
			return fmt.Errorf("call %d creates a contract, which is not supported here", i)
		}
		if one.value.Sign() != 0 {
			return fmt.Errorf("call %d sends value, but this chain has no native token", i)
		}
	}
	return nil
}

// admitSigners finds out who sends and who pays.
func (c *Chain) admitSigners(a *admitted) (err error) {
	preimage := a.senderPreimage()
	sender, accessKey, err := recoverSender(keccak(preimage), a.signature)
	if err != nil {
		return refusef("the sender's signature does not verify")
	}
	if accessKey != (common.Address{}) && !c.state.accessKeys[[2]common.Address{sender, accessKey}] {
		return refusef("%s is not an access key of %s", accessKey, sender)
	}
	a.sender, a.payer = sender, sender
	a.context = expiringNonceHash(preimage, sender)
	a.feeToken = c.cfg.Tokens[0].Address
	if a.hasFeeToken {
		a.feeToken = a.transaction.feeToken
	}
	a.intrinsic = intrinsicGas(a.calls, a.nonceKey, signatureGas(a.signature))
	switch a.feePayer {
	case feePayerPlaceholder:
		return refusef("a sponsor is announced but has not signed")
	case feePayerSigned:
		if string(a.fields[fieldAccessList]) != string(emptyList) {
			return refusef("a sponsored transaction must not have an access list")
		}
		if !a.hasFeeToken {
			return refusef("a sponsored transaction must name the sponsor's fee token")
		}
		a.payer, err = recoverSecp256k1(keccak(a.sponsorPreimage(sender, a.feeToken)), a.sponsorSignature)
		if err != nil {
			return refusef("the sponsor's signature does not verify")
		}
	}
	return nil
}

// admitTime checks the validity window against the time of the block to be mined.
func (c *Chain) admitTime(a *admitted) error {
	now := c.head().time
	switch {
	case a.validBefore != 0 && a.validBefore <= now:
		return refusef("expired: validBefore %d is not after %d", a.validBefore, now)
	case a.validAfter > now:
		return refusef("not valid yet: validAfter %d is after %d", a.validAfter, now)
	case a.expiring() && (a.validBefore == 0 || a.validBefore > now+maxExpiry):
		return refusef("validBefore %d must be at most %d seconds after %d", a.validBefore, maxExpiry, now)
	}
	return nil
}

// admitNonce checks against replay: by the expiring nonce hash, or by counting.
func (c *Chain) admitNonce(a *admitted) error {
	if a.expiring() {
		switch {
		case a.nonce != 0:
			return refusef("nonce %d with an expiring nonce key; it must be 0", a.nonce)
		case c.state.seen[a.context] > c.head().time:
			return refusef("replay: a transaction with this expiring nonce hash was executed")
		}
		return nil
	}
	if want := c.state.nonces[nonceOf{a.sender, a.nonceKey}]; a.nonce != want {
		return refusef("nonce %d; the next one is %d", a.nonce, want)
	}
	return nil
}

// admitFee checks the price, the gas limit and that the payer has the largest possible fee.
func (c *Chain) admitFee(a *admitted) error {
	baseFee := new(big.Int).SetUint64(c.cfg.BaseFee)
	switch {
	case a.maxFee.Cmp(baseFee) < 0:
		return refusef("maxFeePerGas %s is below the base fee of %s", a.maxFee, baseFee)
	case a.gas < a.intrinsic:
		return refusef("gas limit %d is below the intrinsic gas of %d", a.gas, a.intrinsic)
	case a.gas > blockGasLimit:
		return refusef("gas limit %d is above the block's %d", a.gas, blockGasLimit)
	}
	a.price = new(big.Int).Add(baseFee, a.maxPriorityFee)
	if a.price.Cmp(a.maxFee) > 0 {
		a.price = a.maxFee
	}
	return c.canPay(a.payer, a.feeToken, a.gas, a.maxFee)
}

// canPay checks that the payer holds the fee for all of the gas.
func (c *Chain) canPay(payer, token common.Address, gas uint64, price *big.Int) error {
	if _, ok := c.state.tokens[token]; !ok {
		return refusef("%s is not a token to pay fees with", token)
	}
	fee, err := feeOf(gas, price)
	if err != nil || c.state.balances[holding{token, payer}].Less(fee) {
		return refusef("insufficient funds: %s has %s of fee token %s, and %d gas at %s may cost %s",
			payer, c.state.balances[holding{token, payer}], token, gas, price, fee)
	}
	return nil
}

// feeOf is the price of gas in base units of a 6-decimal token, rounded up: 10^12 attodollars make one.
func feeOf(gas uint64, price *big.Int) (voucher.Amount, error) {
	atto := new(big.Int).Mul(new(big.Int).SetUint64(gas), price)
	atto.Add(atto, big.NewInt(1_000_000_000_000-1))
	return voucher.AmountFromBig(atto.Div(atto, big.NewInt(1_000_000_000_000)))
}
