package clienttest_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// TestLifecycle pays, tops up, settles and closes with both protocols, and accounts for every base
// unit.
func TestLifecycle(t *testing.T) {
	for _, proto := range []voucher.Protocol{voucher.V1, voucher.V2} {
		for _, sponsored := range []string{"", "0x78"} {
			t.Run(proto.String()+" sponsored "+sponsored, func(t *testing.T) {
				srv := clienttest.New(t, clienttest.Config{})
				p := newPayer(t, srv)
				path := map[voucher.Protocol]string{voucher.V1: "/v1", voucher.V2: ""}[proto] +
					map[string]string{"": "/data", "0x78": "/sponsored"}[sponsored]
				payeeBefore := srv.Chain.Balance(srv.Payee)
				payload, c := p.opening(
					proto, open{deposit: 300, amount: 100, tx: tx{sponsored: sponsored}},
				)
				require.Equal(t, 200, p.pay("GET", path, p.ask(path), payload).status)
				r := p.do(
					"POST",
					path,
					strings.NewReader("hello"),
					map[string]string{
						"Authorization": p.credential(
							p.ask(path), p.voucher(c, "voucher", 200), p.source(),
						),
					},
				)
				require.Equal(t, 200, r.status, r.detail)
				assert.Contains(t, r.body, `"echo":"hello"`)

				r = p.pay("POST", path, p.ask(path), p.topUp(c, 700, tx{sponsored: sponsored}))
				require.Equal(t, 204, r.status, r.detail)
				assert.Len(t, r.receipt["txHash"], 66)
				got, _ := srv.Account(c.id)
				assert.Equal(t, voucher.Units(1000), got.Deposit)
				assert.Equal(
					t, clienttest.ChannelState{Exists: true, Deposit: voucher.Units(1000)},
					srv.Chain.Channel(c.id),
				)

				_, err := srv.Settle(c.id)
				require.NoError(t, err)
				_, err = srv.Settle(c.id)
				require.Error(t, err, "nothing left to settle")
				assert.Equal(
					t, voucher.Units(200), srv.Chain.Balance(srv.Payee).SubFloor(payeeBefore),
				)
				require.Equal(
					t, 200, p.pay("GET", path, p.ask(path), p.voucher(c, "voucher", 300)).status,
				)

				r = p.pay("POST", path, p.ask(path), p.voucher(c, "close", 300))
				require.Equal(t, 204, r.status, r.detail)
				assert.Equal(
					t, voucher.Units(300), srv.Chain.Balance(srv.Payee).SubFloor(payeeBefore),
				)
				if sponsored != "" {
					assert.Equal(t, voucher.Units(100_000_000-300), srv.Chain.Balance(p.addr))
				}
				got, _ = srv.Account(c.id)
				assert.True(t, got.Finalized)
				assert.Equal(t, voucher.Units(300), got.Settled)
				assert.False(t, srv.Chain.Channel(c.id).Exists)
				assert.Equal(t, proto == voucher.V1, srv.Chain.Channel(c.id).Finalized)
				assert.Equal(t, []clienttest.Account{got}, srv.Accounts())
				_, err = srv.Settle(common.Hash{})
				require.Error(t, err)
			})
		}
	}
}

// TestOtherPayeeIsPaid pays a route whose payee is the server's second account. A channel with the
// first account does not pay for it.
func TestOtherPayeeIsPaid(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	paths := map[voucher.Protocol]string{voucher.V2: "/theirs", voucher.V1: "/v1/theirs"}
	for proto, path := range paths {
		terms := clienttest.Terms{
			Price:    voucher.Units(100),
			Protocol: proto,
			Payee:    srv.OtherPayee,
			Hints:    clienttest.SnapshotHints,
		}
		srv.Handle(
			path, srv.Paid(terms, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})),
		)
		p := newPayer(t, srv)
		payload, c := p.opening(proto, open{deposit: 1000, amount: 100, payee: &srv.OtherPayee})
		before := srv.Chain.Balance(srv.OtherPayee)
		require.Equal(t, http.StatusOK, p.pay("GET", path, p.ask(path), payload).status)
		first := p.opened(proto, strings.Replace(path, "theirs", "data", 1))
		assert.Equal(
			t, "verification-failed",
			p.pay("GET", path, p.ask(path), p.voucher(first, "voucher", 200)).problem,
		)
		hint := p.ask(path + "?payer=" + p.addr.Hex()).details(t)
		if snapshot, ok := hint["sessionSnapshot"].(map[string]any); ok {
			hint = snapshot
		}
		assert.Equal(t, c.id.Hex(), hint["channelId"])
		_, err := srv.Settle(c.id)
		require.NoError(t, err)
		assert.Equal(t, voucher.Units(100), srv.Chain.Balance(srv.OtherPayee).SubFloor(before))
	}
}

// TestCloseCapture closes with a voucher above the amount spent: v2 captures what was spent, v1 the
// whole voucher.
func TestCloseCapture(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	for _, one := range []struct {
		proto   voucher.Protocol
		path    string
		capture uint64
	}{{voucher.V2, "/data", 100}, {voucher.V1, "/v1/data", 250}} {
		c := p.opened(one.proto, one.path)
		before := srv.Chain.Balance(srv.Payee)
		require.Equal(
			t, 204, p.pay("POST", one.path, p.ask(one.path), p.voucher(c, "close", 250)).status,
		)
		assert.Equal(
			t, voucher.Units(one.capture), srv.Chain.Balance(srv.Payee).SubFloor(before), one.path,
		)
	}
}

func TestCloseRefused(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	protos := map[string]voucher.Protocol{"/data": voucher.V2, "/v1/data": voucher.V1}
	for path, proto := range protos {
		c := p.opened(proto, path)
		bad := with(
			p.voucher(c, "close", 100), "signature", hexutil.Encode(p.sign(proto, c.id, 99)),
		)
		assert.Equal(t, "session/invalid-signature", p.pay("POST", path, p.ask(path), bad).problem)
		require.Equal(t, 204, p.pay("HEAD", path, p.ask(path), p.voucher(c, "voucher", 150)).status)
		_, err := srv.Settle(c.id)
		require.NoError(t, err)
		assert.Equal(
			t, "verification-failed",
			p.pay("POST", path, p.ask(path), p.voucher(c, "close", 149)).problem,
			"below what is settled",
		)
		r := p.pay("POST", path, p.ask(path), p.voucher(c, "close", 150))
		if proto == voucher.V1 {
			assert.Equal(t, "verification-failed", r.problem, "at what is settled")
			assert.Equal(
				t, "session/amount-exceeds-deposit",
				p.pay("POST", path, p.ask(path), p.voucher(c, "close", 10_001)).problem,
			)
			continue
		}
		assert.Equal(t, 204, r.status, "v2 closes for what is settled")
	}
}

func TestTopUpRefused(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	for _, path := range []string{"/data", "/v1/data"} {
		proto := voucher.V2
		if path != "/data" {
			proto = voucher.V1
		}
		c, other := p.opened(proto, path), p.opened(proto, path)
		wrongAmount := with(p.topUp(c, 700, tx{}), "additionalDeposit", "701")
		assert.Equal(
			t, "verification-failed", p.pay("POST", path, p.ask(path), wrongAmount).problem,
		)
		wrongChannel := with(p.topUp(c, 700, tx{}), "channelId", other.id.Hex())
		if other.d != nil {
			wrongChannel["descriptor"] = other.d
		}
		assert.Equal(
			t, "verification-failed", p.pay("POST", path, p.ask(path), wrongChannel).problem,
		)
		open, _ := p.opening(proto, open{deposit: 10, amount: 10})
		notATopUp := with(p.topUp(c, 700, tx{}), "transaction", open["transaction"])
		assert.Equal(t, "verification-failed", p.pay("POST", path, p.ask(path), notATopUp).problem)
		otherProto := map[string]string{"/data": "/v1/data", "/v1/data": "/data"}[path]
		assert.Equal(
			t, 402, p.pay("POST", otherProto, p.ask(otherProto), p.topUp(c, 700, tx{})).status,
		)
		srv.Forget(c.id)
		assert.Equal(
			t, "session/channel-not-found",
			p.pay("POST", path, p.ask(path), p.topUp(c, 700, tx{})).problem,
		)
		p.requestClose(other)
		assert.Equal(
			t, "session/channel-finalized",
			p.pay("POST", path, p.ask(path), p.topUp(other, 700, tx{})).problem,
		)
	}
	free := "/v1/sponsored"
	payload, c := p.opening(voucher.V1, open{deposit: 300, amount: 100, tx: tx{sponsored: "0x78"}})
	require.Equal(t, 200, p.pay("GET", free, p.ask(free), payload).status)
	r := p.pay("POST", free, p.ask(free), p.topUp(c, 100_000_000, tx{sponsored: "0x78"}))
	assert.Equal(t, "verification-failed", r.problem, "more than the payer has")
}

func TestMinDelta(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	c := p.opened(voucher.V2, "/min-delta")
	a := p.ask("/min-delta")
	assert.Equal(
		t, "session/delta-too-small",
		p.pay("GET", "/min-delta", a, p.voucher(c, "voucher", 599)).problem,
	)
	assert.Equal(t, 200, p.pay("GET", "/min-delta", a, p.voucher(c, "voucher", 600)).status)
}

// TestSettledVoucherBuysNothing sends a voucher that was settled on chain. It buys nothing more,
// although it has credit left.
func TestSettledVoucherBuysNothing(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	c := p.opened(voucher.V2, "/data")
	require.Equal(
		t, 204, p.pay("HEAD", "/data", p.ask("/data"), p.voucher(c, "voucher", 300)).status,
	)
	_, err := srv.Settle(c.id)
	require.NoError(t, err)
	assert.Equal(
		t, "verification-failed",
		p.pay("GET", "/data", p.ask("/data"), p.voucher(c, "voucher", 300)).problem,
	)
	assert.Equal(t, 200, p.pay("GET", "/data", p.ask("/data"), p.voucher(c, "voucher", 301)).status)
}

// TestRepeatedOpen sends an open twice. On v2 the chain accepts a transaction once, so the second
// one fails and leaves the channel unchanged.
func TestRepeatedOpen(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	payload, c := p.opening(voucher.V2, open{deposit: 1000, amount: 100})
	require.Equal(t, 200, p.pay("GET", "/data", p.ask("/data"), payload).status)
	r := p.pay("GET", "/data", p.ask("/data"), payload)
	assert.Equal(t, 500, r.status)
	assert.Equal(t, "internal-payment-error", r.problem)
	assert.Equal(t, 200, p.pay("GET", "/data", p.ask("/data"), p.voucher(c, "voucher", 200)).status)
}
