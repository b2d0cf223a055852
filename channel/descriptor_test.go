package channel_test

import (
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/vectors"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// TestChannelIDVectors: the ids that mppx computes.
func TestChannelIDVectors(t *testing.T) {
	type vector struct {
		ID, Payer, Payee, Operator, Token, Salt, AuthorizedSigner, ResolvedAuthorizedSigner string
		ExpiringNonceHash, Escrow, EscrowContract, ChannelID                                string
		ChainID                                                                             uint64
	}
	for file, protocol := range map[vectors.File]voucher.Protocol{
		vectors.ChannelIDV1: voucher.V1, vectors.ChannelIDV2: voucher.V2,
	} {
		for _, c := range vectors.Cases[vector](t, file) {
			d := channel.Descriptor{
				Payer: common.HexToAddress(c.Payer), Payee: common.HexToAddress(c.Payee),
				Operator: common.HexToAddress(c.Operator),
				Token:    common.HexToAddress(c.Token), Salt: common.HexToHash(c.Salt),
				AuthorizedSigner:  common.HexToAddress(c.AuthorizedSigner),
				ExpiringNonceHash: common.HexToHash(c.ExpiringNonceHash),
			}
			assert.Equal(
				t, common.HexToHash(c.ChannelID),
				d.ID(protocol, common.HexToAddress(c.Escrow+c.EscrowContract), c.ChainID), "%s %s",
				file, c.ID,
			)
			if c.ResolvedAuthorizedSigner != "" {
				assert.Equal(t, common.HexToAddress(c.ResolvedAuthorizedSigner), d.Signer(), c.ID)
			}
		}
	}
}

// TestEveryFieldChangesTheID: no two channels share a name.
func TestEveryFieldChangesTheID(t *testing.T) {
	base := channel.Descriptor{
		Payer: common.Address{1}, Payee: common.Address{2}, Operator: common.Address{3},
		Token: common.Address{4}, Salt: common.Hash{5}, AuthorizedSigner: common.Address{6},
		ExpiringNonceHash: common.Hash{7},
	}
	escrow := common.Address{8}
	id := base.ID(voucher.V2, escrow, 1)
	for name, change := range map[string]func(*channel.Descriptor){
		"payer":    func(d *channel.Descriptor) { d.Payer[19]++ },
		"payee":    func(d *channel.Descriptor) { d.Payee[19]++ },
		"operator": func(d *channel.Descriptor) { d.Operator[19]++ },
		"token":    func(d *channel.Descriptor) { d.Token[19]++ },
		"salt":     func(d *channel.Descriptor) { d.Salt[31]++ },
		"signer":   func(d *channel.Descriptor) { d.AuthorizedSigner[19]++ },
		"nonce":    func(d *channel.Descriptor) { d.ExpiringNonceHash[31]++ },
	} {
		d := base
		change(&d)
		assert.NotEqual(t, id, d.ID(voucher.V2, escrow, 1), name)
	}
	assert.NotEqual(t, id, base.ID(voucher.V2, common.Address{9}, 1), "escrow")
	assert.NotEqual(t, id, base.ID(voucher.V2, escrow, 2), "chain")
	assert.NotEqual(t, id, base.ID(voucher.V1, escrow, 1), "protocol")
}
