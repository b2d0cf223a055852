package devchain

import (
	"bytes"
	"errors"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Gas that is used before the first call.
const (
	gasBase          = 21_000
	gasZeroByte      = 4
	gasNonZeroByte   = 16
	gasExpiringNonce = 13_000 // TIP-1009
	gasCall          = 2_600
	gasP256          = 5_000
	gasKeychain      = 3_000
)

func keccak(parts ...[]byte) common.Hash { return crypto.Keccak256Hash(parts...) }

// expiringNonceHash binds the sender to the bytes that it signed (TIP-1009, TIP-1034). It does not
// depend on the sponsor.
func expiringNonceHash(senderPreimage []byte, sender common.Address) common.Hash {
	return keccak(senderPreimage, sender[:])
}

// intrinsicGas is what a transaction costs before its calls do anything.
func intrinsicGas(calls []call, nonceKey common.Hash, signature uint64) uint64 {
	gas := gasBase + signature
	if nonceKey == expiringNonceKey {
		gas += gasExpiringNonce
	}
	for _, one := range calls {
		gas += gasCall
		for _, b := range one.data {
			if b == 0 {
				gas += gasZeroByte
			} else {
				gas += gasNonZeroByte
			}
		}
	}
	return gas
}

// signatureGas is what the sender's kind of signature costs on top.
func signatureGas(sig []byte) (gas uint64) {
	if len(sig) > 21 && len(sig) != crypto.SignatureLength && sig[0] == sigKeychainV2 {
		sig, gas = sig[21:], gasKeychain
	}
	if len(sig) == p256Length {
		gas += gasP256
	}
	return gas
}

// SendRaw executes a serialized 0x76 transaction in a block of its own, and returns its receipt. A
// transaction whose calls revert is mined too: look at [Receipt.Success]. The error is a
// [*RefusedError] where the chain did not take the transaction at all. Faults set on the chain are
// for JSON-RPC and do not touch SendRaw.
func (c *Chain) SendRaw(raw []byte) (*Receipt, error) {
	t, err := decodeTransaction(raw)
	if err != nil {
		return nil, refusef("it cannot be decoded: %v", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tick()
	a, err := c.admit(t)
	if err != nil {
		return nil, err
	}
	r := c.execute(a)
	c.head().raw = bytes.Clone(raw)
	return r, nil
}

// execute runs an admitted transaction and mines it. The caller holds c.mu.
func (c *Chain) execute(a *admitted) *Receipt {
	s := c.state
	if a.expiring() {
		put(s, s.seen, a.context, a.validBefore)
	} else {
		put(s, s.nonces, nonceOf{a.sender, a.nonceKey}, a.nonce+1)
	}
	// The fee for the whole gas limit is out of reach while the calls run.
	reserved, _ := feeOf(a.gas, a.price) // at most what canPay has seen
	s.move(a.feeToken, a.payer, FeeCollector, reserved)
	e := c.newEnv(a.context)
	e.gas = a.intrinsic
	mark := s.mark()
	_, err := e.run(a.sender, a.calls)
	r := &Receipt{TxHash: a.hash, Success: err == nil, From: a.sender, To: *a.calls[0].to, FeePayer: a.payer, FeeToken: a.feeToken, ExpiringNonceHash: a.context}
	if rev := (*revert)(nil); errors.As(err, &rev) {
		r.RevertData = rev.data
	}
	if e.gas > a.gas { // out of gas: everything is taken back, and all of it paid
		s.rollback(mark)
		e.gas, e.logs = a.gas, nil
		r.Success, r.RevertData = false, nil
	}
	r.GasUsed, r.GasPrice = e.gas, a.price
	r.Fee, _ = feeOf(r.GasUsed, a.price)
	s.move(a.feeToken, FeeCollector, a.payer, reserved.SubFloor(r.Fee))
	e.emit(a.feeToken, []common.Hash{eventTransfer, topic(a.payer), topic(FeeCollector)}, words(r.Fee))
	s.commit()
	r.Logs = e.logs
	c.appendBlock(e.now, r)
	return r
}

// newEnv starts an execution in the block to be mined. The caller holds c.mu.
func (c *Chain) newEnv(context common.Hash) *env {
	return &env{cfg: &c.cfg, s: c.state, now: c.head().time, context: context}
}

// simulate runs calls and takes everything back. The caller holds c.mu.
func (c *Chain) simulate(from common.Address, calls []call, before func(*state)) (out []byte, gas uint64, err error) {
	// Any context that is not zero will do: it is the transaction's, which does not exist.
	e := c.newEnv(keccak([]byte("simulation"), c.head().hash[:], from[:]))
	if before != nil {
		before(c.state)
	}
	out, err = e.run(from, calls)
	c.state.rollback(0)
	return out, e.gas, err
}

// holdFee takes the fee for all of the gas away from the payer, for the time of a simulation.
func holdFee(payer, token common.Address, gas uint64, price *big.Int) func(*state) {
	return func(s *state) {
		if fee, err := feeOf(gas, price); err == nil && fee != (voucher.Amount{}) {
			s.move(token, payer, FeeCollector, fee)
		}
	}
}
