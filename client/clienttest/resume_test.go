package clienttest_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"testing"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

func TestBootstrap(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	prove := func(a ask, source string) *reply {
		sig, err := p.signer.SignProof(
			t.Context(),
			voucher.Proof{
				ChainID:     srv.ChainID,
				Account:     p.addr,
				ChallengeID: a["id"],
				Realm:       a["realm"],
			},
		)
		require.NoError(t, err)
		return p.do(
			"HEAD",
			"/boot",
			nil,
			map[string]string{
				"Authorization": p.credential(
					a, map[string]any{"type": "proof", "signature": hexutil.Encode(sig)}, source,
				),
			},
		)
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
	assert.Equal(
		t,
		map[string]any{
			"channelId":        c.id.Hex(),
			"cumulativeAmount": "100",
			"signature":        hexutil.Encode(p.sign(voucher.V2, c.id, 100)),
		},
		snapshot["highestVoucher"],
	)
	assert.NotContains(t, snapshot, "closeRequestedAt")
	p.requestClose(c)
	raw, err = base64.StdEncoding.DecodeString(
		prove(ask(), p.source()).header.Get("Payment-Session-Snapshot"),
	)
	require.NoError(t, err)
	assert.Contains(t, string(raw), `"closeRequestedAt":"`)

	assert.Equal(t, 402, prove(first, p.source()).status, "a proof counts once")
	assert.Equal(t, 402, prove(ask(), newPayer(t, srv).source()).status, "somebody else's")
	assert.Equal(t, 402, prove(ask(), "").status)
	forged := ask()
	forged["realm"] = "elsewhere"
	assert.Equal(t, 402, prove(forged, p.source()).status)
	assert.Equal(
		t,
		402,
		p.do(
			"HEAD",
			"/boot",
			nil,
			map[string]string{
				"Authorization": p.credential(ask(), map[string]any{"type": "proof"}, p.source()),
			},
		).status,
	)
	stale := p.do("HEAD", "/boot?ttl=0", nil, nil).fresh
	assert.Equal(t, 402, prove(stale, p.source()).status)
	// A HEAD with a session credential posts a voucher, as on other routes.
	c = p.opened(voucher.V2, "/boot")
	assert.Equal(
		t, 204, p.pay("HEAD", "/boot", p.ask("/boot"), p.voucher(c, "voucher", 200)).status,
	)
	// A proof does not answer the challenge of another route.
	a := ask()
	assert.Equal(
		t, "invalid-challenge",
		p.pay("GET", "/data", a, map[string]any{"type": "proof", "signature": "0x00"}).problem,
	)
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
		digest := voucher.Proof{
			ChainID:     srv.ChainID,
			Account:     root.addr,
			ChallengeID: a["id"],
			Realm:       a["realm"],
		}.Digest()
		var prefix []byte
		if wrapped { // a keychain envelope of version 2
			prefix = append([]byte{4}, root.addr[:]...)
			digest = crypto.Keccak256Hash([]byte{4}, digest[:], root.addr[:])
		}
		proof := map[string]any{
			"type":      "proof",
			"signature": hexutil.Encode(append(prefix, p.signDigest(digest)...)),
		}
		return p.do(
			"HEAD", "/boot", nil,
			map[string]string{"Authorization": p.credential(a, proof, root.source())},
		).status
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
	named := func(c *lane) map[string]string {
		return map[string]string{"Payment-Session": c.id.Hex()}
	}
	details := func(path string, header map[string]string) map[string]any {
		return p.do("GET", path, nil, header).fresh.details(t)
	}
	c2, c1 := p.opened(voucher.V2, "/hinted"), p.opened(voucher.V1, "/v1/hinted")
	assert.NotContains(t, details("/hinted", nil), "sessionSnapshot")
	snapshot := details("/hinted", named(c2))["sessionSnapshot"].(map[string]any)
	assert.Equal(t, "200", snapshot["requiredCumulative"])
	assert.Equal(t, c2.id.Hex(), snapshot["channelId"])
	assert.Equal(t, snapshot, details("/hinted?payer="+p.addr.Hex(), nil)["sessionSnapshot"])
	assert.NotContains(t, details("/hinted", named(c1)), "sessionSnapshot", "of the other protocol")
	assert.NotContains(t, details("/data", named(c2)), "sessionSnapshot")
	assert.Equal(t, c1.id.Hex(), details("/v1/hinted", named(c1))["channelId"])

	flat := details("/flat", named(c2))
	assert.Equal(
		t,
		[]any{c2.id.Hex(), "100", "200", "100", "10000"},
		[]any{
			flat["channelId"],
			flat["acceptedCumulative"],
			flat["requiredCumulative"],
			flat["spent"],
			flat["deposit"],
		},
	)
	assert.Equal(t, c1.id.Hex(), details("/v1/flat", named(c1))["channelId"])

	// A refused voucher on HEAD requires no price; a refused close gets no snapshot.
	r := p.do(
		"HEAD",
		"/hinted",
		nil,
		map[string]string{
			"Payment-Session": c2.id.Hex(),
			"Authorization": p.credential(
				p.ask("/hinted"), p.voucher(c2, "voucher", 50), p.source(),
			),
		},
	)
	assert.Equal(
		t, "100", r.fresh.details(t)["sessionSnapshot"].(map[string]any)["requiredCumulative"],
	)
	r = p.do(
		"POST",
		"/hinted",
		nil,
		map[string]string{
			"Payment-Session": c2.id.Hex(),
			"Authorization": p.credential(
				p.ask("/hinted"), p.voucher(c2, "close", 50), p.source(),
			),
		},
	)
	assert.Equal(t, 402, r.status)
	assert.NotContains(t, r.fresh.details(t), "sessionSnapshot")
	require.Equal(
		t, 204, p.pay("POST", "/hinted", p.ask("/hinted"), p.voucher(c2, "close", 100)).status,
	)
	assert.NotContains(t, details("/hinted", named(c2)), "sessionSnapshot", "closed")
	l := p.stream(
		"GET", "/hinted/stream/1/10", p.ask("/hinted/stream/1/10"),
		p.voucher(p.opened(voucher.V2, "/data"), "voucher", 110), nil,
	)
	l.want("message")
	assert.Equal(t, http.StatusOK, l.res.StatusCode)
}
