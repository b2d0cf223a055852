package devchain

import (
	"fmt"
	"math/big"
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// holding names one account's balance of one token.
type holding struct{ token, owner common.Address }

// grant names what one account may take of another's tokens.
type grant struct{ token, owner, spender common.Address }

// nonceOf names one of an account's nonces (TIP-1009: key 0 is the account's own, others run beside it).
type nonceOf struct {
	account common.Address
	key     common.Hash
}

// state is everything that a transaction can change. Its owner is a Chain, whose mutex guards it.
type state struct {
	tokens     map[common.Address]Token
	supply     map[common.Address]voucher.Amount
	accessKeys map[[2]common.Address]bool

	// These change inside transactions, by put only.
	balances   map[holding]voucher.Amount
	allowances map[grant]*big.Int
	nonces     map[nonceOf]uint64
	seen       map[common.Hash]uint64 // expiring nonce hash to its validBefore
	reserve    map[common.Hash]reserveChannel
	streams    map[common.Hash]streamChannel

	undo []change // those since the last commit
	done []change // those that are committed and belong to no block yet
}

func newState() *state {
	return &state{
		tokens:     map[common.Address]Token{},
		supply:     map[common.Address]voucher.Amount{},
		accessKeys: map[[2]common.Address]bool{},
		balances:   map[holding]voucher.Amount{},
		allowances: map[grant]*big.Int{},
		nonces:     map[nonceOf]uint64{},
		seen:       map[common.Hash]uint64{},
		reserve:    map[common.Hash]reserveChannel{},
		streams:    map[common.Hash]streamChannel{},
	}
}

// change is one entry of one map that became another.
type change interface {
	undo()
	redo()
}

// entry is the change of m[k].
type entry[K comparable, V any] struct {
	m        map[K]V
	k        K
	old, new V
	had, has bool // false: there was no such entry, there is none any more
}

func (e *entry[K, V]) undo() { e.set(e.old, e.had) }
func (e *entry[K, V]) redo() { e.set(e.new, e.has) }

func (e *entry[K, V]) set(v V, there bool) {
	if there {
		e.m[e.k] = v
	} else {
		delete(e.m, e.k)
	}
}

// put sets m[k] so that it can be taken back.
func put[K comparable, V any](s *state, m map[K]V, k K, v V) {
	old, had := m[k]
	s.undo = append(s.undo, &entry[K, V]{m: m, k: k, old: old, had: had, new: v, has: true})
	m[k] = v
}

// drop deletes m[k] so that it can be taken back.
func drop[K comparable, V any](s *state, m map[K]V, k K) {
	if old, had := m[k]; had {
		s.undo = append(s.undo, &entry[K, V]{m: m, k: k, old: old, had: true})
		delete(m, k)
	}
}

// mark is a point to which rollback returns.
func (s *state) mark() int { return len(s.undo) }

// rollback takes back all changes since the mark.
func (s *state) rollback(mark int) {
	undo(s.undo[mark:])
	s.undo = s.undo[:mark]
}

// undo takes changes back, from the end.
func undo(changes []change) {
	for _, one := range slices.Backward(changes) {
		one.undo()
	}
}

// redo makes them again.
func redo(changes []change) {
	for _, one := range changes {
		one.redo()
	}
}

// commit makes the changes final. They wait for the block that keeps them.
func (s *state) commit() {
	s.done = append(s.done, s.undo...)
	s.undo = s.undo[:0]
}

// move transfers base units. It reports false, and does nothing, when from has less.
func (s *state) move(token, from, to common.Address, amount voucher.Amount) bool {
	source, target := holding{token, from}, holding{token, to}
	left, err := s.balances[source].Sub(amount)
	if err != nil {
		return false
	}
	put(s, s.balances, source, left)
	more, _ := s.balances[target].Add(amount) // cannot overflow: the supply does not
	put(s, s.balances, target, more)
	return true
}

// check is [Chain.CheckSupply].
func (s *state) check(streamChannel common.Address) error {
	total := map[common.Address]voucher.Amount{}
	for h, amount := range s.balances {
		total[h.token] = total[h.token].AddCapped(amount)
	}
	owed := map[holding]voucher.Amount{}
	for _, ch := range s.reserve {
		at := holding{ch.token, ReserveAddress}
		owed[at] = owed[at].AddCapped(ch.deposit.SubFloor(ch.settled))
	}
	for _, ch := range s.streams {
		at := holding{ch.token, streamChannel}
		owed[at] = owed[at].AddCapped(ch.deposit.SubFloor(ch.settled))
	}
	for token, minted := range s.supply {
		if total[token] != minted {
			return fmt.Errorf("devchain: token %s: %s minted, but the balances add up to %s", token, minted, total[token])
		}
	}
	for at, amount := range owed {
		// More is possible: anybody may transfer tokens to an escrow, and they are lost there.
		if s.balances[at].Less(amount) {
			return fmt.Errorf("devchain: escrow %s holds %s of token %s but owes %s", at.owner, s.balances[at], at.token, amount)
		}
	}
	return nil
}
