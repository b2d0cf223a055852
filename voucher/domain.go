package voucher

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// ErrDomain means that a [Domain] is nil, zero, or made for a protocol other than [V1] and [V2].
// Nothing is signed or accepted under it.
var ErrDomain = errors.New("voucher: not a usable domain: create it with NewDomain and V1 or V2")

// The parts of the typed data that never change (EIP-712; the names and types are those of
// draft-tempo-session-00 for v1 and of TIP-1034 for v2).
var (
	domainType = hashOf(
		"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)",
	)
	domainVersion = hashOf("1")
	domainNames   = [...]common.Hash{
		V1: hashOf("Tempo Stream Channel"),
		V2: hashOf("TIP20 Channel Reserve"),
	}
	voucherStructs = [...]common.Hash{
		V1: hashOf("Voucher(bytes32 channelId,uint128 cumulativeAmount)"),
		V2: hashOf("Voucher(bytes32 channelId,uint96 cumulativeAmount)"),
	}
)

func hashOf(s string) common.Hash { return crypto.Keccak256Hash([]byte(s)) }

// Domain is the EIP-712 domain of one escrow on one chain. A voucher that is signed under it is
// invalid at any other escrow or chain. A Domain is immutable and safe for concurrent use. Create
// it once with [NewDomain] and keep it. Nothing can be signed under the zero value.
type Domain struct {
	protocol  Protocol
	chainID   uint64
	escrow    common.Address
	separator common.Hash
}

// NewDomain returns the domain of the escrow (v1: the escrow contract, v2: the channel reserve
// precompile) on the chain. If p is neither [V1] nor [V2], the signers and [Verify] return
// [ErrDomain] for the result.
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

// Protocol returns the protocol of the domain's vouchers.
func (d *Domain) Protocol() Protocol { return d.protocol }

// ChainID returns the chain of the escrow.
func (d *Domain) ChainID() uint64 { return d.chainID }

// Escrow returns the contract or precompile that redeems the vouchers.
func (d *Domain) Escrow() common.Address { return d.escrow }

// Separator returns the EIP-712 domain separator.
func (d *Domain) Separator() common.Hash { return d.separator }

// Digest returns the EIP-712 hash of v under d, which a signer signs. It returns the zero hash if d
// is not usable. It does not check the amount; every signer must refuse one above [Protocol.Max],
// as those of this package do. It does not allocate.
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

// check returns an error for a voucher that no escrow could redeem.
func (d *Domain) check(v Voucher) error {
	if !d.known() {
		return ErrDomain
	}
	if top := d.protocol.Max(); top.Less(v.Cumulative) {
		return fmt.Errorf(
			"%w: cumulative amount %s is above %s base units, the maximum of %s", ErrAmountRange,
			v.Cumulative, top, d.protocol,
		)
	}
	return nil
}
