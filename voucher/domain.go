package voucher

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// ErrDomain means that the typed data belongs to no known protocol (a nil or zero [Domain], or one made
// with a protocol that is neither [V1] nor [V2]). Nothing is signed or accepted under it.
var ErrDomain = errors.New("voucher: no domain to sign under: make one with NewDomain and V1 or V2")

// The parts of the typed data that never change (EIP-712; the names and types are those of
// draft-tempo-session-00 for v1 and of TIP-1034 for v2).
var (
	domainType     = hashOf("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
	domainVersion  = hashOf("1")
	domainNames    = [...]common.Hash{V1: hashOf("Tempo Stream Channel"), V2: hashOf("TIP20 Channel Reserve")}
	voucherStructs = [...]common.Hash{
		V1: hashOf("Voucher(bytes32 channelId,uint128 cumulativeAmount)"),
		V2: hashOf("Voucher(bytes32 channelId,uint96 cumulativeAmount)"),
	}
)

func hashOf(s string) common.Hash { return crypto.Keccak256Hash([]byte(s)) }

// Domain is the EIP-712 domain of one escrow on one chain: a voucher signed under it means nothing to
// any other escrow or chain. It is immutable and safe for concurrent use; make one with [NewDomain]
// and keep it. The zero value is no domain: nothing can be signed under it.
type Domain struct {
	protocol  Protocol
	chainID   uint64
	escrow    common.Address
	separator common.Hash
}

// NewDomain returns the domain of the escrow (v1: the escrow contract, v2: the channel reserve
// precompile) on the chain. Where p is neither [V1] nor [V2] it is a domain that signs nothing: the
// signers and [Verify] answer [ErrDomain].
func NewDomain(p Protocol, chainID uint64, escrow common.Address) *Domain {
	d := &Domain{protocol: p, chainID: chainID, escrow: escrow}
	if d.known() {
		var w [5 * 32]byte
		copy(w[0:], domainType[:])
		copy(w[32:], domainNames[p][:])
		copy(w[64:], domainVersion[:])
		binary.BigEndian.PutUint64(w[120:], chainID)
		copy(w[140:], escrow[:])
		d.separator = crypto.Keccak256Hash(w[:])
	}
	return d
}

// Protocol is the protocol that the domain's vouchers belong to.
func (d *Domain) Protocol() Protocol { return d.protocol }

// ChainID is the chain that the escrow lives on.
func (d *Domain) ChainID() uint64 { return d.chainID }

// Escrow is the contract or precompile that redeems the vouchers.
func (d *Domain) Escrow() common.Address { return d.escrow }

// Separator is the EIP-712 domain separator.
func (d *Domain) Separator() common.Hash { return d.separator }

// Digest is the hash that signs v under d (EIP-712). It does not allocate and is safe for concurrent
// use. It is the zero hash where d is no domain. It does not look at the amount: the signers of this
// package refuse one above [Protocol.Max], and so must any other.
func (d *Domain) Digest(v Voucher) common.Hash {
	if !d.known() {
		return common.Hash{}
	}
	h := hashers.Get().(*hasher)
	defer hashers.Put(h)
	amount := v.Cumulative.Word()
	copy(h.in[0:], voucherStructs[d.protocol][:])
	copy(h.in[32:], v.ChannelID[:])
	copy(h.in[64:], amount[:])
	return h.typed(d.separator, h.sum(96))
}

func (d *Domain) known() bool { return d != nil && (d.protocol == V1 || d.protocol == V2) }

// check refuses what no escrow could redeem.
func (d *Domain) check(v Voucher) error {
	if !d.known() {
		return ErrDomain
	}
	if top := d.protocol.Max(); top.Less(v.Cumulative) {
		return fmt.Errorf("%w: cumulative amount %s is above %s, the most that %s counts", ErrAmountRange, v.Cumulative, top, d.protocol)
	}
	return nil
}
