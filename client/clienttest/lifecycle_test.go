package clienttest_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// TestLifecycle pays, tops up, settles and closes on both rails, and explains every base unit.
func TestLifecycle(t *testing.T) {
	for _, rail := range []voucher.Protocol{voucher.V1, voucher.V2} {
		for _, sponsored := range []string{"", "0x78"} {
			t.Run(rail.String()+" sponsored "+sponsored, func(t *testing.T) {
				srv := clienttest.New(t, clienttest.Config{})
				p := newPayer(t, srv)
				path := map[voucher.Protocol]string{voucher.V1: "/v1", voucher.V2: ""}[rail] + map[string]string{"": "/data", "0x78": "/sponsored"}[sponsored]
				payeeBefore := srv.Chain.Balance(srv.Payee)
				payload, c := p.opening(rail, open{deposit: 300, amount: 100, tx: tx{sponsored: sponsored}})
				require.Equal(t, 200, p.pay("GET", path, p.ask(path), payload).status)
				r := p.do("POST", path, strings.NewReader("hello"), map[string]string{"Authorization": p.credential(p.ask(path), p.voucher(c, "voucher", 200), p.source())})
				require.Equal(t, 200, r.status, r.detail)
				assert.Contains(t, r.body, `"echo":"hello"`)

				r = p.pay("POST", path, p.ask(path), p.topUp(c, 700, tx{sponsored: sponsored}))
				require.Equal(t, 204, r.status, r.detail)
				assert.Len(t, r.receipt["txHash"], 66)
				got, _ := srv.Account(c.id)
				assert.Equal(t, voucher.Units(1000), got.Deposit)
				assert.Equal(t, clienttest.ChannelState{Exists: true, Deposit: voucher.Units(1000)}, srv.Chain.Channel(c.id))

				_, err := srv.Settle(c.id)
				require.NoError(t, err)
				_, err = srv.Settle(c.id)
				require.Error(t, err, "nothing left to settle")
				assert.Equal(t, voucher.Units(200), srv.Chain.Balance(srv.Payee).SubFloor(payeeBefore))
				require.Equal(t, 200, p.pay("GET", path, p.ask(path), p.voucher(c, "voucher", 300)).status)

				r = p.pay("POST", path, p.ask(path), p.voucher(c, "close", 300))
				require.Equal(t, 204, r.status, r.detail)
				assert.Equal(t, voucher.Units(300), srv.Chain.Balance(srv.Payee).SubFloor(payeeBefore))
				if sponsored != "" {
					assert.Equal(t, voucher.Units(100_000_000-300), srv.Chain.Balance(p.addr))
				}
				got, _ = srv.Account(c.id)
				assert.True(t, got.Finalized)
				assert.Equal(t, voucher.Units(300), got.Settled)
				assert.False(t, srv.Chain.Channel(c.id).Exists)
				assert.Equal(t, rail == voucher.V1, srv.Chain.Channel(c.id).Finalized)
				assert.Equal(t, []clienttest.Account{got}, srv.Accounts())
				_, err = srv.Settle(common.Hash{})
				require.Error(t, err)
			})
		}
	}
}

// TestV2ClosePaysWhatWasSpent and v1 the whole voucher.
func TestCloseCapture(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	for _, one := range []struct {
		rail    voucher.Protocol
		path    string
		capture uint64
	}{{voucher.V2, "/data", 100}, {voucher.V1, "/v1/data", 250}} {
		c := p.opened(one.rail, one.path)
		before := srv.Chain.Balance(srv.Payee)
		require.Equal(t, 204, p.pay("POST", one.path, p.ask(one.path), p.voucher(c, "close", 250)).status)
		assert.Equal(t, voucher.Units(one.capture), srv.Chain.Balance(srv.Payee).SubFloor(before), one.path)
	}
}

func TestCloseRefused(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	for path, rail := range map[string]voucher.Protocol{"/data": voucher.V2, "/v1/data": voucher.V1} {
		c := p.opened(rail, path)
		bad := with(p.voucher(c, "close", 100), "signature", hexutil.Encode(p.sign(rail, c.id, 99)))
		assert.Equal(t, "session/invalid-signature", p.pay("POST", path, p.ask(path), bad).problem)
		require.Equal(t, 204, p.pay("HEAD", path, p.ask(path), p.voucher(c, "voucher", 150)).status)
		_, err := srv.Settle(c.id)
		require.NoError(t, err)
		assert.Equal(t, "verification-failed", p.pay("POST", path, p.ask(path), p.voucher(c, "close", 149)).problem, "below what is settled")
		r := p.pay("POST", path, p.ask(path), p.voucher(c, "close", 150))
		if rail == voucher.V1 {
			assert.Equal(t, "verification-failed", r.problem, "at what is settled")
			assert.Equal(t, "session/amount-exceeds-deposit", p.pay("POST", path, p.ask(path), p.voucher(c, "close", 10_001)).problem)
			continue
		}
		assert.Equal(t, 204, r.status, "v2 closes for what is settled")
	}
}

func TestTopUpRefused(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	for _, path := range []string{"/data", "/v1/data"} {
		rail := voucher.V2
		if path != "/data" {
			rail = voucher.V1
		}
		c, other := p.opened(rail, path), p.opened(rail, path)
		wrongAmount := with(p.topUp(c, 700, tx{}), "additionalDeposit", "701")
		assert.Equal(t, "verification-failed", p.pay("POST", path, p.ask(path), wrongAmount).problem)
		wrongChannel := with(p.topUp(c, 700, tx{}), "channelId", other.id.Hex())
		if other.d != nil {
			wrongChannel["descriptor"] = other.d
		}
		assert.Equal(t, "verification-failed", p.pay("POST", path, p.ask(path), wrongChannel).problem)
		open, _ := p.opening(rail, open{deposit: 10, amount: 10})
		notATopUp := with(p.topUp(c, 700, tx{}), "transaction", open["transaction"])
		assert.Equal(t, "verification-failed", p.pay("POST", path, p.ask(path), notATopUp).problem)
		otherRail := map[string]string{"/data": "/v1/data", "/v1/data": "/data"}[path]
		assert.Equal(t, 402, p.pay("POST", otherRail, p.ask(otherRail), p.topUp(c, 700, tx{})).status)
		srv.Forget(c.id)
		assert.Equal(t, "session/channel-not-found", p.pay("POST", path, p.ask(path), p.topUp(c, 700, tx{})).problem)
		p.requestClose(other)
		assert.Equal(t, "session/channel-finalized", p.pay("POST", path, p.ask(path), p.topUp(other, 700, tx{})).problem)
	}
	free := "/v1/sponsored"
	payload, c := p.opening(voucher.V1, open{deposit: 300, amount: 100, tx: tx{sponsored: "0x78"}})
	require.Equal(t, 200, p.pay("GET", free, p.ask(free), payload).status)
	r := p.pay("POST", free, p.ask(free), p.topUp(c, 100_000_000, tx{sponsored: "0x78"}))
	assert.Equal(t, "verification-failed", r.problem, "more than the payer has")
}

// TestV1Rules are the ways in which mppx 0.8.14 differs.
func TestV1Rules(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	zero := common.Address{}

	a := p.ask("/v1/data")
	assert.NotContains(t, a.details(t), "sessionProtocol")
	assert.NotContains(t, p.ask("/v1/min-delta").details(t), "minVoucherDelta", "enforced, not announced")
	assert.Equal(t, "500", p.ask("/min-delta").details(t)["minVoucherDelta"])

	payload, c := p.opening(voucher.V1, open{deposit: 10_000, amount: 0})
	assert.Equal(t, "verification-failed", p.pay("GET", "/v1/data", a, payload).problem)
	assert.False(t, srv.Chain.Channel(c.id).Exists)

	payload, c = p.opening(voucher.V1, open{deposit: 10_000, amount: 40, signer: &zero})
	r := p.pay("GET", "/v1/data", a, payload)
	assert.Equal(t, "session/insufficient-balance", r.problem, "below the price: opened, then refused")
	assert.True(t, srv.Chain.Channel(c.id).Exists)
	payload["cumulativeAmount"], payload["signature"] = "100", hexutil.Encode(p.sign(voucher.V1, c.id, 100))
	require.Equal(t, 200, p.pay("GET", "/v1/data", a, with(payload, "authorizedSigner", nil)).status, "the same open again, with a higher voucher")
	srv.Forget(c.id)
	require.Equal(t, 200, p.pay("GET", "/v1/data", a, payload).status, "an open that was mined is taken again")
	got, _ := srv.Account(c.id)
	assert.Equal(t, voucher.Units(100), got.Spent)

	// Lower and equal vouchers are known ones; the source is nobody's business.
	require.Equal(t, 204, p.do("HEAD", "/v1/data", nil, map[string]string{"Authorization": p.credential(a, p.voucher(c, "voucher", 300), "")}).status)
	r = p.pay("GET", "/v1/data", a, p.voucher(c, "voucher", 200))
	require.Equal(t, 200, r.status)
	assert.Equal(t, "300", r.receipt["acceptedCumulative"])
	assert.Equal(t, 200, p.pay("GET", "/v1/data", a, p.voucher(c, "voucher", 300)).status)
	assert.Equal(t, "session/insufficient-balance", p.pay("GET", "/v1/data", a, p.voucher(c, "voucher", 300)).problem)
	assert.Equal(t, "session/delta-too-small", p.pay("GET", "/v1/min-delta", p.ask("/v1/min-delta"), p.voucher(c, "voucher", 799)).problem)

	// A close request that was seen is never forgotten, also when it is canceled.
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
	assert.Equal(t, "session/channel-finalized", p.pay("GET", "/v1/data", a, payload).problem, "an id is used once")
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
		header := map[string]string{"Accept": "text/event-stream", "Authorization": p.credential(p.ask(path), p.voucher(c, "voucher", 40), p.source())}
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

// TestV1Sponsor: a sponsor pays for an exact approval and the escrow's call.
func TestV1Sponsor(t *testing.T) {
	for name, one := range map[string]struct {
		mine    func(*tx)
		problem string
	}{
		"no approval":            {func(x *tx) { x.calls = x.calls[1:] }, "verification-failed"},
		"approval above":         {func(x *tx) { x.calls[0].Data[67]++ }, "bad-request"},
		"a third call":           {func(x *tx) { x.calls = append([]callTo{x.calls[0]}, x.calls...) }, "bad-request"},
		"no call to the escrow":  {func(x *tx) { x.calls = x.calls[:1] }, "verification-failed"},
		"more gas than is liked": {func(x *tx) { x.gas = 2_000_001 }, "verification-failed"},
		"no calls":               {func(x *tx) { x.calls = nil }, "verification-failed"},
	} {
		t.Run(name, func(t *testing.T) {
			srv := clienttest.New(t, clienttest.Config{})
			p := newPayer(t, srv)
			payload, c := p.opening(voucher.V1, open{deposit: 300, amount: 100, mine: one.mine, tx: tx{sponsored: "0x78"}})
			assert.Equal(t, one.problem, p.pay("GET", "/v1/sponsored", p.ask("/v1/sponsored"), payload).problem)
			assert.False(t, srv.Chain.Channel(c.id).Exists)
		})
	}
	t.Run("a payer may approve more", func(t *testing.T) {
		srv := clienttest.New(t, clienttest.Config{})
		p := newPayer(t, srv)
		payload, _ := p.opening(voucher.V1, open{deposit: 300, amount: 100, mine: func(x *tx) { x.calls[0].Data[67]++ }})
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
			assert.Equal(t, "verification-failed", p.pay("GET", "/v1/data", p.ask("/v1/data"), touch(srv, payload)).problem)
		})
	}
}

func TestMinDelta(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	c := p.opened(voucher.V2, "/min-delta")
	a := p.ask("/min-delta")
	assert.Equal(t, "session/delta-too-small", p.pay("GET", "/min-delta", a, p.voucher(c, "voucher", 599)).problem)
	assert.Equal(t, 200, p.pay("GET", "/min-delta", a, p.voucher(c, "voucher", 600)).status)
}

// TestSettledVoucher: a voucher that was cashed buys nothing more, although there is credit on it.
func TestSettledVoucher(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	c := p.opened(voucher.V2, "/data")
	require.Equal(t, 204, p.pay("HEAD", "/data", p.ask("/data"), p.voucher(c, "voucher", 300)).status)
	_, err := srv.Settle(c.id)
	require.NoError(t, err)
	assert.Equal(t, "verification-failed", p.pay("GET", "/data", p.ask("/data"), p.voucher(c, "voucher", 300)).problem)
	assert.Equal(t, 200, p.pay("GET", "/data", p.ask("/data"), p.voucher(c, "voucher", 301)).status)
}

// TestReopening: on v2 the chain takes a transaction once, so an open that was mined fails when it is
// presented again, and the channel is none the worse for it.
func TestReopening(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	payload, c := p.opening(voucher.V2, open{deposit: 1000, amount: 100})
	require.Equal(t, 200, p.pay("GET", "/data", p.ask("/data"), payload).status)
	r := p.pay("GET", "/data", p.ask("/data"), payload)
	assert.Equal(t, 500, r.status)
	assert.Equal(t, "internal-payment-error", r.problem)
	assert.Equal(t, 200, p.pay("GET", "/data", p.ask("/data"), p.voucher(c, "voucher", 200)).status)
}

func TestBootstrap(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	prove := func(a ask, source string) *reply {
		sig, err := p.signer.SignProof(t.Context(), voucher.Proof{ChainID: srv.ChainID, Account: p.addr, ChallengeID: a["id"], Realm: a["realm"]})
		require.NoError(t, err)
		return p.do("HEAD", "/boot", nil, map[string]string{"Authorization": p.credential(a, map[string]any{"type": "proof", "signature": hexutil.Encode(sig)}, source)})
	}
	ask := func() ask {
		r := p.do("HEAD", "/boot", nil, map[string]string{"Accept-Payment": "tempo/charge"})
		require.Equal(t, 402, r.status)
		assert.Equal(t, "no-store", r.header.Get("Cache-Control"))
		assert.Equal(t, "charge", r.fresh["intent"])
		assert.Equal(t, "0", r.fresh.request(t)["amount"])
		return r.fresh
	}
	r := prove(ask(), p.source())
	require.Equal(t, 204, r.status)
	assert.Empty(t, r.header.Get("Payment-Session"), "no channel")

	c := p.opened(voucher.V2, "/boot")
	first := ask()
	r = prove(first, p.source())
	require.Equal(t, 204, r.status)
	assert.Equal(t, "no-store", r.header.Get("Cache-Control"))
	assert.Equal(t, c.id.Hex(), r.header.Get("Payment-Session"))
	raw, err := base64.StdEncoding.DecodeString(r.header.Get("Payment-Session-Snapshot"))
	require.NoError(t, err)
	var snapshot map[string]any
	require.NoError(t, json.Unmarshal(raw, &snapshot))
	assert.Equal(t, "100", snapshot["acceptedCumulative"])
	assert.Equal(t, "100", snapshot["requiredCumulative"], "nothing is asked for")
	assert.Equal(t, map[string]any{"channelId": c.id.Hex(), "cumulativeAmount": "100", "signature": hexutil.Encode(p.sign(voucher.V2, c.id, 100))}, snapshot["highestVoucher"])
	assert.NotContains(t, snapshot, "closeRequestedAt")
	p.requestClose(c)
	raw, err = base64.StdEncoding.DecodeString(prove(ask(), p.source()).header.Get("Payment-Session-Snapshot"))
	require.NoError(t, err)
	assert.Contains(t, string(raw), `"closeRequestedAt":"`)

	assert.Equal(t, 402, prove(first, p.source()).status, "a proof counts once")
	assert.Equal(t, 402, prove(ask(), newPayer(t, srv).source()).status, "somebody else's")
	assert.Equal(t, 402, prove(ask(), "").status)
	forged := ask()
	forged["realm"] = "elsewhere"
	assert.Equal(t, 402, prove(forged, p.source()).status)
	assert.Equal(t, 402, p.do("HEAD", "/boot", nil, map[string]string{"Authorization": p.credential(ask(), map[string]any{"type": "proof"}, p.source())}).status)
	stale := p.do("HEAD", "/boot?ttl=0", nil, nil).fresh
	assert.Equal(t, 402, prove(stale, p.source()).status)
	// A HEAD with a session credential is a voucher as everywhere.
	c = p.opened(voucher.V2, "/boot")
	assert.Equal(t, 204, p.pay("HEAD", "/boot", p.ask("/boot"), p.voucher(c, "voucher", 200)).status)
	// A proof elsewhere is the answer to another question.
	a := ask()
	assert.Equal(t, "invalid-challenge", p.pay("GET", "/data", a, map[string]any{"type": "proof", "signature": "0x00"}).problem)
	actions := map[string]int{}
	for _, one := range srv.Requests() {
		actions[one.Action]++
	}
	assert.Equal(t, 10, actions["proof"])
}

func TestBootstrapWithAccessKey(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p, root := newPayer(t, srv), newPayer(t, srv)
	prove := func(wrapped bool) int {
		a := p.do("HEAD", "/boot", nil, nil).fresh
		digest := voucher.Proof{ChainID: srv.ChainID, Account: root.addr, ChallengeID: a["id"], Realm: a["realm"]}.Digest()
		var prefix []byte
		if wrapped { // a keychain envelope of version 2
			prefix = append([]byte{4}, root.addr[:]...)
			digest = crypto.Keccak256Hash([]byte{4}, digest[:], root.addr[:])
		}
		proof := map[string]any{"type": "proof", "signature": hexutil.Encode(append(prefix, p.signDigest(digest)...))}
		return p.do("HEAD", "/boot", nil, map[string]string{"Authorization": p.credential(a, proof, root.source())}).status
	}
	assert.Equal(t, 402, prove(false))
	assert.Equal(t, 402, prove(true))
	srv.Chain.AddAccessKey(root.addr, p.addr)
	assert.Equal(t, 204, prove(false))
	assert.Equal(t, 204, prove(true))
}

func TestHints(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	named := func(c *chan_) map[string]string { return map[string]string{"Payment-Session": c.id.Hex()} }
	details := func(path string, header map[string]string) map[string]any {
		return p.do("GET", path, nil, header).fresh.details(t)
	}
	c2, c1 := p.opened(voucher.V2, "/hinted"), p.opened(voucher.V1, "/v1/hinted")
	assert.NotContains(t, details("/hinted", nil), "sessionSnapshot")
	snapshot := details("/hinted", named(c2))["sessionSnapshot"].(map[string]any)
	assert.Equal(t, "200", snapshot["requiredCumulative"])
	assert.Equal(t, c2.id.Hex(), snapshot["channelId"])
	assert.Equal(t, snapshot, details("/hinted?payer="+p.addr.Hex(), nil)["sessionSnapshot"])
	assert.NotContains(t, details("/hinted", named(c1)), "sessionSnapshot", "of the other rail")
	assert.NotContains(t, details("/data", named(c2)), "sessionSnapshot")
	assert.Equal(t, c1.id.Hex(), details("/v1/hinted", named(c1))["channelId"])

	flat := details("/flat", named(c2))
	assert.Equal(t, []any{c2.id.Hex(), "100", "200", "100", "10000"}, []any{flat["channelId"], flat["acceptedCumulative"], flat["requiredCumulative"], flat["spent"], flat["deposit"]})
	assert.Equal(t, c1.id.Hex(), details("/v1/flat", named(c1))["channelId"])

	// A refused voucher on HEAD is no content; a refused close is told nothing.
	r := p.do("HEAD", "/hinted", nil, map[string]string{"Payment-Session": c2.id.Hex(), "Authorization": p.credential(p.ask("/hinted"), p.voucher(c2, "voucher", 50), p.source())})
	assert.Equal(t, "100", r.fresh.details(t)["sessionSnapshot"].(map[string]any)["requiredCumulative"])
	r = p.do("POST", "/hinted", nil, map[string]string{"Payment-Session": c2.id.Hex(), "Authorization": p.credential(p.ask("/hinted"), p.voucher(c2, "close", 50), p.source())})
	assert.Equal(t, 402, r.status)
	assert.NotContains(t, r.fresh.details(t), "sessionSnapshot")
	require.Equal(t, 204, p.pay("POST", "/hinted", p.ask("/hinted"), p.voucher(c2, "close", 100)).status)
	assert.NotContains(t, details("/hinted", named(c2)), "sessionSnapshot", "closed")
	l := p.stream("GET", "/hinted/stream/1/10", p.ask("/hinted/stream/1/10"), p.voucher(p.opened(voucher.V2, "/data"), "voucher", 110), nil)
	l.want("message")
	assert.Equal(t, http.StatusOK, l.res.StatusCode)
}
