package voucher_test

import (
	"math/big"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/common/math"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// TestSeparators expects the escrows and separators of viem 2.56.0.
func TestSeparators(t *testing.T) {
	for _, c := range []struct {
		p         voucher.Protocol
		chain     uint64
		escrow    string
		separator string
	}{
		{
			voucher.V1, 4217, "0x33b901018174DDabE4841042ab76ba85D4e24f25",
			"0xc3eb96493d8b195ca1671190861b10909e09ea4f1662c5a577f2bcc7ecf47eb8",
		},
		{
			voucher.V1, 42431, "0xe1c4d3dce17bc111181ddf716f75bae49e61a336",
			"0x3271aa2ef112b8493e889b17f852ad8e0a0b30565a62f3c066aa9fb0b7444e0c",
		},
		{
			voucher.V2, 4217, "0x4d50500000000000000000000000000000000000",
			"0x6465ffa0b0c1e7cfc1a894ba54d79615bc06fd7cc9cfec558f3df82189d17367",
		},
		{
			voucher.V2, 42431, "0x4d50500000000000000000000000000000000000",
			"0xa3aa475070603a80823360e5a4a0d3b4fe2cd4e82a109ee3c21a4640a199688d",
		},
	} {
		d := voucher.NewDomain(c.p, c.chain, common.HexToAddress(c.escrow))
		assert.Equal(t, common.HexToHash(c.separator), d.Separator())
		assert.Equal(t, c.p, d.Protocol())
		assert.Equal(t, c.chain, d.ChainID())
		assert.Equal(t, common.HexToAddress(c.escrow), d.Escrow())
	}
}

var (
	v1Domain = voucher.NewDomain(
		voucher.V1, 42431, common.HexToAddress("0xe1c4d3dce17bc111181ddf716f75bae49e61a336"),
	)
	v2Domain = voucher.NewDomain(
		voucher.V2, 42431, common.HexToAddress("0x4d50500000000000000000000000000000000000"),
	)
)

// TestVoucherGoldens expects the signatures of mppx 0.11.0 with the test key: a voucher of 250000
// base units for each protocol.
func TestVoucherGoldens(t *testing.T) {
	for _, c := range []struct {
		d                          *voucher.Domain
		channel, digest, signature string
	}{
		{
			v1Domain, "0xf2255998ec48ed7bea25ca272ddec1d33412b3d2fc9e40f4e979e58c5d2b83aa",
			"0x7a1600706e5ce4b9d9923d344e9a2df919e266cc7783b05236e4cb0588e679b0",
			"0x1f69af5fb48558915eb0e24a9b4518b7d7552dc4fd906e7275a463a305eba59655878bb0ba41ad0f957980fe370f19d3fca897856a8ed09f8e43baa368ddd16d1b",
		},
		{
			v2Domain, "0xdf9ea7cf21fe2a02604b06593a394b79ce974c4a98a31cbce31099ed4daf8dde",
			"0x330cf5a06df964a0828dd41a4d2b8a539759283538ec27b2d9aa9161c4cc6ff8",
			"0x866f853471b7c6d478ea65890b7b70fe884b853514bb7190b7f5114d45ed1aae1bc3df8e78a9bb635ca8450c724a9107676fb418ff57e8dd05ad66e611d875f51c",
		},
	} {
		v := voucher.Voucher{
			ChannelID:  common.HexToHash(c.channel),
			Cumulative: voucher.Units(250_000),
		}
		sig, err := testKey(t).SignVoucher(t.Context(), c.d, v)
		require.NoError(t, err)
		assert.Equal(t, common.HexToHash(c.digest), c.d.Digest(v))
		assert.Equal(t, hexutil.MustDecode(c.signature), sig)
	}
}

// oracle hashes typed data with the apitypes of go-ethereum.
func oracle(t require.TestingT, data apitypes.TypedData) common.Hash {
	digest, _, err := apitypes.TypedDataAndHash(data)
	require.NoError(t, err)
	return common.Hash(digest)
}

func genBytes(t *rapid.T, n int, name string) []byte {
	return rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, name)
}

func TestVoucherDigestOracle(t *testing.T) {
	names := map[voucher.Protocol][2]string{
		voucher.V1: {"Tempo Stream Channel", "uint128"},
		voucher.V2: {"TIP20 Channel Reserve", "uint96"},
	}
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SampledFrom([]voucher.Protocol{voucher.V1, voucher.V2}).Draw(t, "protocol")
		chain := rapid.Uint64().Draw(t, "chain")
		escrow := common.Address(genBytes(t, 20, "escrow"))
		v := voucher.Voucher{
			ChannelID:  common.Hash(genBytes(t, 32, "channel")),
			Cumulative: genAmount(t, "cumulative").Min(p.Max()),
		}
		want := oracle(t, apitypes.TypedData{
			Types: apitypes.Types{
				"EIP712Domain": {
					{Name: "name", Type: "string"},
					{Name: "version", Type: "string"},
					{Name: "chainId", Type: "uint256"},
					{Name: "verifyingContract", Type: "address"},
				},
				"Voucher": {
					{Name: "channelId", Type: "bytes32"},
					{Name: "cumulativeAmount", Type: names[p][1]},
				},
			},
			PrimaryType: "Voucher",
			Domain: apitypes.TypedDataDomain{
				Name: names[p][0], Version: "1",
				ChainId:           (*math.HexOrDecimal256)(new(big.Int).SetUint64(chain)),
				VerifyingContract: escrow.Hex(),
			},
			Message: apitypes.TypedDataMessage{
				"channelId":        v.ChannelID[:],
				"cumulativeAmount": v.Cumulative.Big(),
			},
		})
		require.Equal(t, want, voucher.NewDomain(p, chain, escrow).Digest(v))
	})
}

func TestProofDigestOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := voucher.Proof{
			ChainID: rapid.Uint64().Draw(t, "chain"),
			Account: common.Address(genBytes(t, 20, "account")),
			// Sometimes longer than a block of the hash.
			ChallengeID: rapid.StringN(0, 600, -1).Draw(t, "challenge"),
			Realm:       rapid.String().Draw(t, "realm"),
		}
		want := oracle(t, apitypes.TypedData{
			Types: apitypes.Types{
				"EIP712Domain": {
					{Name: "name", Type: "string"},
					{Name: "version", Type: "string"},
					{Name: "chainId", Type: "uint256"},
				},
				"Proof": {
					{Name: "account", Type: "address"},
					{Name: "challengeId", Type: "string"},
					{Name: "realm", Type: "string"},
				},
			},
			PrimaryType: "Proof",
			Domain: apitypes.TypedDataDomain{
				Name:    "MPP",
				Version: "3",
				ChainId: (*math.HexOrDecimal256)(new(big.Int).SetUint64(p.ChainID)),
			},
			Message: apitypes.TypedDataMessage{
				"account":     p.Account.Hex(),
				"challengeId": p.ChallengeID,
				"realm":       p.Realm,
			},
		})
		require.Equal(t, want, p.Digest())
	})
}

// TestProofGoldens uses the vector that mppx and mpp-rs share, and one with the test key.
func TestProofGoldens(t *testing.T) {
	for _, c := range []struct{ key, account, digest, signature string }{
		{
			"0101010101010101010101010101010101010101010101010101010101010101",
			"0x1a642f0E3c3aF545E7AcBD38b07251B3990914F1",
			"0x3860a700a55e02ad3c2dc047e92489feceecbdb0a801d948e1d9f0b61ea9bc3f",
			"0x53f5d64d9f995e841b4212639b2e17e508e96752e10316df3814a16443dcbdb626c082190a4c3ecc3148101eb443d15bd83b579380b1be735a9c99f0df36c9fe1b",
		},
		{
			"0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
			"0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
			"0x3b74b00c684ff5bbec4ce778f5277c8cbf87e8fbbc33b0add952ab558a83fe18",
			"0x993cc3f89c3e0b7f6bf5ec6147bebf28263e4601026d820a7c016dd4773d962b6728d1cedadfa1fdf0511fcf24c2cb31f51630d6219280b01004cf5c715f3d401c",
		},
	} {
		key, err := voucher.ParseKey(c.key)
		require.NoError(t, err)
		p := voucher.Proof{
			ChainID:     42431,
			Account:     common.HexToAddress(c.account),
			ChallengeID: "kM9xPqWvT2nJrHsY4aDfEb",
			Realm:       "api.example.com",
		}
		assert.Equal(t, common.HexToHash(c.digest), p.Digest())
		sig, err := key.SignProof(t.Context(), p)
		require.NoError(t, err)
		assert.Equal(t, hexutil.MustDecode(c.signature), sig)

		// The signature covers every field.
		for _, other := range []voucher.Proof{
			{ChainID: 4217, Account: p.Account, ChallengeID: p.ChallengeID, Realm: p.Realm},
			{
				ChainID: p.ChainID, Account: common.Address{1}, ChallengeID: p.ChallengeID,
				Realm: p.Realm,
			},
			{ChainID: p.ChainID, Account: p.Account, ChallengeID: "x", Realm: p.Realm},
			{ChainID: p.ChainID, Account: p.Account, ChallengeID: p.ChallengeID, Realm: "x"},
			{ChainID: p.ChainID, Account: p.Account, ChallengeID: p.Realm, Realm: p.ChallengeID},
		} {
			assert.NotEqual(t, p.Digest(), other.Digest())
		}
	}
}

// TestProofVersion checks that the earlier domain versions have other digests.
func TestProofVersion(t *testing.T) {
	p := voucher.Proof{
		ChainID:     42431,
		Account:     testKey(t).Address(),
		ChallengeID: "id",
		Realm:       "realm",
	}
	old := oracle(t, apitypes.TypedData{
		Types: apitypes.Types{
			"EIP712Domain": {
				{Name: "name", Type: "string"},
				{Name: "version", Type: "string"},
				{Name: "chainId", Type: "uint256"},
			},
			"Proof": {
				{Name: "challengeId", Type: "string"},
				{Name: "realm", Type: "string"},
			},
		},
		PrimaryType: "Proof",
		Domain: apitypes.TypedDataDomain{
			Name:    "MPP",
			Version: "2",
			ChainId: math.NewHexOrDecimal256(42431),
		},
		Message: apitypes.TypedDataMessage{"challengeId": "id", "realm": "realm"},
	})
	assert.NotEqual(t, old, p.Digest())
}

// TestNoDomain checks that without a protocol nothing is signed and no signature is valid.
func TestNoDomain(t *testing.T) {
	key, v := testKey(t), voucher.Voucher{ChannelID: common.Hash{1}}
	for name, d := range map[string]*voucher.Domain{
		"nil":            nil,
		"zero":           {},
		"protocol 0":     voucher.NewDomain(0, 1, common.Address{1}),
		"protocol 3":     voucher.NewDomain(3, 1, common.Address{1}),
		"protocol 255":   voucher.NewDomain(255, 1, common.Address{1}),
		"zero, but set":  new(voucher.Domain),
		"unknown, again": voucher.NewDomain(17, 42431, common.Address{}),
	} {
		_, err := key.SignVoucher(t.Context(), d, v)
		require.ErrorIs(t, err, voucher.ErrDomain, name)
		assert.Zero(t, d.Digest(v), name)

		zero := common.Hash{} // anyone can make a signature of the zero hash
		sig, err := crypto.Sign(zero[:], mustECDSA(t))
		require.NoError(t, err)
		sig[64] += 27
		assert.ErrorIs(
			t, voucher.Verify(d, voucher.Signed{Voucher: v, Signature: sig}, key.Address()),
			voucher.ErrDomain, name,
		)
	}
}

// TestDigestConcurrent uses the pooled hash states from many goroutines.
func TestDigestConcurrent(t *testing.T) {
	v := voucher.Voucher{ChannelID: common.Hash{7}, Cumulative: voucher.Units(7)}
	p := voucher.Proof{ChainID: 7, ChallengeID: "seven", Realm: "7.example"}
	want, wantProof := v2Domain.Digest(v), p.Digest()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 500 {
				assert.Equal(t, want, v2Domain.Digest(v))
				assert.Equal(t, wantProof, p.Digest())
			}
		})
	}
	wg.Wait()
}
