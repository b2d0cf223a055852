package escrow

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Limits of what a transaction may cost. They are those beyond which a sponsor refuses to sign, and they
// hold for fees of our own too. Prices are attodollars a gas.
const (
	maxGas         = 2_000_000
	maxFeePerGas   = 100_000_000_000
	maxPriorityFee = 10_000_000_000
	maxFee         = 50_000_000_000_000_000 // gas times price: 0.05 dollars

	// estimateGas is the gas limit that estimates run with. Without one the node would simulate with the
	// block's limit, and refuse small wallets that cannot pay for that much.
	estimateGas = 3_000_000
)

// Lifetimes in seconds of chain time.
const (
	validFor      = 25 // nodes take transactions up to 30 s ahead (TIP-1009)
	validAfterAge = 60 // how far back validAfter lies at least
)

// prices returns what a gas may cost, for a base fee that may rise by a quarter.
func (h head) prices() (fee, tip uint64) {
	if h.gasPrice > h.baseFee {
		tip = min(h.gasPrice-h.baseFee, maxPriorityFee)
	}
	fee = min(h.baseFee, maxFeePerGas)
	return min(fee+fee/4+tip, maxFeePerGas), tip
}

// setGas fixes the gas of a transaction and fits its price under the caps. It is [ErrFeeCap] where
// that leaves less than the base fee.
func (t *Tx) setGas(gas uint64, h head) error {
	if gas > maxGas {
		return fmt.Errorf("%w: it needs %d gas, the most is %d", ErrFeeCap, gas, maxGas)
	}
	fee, tip := h.prices()
	fee = min(fee, maxFee/gas)
	if fee < h.baseFee {
		return fmt.Errorf("%w: gas costs %d now, the most for %d gas is %d", ErrFeeCap, h.baseFee, gas, fee)
	}
	t.Gas, t.MaxFeePerGas, t.MaxPriorityFeePerGas = gas, fee, min(tip, fee)
	return nil
}

// withMargin is the gas limit for an estimate: signatures and storage can cost a little more than the
// node's simulation, which does not know them.
func withMargin(estimate uint64) uint64 {
	padded := estimate + estimate/20 + 20_000
	if estimate <= maxGas {
		return min(padded, maxGas)
	}
	return padded
}

// feeOf is the fee for all of the gas, in base units of a token with 6 decimals: attodollars over 10^12,
// rounded up.
func feeOf(gas, price uint64) voucher.Amount {
	n := new(big.Int).Mul(new(big.Int).SetUint64(gas), new(big.Int).SetUint64(price))
	n.Add(n, big.NewInt(999_999_999_999)).Div(n, big.NewInt(1_000_000_000_000))
	a, _ := voucher.AmountFromBig(n) // below 2^89
	return a
}

// Fee is the most that a transaction can cost its payer in fees. [Receipt.Fee] is what it was charged. If
// a sponsor pays, Token and Max are zero.
type Fee struct {
	// Token is the token that the fee is paid in.
	Token common.Address
	// Max is the transaction's gas limit times its highest price of gas, rounded up to base units of
	// Token, which has 6 decimals.
	Max voucher.Amount
	// TxHash is the transaction's hash. It is zero for Agree, since the transaction is not signed yet,
	// and if sponsored.
	TxHash common.Hash
	// ValidBefore is the chain time (Unix seconds) from which the transaction can never be mined.
	ValidBefore uint64
}

// fee returns what the transaction can cost its sender. A sponsored one costs it nothing.
func (t *Tx) fee() Fee {
	if t.Sponsored {
		return Fee{ValidBefore: t.ValidBefore}
	}
	f := Fee{Token: t.FeeToken, Max: feeOf(t.Gas, t.MaxFeePerGas), ValidBefore: t.ValidBefore}
	if t.Signature != nil {
		f.TxHash = t.Hash()
	}
	return f
}

// window bounds the time in which the transaction can be mined. validAfter is random, so that two
// transactions that ask for the same are two transactions; zero would be no bound at all.
func (t *Tx) window(now uint64) error {
	if now <= validAfterAge {
		return fmt.Errorf("%w: the node's newest block is of second %d", ErrRPC, now)
	}
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	t.ValidBefore = now + validFor
	t.ValidAfter = 1 + binary.BigEndian.Uint64(b[:])%(now-validAfterAge)
	return nil
}
