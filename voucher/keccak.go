package voucher

import (
	"sync"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// hasher is a keccak256 state with buffers for its input and output. Without them each buffer would
// escape to the heap, because the state is an interface.
type hasher struct {
	state crypto.KeccakState
	in    [256]byte
	out   common.Hash
}

var hashers = sync.Pool{New: func() any { return &hasher{state: crypto.NewKeccakState()} }}

// sum returns the keccak256 of the first n bytes of h.in.
func (h *hasher) sum(n int) common.Hash {
	h.state.Reset()
	_, _ = h.state.Write(h.in[:n]) // never fails
	_, _ = h.state.Read(h.out[:])
	return h.out
}

// sumString returns the keccak256 of s. It copies s through h.in piece by piece.
func (h *hasher) sumString(s string) common.Hash {
	h.state.Reset()
	for len(s) > 0 {
		n := copy(h.in[:], s)
		_, _ = h.state.Write(h.in[:n])
		s = s[n:]
	}
	_, _ = h.state.Read(h.out[:])
	return h.out
}

// typed returns the EIP-712 digest: keccak256(0x19 || 0x01 || separator || struct hash).
func (h *hasher) typed(separator, structHash common.Hash) common.Hash {
	h.in[0], h.in[1] = 0x19, 0x01
	copy(h.in[2:], separator[:])
	copy(h.in[34:], structHash[:])
	return h.sum(66)
}
