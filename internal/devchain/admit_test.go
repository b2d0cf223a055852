package devchain

import (
	"errors"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// refused sends and returns why the chain did not take it. Nothing may have changed.
func refused(t *testing.T, c *Chain, raw []byte) string {
	t.Helper()
	height, funds := len(c.blocks), c.Balance(PathUSD, FeeCollector)
	_, err := c.SendRaw(raw)
	var refusal *RefusedError
	require.ErrorAs(t, err, &refusal)
	assert.Equal(t, -32003, refusal.ErrorCode())
	assert.Len(t, c.blocks, height)
	assert.Equal(t, funds, c.Balance(PathUSD, FeeCollector))
	return refusal.Reason
}

func TestRefusals(t *testing.T) {
	now := func(c *Chain) uint64 { return c.testTime() }
	for name, test := range map[string]struct {
		spoil func(*Chain, *draft)
		want  string
	}{
		"other chain": {func(_ *Chain, d *draft) { d.with(fieldChainID, rawUint(4217)) }, "chain id 4217"},
		"no calls":    {func(_ *Chain, d *draft) { d.with(fieldCalls, emptyList) }, "at least one call"},
		"creation":    {func(_ *Chain, d *draft) { d.with(fieldCalls, rawList(rawList(emptyString, emptyString, emptyString))) }, "creates a contract"},
		"value": {func(_ *Chain, d *draft) {
			d.with(fieldCalls, rawList(rawList(rawString(payee.addr[:]), rawUint(1), emptyString)))
		}, "sends value"},
		"authorization list":     {func(_ *Chain, d *draft) { d.with(fieldAuthorizations, rawList(emptyList)) }, "authorization lists"},
		"key authorization":      {func(_ *Chain, d *draft) { d.fields = append(d.fields, emptyList) }, "key authorizations"},
		"tip above the cap":      {func(_ *Chain, d *draft) { d.with(fieldMaxPriorityFee, rawUint(20_000_000_001)) }, "maxPriorityFeePerGas"},
		"below the base fee":     {func(_ *Chain, d *draft) { d.with(fieldMaxFee, rawUint(19_999_999_999)) }, "below the base fee"},
		"gas below intrinsic":    {func(_ *Chain, d *draft) { d.with(fieldGas, rawUint(30_000)) }, "intrinsic"},
		"gas above a block":      {func(_ *Chain, d *draft) { d.with(fieldGas, rawUint(blockGasLimit+1)) }, "above the block's"},
		"fee above the balance":  {func(_ *Chain, d *draft) { d.with(fieldMaxFee, rawUint(100_000_000_000_000)) }, "insufficient funds"},
		"no such fee token":      {func(_ *Chain, d *draft) { d.with(fieldFeeToken, rawString(payee.addr[:])) }, "not a token to pay fees with"},
		"no validBefore":         {func(_ *Chain, d *draft) { d.with(fieldValidBefore, emptyString) }, "validBefore 0"},
		"validBefore now":        {func(c *Chain, d *draft) { d.with(fieldValidBefore, rawUint(now(c))) }, "expired"},
		"validBefore 31 s ahead": {func(c *Chain, d *draft) { d.with(fieldValidBefore, rawUint(now(c)+31)) }, "at most 30 seconds"},
		"validAfter ahead":       {func(c *Chain, d *draft) { d.with(fieldValidAfter, rawUint(now(c)+1)) }, "not valid yet"},
		"window upside down":     {func(c *Chain, d *draft) { d.with(fieldValidAfter, rawUint(now(c)+25)) }, "later than validAfter"},
		"expiring with a nonce":  {func(_ *Chain, d *draft) { d.with(fieldNonce, rawUint(1)) }, "must be 0"},
		"sequential, too high":   {func(_ *Chain, d *draft) { d.with(fieldNonceKey, emptyString).with(fieldNonce, rawUint(1)) }, "the next one is 0"},
		"sponsor has not signed": {func(_ *Chain, d *draft) { d.sponsored() }, "has not signed"},
	} {
		t.Run(name, func(t *testing.T) {
			c := testChain(t)
			d := newDraft(c, noCall)
			test.spoil(c, d)
			assert.Contains(t, refused(t, c, d.signed(payer.key)), test.want)
		})
	}
}

func TestRefusedSignatures(t *testing.T) {
	c := testChain(t)
	d := newDraft(c, noCall)
	good, err := sign(d.digest(), payer.key)
	require.NoError(t, err)
	_, address := p256Key(t, 9)
	other, _ := p256Key(t, 8)
	keychain := append(append([]byte{sigKeychainV2}, payer.addr[:]...), good...)
	for name, sig := range map[string][]byte{
		"empty":                {},
		"v as parity":          append(append([]byte{}, good[:64]...), good[64]-27),
		"64 bytes":             good[:64],
		"one byte more":        append(append([]byte{}, good...), 0),
		"WebAuthn":             append([]byte{sigWebAuthn}, make([]byte, 200)...),
		"keychain version 1":   append([]byte{sigKeychain}, keychain[1:]...),
		"keychain, raw digest": keychain,
		"multisig":             append([]byte{0x05}, make([]byte, 100)...),
		"P256, wrong digest":   signP256(t, common.Hash{1}, other),
	} {
		assert.Regexp(t, "signature|not an access key", refused(t, c, d.carrying(sig)), name)
	}
	// A good signature of an unfunded account is refused for its money, not for its signature.
	key, _ := p256Key(t, 9)
	assert.Contains(t, refused(t, c, d.carrying(signP256(t, d.digest(), key))), "insufficient funds: "+address.Hex())
}

func TestP256AndAccessKeys(t *testing.T) {
	c := testChain(t)
	key, address := p256Key(t, 9)
	c.Mint(PathUSD, address, voucher.Units(1_000_000))
	d := newDraft(c, noCall)
	r, err := c.SendRaw(d.carrying(signP256(t, d.digest(), key)))
	require.NoError(t, err)
	assert.Equal(t, address, r.From)
	plain, err := c.SendRaw(newDraft(c, noCall).signed(payer.key))
	require.NoError(t, err)
	assert.EqualValues(t, gasP256, r.GasUsed-plain.GasUsed)

	d = newDraft(c, noCall).with(fieldValidAfter, rawUint(2))
	inner, err := sign(keccak([]byte{sigKeychainV2}, d.digest().Bytes(), payer.addr[:]), delegate.key)
	require.NoError(t, err)
	raw := d.carrying(append(append([]byte{sigKeychainV2}, payer.addr[:]...), inner...))
	assert.Contains(t, refused(t, c, raw), "not an access key")
	c.RegisterAccessKey(payer.addr, delegate.addr)
	r, err = c.SendRaw(raw)
	require.NoError(t, err)
	assert.Equal(t, payer.addr, r.From)
	assert.Equal(t, payer.addr, r.FeePayer)
	assert.Equal(t, expiringNonceHash(envelope(typeTempo, d.fields), payer.addr), r.ExpiringNonceHash, "bound to the root account")
}

func TestExpiringNonces(t *testing.T) {
	c := testChain(t)
	edge := newDraft(c, noCall).with(fieldValidBefore, rawUint(c.testTime()+30)).with(fieldValidAfter, rawUint(c.testTime()))
	raw := edge.signed(payer.key)
	_, err := c.SendRaw(raw)
	require.NoError(t, err, "30 seconds ahead, from this second on")
	assert.Equal(t, "already executed", refused(t, c, raw))
	c.Advance(30 * time.Second)
	assert.Equal(t, "already executed", refused(t, c, raw))
	_, err = c.SendRaw(newDraft(c, noCall).signed(payer.key))
	require.NoError(t, err, "the same transaction with a new validBefore")
	_, err = c.SendRaw(newDraft(c, noCall).signed(payee.key))
	require.NoError(t, err, "the same bytes of another sender")
	assert.Zero(t, c.state.nonces[nonceOf{account: payer.addr}], "no counter moved")

	c.Advance(time.Second)
	late := newDraft(c, noCall)
	c.Advance(24 * time.Second)
	_, err = c.SendRaw(late.signed(payer.key))
	require.NoError(t, err, "one second before the end")
	late.with(fieldValidAfter, rawUint(2))
	c.Advance(time.Second)
	assert.Contains(t, refused(t, c, late.signed(payer.key)), "expired")
}

func TestSequentialNonces(t *testing.T) {
	c := testChain(t)
	send := func(key rlp.RawValue, nonce uint64, call Call) error {
		raw := newDraft(c, call).with(fieldNonceKey, key).with(fieldNonce, rawUint(nonce)).with(fieldValidBefore, emptyString).with(fieldValidAfter, emptyString).signed(payer.key)
		_, err := c.SendRaw(raw)
		return err
	}
	require.NoError(t, send(emptyString, 0, noCall))
	require.ErrorContains(t, send(emptyString, 0, on(PathUSD, "name()")), "the next one is 1")
	require.NoError(t, send(emptyString, 1, on(PathUSD, "nonsense()")), "mined and reverted")
	require.NoError(t, send(emptyString, 2, noCall), "the reverted one counts")
	require.NoError(t, send(rawUint(7), 0, noCall), "another key counts for itself")
	require.ErrorContains(t, send(rawUint(7), 3, noCall), "the next one is 1")
}

func TestSponsoredTransactions(t *testing.T) {
	c := testChain(t)
	poor := newParty(40)
	d := newDraft(c, on(PathUSD, "balanceOf(address)", poor.addr)).sponsored()
	for name, raw := range map[string][]byte{"0x78": d.handoff(poor), "0x76": d.signed(poor.key)} {
		final, err := c.Cosign(raw, sponsor.key, PathUSD)
		require.NoError(t, err, name)
		if name == "0x78" {
			assert.Contains(t, refused(t, c, raw), "hand-off")
		}
		same, err := c.Cosign(final, sponsor.key, PathUSD)
		require.Error(t, err, "it has a sponsor")
		assert.Empty(t, same)
	}
	final, err := c.Cosign(d.handoff(poor), sponsor.key, PathUSD)
	require.NoError(t, err)
	r, err := c.SendRaw(final)
	require.NoError(t, err)
	assert.Equal(t, poor.addr, r.From)
	assert.Equal(t, sponsor.addr, r.FeePayer)
	assert.Equal(t, voucher.Units(100_000_000).SubFloor(r.Fee), c.Balance(PathUSD, sponsor.addr))
	again, err := c.Cosign(d.signed(poor.key), stranger.key, PathUSD)
	require.NoError(t, err)
	assert.Contains(t, refused(t, c, again), "replay", "another sponsor does not make it another transaction")

	// What the sponsor signed cannot be changed.
	spoiled := newDraft(c, noCall).sponsored()
	tx, err := decodeTransaction(spoiled.handoff(payer))
	require.NoError(t, err)
	final, err = tx.cosign(payer.addr, sponsor.key, PathUSD)
	require.NoError(t, err)
	tx, err = decodeTransaction(final)
	require.NoError(t, err)
	tx.sponsorSignature[40] ^= 1
	a := &admitted{transaction: tx}
	if err = c.admitSigners(a); err == nil {
		assert.NotEqual(t, sponsor.addr, a.payer, "a changed signature is another payer's, or nobody's")
	}
	assert.Contains(t, refused(t, c, envelope(typeTempo, append(append([]rlp.RawValue(nil), sponsoredFields(tx, emptyString)...), rawString(tx.signature)))), "fee token")

	withList := newDraft(c, noCall).sponsored().with(fieldAccessList, rawList(rawList(rawString(PathUSD[:]), emptyList)))
	tx, err = decodeTransaction(withList.handoff(payer))
	require.NoError(t, err)
	final, err = tx.cosign(payer.addr, sponsor.key, PathUSD)
	require.NoError(t, err)
	assert.Contains(t, refused(t, c, final), "access list")
	_, err = c.SendRaw(newDraft(c, noCall).with(fieldAccessList, rawList(rawList(rawString(PathUSD[:]), emptyList))).signed(payer.key))
	require.NoError(t, err, "without a sponsor it is allowed")
}

// sponsoredFields is a co-signed transaction with another fee token.
func sponsoredFields(tx *transaction, feeToken rlp.RawValue) []rlp.RawValue {
	fields := append([]rlp.RawValue(nil), tx.fields...)
	fields[fieldFeeToken] = feeToken
	return fields
}

func TestCosignRules(t *testing.T) {
	c := testChain(t)
	for name, test := range map[string]struct {
		field int
		value rlp.RawValue
		want  string
	}{
		"gas":         {fieldGas, rawUint(2_000_001), "gas limit"},
		"no gas":      {fieldGas, emptyString, "gas limit"},
		"fee":         {fieldMaxFee, rawUint(100_000_000_001), "more than a sponsor pays"},
		"no fee":      {fieldMaxFee, emptyString, "more than a sponsor pays"},
		"fee in all":  {fieldMaxFee, rawUint(25_000_000_001), "more than a sponsor pays"},
		"validity":    {fieldValidBefore, rawUint(c.testTime() + 901), "too far ahead"},
		"no validity": {fieldValidBefore, emptyString, "missing"},
		"nonce key":   {fieldNonceKey, emptyString, "expiring"},
		"fee token":   {fieldFeeToken, rawString(PathUSD[:]), "leave the fee token"},
		"chain":       {fieldChainID, rawUint(1), "chain id 1"},
		"access list": {fieldAccessList, rawList(emptyList), "access list"},
		"value":       {fieldCalls, rawList(rawList(rawString(payee.addr[:]), rawUint(1), emptyString)), "value"},
		"tip":         {fieldMaxPriorityFee, rawUint(50_000_000_001), "maxPriorityFeePerGas"},
		"unsponsored": {fieldFeePayer, emptyString, "asks for no sponsor"},
		"broken":      {fieldNonce, rlp.RawValue{0x82, 0x00, 0x01}, "cannot be decoded"},
	} {
		_, err := c.Cosign(newDraft(c, noCall).sponsored().with(test.field, test.value).signed(payer.key), sponsor.key, PathUSD)
		var refusal *RefusedError
		require.ErrorAs(t, err, &refusal, name)
		assert.Contains(t, refusal.Reason, test.want, name)
	}
	d := newDraft(c, noCall).sponsored()
	_, err := c.Cosign(d.handoff(party{payer.key, payee.addr}), sponsor.key, PathUSD)
	require.ErrorContains(t, err, "signature does not verify", "the 0x78 form names somebody else")
	_, err = Inspect(d.handoff(party{payer.key, payee.addr}))
	require.ErrorIs(t, err, errSignature)

	steep := newDraft(c, noCall).sponsored().with(fieldGas, rawUint(100_000)).with(fieldMaxFee, rawUint(60_000_000_000))
	_, err = c.Cosign(steep.with(fieldMaxPriorityFee, rawUint(50_000_000_000)).signed(payer.key), sponsor.key, PathUSD)
	require.NoError(t, err, "50 billion on the testnet")
	_, err = c.Cosign(steep.with(fieldMaxPriorityFee, rawUint(50_000_000_001)).signed(payer.key), sponsor.key, PathUSD)
	require.Error(t, err)
	main := New(Config{ChainID: 4217})
	defer main.Close()
	steep.with(fieldChainID, rawUint(4217)).with(fieldMaxPriorityFee, rawUint(10_000_000_001))
	_, err = main.Cosign(steep.signed(payer.key), sponsor.key, PathUSD)
	require.Error(t, err, "10 billion elsewhere")
}

func TestRefusedErrorText(t *testing.T) {
	err := refusef("because of %d", 7)
	assert.EqualError(t, err, "devchain: transaction refused: because of 7")
	assert.False(t, errors.Is(err, errSignature))
}
