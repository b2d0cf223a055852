package wire

import (
	"encoding/json"
	"maps"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/internal/vectors"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// request returns a challenge with this JSON as its request.
func request(text string) Challenge {
	c := sample
	c.Request = encodeText(text)
	return c
}

func ptr[T any](v T) *T { return &v }

const fullRequest = `{"amount":"25000","currency":"0x20C0000000000000000000000000000000000000","description":"ignored",
"recipient":"0x70997970C51812dc3A010C7d01b50e0d17dc79C8", "suggestedDeposit":"10000000",
"unitType":"token",
 "methodDetails":{"chainId":42431,"escrowContract":"0x4d50500000000000000000000000000000000000","sessionProtocol":"v2",
  "minVoucherDelta":"25000","feePayer":true,"feeToken":"0x20c0000000000000000000000000000000000001",
  "operator":"0x00000000000000000000000000000000000000Aa",
  "channelId":"0xf2255998ec48ed7bea25ca272ddec1d33412b3d2fc9e40f4e979e58c5d2b83aa",
  "acceptedCumulative":"250000","requiredCumulative":"262500","spent":"237500","deposit":"10000000","machineTokenEnabled":[]}}`

func TestSessionRequest(t *testing.T) {
	got, err := request(fullRequest).SessionRequest()
	require.NoError(t, err)
	assert.Equal(t, SessionRequest{
		Amount:           voucher.Units(25000),
		Currency:         common.HexToAddress("0x20c0000000000000000000000000000000000000"),
		Recipient:        common.HexToAddress("0x70997970C51812dc3A010C7d01b50e0d17dc79C8"),
		UnitType:         "token",
		SuggestedDeposit: ptr(voucher.Units(10000000)),
		MethodDetails: MethodDetails{
			ChainID: ptr(uint64(42431)),
			EscrowContract: ptr(
				common.HexToAddress("0x4d50500000000000000000000000000000000000"),
			),
			SessionProtocol: "v2",
			MinVoucherDelta: ptr(voucher.Units(25000)),
			FeePayer:        true,
			FeeToken: ptr(
				common.HexToAddress("0x20c0000000000000000000000000000000000001"),
			),
			Operator: ptr(common.HexToAddress("0xaa")),
			ChannelID: ptr(
				common.HexToHash(
					"0xf2255998ec48ed7bea25ca272ddec1d33412b3d2fc9e40f4e979e58c5d2b83aa",
				),
			),
			AcceptedCumulative: ptr(voucher.Units(250000)),
			RequiredCumulative: ptr(voucher.Units(262500)),
			Spent:              ptr(voucher.Units(237500)),
			Deposit:            ptr(voucher.Units(10000000)),
		},
	}, got)
}

func TestSessionRequestOfACharge(t *testing.T) {
	got, err := request(
		`{"amount":"0","currency":"0x20c0000000000000000000000000000000000000","methodDetails":{"chainId":4217},"recipient":"0x20c0000000000000000000000000000000000001"}`,
	).SessionRequest()
	require.NoError(t, err)
	assert.True(t, got.Amount.IsZero())
	assert.Equal(t, MethodDetails{ChainID: ptr(uint64(4217))}, got.MethodDetails)
	got, err = request(
		`{"amount":"0","currency":"0x20c0000000000000000000000000000000000000","recipient":"0x20c0000000000000000000000000000000000001"}`,
	).SessionRequest()
	require.NoError(t, err)
	assert.Nil(t, got.MethodDetails.ChainID)
}

// with returns fullRequest with one field set to other JSON, or removed if that is empty. A path
// with a dot is in methodDetails.
func with(t testing.TB, inDetails bool, name, value string) Challenge {
	t.Helper()
	var outer, inner map[string]json.RawMessage
	require.NoError(t, json.Unmarshal([]byte(fullRequest), &outer))
	require.NoError(t, json.Unmarshal(outer["methodDetails"], &inner))
	at := outer
	if inDetails {
		at = inner
	}
	at[name] = json.RawMessage(value)
	maps.DeleteFunc(at, func(_ string, v json.RawMessage) bool { return len(v) == 0 })
	if inDetails {
		text, err := json.Marshal(inner)
		require.NoError(t, err)
		outer["methodDetails"] = text
	}
	text, err := json.Marshal(outer)
	require.NoError(t, err)
	return request(string(text))
}

func TestSessionRequestIsStrict(t *testing.T) {
	for _, c := range []struct {
		details     bool
		name, value string
		ok          bool
	}{
		{false, "amount", ``, false},
		{false, "amount", `25000`, false},
		{false, "amount", `null`, false},
		{false, "amount", `"0x10"`, false},
		{false, "amount", `"-1"`, false},
		{false, "amount", `""`, false},
		{false, "Amount", `"99999999"`, true}, // another name: ignored
		{false, "currency", ``, false},
		{false, "currency", `"USD"`, false},
		{false, "recipient", ``, false},
		{false, "recipient", `"0x1234"`, false},
		{false, "suggestedDeposit", ``, true},
		{false, "suggestedDeposit", `null`, true},
		{false, "suggestedDeposit", `10`, false},
		{false, "unitType", `1`, false},
		{false, "methodDetails", `[]`, false},
		{false, "methodDetails", `"v2"`, false},
		{true, "chainId", `"42431"`, false},
		{true, "chainId", `42431.5`, false},
		{true, "escrowContract", `"0x00"`, false},
		{true, "escrow", `"0x4d50500000000000000000000000000000000000"`, true},
		{true, "escrow", `"0x4d50500000000000000000000000000000000001"`, false},
		{true, "operator", `"nobody"`, false},
		{true, "feeToken", `7`, false},
		{true, "feePayer", `"yes"`, false},
		{true, "sessionProtocol", `2`, false},
		{true, "sessionProtocol", `"v9"`, true}, // interpreted by callers
		{true, "minVoucherDelta", `1`, false},
		{true, "channelId", `"0x12"`, false},
		{true, "acceptedCumulative", `250000`, false},
		{true, "requiredCumulative", `"1e6"`, false},
		{true, "spent", `" 1"`, false},
		{true, "deposit", `true`, false},
		{true, "sessionSnapshot", `{}`, false},
		{true, "sessionSnapshot", `"x"`, false},
		{true, "sessionSnapshot", `null`, true},
		{true, "machineTokenEnabled", `{"a":{"a":[]}}`, true},
	} {
		_, err := with(t, c.details, c.name, c.value).SessionRequest()
		if c.ok {
			assert.NoError(t, err, "%s = %s", c.name, c.value)
			continue
		}
		assert.ErrorIs(t, err, ErrMalformed, "%s = %s", c.name, c.value)
		assert.ErrorContains(t, err, c.name)
	}
	for name, text := range map[string]string{
		"amount twice":  `{"amount":"1",` + fullRequest[1:],
		"nested twice":  `{"amount":"1","currency":"0x20c0000000000000000000000000000000000000","recipient":"0x20c0000000000000000000000000000000000001","methodDetails":{"chainId":1,"chainId":2}}`,
		"no object":     `[]`,
		"not JSON":      `{`,
		"with a record": fullRequest + "{}",
	} {
		_, err := request(text).SessionRequest()
		assert.ErrorIs(t, err, ErrMalformed, name)
	}
	_, err := Challenge{Request: "!"}.SessionRequest()
	assert.ErrorIs(t, err, ErrMalformed)
}

func TestEscrowAlias(t *testing.T) {
	c := with(t, true, "escrowContract", ``)
	got, err := c.SessionRequest()
	require.NoError(t, err)
	assert.Nil(t, got.MethodDetails.EscrowContract)
	got, err = request(
		`{"amount":"0","currency":"0x20c0000000000000000000000000000000000000","recipient":"0x20c0000000000000000000000000000000000001","methodDetails":{"escrow":"0x4d50500000000000000000000000000000000000"}}`,
	).SessionRequest()
	require.NoError(t, err)
	assert.Equal(
		t, common.HexToAddress("0x4d50500000000000000000000000000000000000"),
		*got.MethodDetails.EscrowContract,
	)
}

// TestMppxRequests parses requests of mppx, including snapshots.
func TestMppxRequests(t *testing.T) {
	snapshots := vectors.Load[snapshotFile](t, vectors.Snapshot)
	for _, c := range snapshots.Cases {
		if !c.Decode.OK {
			continue
		}
		text := `{"amount":"1","currency":"0x20c0000000000000000000000000000000000000","recipient":"0x20c0000000000000000000000000000000000001","methodDetails":{"sessionSnapshot":` + string(
			c.Decode.Value,
		) + `}}`
		got, err := request(text).SessionRequest()
		require.NoError(t, err)
		want, err := ParseSnapshotHeader(c.Header)
		require.NoError(t, err)
		assert.Equal(t, &want, got.MethodDetails.SessionSnapshot)
	}
	n := 0
	for _, c := range vectors.Load[credentialFile](t, vectors.Credential).Cases {
		for _, v := range c.Challenges {
			n++
			got, err := v.challenge(t).SessionRequest()
			require.NoError(t, err, c.ID)
			var want struct {
				Amount              string
				Currency, Recipient common.Address
				MethodDetails       struct {
					ChainID                  uint64
					SessionProtocol          string
					FeePayer                 bool
					EscrowContract, Operator *common.Address
				}
			}
			require.NoError(t, json.Unmarshal(v.Request, &want))
			assert.Equal(t, want.Amount, got.Amount.String())
			assert.Equal(t, want.Currency, got.Currency)
			assert.Equal(t, want.Recipient, got.Recipient)
			assert.Equal(t, want.MethodDetails.ChainID, *got.MethodDetails.ChainID)
			assert.Equal(t, want.MethodDetails.SessionProtocol, got.MethodDetails.SessionProtocol)
			assert.Equal(t, want.MethodDetails.FeePayer, got.MethodDetails.FeePayer)
			assert.Equal(t, want.MethodDetails.EscrowContract, got.MethodDetails.EscrowContract)
			assert.Equal(t, want.MethodDetails.Operator, got.MethodDetails.Operator)
		}
	}
	require.Positive(t, n)
}

// FuzzSessionRequest checks that encoding/json reads the same amount as a string.
func FuzzSessionRequest(f *testing.F) {
	seeds := 0
	for _, c := range vectors.Load[credentialFile](f, vectors.Credential).Cases {
		for _, v := range c.Challenges {
			f.Add([]byte(v.Request))
			seeds++
		}
	}
	require.Positive(f, seeds)
	f.Add([]byte(fullRequest))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := request(string(text)).SessionRequest()
		if err != nil {
			require.ErrorIs(t, err, ErrMalformed)
			return
		}
		var loose map[string]any
		require.NoError(t, json.Unmarshal(text, &loose))
		want, err := voucher.ParseAmount(loose["amount"].(string))
		require.NoError(t, err)
		require.Equal(t, want, r.Amount)
	})
}

func BenchmarkSessionRequest(b *testing.B) {
	c := request(fullRequest)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.SessionRequest(); err != nil {
			b.Fatal(err)
		}
	}
}
