package wire

import (
	"encoding/json"
	"net/textproto"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/internal/vectors"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

func TestHeaderNamesAreCanonical(t *testing.T) {
	for _, name := range []string{
		HeaderAcceptPayment, HeaderAuthorization, HeaderIdempotencyKey, HeaderPaymentAuthorization,
		HeaderPaymentReceipt, HeaderPaymentSession, HeaderPaymentSessionSnapshot,
		HeaderWWWAuthenticate,
	} {
		assert.Equal(t, textproto.CanonicalMIMEHeaderKey(name), name)
	}
}

func TestSource(t *testing.T) {
	const address = "0xAAA3d851D151b17885561150411E5c03629270f4"
	assert.Equal(
		t, "did:pkh:eip155:42431:0xaaa3d851d151b17885561150411e5c03629270f4",
		FormatSource(42431, common.HexToAddress(address)),
	)
	sources := vectors.Load[proofFile](t, vectors.Proof).Sources
	for _, c := range sources {
		chainID, payer, err := ParseSource(c.Source)
		if c.Mppx == nil {
			assert.ErrorIs(t, err, ErrMalformed, c.Source)
			continue
		}
		require.NoError(t, err, c.Source)
		assert.Equal(t, c.Mppx.ChainID, chainID)
		assert.Equal(t, common.HexToAddress(c.Mppx.Address), payer)
	}
	for _, s := range []string{
		"", address, "did:pkh:eip155:042431:" + address, "did:pkh:eip155::" + address,
		"did:pkh:eip155:1", "did:pkh:eip155:1:",
		"did:pkh:eip155:1:" + address + ":", "did:pkh:eip155:1::" + address,
		"did:pkh:eip155:-1:" + address, "did:pkh:eip155:+1:" + address,
		"did:pkh:eip155:9007199254740992:" + address, "did:pkh:eip155:1.0:" + address,
		"did:pkh:solana:1:" + address, "DID:pkh:eip155:1:" + address,
		"did:pkh:eip155:1:" + address[2:], "did:pkh:eip155:1:" + address + "00",
		"did:pkh:eip155:1: " + address,
	} {
		_, payer, err := ParseSource(s)
		assert.ErrorIs(t, err, ErrMalformed, s)
		assert.Zero(t, payer)
	}
}

func FuzzParseSource(f *testing.F) {
	sources := vectors.Load[proofFile](f, vectors.Proof).Sources
	for _, c := range sources {
		f.Add(c.Source)
	}
	f.Fuzz(func(t *testing.T, s string) {
		chainID, payer, err := ParseSource(s)
		if err == nil {
			require.Equal(t, strings.ToLower(s), FormatSource(chainID, payer))
		}
	})
}

// frames returns the data of all events of the type in sse.json.
func frames(t testing.TB, kind string) (data []json.RawMessage) {
	t.Helper()
	type event struct {
		Type, Event string
		Data        json.RawMessage
	}
	for _, c := range vectors.Load[struct {
		Cases []struct{ Whatwg []event }
	}](t, vectors.SSE).Cases {
		for _, e := range c.Whatwg {
			if e.Type == kind {
				data = append(data, e.Data)
			}
		}
	}
	require.NotEmpty(t, data)
	return data
}

func TestParseNeedVoucher(t *testing.T) {
	for _, data := range frames(t, "payment-need-voucher") {
		got, err := ParseNeedVoucher(data)
		require.NoError(t, err)
		assert.Equal(t, NeedVoucher{
			ChannelID: common.HexToHash(
				"0xde2945156ec26c71b60b3510701259cf44bc39446cd2d437a97015b1d3fb2b20",
			),
			Required: voucher.Units(250025), Accepted: voucher.Units(250000),
			Deposit: voucher.Units(500000),
		}, got)
	}
	for _, data := range frames(t, "malformed") {
		var text string
		require.NoError(t, json.Unmarshal(data, &text))
		_, err := ParseNeedVoucher([]byte(text))
		assert.ErrorIs(t, err, ErrMalformed)
	}
	const id = `"channelId":"0xDE2945156ec26c71b60b3510701259cf44bc39446cd2d437a97015b1d3fb2b20"`
	_, err := ParseNeedVoucher(
		[]byte(
			`{` + id + `,"requiredCumulative":"1","acceptedCumulative":"1","deposit":"1","more":1}`,
		),
	)
	require.NoError(t, err)
	for _, text := range []string{
		``, `[]`, `"x"`, `null`,
		`{` + id + `,"requiredCumulative":1,"acceptedCumulative":"1","deposit":"1"}`,
		`{` + id + `,"requiredCumulative":"1","acceptedCumulative":"1"}`,
		`{` + id + `,"acceptedCumulative":"1","deposit":"1"}`,
		`{` + id + `,"requiredCumulative":"1","requiredCumulative":"2","acceptedCumulative":"1","deposit":"1"}`,
		`{` + id + `,"RequiredCumulative":"1","acceptedCumulative":"1","deposit":"1"}`,
		`{"requiredCumulative":"1","acceptedCumulative":"1","deposit":"1"}`,
		strings.Repeat(" ", MaxDocument) + `{}`,
	} {
		_, err := ParseNeedVoucher([]byte(text))
		assert.ErrorIs(t, err, ErrMalformed, text)
	}
}

func FuzzParseNeedVoucher(f *testing.F) {
	for _, data := range frames(f, "payment-need-voucher") {
		f.Add([]byte(data))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := ParseNeedVoucher(data)
		if err != nil {
			require.ErrorIs(t, err, ErrMalformed)
			return
		}
		text := appendHex([]byte(`{"channelId":`), n.ChannelID[:])
		text = appendAmount(append(text, `,"requiredCumulative":`...), n.Required)
		text = appendAmount(append(text, `,"acceptedCumulative":`...), n.Accepted)
		text = appendAmount(append(text, `,"deposit":`...), n.Deposit)
		again, err := ParseNeedVoucher(append(text, '}'))
		require.NoError(t, err)
		require.Equal(t, n, again)
	})
}
