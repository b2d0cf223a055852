package escrow_test

import (
	"context"
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/internal/vectors"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

type txFields struct {
	ChainID                            uint64
	MaxPriorityFeePerGas, MaxFeePerGas uint64 `json:",string"`
	Gas                                uint64 `json:",string"`
	Calls                              []struct {
		To    *common.Address
		Value string
		Data  hexutil.Bytes
	}
	AccessList []struct {
		Address     common.Address
		StorageKeys []common.Hash
	}
	NonceKey                string
	Nonce                   uint64
	ValidBefore, ValidAfter *uint64
	FeeToken                *common.Address
}

// tx builds a transaction from the fields of a vector.
func (f txFields) tx(t *testing.T, sponsored bool) escrow.Tx {
	t.Helper()
	key, ok := new(big.Int).SetString(f.NonceKey, 10)
	require.True(t, ok)
	tx := escrow.Tx{
		ChainID: f.ChainID, MaxPriorityFeePerGas: f.MaxPriorityFeePerGas, MaxFeePerGas: f.MaxFeePerGas, Gas: f.Gas,
		NonceKey: common.BigToHash(key), Nonce: f.Nonce, Sponsored: sponsored,
	}
	for _, c := range f.Calls {
		value, ok := new(big.Int).SetString(c.Value, 10)
		require.True(t, ok)
		tx.Calls = append(tx.Calls, escrow.Call{To: c.To, Value: value, Data: c.Data})
	}
	if f.ValidBefore != nil {
		tx.ValidBefore = *f.ValidBefore
	}
	if f.ValidAfter != nil {
		tx.ValidAfter = *f.ValidAfter
	}
	if f.FeeToken != nil && !sponsored {
		tx.FeeToken = *f.FeeToken
	}
	if len(f.AccessList) > 0 {
		var err error
		tx.AccessList, err = rlp.EncodeToBytes(f.AccessList)
		require.NoError(t, err)
	}
	return tx
}

type txForm struct {
	SigningPayload, Signature, Serialized, Serialized78 hexutil.Bytes
	SignHash, TransactionHash, ExpiringNonceHash        common.Hash
}

type txCase struct {
	ID, Kind                string
	FeePayer                bool
	PrivateKey              string
	Sender                  common.Address
	Transaction             txFields
	MppxWire                hexutil.Bytes
	WithoutFeePayer         txForm
	WithFeePayerPlaceholder txForm
	Cosigned                struct {
		FeePayer, FeeToken common.Address
		FeePayerSignHash   common.Hash
		FeePayerSignature  hexutil.Bytes
		Serialized         hexutil.Bytes
		TransactionHash    common.Hash
	}
}

func TestTransactionVectors(t *testing.T) {
	for _, c := range vectors.Cases[txCase](t, vectors.TempoTx) {
		t.Run(c.ID+" "+c.Kind, func(t *testing.T) {
			key, err := voucher.ParseKey(c.PrivateKey)
			require.NoError(t, err)
			for _, form := range []struct {
				txForm
				sponsored bool
			}{{c.WithoutFeePayer, false}, {c.WithFeePayerPlaceholder, true}} {
				tx := c.Transaction.tx(t, form.sponsored)
				tx.Sender = c.Sender
				assert.Equal(t, form.SigningPayload, hexutil.Bytes(tx.SigningBytes()))
				assert.Equal(t, form.SigningPayload, hexutil.Bytes(tx.Serialize()), "unsigned")
				assert.Equal(t, form.SignHash, tx.SigningHash())
				assert.Equal(t, form.ExpiringNonceHash, tx.ExpiringNonceHash())
				tx.Signature, err = key.SignTransaction(context.Background(), &tx)
				require.NoError(t, err)
				assert.Equal(t, form.Signature, hexutil.Bytes(tx.Signature))
				assert.Equal(t, form.Serialized, hexutil.Bytes(tx.Serialize()))
				assert.Equal(t, form.TransactionHash, tx.Hash())
				if form.sponsored {
					assert.Equal(t, form.Serialized78, hexutil.Bytes(tx.Handoff()))
					assert.Equal(t, c.Sender, reread(t, form.Serialized78).Sender)
				}
				assert.Equal(t, c.Sender, reread(t, form.Serialized).Sender)
			}
			wire := c.WithoutFeePayer.Serialized
			if c.FeePayer {
				wire = c.WithFeePayerPlaceholder.Serialized78
			}
			assert.Equal(t, c.MppxWire, wire, "what the reference client sends")
		})
	}
}

// A transaction that a sponsor has completed is still the sender's: same digest, same nonce hash.
func TestCosignedVectors(t *testing.T) {
	for _, c := range vectors.Cases[txCase](t, vectors.TempoTx) {
		tx := reread(t, c.Cosigned.Serialized)
		assert.Equal(t, c.Sender, tx.Sender, c.ID)
		assert.Equal(t, c.Cosigned.FeeToken, tx.FeeToken, c.ID)
		assert.Equal(t, c.Cosigned.TransactionHash, tx.Hash(), c.ID)
		assert.Equal(t, c.WithFeePayerPlaceholder.SignHash, tx.SigningHash(), c.ID)
		assert.Equal(t, c.WithFeePayerPlaceholder.ExpiringNonceHash, tx.ExpiringNonceHash(), c.ID)
		assert.Equal(t, c.Cosigned.FeePayerSignHash, sponsorHash(t, tx), c.ID)
	}
}

// sponsorHash is what a sponsor signs: the hand-off with its fee token and without the sender's signature.
func sponsorHash(t *testing.T, tx *escrow.Tx) common.Hash {
	t.Helper()
	unsigned := *tx
	unsigned.Signature = nil
	handoff := unsigned.Handoff()
	body, _, err := rlp.SplitList(handoff[1:])
	require.NoError(t, err)
	slot := append([]byte{0x80 + 20}, tx.Sender[:]...)
	before, after, ok := strings.Cut(string(body), "\x80"+string(slot))
	require.True(t, ok)
	body = []byte(before + "\x94" + string(tx.FeeToken[:]) + string(slot) + after)
	w := rlp.NewEncoderBuffer(nil)
	list := w.List()
	_, _ = w.Write(body)
	w.ListEnd(list)
	return crypto.Keccak256Hash([]byte{0x78}, w.ToBytes())
}

func TestNonceHashVectors(t *testing.T) {
	type nonceCase struct {
		ID                string
		FeePayer          bool
		Sender            common.Address
		Transaction       txFields
		SigningPayload    hexutil.Bytes
		SignHash          common.Hash
		Serialized        hexutil.Bytes
		ExpiringNonceHash common.Hash
	}
	for _, c := range vectors.Cases[nonceCase](t, vectors.ExpiringNonceHash) {
		tx := c.Transaction.tx(t, c.FeePayer)
		tx.Sender = c.Sender
		assert.Equal(t, c.SigningPayload, hexutil.Bytes(tx.SigningBytes()), c.ID)
		assert.Equal(t, c.SignHash, tx.SigningHash(), c.ID)
		assert.Equal(t, c.ExpiringNonceHash, tx.ExpiringNonceHash(), c.ID)
		again := reread(t, c.Serialized)
		assert.Equal(t, c.ExpiringNonceHash, again.ExpiringNonceHash(), c.ID)
		assert.Equal(t, c.Sender, again.Sender, c.ID)
	}
}

// reread decodes, and requires that encoding gives the same bytes.
func reread(t *testing.T, raw []byte) *escrow.Tx {
	t.Helper()
	tx, err := escrow.DecodeTx(raw)
	require.NoError(t, err)
	require.Equal(t, hexutil.Bytes(raw), hexutil.Bytes(form(tx, raw[0])))
	return tx
}

func form(tx *escrow.Tx, first byte) []byte {
	if first == 0x78 {
		return tx.Handoff()
	}
	return tx.Serialize()
}

// The unknown parts of a transaction come out as they went in.
func TestUnknownParts(t *testing.T) {
	list := func(n int) rlp.RawValue { // distinct, nested, opaque
		b, err := rlp.EncodeToBytes([]any{[]byte{byte(n)}, []any{"x", []byte{0, 1, 2}}, []byte{}})
		require.NoError(t, err)
		return b
	}
	to := common.HexToAddress("0x01")
	tx := escrow.Tx{
		ChainID: 1, Gas: 5, Calls: []escrow.Call{{To: &to, Value: new(big.Int).Lsh(big.NewInt(1), 255)}, {Data: []byte{1}}},
		NonceKey: common.HexToHash("0x05"), Nonce: 7, AccessList: list(1), AuthorizationList: list(2), KeyAuthorization: list(3),
	}
	for name, signature := range map[string][]byte{"unsigned": nil, "opaque": {0x02, 1, 2, 3}} {
		tx.Signature = signature
		again := reread(t, tx.Serialize())
		assert.Equal(t, tx.AccessList, again.AccessList, name)
		assert.Equal(t, tx.AuthorizationList, again.AuthorizationList, name)
		assert.Equal(t, tx.KeyAuthorization, again.KeyAuthorization, name)
		assert.Equal(t, tx.Signature, again.Signature, name)
		assert.Nil(t, again.Calls[1].To, name)
	}
	assert.Contains(t, tx.String(), "UNKNOWN CALL to a new contract")
	assert.Contains(t, tx.String(), "of the chain's choice of token")
	assert.Contains(t, (&escrow.Tx{Sponsored: true}).String(), "do nothing; chain 0; fee paid by a sponsor")
	assert.Contains(t, tx.String(), "carries an access list; carries an authorization list; carries a key authorization")
	// With a key authorization the list has one element more; without, no placeholder.
	tx.Signature = []byte{1, 2, 3}
	body, _, err := rlp.SplitList(tx.Serialize()[1:])
	require.NoError(t, err)
	n, err := rlp.CountValues(body)
	require.NoError(t, err)
	assert.Equal(t, 15, n)
	tx.KeyAuthorization = nil
	body, _, err = rlp.SplitList(tx.Serialize()[1:])
	require.NoError(t, err)
	n, err = rlp.CountValues(body)
	require.NoError(t, err)
	assert.Equal(t, 14, n)
}

func TestKeychainSender(t *testing.T) {
	c := vectors.Cases[txCase](t, vectors.TempoTx)[0]
	tx := c.Transaction.tx(t, true)
	tx.Sender = c.Sender
	tx.Signature = append(append([]byte{0x04}, c.Sender[:]...), make([]byte, 65)...)
	assert.Equal(t, c.Sender, reread(t, tx.Serialize()).Sender)
	assert.Equal(t, c.Sender, reread(t, tx.Handoff()).Sender)
	tx.Sender = common.HexToAddress("0x99")
	_, err := escrow.DecodeTx(tx.Handoff())
	require.ErrorIs(t, err, escrow.ErrTx)
	tx.Signature = c.WithFeePayerPlaceholder.Signature
	_, err = escrow.DecodeTx(tx.Handoff())
	require.ErrorIs(t, err, escrow.ErrTx, "a hand-off in another's name")
}

func TestDecodeRefuses(t *testing.T) {
	item := common.FromHex
	good := func() [][]byte {
		return [][]byte{
			item("82a5bf"), item("01"), item("02"), item("830f4240"), item("c3c2808080"[:2] + "c3808080"), item("c0"), item("80"), item("80"),
			item("84695f5e10"), item("80"), item("80"), item("80"), item("c0"), item("8401020304"),
		}
	}
	join := func(kind byte, items [][]byte) []byte {
		w := rlp.NewEncoderBuffer(nil)
		list := w.List()
		for _, one := range items {
			_, _ = w.Write(one)
		}
		w.ListEnd(list)
		return append([]byte{kind}, w.ToBytes()...)
	}
	items := good()
	items[4] = item("c4c3808080")
	reread(t, join(0x76, items))
	address := item("94" + strings.Repeat("11", 20))
	for _, c := range []struct {
		name string
		kind byte
		at   int
		item []byte
	}{
		{"a leading zero", 0x76, 0, item("8200a5")},
		{"zero as a byte", 0x76, 9, item("00")},
		{"a long form of a byte", 0x76, 1, item("8101")},
		{"a number of 9 bytes", 0x76, 3, item("89010000000000000000")},
		{"a list for a number", 0x76, 0, item("c0")},
		{"no calls", 0x76, 4, item("c0")},
		{"a string for calls", 0x76, 4, item("80")},
		{"a string for a call", 0x76, 4, item("c180")},
		{"a call of two", 0x76, 4, item("c3c28080")},
		{"a call of four", 0x76, 4, item("c5c480808080")},
		{"a call to 19 bytes", 0x76, 4, append(item("d7d693"), append(make([]byte, 19), 0x80, 0x80)...)},
		{"a call that is cut", 0x76, 4, item("c2c480")},
		{"a string for a list", 0x76, 5, item("80")},
		{"a nonce key of 33 bytes", 0x76, 6, append(item("a1"), item(strings.Repeat("01", 33))...)},
		{"a zero fee token", 0x76, 10, append(item("94"), make([]byte, 20)...)},
		{"a short fee token", 0x76, 10, item("820102")},
		{"a strange fee payer", 0x76, 11, item("01")},
		{"an empty sponsor signature", 0x76, 11, item("c0")},
		{"an address as fee payer", 0x76, 11, address},
		{"a hand-off without sender", 0x78, 11, item("00")},
		{"a hand-off to a list", 0x78, 11, item("c101")},
		{"an empty signature", 0x76, 13, item("80")},
		{"an empty key authorization", 0x76, 13, item("c0")},
		{"two signatures", 0x76, 13, item("01" + "02")},
		{"three tails", 0x76, 13, item("c101" + "02" + "03")},
		{"a fee token beside the sponsor's mark", 0x76, 10, append(append([]byte{}, address...), 0x00)},
	} {
		items := good()
		items[4] = item("c4c3808080")
		items[c.at] = c.item
		if strings.Contains(c.name, "beside") {
			items[11] = nil
		}
		_, err := escrow.DecodeTx(join(c.kind, items))
		require.ErrorIs(t, err, escrow.ErrTx, c.name)
	}
	whole := join(0x76, items)
	for n := range whole {
		_, err := escrow.DecodeTx(whole[:n])
		require.ErrorIs(t, err, escrow.ErrTx, n)
	}
	for name, raw := range map[string][]byte{
		"more": append(append([]byte{}, whole...), 0), "another type": append([]byte{2}, whole[1:]...),
		"not a list": {0x76, 0x80}, "huge": append([]byte{0x76}, make([]byte, 1<<20)...), "13 short": join(0x76, items[:12]),
	} {
		_, err := escrow.DecodeTx(raw)
		require.ErrorIs(t, err, escrow.ErrTx, name)
	}
}

func FuzzDecodeTx(f *testing.F) {
	seeds := 0
	for _, c := range vectors.Cases[txCase](f, vectors.TempoTx) {
		for _, raw := range [][]byte{c.WithoutFeePayer.Serialized, c.WithFeePayerPlaceholder.Serialized, c.WithFeePayerPlaceholder.Serialized78, c.Cosigned.Serialized} {
			f.Add(raw)
			seeds++
		}
	}
	require.NotZero(f, seeds)
	f.Fuzz(func(t *testing.T, raw []byte) {
		tx, err := escrow.DecodeTx(raw)
		if err != nil {
			require.ErrorIs(t, err, escrow.ErrTx)
			return
		}
		require.Equal(t, raw, form(tx, raw[0]))
		require.NotEmpty(t, tx.String())
		tx.ExpiringNonceHash()
	})
}

// 65 bytes are a plain signature, also where they begin like an envelope: one in 256 does.
func TestPlainSignatureThatLooksTyped(t *testing.T) {
	seen := map[byte]bool{}
	tx := goldenTx()
	for tx.ValidAfter = 1; len(seen) < 3; tx.ValidAfter++ {
		again := signed(t, tx)
		if first := again.Signature[0]; first == 1 || first == 2 || first == 4 {
			seen[first] = true
			assert.Equal(t, tx.Sender, reread(t, again.Serialize()).Sender)
		}
	}
}
