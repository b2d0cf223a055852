package rule_test

import (
	"encoding/base64"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/internal/wire"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

func challenge(request string) wire.Challenge {
	return wire.Challenge{
		ID: "id", Realm: "api.example.com", Method: "tempo", Intent: "session",
		Request: base64.RawURLEncoding.EncodeToString([]byte(request)),
		Expires: "2026-01-01T00:05:00.000Z",
	}
}

const v2Request = `{"amount":"25000","currency":"0x20c0000000000000000000000000000000000000","methodDetails":{"chainId":42431,
"escrowContract":"0x4d50500000000000000000000000000000000000","feePayer":true,"minVoucherDelta":"25000","sessionProtocol":"v2",
"sessionSnapshot":{"acceptedCumulative":"250000","chainId":42431,"channelId":"0xdf9ea7cf21fe2a02604b06593a394b79ce974c4a98a31cbce31099ed4daf8dde",
"deposit":"10000000","descriptor":{"authorizedSigner":"0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
"expiringNonceHash":"0x14dff286840e9bc333ba7d4961514046af4a925a2ed2297031b720eb6f3553bb","operator":"0x0000000000000000000000000000000000000000",
"payee":"0x70997970C51812dc3A010C7d01b50e0d17dc79C8","payer":"0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
"salt":"0x1111111111111111111111111111111111111111111111111111111111111111","token":"0x20c0000000000000000000000000000000000000"},
"escrow":"0x4d50500000000000000000000000000000000000","highestVoucher":{"channelId":"0xdf9ea7cf21fe2a02604b06593a394b79ce974c4a98a31cbce31099ed4daf8dde",
"cumulativeAmount":"250000","signature":"0x866f853471b7c6d478ea65890b7b70fe884b853514bb7190b7f5114d45ed1aae1bc3df8e78a9bb635ca8450c724a9107676fb418ff57e8dd05ad66e611d875f51c"},
"requiredCumulative":"262500","settled":"0","spent":"237500","units":9}},
"recipient":"0x70997970C51812dc3A010C7d01b50e0d17dc79C8","suggestedDeposit":"10000000","unitType":"token"}`

func TestParseOffer(t *testing.T) {
	o, err := rule.ParseOffer(challenge(v2Request))
	require.NoError(t, err)
	assert.Equal(t, voucher.V2, o.Protocol)
	assert.Equal(t, u(25000), o.Price)
	assert.Equal(t, u(10_000_000), o.Suggested)
	assert.Equal(t, u(25000), o.MinDelta)
	assert.Equal(t, "token", o.UnitType)
	assert.True(t, o.FeePayer)
	assert.False(t, o.BindsBody)
	assert.Equal(t, payee, o.Payee)
	assert.NoError(t, rule.Live(o, time.Date(2026, 1, 1, 0, 4, 59, 0, time.UTC)))
	assert.ErrorIs(t, rule.Live(o, time.Date(2026, 1, 1, 0, 5, 0, 0, time.UTC)), channel.ErrExpired)

	snap := o.Snapshot
	require.NotNil(t, snap)
	assert.Equal(t, u(237500), snap.Report.Spent)
	assert.Equal(t, u(262500), snap.Required)
	require.NotNil(t, snap.Voucher)

	// The snapshot's voucher is a real one of the test key: it proves what was signed, and no more.
	sc := scope(t)
	s, err := rule.Find(
		voucher.V2, snap.ChainID, snap.Escrow, snap.ChannelID, snap.Descriptor, sc,
		rule.OnChain{Exists: true, Deposit: u(10_000_000)},
	)
	require.NoError(t, err)
	s, err = s.Recover(*snap.Voucher)
	require.NoError(t, err)
	s, err = s.Reconcile(snap.Report, u(0))
	require.NoError(t, err)
	assert.Equal(t, u(250000), s.Authorized())
	assert.Equal(t, u(237500), s.Claimed)
	_, _, due, err := s.Authorize(
		rule.Request{Price: o.Price},
		rule.Of(channel.Limits{Price: u(25000), Deposit: u(1_000_000)}),
	)
	require.NoError(t, err)
	assert.Equal(t, u(262500), due, "our own sum, whatever was required")
}

const v1Request = `{"amount":"100","currency":"0x20c0000000000000000000000000000000000000","methodDetails":{"channelId":"0x0101010101010101010101010101010101010101010101010101010101010101",
"acceptedCumulative":"500","spent":"400","requiredCumulative":"9999","deposit":"9999"},"recipient":"0x70997970C51812dc3A010C7d01b50e0d17dc79C8"}`

func TestParseOfferV1WithHints(t *testing.T) {
	o, err := rule.ParseOffer(challenge(v1Request))
	require.NoError(t, err)
	assert.Equal(t, voucher.V1, o.Protocol)
	assert.Zero(t, o.ChainID)
	assert.Equal(
		t, common.HexToHash("0x0101010101010101010101010101010101010101010101010101010101010101"),
		o.ChannelID,
	)
	assert.Equal(t, &channel.Report{Accepted: u(500), Spent: u(400)}, o.Hints)
	assert.Nil(t, o.Snapshot)
}

func TestParseOfferRefuses(t *testing.T) {
	with := func(change func(*wire.Challenge)) wire.Challenge {
		c := challenge(v1Request)
		change(&c)
		return c
	}
	const ends = `"currency":"0x20c0000000000000000000000000000000000000","recipient":"0x70997970C51812dc3A010C7d01b50e0d17dc79C8"`
	for name, c := range map[string]struct {
		challenge wire.Challenge
		want      error
	}{
		"another intent": {
			with(func(c *wire.Challenge) { c.Intent = "charge" }), channel.ErrNotSession,
		},
		"another method": {
			with(func(c *wire.Challenge) { c.Method = "stripe" }), channel.ErrNotSession,
		},
		"unreadable expiry": {
			with(func(c *wire.Challenge) { c.Expires = "soon" }), channel.ErrExpired,
		},
		"not base64": {
			with(func(c *wire.Challenge) { c.Request = "%" }), channel.ErrOffer,
		},
		"unknown protocol": {
			challenge(`{"amount":"1",` + ends + `,"methodDetails":{"sessionProtocol":"v3"}}`),
			channel.ErrOffer,
		},
		"v2 without a chain": {
			challenge(`{"amount":"1",` + ends + `,"methodDetails":{"sessionProtocol":"v2"}}`),
			channel.ErrOffer,
		},
		"negative amount":    {challenge(`{"amount":"-1",` + ends + `}`), channel.ErrOffer},
		"hexadecimal amount": {challenge(`{"amount":"0x10",` + ends + `}`), channel.ErrOffer},
		"amount as a number": {challenge(`{"amount":1,` + ends + `}`), channel.ErrOffer},
		"two amounts": {
			challenge(`{"amount":"1","amount":"2",` + ends + `}`), channel.ErrOffer,
		},
		"above uint96 on v2": {
			challenge(
				`{"amount":"79228162514264337593543950336",` + ends + `,"methodDetails":{"sessionProtocol":"v2","chainId":1}}`,
			),
			channel.ErrOffer,
		},
		"payee is the token": {
			challenge(
				`{"amount":"1","currency":"0x20c0000000000000000000000000000000000000","recipient":"0x20c0000000000000000000000000000000000000"}`,
			),
			channel.ErrOffer,
		},
		"the zero payee": {
			challenge(
				`{"amount":"1","currency":"0x20c0000000000000000000000000000000000000","recipient":"0x0000000000000000000000000000000000000000"}`,
			),
			channel.ErrOffer,
		},
		"payee of a 19 bytes": {
			challenge(
				`{"amount":"1","currency":"0x20c0000000000000000000000000000000000000","recipient":"0x00000000000000000000000000000000000001"}`,
			),
			channel.ErrOffer,
		},
	} {
		_, err := rule.ParseOffer(c.challenge)
		assert.ErrorIs(t, err, c.want, name)
	}
}
