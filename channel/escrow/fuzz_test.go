package escrow_test

import (
	"encoding/binary"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// FuzzDecodeState: what a node answers for a channel's state is read only where it says nothing else, and never
// shows more settled than deposited.
func FuzzDecodeState(f *testing.F) {
	word := func(n byte) []byte { return common.Hash{31: n}.Bytes() }
	var v1, v2 []byte
	for n := range byte(8) {
		v1 = append(v1, word(1-min(n, 1))...)
		if n < 3 {
			v2 = append(v2, word(n)...)
		}
	}
	f.Add(true, v1)
	f.Add(false, v2)
	f.Add(false, append(word(0), append(word(0), word(0)...)...))
	f.Add(false, append(v2, 0))
	f.Fuzz(func(t *testing.T, first bool, answer []byte) {
		p := voucher.V2
		if first {
			p = voucher.V1
		}
		s, err := escrow.DecodeState(p, answer)
		if err != nil {
			require.ErrorIs(t, err, escrow.ErrRPC)
			require.Zero(t, s)
			return
		}
		require.False(t, s.Deposit.Less(s.Settled))
		require.Equal(t, s.Exists, !s.Deposit.IsZero() && !s.Finalized)
		var again []byte
		words := []common.Hash{s.Settled.Word(), s.Deposit.Word(), number(s.CloseRequestedAt)}
		if first {
			finalized := uint64(0)
			if s.Finalized {
				finalized = 1
			}
			words = []common.Hash{
				number(finalized), number(s.CloseRequestedAt), common.BytesToHash(s.Payer[:]), common.BytesToHash(s.Payee[:]),
				common.BytesToHash(s.Token[:]), common.BytesToHash(s.Signer[:]), s.Deposit.Word(), s.Settled.Word(),
			}
		}
		for _, w := range words {
			again = append(again, w[:]...)
		}
		require.Equal(t, answer, again)
	})
}

func number(n uint64) (w common.Hash) {
	binary.BigEndian.PutUint64(w[24:], n)
	return w
}

// FuzzRevert: whatever bytes a node gives as the reason of a revert, they make a text, and not a long one.
func FuzzRevert(f *testing.F) {
	f.Add("execution reverted: no", []byte{})
	f.Add("execution reverted", common.FromHex("0x08c379a0"+
		"0000000000000000000000000000000000000000000000000000000000000020"+"0000000000000000000000000000000000000000000000000000000000000002"+
		"6e6f000000000000000000000000000000000000000000000000000000000000"))
	f.Add("", common.FromHex("0x82b42900"))
	f.Fuzz(func(t *testing.T, message string, data []byte) {
		text := escrow.Reason(message, data)
		require.LessOrEqual(t, len(text), len(message)+len(data)+20)
	})
}
