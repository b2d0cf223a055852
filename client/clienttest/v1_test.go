package clienttest_test

import (
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// TestV1Rules checks where mppx 0.8.14 differs from 0.11.0.
func TestV1Rules(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	zero := common.Address{}

	a := p.ask("/v1/data")
	assert.NotContains(t, a.details(t), "sessionProtocol")
	assert.NotContains(
		t, p.ask("/v1/min-delta").details(t), "minVoucherDelta", "enforced, not announced",
	)
	assert.Equal(t, "500", p.ask("/min-delta").details(t)["minVoucherDelta"])

	payload, c := p.opening(voucher.V1, open{deposit: 10_000, amount: 0})
	assert.Equal(t, "verification-failed", p.pay("GET", "/v1/data", a, payload).problem)
	assert.False(t, srv.Chain.Channel(c.id).Exists)

	payload, c = p.opening(voucher.V1, open{deposit: 10_000, amount: 40, signer: &zero})
	r := p.pay("GET", "/v1/data", a, payload)
	assert.Equal(
		t, "session/insufficient-balance", r.problem, "below the price: opened, then refused",
	)
	assert.True(t, srv.Chain.Channel(c.id).Exists)
	payload["cumulativeAmount"], payload["signature"] = "100", hexutil.Encode(
		p.sign(voucher.V1, c.id, 100),
	)
	require.Equal(
		t, 200, p.pay("GET", "/v1/data", a, with(payload, "authorizedSigner", nil)).status,
		"the same open again, with a higher voucher",
	)
	srv.Forget(c.id)
	require.Equal(
		t, 200, p.pay("GET", "/v1/data", a, payload).status,
		"an open that was mined is taken again",
	)
	got, _ := srv.Account(c.id)
	assert.Equal(t, voucher.Units(100), got.Spent)

	// Lower and equal vouchers are accepted, and the source is not checked.
	require.Equal(
		t,
		204,
		p.do(
			"HEAD", "/v1/data", nil,
			map[string]string{"Authorization": p.credential(a, p.voucher(c, "voucher", 300), "")},
		).status,
	)
	r = p.pay("GET", "/v1/data", a, p.voucher(c, "voucher", 200))
	require.Equal(t, 200, r.status)
	assert.Equal(t, "300", r.receipt["acceptedCumulative"])
	assert.Equal(t, 200, p.pay("GET", "/v1/data", a, p.voucher(c, "voucher", 300)).status)
	assert.Equal(
		t, "session/insufficient-balance",
		p.pay("GET", "/v1/data", a, p.voucher(c, "voucher", 300)).problem,
	)
	assert.Equal(
		t, "session/delta-too-small",
		p.pay("GET", "/v1/min-delta", p.ask("/v1/min-delta"), p.voucher(c, "voucher", 799)).problem,
	)

	// A close request counts once it was seen, even if it is canceled.
	p.requestClose(c)
	assert.Equal(t, 410, p.pay("GET", "/v1/data", a, p.voucher(c, "voucher", 400)).status)
	p.onChain(srv.Token, abi("approve(address,uint256)", srv.Escrow(voucher.V1), uint64(5)))
	p.onChain(srv.Escrow(voucher.V1), abi("topUp(bytes32,uint256)", c.id, uint64(5)))
	assert.Zero(t, srv.Chain.Channel(c.id).CloseRequestedAt)
	assert.Equal(t, 410, p.pay("GET", "/v1/data", a, p.voucher(c, "voucher", 400)).status)
	assert.Equal(t, 410, p.pay("POST", "/v1/data", a, p.voucher(c, "close", 300)).status)
	got, _ = srv.Account(c.id)
	assert.True(t, got.Closing)
	p.requestClose(c)
	srv.Chain.Advance(15 * time.Minute)
	p.onChain(srv.Escrow(voucher.V1), abi("withdraw(bytes32)", c.id))
	assert.True(t, srv.Chain.Channel(c.id).Finalized)
	srv.Forget(c.id)
	assert.Equal(
		t, "session/channel-finalized", p.pay("GET", "/v1/data", a, payload).problem,
		"an id is used once",
	)
}

func TestV1StreamTraps(t *testing.T) {
	accept := map[string]string{"Accept": "text/event-stream"}
	path := "/v1/stream/2/10"
	for _, plain := range []bool{false, true} {
		srv := clienttest.New(t, clienttest.Config{PlainV1: plain})
		p := newPayer(t, srv)
		payload, c := p.opening(voucher.V1, open{deposit: 10_000, amount: 20})
		l := p.stream("GET", path, p.ask(path), payload, accept)
		l.want("message")
		l.want("message")
		assert.Equal(t, "20", l.want("payment-receipt")["spent"], "an open streams")
		header := map[string]string{
			"Accept":        "text/event-stream",
			"Authorization": p.credential(p.ask(path), p.voucher(c, "voucher", 40), p.source()),
		}
		r := p.do("GET", path, nil, header)
		if plain {
			assert.Equal(t, 200, r.status)
			continue
		}
		assert.Equal(t, 204, r.status, "taken for management")
		assert.Equal(t, "30", r.receipt["spent"], "and charged")
		assert.Equal(t, 204, p.do("POST", path, nil, header).status)
		got, _ := srv.Account(c.id)
		assert.Equal(t, voucher.Units(30), got.Spent)
		assert.Equal(t, 200, p.pay("GET", path, p.ask(path), p.voucher(c, "voucher", 50)).status)
		assert.Equal(t, "session/insufficient-balance", p.do("GET", path, nil, header).problem)
	}
}

// TestV1Sponsor checks that a sponsor pays for an exact approval and the call of the escrow, and
// for nothing else.
func TestV1Sponsor(t *testing.T) {
	for name, one := range map[string]struct {
		mine    func(*tx)
		problem string
	}{
		"no approval":    {func(x *tx) { x.calls = x.calls[1:] }, "verification-failed"},
		"approval above": {func(x *tx) { x.calls[0].Data[67]++ }, "bad-request"},
		"a third call": {func(x *tx) {
			x.calls = append([]callTo{x.calls[0]}, x.calls...)
		}, "bad-request"},
		"no call to the escrow":  {func(x *tx) { x.calls = x.calls[:1] }, "verification-failed"},
		"more gas than is liked": {func(x *tx) { x.gas = 2_000_001 }, "verification-failed"},
		"no calls":               {func(x *tx) { x.calls = nil }, "verification-failed"},
	} {
		t.Run(name, func(t *testing.T) {
			srv := clienttest.New(t, clienttest.Config{})
			p := newPayer(t, srv)
			payload, c := p.opening(
				voucher.V1,
				open{deposit: 300, amount: 100, mine: one.mine, tx: tx{sponsored: "0x78"}},
			)
			assert.Equal(
				t, one.problem,
				p.pay("GET", "/v1/sponsored", p.ask("/v1/sponsored"), payload).problem,
			)
			assert.False(t, srv.Chain.Channel(c.id).Exists)
		})
	}
	t.Run("a payer may approve more", func(t *testing.T) {
		srv := clienttest.New(t, clienttest.Config{})
		p := newPayer(t, srv)
		payload, _ := p.opening(
			voucher.V1,
			open{deposit: 300, amount: 100, mine: func(x *tx) { x.calls[0].Data[67]++ }},
		)
		assert.Equal(t, 200, p.pay("GET", "/v1/data", p.ask("/v1/data"), payload).status)
	})
	for name, touch := range map[string]func(*clienttest.Server, map[string]any) map[string]any{
		"another channel": func(_ *clienttest.Server, m map[string]any) map[string]any {
			return with(m, "channelId", common.Hash{1}.Hex())
		},
		"another signer": func(_ *clienttest.Server, m map[string]any) map[string]any {
			return with(m, "authorizedSigner", common.Address{1}.Hex())
		},
		"a signature of nobody": func(_ *clienttest.Server, m map[string]any) map[string]any {
			raw := common.FromHex(m["transaction"].(string))
			raw[len(raw)-1] = 0
			return with(m, "transaction", hexutil.Encode(raw))
		},
	} {
		t.Run(name, func(t *testing.T) {
			srv := clienttest.New(t, clienttest.Config{})
			p := newPayer(t, srv)
			payload, _ := p.opening(voucher.V1, open{deposit: 300, amount: 100})
			assert.Equal(
				t, "verification-failed",
				p.pay("GET", "/v1/data", p.ask("/v1/data"), touch(srv, payload)).problem,
			)
		})
	}
}
