package interop

import (
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
)

// purses are what a payer, a payee and the escrow held at a block.
type purses struct {
	chain                *node
	payer, payee, escrow common.Address
	block                uint64
	money, payees, theEs uint64
}

func (n *node) purses(t testing.TB, payer, payee, escrow common.Address) purses {
	t.Helper()
	return purses{
		chain: n, payer: payer, payee: payee, escrow: escrow, block: n.height(t),
		money: n.balance(t, payer), payees: n.balance(t, payee), theEs: n.balance(t, escrow),
	}
}

// moved is what a payer's channels moved over the escrow, in base units.
type moved struct{ deposited, captured, refunded uint64 }

// audit explains what all three hold now by the chain's logs since then.
func (p purses) audit(t testing.TB, want moved, sponsored bool) {
	t.Helper()
	mine := p.chain.flows(t, p.block, p.payer, p.escrow)
	theirs := p.chain.flows(t, p.block, p.payee, p.escrow)
	assert.Equal(t, want, moved{mine.toEscrow, theirs.fromEscrow, mine.fromEscrow})
	assert.Zero(t, mine.rest)
	if sponsored {
		assert.Zero(t, mine.fees, "the sponsor pays")
	} else {
		assert.NotZero(t, mine.fees)
	}
	assert.Equal(t, p.money-want.deposited+want.refunded-mine.fees, p.chain.balance(t, p.payer), "payer")
	assert.Equal(t, p.payees+want.captured+theirs.rest-theirs.fees, p.chain.balance(t, p.payee), "payee")
	assert.Equal(t, p.theEs+want.deposited-want.captured-want.refunded, p.chain.balance(t, p.escrow), "escrow")
}
