package devchain

import (
	"encoding/binary"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// blockGasLimit is the gas that one block, and so one transaction, may use.
const blockGasLimit = 500_000_000

// block is one block: empty, or with exactly one transaction.
type block struct {
	number, time uint64
	hash, parent common.Hash
	receipt      *Receipt // nil in an empty block
	raw          []byte   // the transaction
	changes      []change // what it and the mints behind it did to the state
	mints        []mint   // made while this block was the newest
}

// Receipt says what became of a transaction that was mined. It must not be changed.
type Receipt struct {
	TxHash, BlockHash common.Hash
	BlockNumber       uint64
	// Success is false for a transaction that was reverted: its calls did nothing, its fee was paid.
	Success bool
	// From is the sender (the root account of an access key), FeePayer who paid Fee in FeeToken.
	From, FeePayer, FeeToken common.Address
	// To is the target of the first call.
	To common.Address
	// ExpiringNonceHash is the transaction's replay id, of which v2 channel ids are made.
	ExpiringNonceHash common.Hash
	// GasUsed at GasPrice attodollars each makes Fee, in base units, rounded up.
	GasUsed  uint64
	GasPrice *big.Int
	Fee      voucher.Amount
	// Logs are in order; the last is the fee's transfer.
	Logs []*types.Log
	// RevertData is what the failed call returned. Nil after success, and empty when the gas ran out.
	RevertData []byte
}

// RevertReason is the signature of the custom error that the transaction was reverted with, such as
// "ZeroDeposit()". It is empty after success and for errors without a name.
func (r *Receipt) RevertReason() string { return errorName(r.RevertData) }

// head is the newest block. The caller holds c.mu.
func (c *Chain) head() *block { return c.blocks[len(c.blocks)-1] }

// keptStates is how many blocks back the state can be read.
const keptStates = 1024

// keep takes what was committed.
func (b *block) keep(s *state) {
	b.changes = append(b.changes, s.done...)
	s.done = s.done[:0]
}

// appendBlock mines a block with the transaction of r, or an empty one. Its hash is made of its
// number, parent, time, branch and transaction. The caller holds c.mu.
func (c *Chain) appendBlock(now uint64, r *Receipt) {
	b := &block{number: uint64(len(c.blocks)), time: now, receipt: r}
	if b.number > 0 {
		b.parent = c.head().hash
	}
	var seed [32]byte
	binary.BigEndian.PutUint64(seed[0:], c.cfg.ChainID)
	binary.BigEndian.PutUint64(seed[8:], b.number)
	binary.BigEndian.PutUint64(seed[16:], b.time)
	binary.BigEndian.PutUint64(seed[24:], c.branch)
	var tx common.Hash
	if r != nil {
		tx = r.TxHash
	}
	b.hash = crypto.Keccak256Hash(seed[:], b.parent[:], tx[:])
	c.blocks = append(c.blocks, b)
	b.keep(c.state)
	if b.number > keptStates {
		c.blocks[b.number-keptStates].changes = nil
	}
	if r == nil {
		return
	}
	r.BlockHash, r.BlockNumber = b.hash, b.number
	for i, l := range r.Logs {
		l.BlockHash, l.BlockNumber, l.BlockTimestamp, l.TxHash, l.Index = b.hash, b.number, b.time, r.TxHash, uint(i)
	}
	c.sent[r.TxHash] = r
}
