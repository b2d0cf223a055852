package devchain

import (
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/math"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// tip20Prefix begins the address of every TIP-20 token.
var tip20Prefix = [12]byte{0x20, 0xc0}

func isTIP20(a common.Address) bool { return [12]byte(a[:12]) == tip20Prefix }

// Events and errors of TIP-20 tokens.
var (
	eventTransfer = eventTopic("Transfer(address,address,uint256)")
	eventApproval = eventTopic("Approval(address,address,uint256)")

	errInsufficientBalance   = newError("InsufficientBalance(uint256,uint256,address)")
	errInsufficientAllowance = newError("InsufficientAllowance()")
	errInvalidRecipient      = newError("InvalidRecipient()")
)

// tokenMethod is one function of a token.
type tokenMethod func(e *env, token, from common.Address, a *args) ([]byte, error)

var tokenMethods = map[selector]tokenMethod{
	selectorOf("name()"): func(e *env, token, _ common.Address, _ *args) ([]byte, error) {
		return abiString(e.s.tokens[token].Name), nil
	},
	selectorOf("symbol()"): func(e *env, token, _ common.Address, _ *args) ([]byte, error) {
		return abiString(e.s.tokens[token].Symbol), nil
	},
	selectorOf("decimals()"): func(e *env, token, _ common.Address, _ *args) ([]byte, error) {
		return words(uint64(e.s.tokens[token].Decimals)), nil
	},
	selectorOf("totalSupply()"): func(e *env, token, _ common.Address, _ *args) ([]byte, error) {
		return words(e.s.supply[token]), nil
	},
	selectorOf("balanceOf(address)"):                    tokenBalanceOf,
	selectorOf("allowance(address,address)"):            tokenAllowance,
	selectorOf("approve(address,uint256)"):              tokenApprove,
	selectorOf("transfer(address,uint256)"):             tokenTransfer,
	selectorOf("transferFrom(address,address,uint256)"): tokenTransferFrom,
}

// abiString encodes a string result.
func abiString(s string) []byte { return append(words(uint64(32)), dynamicBytes([]byte(s))...) }

// tokenCall runs one call of a token.
func tokenCall(e *env, from, token common.Address, data []byte) ([]byte, error) {
	e.gas += gasReadOnly
	if len(data) < 4 {
		return nil, errBadCalldata
	}
	run, ok := tokenMethods[selector(data[:4])]
	if !ok {
		return nil, refuseSelector(data)
	}
	return run(e, token, from, &args{data: data[4:]})
}

func tokenBalanceOf(e *env, token, _ common.Address, a *args) ([]byte, error) {
	owner := a.address()
	if a.bad {
		return nil, errBadCalldata
	}
	return words(e.s.balances[holding{token, owner}]), nil
}

func tokenAllowance(e *env, token, _ common.Address, a *args) ([]byte, error) {
	owner, spender := a.address(), a.address()
	if a.bad {
		return nil, errBadCalldata
	}
	return words(e.s.allowance(grant{token, owner, spender})), nil
}

// allowance is what the spender may still take.
func (s *state) allowance(g grant) *big.Int {
	if n := s.allowances[g]; n != nil {
		return n
	}
	return new(big.Int)
}

func tokenApprove(e *env, token, from common.Address, a *args) ([]byte, error) {
	spender, amount := a.address(), a.number()
	if a.bad {
		return nil, errBadCalldata
	}
	g := grant{token, from, spender}
	e.gas += gasToken
	if e.s.allowance(g).Sign() == 0 && amount.Sign() != 0 {
		e.gas += gasNewSlot
	}
	put(e.s, e.s.allowances, g, amount)
	e.emit(token, []common.Hash{eventApproval, topic(from), topic(spender)}, words(amount))
	return words(true), nil
}

func tokenTransfer(e *env, token, from common.Address, a *args) ([]byte, error) {
	to, amount := a.address(), a.number()
	if a.bad {
		return nil, errBadCalldata
	}
	return words(true), e.transfer(token, from, to, amount)
}

func tokenTransferFrom(e *env, token, from common.Address, a *args) ([]byte, error) {
	owner, to, amount := a.address(), a.address(), a.number()
	if a.bad {
		return nil, errBadCalldata
	}
	return words(true), e.transferFrom(token, from, owner, to, amount)
}

// transferFrom transfers on the owner's allowance to the spender. The largest allowance is never used
// up.
func (e *env) transferFrom(token, spender, owner, to common.Address, amount *big.Int) error {
	g := grant{token, owner, spender}
	allowed := e.s.allowance(g)
	if allowed.Cmp(amount) < 0 {
		return revertWith(errInsufficientAllowance)
	}
	if allowed.Cmp(math.MaxBig256) != 0 {
		put(e.s, e.s.allowances, g, new(big.Int).Sub(allowed, amount))
	}
	return e.transfer(token, owner, to, amount)
}

// transfer moves tokens and says so in a log.
func (e *env) transfer(token, from, to common.Address, amount *big.Int) error {
	if to == (common.Address{}) || isTIP20(to) {
		return revertWith(errInvalidRecipient)
	}
	e.gas += gasToken
	if e.s.balances[holding{token, to}].IsZero() {
		e.gas += gasNewSlot
	}
	units, err := voucher.AmountFromBig(amount)
	if err != nil || !e.s.move(token, from, to, units) {
		return revertWith(errInsufficientBalance, e.s.balances[holding{token, from}], amount, token)
	}
	e.emit(token, []common.Hash{eventTransfer, topic(from), topic(to)}, words(units))
	return nil
}
