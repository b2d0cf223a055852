package devchain

import (
	"crypto/ecdsa"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Call is one call of a transaction that [Chain.Send] makes.
type Call struct {
	To   common.Address
	Data []byte
}

// sendGas is the gas limit of transactions made here.
const sendGas = 3_000_000

// Send builds a transaction with an expiring nonce, signs it with the key and executes it. The key's
// account pays the fee in the chain's first token, so it needs some. Equal calls may be sent again at
// once: each transaction differs in its validAfter.
func (c *Chain) Send(key *ecdsa.PrivateKey, calls ...Call) (*Receipt, error) {
	c.mu.Lock()
	c.tick()
	c.sends++
	now, validAfter := c.head().time, c.sends
	c.mu.Unlock()
	feeToken := c.cfg.Tokens[0].Address
	price := rawUint(c.cfg.BaseFee)
	list := make([]rlp.RawValue, len(calls))
	for i, one := range calls {
		list[i] = rawList(rawString(one.To[:]), emptyString, rawString(one.Data))
	}
	fields := []rlp.RawValue{
		rawUint(c.cfg.ChainID), emptyString, price, rawUint(sendGas), rawList(list...), emptyList,
		rawNumber(expiringNonceKey.Big()), emptyString, rawUint(now + maxExpiry), rawUint(validAfter),
		rawString(feeToken[:]), emptyString, emptyList,
	}
	signature, err := sign(keccak(envelope(typeTempo, fields)), key)
	if err != nil {
		return nil, fmt.Errorf("devchain: sign: %w", err)
	}
	return c.SendRaw(envelope(typeTempo, append(fields, rawString(signature))))
}

// Transfer sends amount base units of a token from the key's account.
func (c *Chain) Transfer(key *ecdsa.PrivateKey, token, to common.Address, amount voucher.Amount) (*Receipt, error) {
	return c.Send(key, Call{token, append(selectorBytes("transfer(address,uint256)"), words(to, amount)...)})
}
