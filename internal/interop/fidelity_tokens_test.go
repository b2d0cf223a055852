package interop

import (
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"

	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/internal/devchain"
)

// tokens are transfers, allowances, and transactions of several calls.
func (p *pair) tokens() {
	to, me := address(p.payee), address(p.payer)
	assert.True(p.t, p.do("transfer", p.payer, onToken("transfer(address,uint256)", to, uint64(5))))
	assert.True(p.t, p.do("transfer of nothing", p.payer, onToken("transfer(address,uint256)", to, uint64(0))))
	assert.True(p.t, p.do("transfer to oneself", p.payer, onToken("transfer(address,uint256)", me, uint64(5))))
	p.would("InsufficientBalance(uint256,uint256,address)", "transfer above the balance", p.stranger, onToken("transfer(address,uint256)", to, uint64(2*funds)))
	p.would("InvalidRecipient()", "transfer to nobody", p.payer, onToken("transfer(address,uint256)", common.Address{}, uint64(1)))
	p.would("InvalidRecipient()", "transfer to a token", p.payer, onToken("transfer(address,uint256)", devchain.PathUSD, uint64(1)))
	p.would("InsufficientAllowance()", "transferFrom without allowance", p.stranger, onToken("transferFrom(address,address,uint256)", me, to, uint64(1)))
	assert.True(p.t, p.do("approve", p.payer, onToken("approve(address,uint256)", address(p.stranger), uint64(7))))
	assert.True(p.t, p.do("transferFrom", p.stranger, onToken("transferFrom(address,address,uint256)", me, to, uint64(4))))
	p.view("allowance", p.payer, onToken("allowance(address,address)", me, address(p.stranger)))
	assert.True(p.t, p.do("approve without end", p.payer, onToken("approve(address,uint256)", address(p.stranger), new(big.Int).SetBytes(common.MaxHash[:]))))
	assert.True(p.t, p.do("transferFrom without end", p.stranger, onToken("transferFrom(address,address,uint256)", me, to, uint64(4))))
	p.view("allowance without end", p.payer, onToken("allowance(address,address)", me, address(p.stranger)))
	assert.True(p.t, p.do("two calls", p.payer, onToken("transfer(address,uint256)", to, uint64(1)), onToken("transfer(address,uint256)", to, uint64(2))))
	assert.False(p.t, p.do("two calls, the second fails", p.payer, onToken("transfer(address,uint256)", to, uint64(1)), onToken("transfer(address,uint256)", to, uint64(2*funds))))
	assert.True(p.t, p.do("a call to nobody", p.payer, escrow.Call{To: &to, Data: []byte{1, 2, 3, 4}}))
	for _, v := range []string{"decimals()", "name()", "symbol()", "currency()"} {
		p.view(v, p.payer, onToken(v))
	}
	p.would("UnknownFunctionSelector(bytes4)", "a function that is not there", p.payer, onToken("nothing()"))
	p.view("a selector cut short", p.payer, escrow.Call{To: &devchain.PathUSD, Data: []byte{1, 2}})
	p.view("arguments cut short", p.payer, escrow.Call{To: &devchain.PathUSD, Data: pack("transfer(address,uint256)", to)})
	dirty := pack("transfer(address,uint256)", to, uint64(1))
	dirty[4] = 1
	p.view("an address with dirty upper bits", p.payer, escrow.Call{To: &devchain.PathUSD, Data: dirty})
	p.view("bytes behind the arguments", p.payer, escrow.Call{To: &devchain.PathUSD, Data: append(pack("transfer(address,uint256)", to, uint64(1)), 9)})
}
