package escrow

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Opened describes a channel as the escrow's log of its opening shows it, with all that a close
// needs.
type Opened struct {
	// Ref identifies the channel. Descriptor hashes to its id.
	Ref
	Descriptor channel.Descriptor
	// Deposit is the first deposit, in base units, without top-ups.
	Deposit voucher.Amount
	// Block is the block of the log, TxHash the transaction.
	Block  uint64
	TxHash common.Hash
}

// The events of an opening (TIP-1034, and the Tempo Stream Channel contract). The channel's id, its payer and its payee
// are indexed.
var (
	openedV1 = crypto.Keccak256Hash([]byte("ChannelOpened(bytes32,address,address,address,address,bytes32,uint256)"))
	openedV2 = crypto.Keccak256Hash([]byte("ChannelOpened(bytes32,address,address,address,address,address,bytes32,bytes32,uint96)"))
)

// The events of a close, by the payee or by a withdrawal. The channel's id, its payer and its payee are indexed.
var (
	closedV1 = crypto.Keccak256Hash([]byte("ChannelClosed(bytes32,address,address,uint256,uint256)"))
	closedV2 = crypto.Keccak256Hash([]byte("ChannelClosed(bytes32,address,address,uint96,uint96)"))
)

func closedTopic(p voucher.Protocol) common.Hash {
	if p == voucher.V1 {
		return closedV1
	}
	return closedV2
}

// emitter is the protocol whose opening or close has this topic, and its escrow; zero where it was not asked for.
func (s Search) emitter(topic common.Hash) (voucher.Protocol, common.Address) {
	switch topic {
	case openedV1, closedV1:
		return voucher.V1, s.V1
	case openedV2, closedV2:
		return voucher.V2, s.V2
	default:
		return 0, common.Address{}
	}
}

// openedLog is a log as nodes have it.
type openedLog struct {
	Address common.Address  `json:"address"`
	Topics  []common.Hash   `json:"topics"`
	Data    hexutil.Bytes   `json:"data"`
	Block   *hexutil.Uint64 `json:"blockNumber"`
	TxHash  common.Hash     `json:"transactionHash"`
	Removed bool            `json:"removed"`
}

// opened reads the log, if it is one that was asked for and of a channel that hashes to its id.
func (l openedLog) opened(s Search, from, to uint64) (o Opened, ok bool) {
	if len(l.Topics) != 4 || uint64(*l.Block) < from || uint64(*l.Block) > to {
		return Opened{}, false
	}
	p, at := s.emitter(l.Topics[0])
	if at == (common.Address{}) || at != l.Address || l.Topics[0] == closedTopic(p) {
		return Opened{}, false
	}
	parties := &words{rest: append(append([]byte{}, l.Topics[2][:]...), l.Topics[3][:]...)}
	d := channel.Descriptor{Payer: parties.address(), Payee: parties.address()}
	r := &words{rest: l.Data}
	if p == voucher.V2 {
		d.Operator = r.address()
	}
	d.Token, d.AuthorizedSigner, d.Salt = r.address(), r.address(), r.next()
	if p == voucher.V2 {
		d.ExpiringNonceHash = r.next()
	}
	deposit := r.amount(p.Max())
	if !r.done() || !parties.done() || d.Payer != s.Payer || d.ID(p, l.Address, s.ChainID) != l.Topics[1] {
		return Opened{}, false
	}
	return Opened{
		Ref: Ref{Protocol: p, ChainID: s.ChainID, Escrow: l.Address, ChannelID: l.Topics[1]}, Descriptor: d,
		Deposit: deposit, Block: uint64(*l.Block), TxHash: l.TxHash,
	}, true
}

// closed returns the channel whose close the log is of, if it is one of the payer's.
func (l openedLog) closed(s Search, from, to uint64) (id common.Hash, ok bool) {
	if len(l.Topics) != 4 || uint64(*l.Block) < from || uint64(*l.Block) > to {
		return id, false
	}
	p, at := s.emitter(l.Topics[0])
	if at == (common.Address{}) || at != l.Address || l.Topics[0] != closedTopic(p) || l.Topics[2] != word(s.Payer) {
		return id, false
	}
	return l.Topics[1], true
}
