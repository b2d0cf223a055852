package voucher_test

import (
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/internal/vectors"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// voucherVectors holds the vectors of one protocol version.
type voucherVectors struct {
	Cases []struct {
		ID, PrivateKey                     string
		Signer, Escrow                     common.Address
		ChainID                            uint64
		ChannelID, DomainSeparator, Digest common.Hash
		CumulativeAmount                   voucher.Amount
		Signature                          hexutil.Bytes
	}
	Verify []struct {
		ID, Mutation           string
		Escrow, ExpectedSigner common.Address
		ChainID                uint64
		ChannelID              common.Hash
		CumulativeAmount       voucher.Amount
		Signature              hexutil.Bytes
		MppxValid, SpecValid   bool
	}
	Invalid []struct {
		ID, CumulativeAmount string
		ChannelID            common.Hash
	}
}

// proofVector is a proof made by another implementation.
type proofVector struct {
	ID, PrivateKey, Realm, ChallengeID string
	Account                            common.Address
	ChainID                            uint64
	Digest                             common.Hash
	Signature                          hexutil.Bytes
}

var protocols = map[voucher.Protocol]vectors.File{
	voucher.V1: vectors.VoucherV1,
	voucher.V2: vectors.VoucherV2,
}

func TestVoucherVectors(t *testing.T) {
	for p, file := range protocols {
		for _, c := range vectors.Load[voucherVectors](t, file).Cases {
			t.Run(c.ID, func(t *testing.T) {
				key, err := voucher.ParseKey(c.PrivateKey)
				require.NoError(t, err)
				d := voucher.NewDomain(p, c.ChainID, c.Escrow)
				v := voucher.Voucher{ChannelID: c.ChannelID, Cumulative: c.CumulativeAmount}
				sig, err := key.SignVoucher(t.Context(), d, v)
				require.NoError(t, err)
				assert.Equal(t, c.Signer, key.Address())
				assert.Equal(t, c.DomainSeparator, d.Separator())
				assert.Equal(t, c.Digest, d.Digest(v))
				assert.Equal(t, []byte(c.Signature), sig)
				assert.NoError(
					t, voucher.Verify(d, voucher.Signed{Voucher: v, Signature: sig}, c.Signer),
				)
			})
		}
	}
}

// TestVerifyVectors follows the stricter of mppx and draft-tempo-session-00: a high s is refused
// (the draft says MUST, mppx accepts it), and so are the 64 bytes of EIP-2098 (mppx refuses them,
// the draft allows them, and no client sends them).
func TestVerifyVectors(t *testing.T) {
	want := map[string]error{
		"valid":           nil,
		"upper-case-hex":  nil, // same bytes in another spelling
		"other-key":       voucher.ErrSignerMismatch,
		"other-amount":    voucher.ErrSignerMismatch,
		"other-channel":   voucher.ErrSignerMismatch,
		"other-chain":     voucher.ErrSignerMismatch,
		"other-escrow":    voucher.ErrSignerMismatch,
		"high-s":          voucher.ErrHighS,
		"v-as-yparity":    voucher.ErrSignatureFormat,
		"eip2098-compact": voucher.ErrSignatureFormat,
		"truncated":       voucher.ErrSignatureFormat,
		"extra-byte":      voucher.ErrSignatureFormat,
	}
	for p, file := range protocols {
		all := vectors.Load[voucherVectors](t, file).Verify
		for _, c := range all {
			t.Run(c.ID+" "+c.Mutation, func(t *testing.T) {
				expected, known := want[c.Mutation]
				require.True(t, known, "a mutation without a rule")
				require.Equal(
					t, c.MppxValid && c.SpecValid, expected == nil, "we accept what both accept",
				)
				err := voucher.Verify(voucher.NewDomain(p, c.ChainID, c.Escrow), voucher.Signed{
					Voucher: voucher.Voucher{
						ChannelID:  c.ChannelID,
						Cumulative: c.CumulativeAmount,
					},
					Signature: c.Signature,
				}, c.ExpectedSigner)
				assert.ErrorIs(t, err, expected)
			})
		}
	}
}

func TestInvalidVectors(t *testing.T) {
	for p, file := range protocols {
		all := vectors.Load[voucherVectors](t, file).Invalid
		for _, c := range all {
			t.Run(c.ID, func(t *testing.T) {
				amount, err := voucher.ParseAmount(c.CumulativeAmount)
				if err != nil {
					assert.ErrorIs(t, err, voucher.ErrAmountSyntax)
					return
				}
				d, v := voucher.NewDomain(
					p, 1, common.Address{1},
				), voucher.Voucher{
					ChannelID:  c.ChannelID,
					Cumulative: amount,
				}
				_, err = testKey(t).SignVoucher(t.Context(), d, v)
				require.ErrorIs(t, err, voucher.ErrAmountRange)
				assert.ErrorIs(
					t, voucher.Verify(d, voucher.Signed{Voucher: v}, testKey(t).Address()),
					voucher.ErrAmountRange,
				)
			})
		}
	}
}

func TestProofVectors(t *testing.T) {
	for _, c := range vectors.Cases[proofVector](t, vectors.Proof) {
		t.Run(c.ID, func(t *testing.T) {
			key, err := voucher.ParseKey(c.PrivateKey)
			require.NoError(t, err)
			p := voucher.Proof{
				ChainID:     c.ChainID,
				Account:     c.Account,
				ChallengeID: c.ChallengeID,
				Realm:       c.Realm,
			}
			sig, err := key.SignProof(t.Context(), p)
			require.NoError(t, err)
			assert.Equal(t, c.Digest, p.Digest())
			assert.Equal(t, []byte(c.Signature), sig)
			got, err := voucher.RecoverAddress(p.Digest(), sig)
			require.NoError(t, err)
			assert.Equal(t, c.Account, got)
		})
	}
}

// testKey is a public test key of the Ethereum tools.
func testKey(t testing.TB) *voucher.KeySigner {
	key, err := voucher.ParseKey(
		"0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
	)
	require.NoError(t, err)
	return key
}
