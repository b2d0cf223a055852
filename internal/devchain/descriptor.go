package devchain

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Descriptor is what a channel is made of (TIP-1034). Its fields are those of channel.Descriptor, so
// that either converts to the other. A v1 channel has no operator and no expiring nonce hash.
type Descriptor struct {
	Payer             common.Address
	Payee             common.Address
	Operator          common.Address
	Token             common.Address
	Salt              common.Hash
	AuthorizedSigner  common.Address
	ExpiringNonceHash common.Hash
}

// signer is who signs the channel's vouchers.
func (d Descriptor) signer() common.Address {
	if d.AuthorizedSigner == (common.Address{}) {
		return d.Payer
	}
	return d.AuthorizedSigner
}

// words encodes the descriptor as the tuple that the reserve takes.
func (d Descriptor) words() []byte {
	return words(d.Payer, d.Payee, d.Operator, d.Token, d.Salt, d.AuthorizedSigner, d.ExpiringNonceHash)
}

// descriptor reads that tuple, which is static and therefore in line.
func (a *args) descriptor() Descriptor {
	return Descriptor{
		Payer: a.address(), Payee: a.address(), Operator: a.address(), Token: a.address(),
		Salt: a.hash(), AuthorizedSigner: a.address(), ExpiringNonceHash: a.hash(),
	}
}

// ChannelID is the id that the chain's escrow of the protocol gives the channel.
func (c *Chain) ChannelID(p voucher.Protocol, d Descriptor) common.Hash {
	if p == voucher.V1 {
		return streamID(&c.cfg, d)
	}
	return reserveID(c.cfg.ChainID, d)
}

// reserveID is the id of a v2 channel.
func reserveID(chainID uint64, d Descriptor) common.Hash {
	return crypto.Keccak256Hash(d.words(), words(ReserveAddress, chainID))
}

// streamID is the id of a v1 channel.
func streamID(cfg *Config, d Descriptor) common.Hash {
	return crypto.Keccak256Hash(words(d.Payer, d.Payee, d.Token, d.Salt, d.AuthorizedSigner, cfg.StreamChannel, cfg.ChainID))
}
