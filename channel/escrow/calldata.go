package escrow

import (
	"encoding/binary"
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Selectors: the first four bytes of the keccak256 of a function's signature. The tests derive them.
const (
	selApprove   uint32 = 0x095ea7b3 // approve(address,uint256)
	selBalanceOf uint32 = 0x70a08231 // balanceOf(address)
	selSymbol    uint32 = 0x95d89b41 // symbol()
	selDecimals  uint32 = 0x313ce567 // decimals()

	selOpenV1     uint32 = 0xc79ea485 // open(address,address,uint128,bytes32,address)
	selTopUpV1    uint32 = 0xb67644b9 // topUp(bytes32,uint256)
	selCloseV1    uint32 = 0x6bf5fe6f // requestClose(bytes32)
	selWithdrawV1 uint32 = 0x8e19899e // withdraw(bytes32)
	selChannelV1  uint32 = 0x831c2b82 // getChannel(bytes32)

	// The descriptor is (address,address,address,address,bytes32,address,bytes32).
	selOpenV2     uint32 = 0xedc53b00 // open(address,address,address,uint96,bytes32,address)
	selTopUpV2    uint32 = 0xdc48471e // topUp(descriptor,uint96)
	selCloseV2    uint32 = 0x675402e5 // requestClose(descriptor)
	selWithdrawV2 uint32 = 0x41e2c664 // withdraw(descriptor)
	selStateV2    uint32 = 0xd18da8b1 // getChannelState(bytes32)
)

// calldata is a selector and the 32-byte words of static arguments.
func calldata(selector uint32, args ...common.Hash) []byte {
	data := binary.BigEndian.AppendUint32(make([]byte, 0, 4+32*len(args)), selector)
	for _, w := range args {
		data = append(data, w[:]...)
	}
	return data
}

func word(a common.Address) common.Hash { return common.BytesToHash(a[:]) }

func approve(spender common.Address, amount voucher.Amount) []byte {
	return calldata(selApprove, word(spender), amount.Word())
}

// openCall opens the channel that d describes. A v1 escrow pulls the deposit on an allowance.
func openCall(p voucher.Protocol, d channel.Descriptor, deposit voucher.Amount) []byte {
	if p == voucher.V1 {
		return calldata(selOpenV1, word(d.Payee), word(d.Token), deposit.Word(), d.Salt, word(d.AuthorizedSigner))
	}
	return calldata(selOpenV2, word(d.Payee), word(d.Operator), word(d.Token), deposit.Word(), d.Salt, word(d.AuthorizedSigner))
}

// channelCall is a call on an open channel: v1 names it by its id, v2 by its descriptor. more follows.
func channelCall(p voucher.Protocol, v1, v2 uint32, d channel.Descriptor, id common.Hash, more ...common.Hash) []byte {
	if p == voucher.V1 {
		return calldata(v1, append([]common.Hash{id}, more...)...)
	}
	return calldata(v2, append([]common.Hash{
		word(d.Payer), word(d.Payee), word(d.Operator), word(d.Token), d.Salt, word(d.AuthorizedSigner), d.ExpiringNonceHash,
	}, more...)...)
}

func topUpCall(p voucher.Protocol, d channel.Descriptor, id common.Hash, more voucher.Amount) []byte {
	return channelCall(p, selTopUpV1, selTopUpV2, d, id, more.Word())
}

// stateCall reads what the escrow holds of a channel.
func stateCall(ref Ref) []byte {
	if ref.Protocol == voucher.V1 {
		return calldata(selChannelV1, ref.ChannelID)
	}
	return calldata(selStateV2, ref.ChannelID)
}

// decodeState reads the answer to stateCall.
func decodeState(p voucher.Protocol, answer []byte) (s State, err error) {
	r := &words{rest: answer}
	if p == voucher.V1 {
		s.Finalized = r.uint64(1) == 1
		s.CloseRequestedAt = r.uint64(^uint64(0))
		s.Payer, s.Payee, s.Token, s.Signer = r.address(), r.address(), r.address(), r.address()
		s.Deposit, s.Settled = r.amount(p.Max()), r.amount(p.Max())
	} else {
		s.Settled, s.Deposit = r.amount(p.Max()), r.amount(p.Max())
		s.CloseRequestedAt = r.uint64(1<<32 - 1)
	}
	if !r.done() || s.Deposit.Less(s.Settled) {
		return State{}, fmt.Errorf("%w: %d bytes are not the state of a %s channel: is there an escrow at this address?", ErrRPC, len(answer), p)
	}
	s.Exists = !s.Deposit.IsZero() && !s.Finalized
	return s, nil
}

// words reads 32-byte words off ABI data. What does not fit its type, and what is missing or left over,
// makes done false.
type words struct {
	rest []byte
	bad  bool
}

func (r *words) next() (w common.Hash) {
	if len(r.rest) < len(w) {
		r.bad = true
		return w
	}
	copy(w[:], r.rest)
	r.rest = r.rest[len(w):]
	return w
}

func (r *words) address() common.Address {
	w := r.next()
	a := common.BytesToAddress(w[12:])
	r.bad = r.bad || w != word(a)
	return a
}

func (r *words) amount(limit voucher.Amount) voucher.Amount {
	a, err := voucher.AmountFromBig(r.next().Big())
	r.bad = r.bad || err != nil || limit.Less(a)
	return a
}

func (r *words) uint64(limit uint64) uint64 {
	n, _ := r.amount(voucher.Units(limit)).Uint64()
	return n
}

func (r *words) done() bool { return !r.bad && len(r.rest) == 0 }
