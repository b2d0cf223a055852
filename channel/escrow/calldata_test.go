package escrow_test

import (
	"encoding/binary"
	"encoding/json"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/internal/vectors"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

func TestSelectors(t *testing.T) {
	for signature, selector := range escrow.Selectors {
		assert.Equal(t, binary.BigEndian.Uint32(crypto.Keccak256([]byte(signature))), selector, signature)
	}
}

type callArgs struct {
	Payee, Operator, Token, AuthorizedSigner, Spender common.Address
	Deposit, AdditionalDeposit, Amount                voucher.Amount
	Salt, ChannelID                                   common.Hash
	Descriptor                                        channel.Descriptor
}

func TestCalldataVectors(t *testing.T) {
	type callCase struct {
		ID, Version, Function, Signature string
		Args                             json.RawMessage
		Data                             hexutil.Bytes
	}
	ours := 0
	for _, c := range vectors.Cases[callCase](t, vectors.Calldata) {
		selector, known := escrow.Selectors[c.Signature]
		if !known {
			continue // settle, close and the like are the payee's
		}
		ours++
		var a callArgs
		if err := json.Unmarshal(c.Args, &a); err != nil { // v1 takes uint256; amounts above uint128 are none of ours
			require.ErrorIs(t, err, voucher.ErrAmountSyntax, c.ID)
			require.Contains(t, []string{"approve", "topUp"}, c.Function)
			assert.Contains(t, escrow.Call{To: &escrow.PathUSD, Data: c.Data}.String(), "UNKNOWN")
			continue
		}
		p := voucher.V1
		if c.Version == "v2" {
			p = voucher.V2
		}
		var got []byte
		switch c.Function {
		case "approve":
			got = escrow.Approve(a.Spender, a.Amount)
		case "open":
			d := channel.Descriptor{Payee: a.Payee, Operator: a.Operator, Token: a.Token, Salt: a.Salt, AuthorizedSigner: a.AuthorizedSigner}
			got = escrow.OpenCall(p, d, a.Deposit)
		case "topUp":
			got = escrow.ChannelCall(p, selector, selector, a.Descriptor, a.ChannelID, a.AdditionalDeposit.Word())
		case "getChannel", "getChannelState":
			got = escrow.StateCall(escrow.Ref{Protocol: p, ChannelID: a.ChannelID})
		default:
			got = escrow.ChannelCall(p, selector, selector, a.Descriptor, a.ChannelID)
		}
		assert.Equal(t, c.Data, hexutil.Bytes(got), c.ID+" "+c.Signature)
		if strings.HasPrefix(c.Function, "get") {
			continue
		}
		to := common.HexToAddress("0x5555")
		call := escrow.Call{To: &to, Data: c.Data}
		assert.NotContains(t, call.String(), "UNKNOWN", c.ID)
		for _, amount := range []voucher.Amount{a.Deposit, a.AdditionalDeposit, a.Amount} {
			if !amount.IsZero() {
				assert.Contains(t, call.String(), amount.String()+" base units", c.ID)
			}
		}
		call.Data = append(call.Data, make([]byte, 32)...)
		assert.Contains(t, call.String(), "UNKNOWN", c.ID+": with more behind")
		call.Data = append([]byte{}, c.Data[:len(c.Data)-1]...)
		assert.Contains(t, call.String(), "UNKNOWN", c.ID+": cut")
		if c.Function == "open" || c.Function == "approve" {
			call.Data = append([]byte{}, c.Data...)
			call.Data[4] = 1 // dirty bits above an address
			assert.Contains(t, call.String(), "UNKNOWN", c.ID+": dirty")
		}
	}
	assert.GreaterOrEqual(t, ours, 20)
}

func TestDefaults(t *testing.T) {
	for _, c := range []struct {
		p             voucher.Protocol
		chain         uint64
		escrow, token string
	}{
		{voucher.V2, escrow.Mainnet, "0x4d50500000000000000000000000000000000000", "0x20C000000000000000000000b9537d11c60E8b50"},
		{voucher.V2, escrow.Moderato, "0x4d50500000000000000000000000000000000000", "0x20c0000000000000000000000000000000000000"},
		{voucher.V2, 5, "0x4d50500000000000000000000000000000000000", ""},
		{voucher.V1, escrow.Mainnet, "0x33b901018174DDabE4841042ab76ba85D4e24f25", "0x20C000000000000000000000b9537d11c60E8b50"},
		{voucher.V1, escrow.Moderato, "0xe1c4d3dce17bc111181ddf716f75bae49e61a336", "0x20c0000000000000000000000000000000000000"},
		{voucher.V1, 5, "", ""},
		{0, escrow.Mainnet, "", "0x20C000000000000000000000b9537d11c60E8b50"},
	} {
		at, ok := escrow.DefaultEscrow(c.p, c.chain)
		assert.Equal(t, common.HexToAddress(c.escrow), at)
		assert.Equal(t, c.escrow != "", ok)
		token, ok := escrow.DefaultToken(c.chain)
		assert.Equal(t, common.HexToAddress(c.token), token)
		assert.Equal(t, c.token != "", ok)
	}
}
