package devchain

import (
	"encoding/json"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/internal/vectors"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// signedForm is one form of a transaction in tempo-tx.json.
type signedForm struct {
	SigningPayload, Signature, Serialized, Serialized78 hexutil.Bytes
	SignHash, TransactionHash, ExpiringNonceHash        common.Hash
}

type txVector struct {
	ID                                       string
	Kind                                     string
	ChainID                                  uint64
	Sender                                   common.Address
	MppxWire                                 hexutil.Bytes
	WithoutFeePayer, WithFeePayerPlaceholder signedForm
	Cosigned                                 struct {
		FeePayerPrivateKey, Serialized    hexutil.Bytes
		FeePayer, FeeToken                common.Address
		FeePayerSignHash, TransactionHash common.Hash
	}
	Transaction struct {
		Calls                   []struct{ Data hexutil.Bytes }
		ValidBefore, ValidAfter uint64
		Gas                     json.Number
	}
	Channel struct {
		ChannelID  common.Hash
		Descriptor *Descriptor
	}
	Escrow                     common.Address
	Deposit, AdditionalDeposit string
}

func TestTransactionVectors(t *testing.T) {
	kinds := map[string]bool{}
	for _, v := range vectors.Cases[txVector](t, vectors.TempoTx) {
		kinds[v.Kind] = true
		for name, form := range map[string]signedForm{"paid": v.WithoutFeePayer, "sponsored": v.WithFeePayerPlaceholder} {
			raws := []hexutil.Bytes{form.Serialized}
			if name == "sponsored" {
				raws = append(raws, form.Serialized78, v.Cosigned.Serialized)
			}
			for i, raw := range raws {
				tx, err := decodeTransaction(raw)
				require.NoError(t, err, "%s %s %d", v.ID, name, i)
				assert.Equal(t, crypto.Keccak256Hash(raw), tx.hash)
				assert.Equal(t, []byte(form.SigningPayload), tx.senderPreimage(), "%s %s %d", v.ID, name, i)
				assert.Equal(t, form.SignHash, keccak(tx.senderPreimage()))
				sender, key, err := recoverSender(form.SignHash, tx.signature)
				require.NoError(t, err)
				assert.Equal(t, v.Sender, sender)
				assert.Zero(t, key)
				assert.Equal(t, form.ExpiringNonceHash, expiringNonceHash(tx.senderPreimage(), sender))
				require.NoError(t, tx.wellFormed(v.ChainID))
				require.Len(t, tx.calls, len(v.Transaction.Calls))
				assert.Equal(t, []byte(v.Transaction.Calls[0].Data), tx.calls[0].data)
				assert.Equal(t, v.Transaction.ValidBefore, tx.validBefore)
				assert.Equal(t, v.Transaction.ValidAfter, tx.validAfter)
				assert.Equal(t, string(v.Transaction.Gas), new(big.Int).SetUint64(tx.gas).String())
				assert.True(t, tx.expiring())
				seen, err := Inspect(raw)
				require.NoError(t, err)
				assert.Equal(t, form.ExpiringNonceHash, seen.ExpiringNonceHash)
				assert.Equal(t, name == "sponsored", seen.Sponsored)
			}
		}
		assert.Equal(t, v.WithoutFeePayer.TransactionHash, keccak(v.WithoutFeePayer.Serialized))
		checkCosigned(t, v)
		checkOpening(t, v)
	}
	assert.Len(t, kinds, 8, "every kind of transaction, each with and without a sponsor")
}

// checkCosigned compares the sponsor's digest and address, and our own co-signature with theirs.
func checkCosigned(t *testing.T, v txVector) {
	tx, err := decodeTransaction(v.Cosigned.Serialized)
	require.NoError(t, err)
	assert.Equal(t, feePayerSigned, tx.feePayer)
	assert.Equal(t, v.Cosigned.FeeToken, tx.feeToken)
	assert.Equal(t, v.Cosigned.FeePayerSignHash, keccak(tx.sponsorPreimage(v.Sender, tx.feeToken)))
	sponsor, err := recoverSecp256k1(v.Cosigned.FeePayerSignHash, tx.sponsorSignature)
	require.NoError(t, err)
	assert.Equal(t, v.Cosigned.FeePayer, sponsor)
	key, err := crypto.ToECDSA(v.Cosigned.FeePayerPrivateKey)
	require.NoError(t, err)
	for _, raw := range []hexutil.Bytes{v.WithFeePayerPlaceholder.Serialized, v.WithFeePayerPlaceholder.Serialized78} {
		handoff, err := decodeTransaction(raw)
		require.NoError(t, err)
		ours, err := handoff.cosign(v.Sender, key, v.Cosigned.FeeToken)
		require.NoError(t, err)
		assert.Equal(t, []byte(v.Cosigned.Serialized), ours, v.ID)
	}
}

// checkOpening reads the last call and derives the channel's id.
func checkOpening(t *testing.T, v txVector) {
	cfg := Config{ChainID: v.ChainID}
	if v.Escrow != ReserveAddress {
		cfg.StreamChannel = v.Escrow
	}
	c := New(cfg)
	defer c.Close()
	tx, err := Inspect(v.MppxWire)
	require.NoError(t, err)
	o, ok := c.ReadOpening(tx.Calls[len(tx.Calls)-1])
	require.True(t, ok, v.ID)
	id := o.ChannelID
	switch {
	case o.TopUp:
		assert.Equal(t, v.AdditionalDeposit, o.Amount.String())
		if o.Protocol == voucher.V2 {
			assert.Equal(t, *v.Channel.Descriptor, o.Descriptor)
			id = c.ChannelID(voucher.V2, o.Descriptor)
		}
	default:
		assert.Equal(t, v.Deposit, o.Amount.String())
		o.Descriptor.Payer, o.Descriptor.ExpiringNonceHash = tx.Sender, tx.ExpiringNonceHash
		id = c.ChannelID(o.Protocol, o.Descriptor)
	}
	assert.Equal(t, v.Channel.ChannelID, id, v.ID)
}

func TestExpiringNonceHashVectors(t *testing.T) {
	type vector struct {
		ID                         string
		Sender                     common.Address
		SigningPayload, Serialized hexutil.Bytes
		ExpiringNonceHash          common.Hash
	}
	for _, v := range vectors.Cases[vector](t, vectors.ExpiringNonceHash) {
		tx, err := decodeTransaction(v.Serialized)
		require.NoError(t, err, v.ID)
		assert.Equal(t, []byte(v.SigningPayload), tx.senderPreimage(), v.ID)
		sender, _, err := recoverSender(keccak(v.SigningPayload), tx.signature)
		require.NoError(t, err, v.ID)
		assert.Equal(t, v.Sender, sender, v.ID)
		assert.Equal(t, v.ExpiringNonceHash, expiringNonceHash(tx.senderPreimage(), sender), v.ID)
	}
}

func TestChannelIDVectors(t *testing.T) {
	type vector struct {
		Descriptor
		ID                       string
		ChainID                  uint64
		EscrowContract           common.Address
		Escrow                   common.Address
		ChannelID                common.Hash
		ResolvedAuthorizedSigner common.Address
	}
	for _, v := range vectors.Cases[vector](t, vectors.ChannelIDV1) {
		c := New(Config{ChainID: v.ChainID, StreamChannel: v.EscrowContract})
		assert.Equal(t, v.ChannelID, c.ChannelID(voucher.V1, v.Descriptor), v.ID)
		c.Close()
	}
	checked := 0
	for _, v := range vectors.Cases[vector](t, vectors.ChannelIDV2) {
		if v.Escrow != ReserveAddress {
			continue // this chain has one reserve, at its only address
		}
		checked++
		c := New(Config{ChainID: v.ChainID})
		assert.Equal(t, v.ChannelID, c.ChannelID(voucher.V2, v.Descriptor), v.ID)
		assert.Equal(t, v.ResolvedAuthorizedSigner, v.signer(), v.ID)
		c.Close()
	}
	assert.Greater(t, checked, 10)
}

func TestVoucherVectors(t *testing.T) {
	type vector struct {
		ID                             string
		ChainID                        uint64
		Escrow, Signer, ExpectedSigner common.Address
		ChannelID                      common.Hash
		CumulativeAmount               voucher.Amount
		DomainSeparator, Digest        common.Hash
		Signature                      hexutil.Bytes
		Mutation                       string
		SpecValid                      bool
	}
	for file, typeHash := range map[vectors.File]common.Hash{vectors.VoucherV1: voucherTypeV1, vectors.VoucherV2: voucherTypeV2} {
		separator := func(v vector) common.Hash {
			if typeHash == voucherTypeV1 {
				return domainV1(v.ChainID, v.Escrow)
			}
			return domain("TIP20 Channel Reserve", v.ChainID, v.Escrow)
		}
		all := vectors.Load[struct{ Cases, Verify []vector }](t, file)
		for _, v := range all.Cases {
			assert.Equal(t, v.DomainSeparator, separator(v), v.ID)
			digest := voucherDigest(v.DomainSeparator, typeHash, v.ChannelID, v.CumulativeAmount)
			assert.Equal(t, v.Digest, digest, v.ID)
			signer, err := recoverPrimitive(digest, v.Signature)
			require.NoError(t, err, v.ID)
			assert.Equal(t, v.Signer, signer, v.ID)
		}
		for _, v := range all.Verify {
			digest := voucherDigest(separator(v), typeHash, v.ChannelID, v.CumulativeAmount)
			signer, err := recoverVoucherV1(digest, v.Signature)
			valid := v.SpecValid
			if typeHash == voucherTypeV2 {
				signer, err = recoverPrimitive(digest, v.Signature)
				valid = valid && len(v.Signature) == 65 // TIP-1020 knows no 64-byte form
			}
			assert.Equal(t, valid, err == nil && signer == v.ExpectedSigner, "%s %s", v.ID, v.Mutation)
		}
	}
}

// Every call that other implementations encode reaches a function, which can read it.
func TestCalldataVectors(t *testing.T) {
	type vector struct {
		ID, Version, Signature string
		Selector, Data         hexutil.Bytes
	}
	at := map[string]common.Address{"v1": StreamChannelAddress, "v2": ReserveAddress, "tip20": PathUSD}
	c := testChain(t)
	for _, v := range vectors.Cases[vector](t, vectors.Calldata) {
		assert.Equal(t, []byte(v.Selector), selectorBytes(v.Signature))
		err := c.Simulate(payer.addr, Call{at[v.Version], v.Data})
		if err != nil {
			assert.Regexp(t, `reverted: \w+\(`, err.Error(), "%s %s", v.ID, v.Signature)
			assert.NotContains(t, err.Error(), "UnknownFunctionSelector")
		}
	}
}

func TestSelectorsOfViews(t *testing.T) {
	for signature, want := range map[string]string{
		"computeChannelId" + descriptorType: "0x185eeeac",
		"getChannelStatesBatch(bytes32[])":  "0xd1f4cda2",
		"getChannelState(bytes32)":          "0xd18da8b1",
	} {
		assert.Equal(t, want, hexutil.Encode(selectorBytes(signature)))
		assert.Contains(t, reserveMethods, selectorOf(signature))
	}
	assert.Equal(t, "0xdebaba36f0e9c7978f536fed432d9360b1f9646d7ca88531c34c3eae43f154a7", eventReserveOpened.Hex())
	assert.Equal(t, "0xa3aa475070603a80823360e5a4a0d3b4fe2cd4e82a109ee3c21a4640a199688d", domainV2(Moderato).Hex())
	assert.Equal(t, "0x6465ffa0b0c1e7cfc1a894ba54d79615bc06fd7cc9cfec558f3df82189d17367", domainV2(4217).Hex())
	assert.Equal(t, "0x3271aa2ef112b8493e889b17f852ad8e0a0b30565a62f3c066aa9fb0b7444e0c", domainV1(Moderato, StreamChannelAddress).Hex())
}

// A keychain envelope and a P256 envelope made by ox.
func TestEnvelopeVectors(t *testing.T) {
	root := common.HexToAddress("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
	key, err := crypto.HexToECDSA("59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d")
	require.NoError(t, err)
	digest := common.HexToHash("0xe454391f4593a8a8b85e6a4614e5ce7a8db811619dae87653abcfa5fcb73352a")
	envelope := hexutil.MustDecode("0x04f39fd6e51aad88f6f4ce6ab8827279cfffb92266991da0b3e50f77bbd88f82698341b26a2c8c442e3fe21699037c90921adb33bc7a2db37033bb48a41213a929cb70a519e47433dc6ec38153f17a2029aee66e361c")
	sender, accessKey, err := recoverSender(digest, envelope)
	require.NoError(t, err)
	assert.Equal(t, root, sender)
	assert.Equal(t, crypto.PubkeyToAddress(key.PublicKey), accessKey)
	_, err = recoverPrimitive(digest, envelope)
	require.Error(t, err, "a keychain envelope is no primitive")
	assert.EqualValues(t, gasKeychain, signatureGas(envelope))

	digest = common.HexToHash("0x330cf5a06df964a0828dd41a4d2b8a539759283538ec27b2d9aa9161c4cc6ff8")
	p256 := hexutil.MustDecode("0x01604e23ecacec65e85db4f52e586d6fe260d3dc74b51d999d52784fbea752355d3af588464e3f039af1f10e93bd0dcd26ed7352f91a0355e6c36c7f77ec5b71241e18532fd4754c02f3041d9c75ceb33b83ffd81ac7ce4fe882ccb1c98bc5896ea46c311c4e2ff40dd96a3653e6e45445d32dfe486eced75c7a90c6a18881c0a300")
	signer, err := recoverPrimitive(digest, p256)
	require.NoError(t, err)
	assert.Equal(t, common.HexToAddress("0x9d585357d239ba7607aa785ab775e78dd26b90eb"), signer)
	assert.EqualValues(t, gasP256, signatureGas(p256))
	high := append([]byte(nil), p256...)
	n := new(big.Int).Add(p256HalfN, new(big.Int).Add(p256HalfN, big.NewInt(1))) // the order is odd
	new(big.Int).Sub(n, new(big.Int).SetBytes(p256[33:65])).FillBytes(high[33:65])
	_, err = recoverPrimitive(digest, high)
	require.ErrorIs(t, err, errSignature, "the twin with a high s")
	for i := range p256 {
		bad := append([]byte(nil), p256...)
		bad[i] ^= 2
		_, err = recoverPrimitive(digest, bad)
		require.Error(t, err, "byte %d changed", i)
	}
}
