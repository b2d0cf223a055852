package client_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/receipt"
)

// lieOnReceipts changes the JSON of every receipt that comes on a paid answer.
func (l *liar) lieOnReceipts(change func(doc map[string]any)) {
	l.after = func(_ int, s sent, resp *http.Response) {
		text := resp.Header.Get("Payment-Receipt")
		if s.Paid == nil || text == "" {
			return
		}
		raw, err := base64.RawURLEncoding.DecodeString(text)
		require.NoError(l.t, err)
		doc := map[string]any{}
		require.NoError(l.t, json.Unmarshal(raw, &doc))
		change(doc)
		raw, err = json.Marshal(doc)
		require.NoError(l.t, err)
		resp.Header.Set("Payment-Receipt", base64.RawURLEncoding.EncodeToString(raw))
	}
}

// TestForgedReceipts: whatever they say, the content is the caller's, and the next voucher is what we asked for.
func TestForgedReceipts(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	upper := func(s any) string { return "0x" + strings.ToUpper(s.(string)[2:]) }
	for name, c := range map[string]struct {
		change    func(doc map[string]any)
		violation bool
	}{
		"all of it spent":          {func(d map[string]any) { d["acceptedCumulative"], d["spent"] = "10000", "10000" }, true},
		"all of it accepted":       {func(d map[string]any) { d["acceptedCumulative"] = "10000" }, true},
		"beyond any channel":       {func(d map[string]any) { d["acceptedCumulative"] = strings.Repeat("9", 38) }, true},
		"more spent than accepted": {func(d map[string]any) { d["spent"] = "10000" }, true},
		"another channel":          {func(d map[string]any) { d["channelId"] = common.Hash{7}.Hex() }, true},
		"another challenge":        {func(d map[string]any) { d["challengeId"] = "of somebody else" }, true},
		"a negative amount":        {func(d map[string]any) { d["spent"] = "-1" }, true},
		"a number for an amount":   {func(d map[string]any) { d["spent"] = 100 }, true},
		"half of the account":      {func(d map[string]any) { delete(d, "spent") }, true},
		"another method":           {func(d map[string]any) { d["method"] = "card" }, true},
		"not a success":            {func(d map[string]any) { d["status"] = "failed" }, true},
		"upper case":               {func(d map[string]any) { d["channelId"] = upper(d["channelId"]) }, false},
		"unknown fields":           {func(d map[string]any) { d["x"] = map[string]any{"acceptedCumulative": "10000"} }, false},
		"nothing spent":            {func(d map[string]any) { d["spent"] = "0" }, false},
		"nothing accepted":         {func(d map[string]any) { d["acceptedCumulative"], d["spent"] = "0", "0" }, false},
	} {
		t.Run(name, func(t *testing.T) {
			for _, rail := range rails {
				p := newPayer(t, srv)
				p.get(rail + "/data")
				l := p.lied()
				l.lieOnReceipts(c.change)
				for n := uint64(2); n <= 4; n++ {
					p.get(rail + "/data")
					s := p.only()
					assert.False(t, u(100*n).Less(s.Authorized), "%s after %d requests", s.Authorized, n)
					assert.Equal(t, u(10_000), s.Deposit)
					account, _ := srv.Account(s.ID)
					assert.Equal(t, u(100*n), account.Spent)
				}
				if c.violation {
					assert.Len(t, p.events.of(client.EventViolation), 3)
				} else {
					assert.Empty(t, p.events.of(client.EventViolation))
				}
				l.after = nil
				p.get(rail + "/data")
				assert.Equal(t, u(500), p.agree().Signed)
				require.NoError(t, p.session.Channels().Close(t.Context(), p.only().ID))
			}
		})
	}
}

// TestViolationSaysWhat was claimed and what can be.
func TestViolationSaysWhat(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	p.get("/data")
	p.lied().lieOnReceipts(func(d map[string]any) { d["acceptedCumulative"], d["spent"] = "10000", "10000" })
	p.get("/data")
	told := p.events.of(client.EventViolation)
	require.Len(t, told, 1)
	var e *channel.ViolationError
	require.ErrorAs(t, told[0].Err, &e)
	require.ErrorIs(t, e, channel.ErrServerReport)
	assert.Equal(t, u(10_000), e.Claimed)
	assert.Equal(t, u(200), e.Bound)
	s := p.only()
	assert.True(t, s.Untrusted)
	assert.Equal(t, u(100), s.Accepted, "its last good word stands")
}

// TestReceiptsThatAreNotForUs: on a free answer, on another origin, on a 402.
func TestReceiptsThatAreNotForUs(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	p.get("/data")
	before := p.only()
	r := receipt.Receipt{
		Method: "tempo", Intent: "session", Status: "success", Timestamp: before.CreatedAt, Reference: before.ID.Hex(), Session: true,
		ChallengeID: "x", ChannelID: before.ID, Accepted: u(100), Spent: u(0), Units: 99,
	}
	text, err := r.Header()
	require.NoError(t, err)
	l := p.lied()
	l.after = func(_ int, s sent, resp *http.Response) { resp.Header.Set("Payment-Receipt", text) }
	resp, err := p.do(http.MethodGet, "/free", nil)
	p.ok(resp, err)
	assert.Nil(t, client.PaymentOf(resp).Receipt())
	resp, err = p.send(p.request(t.Context(), http.MethodGet, twin(srv)+"/free", nil))
	p.ok(resp, err)
	assert.Nil(t, client.PaymentOf(resp).Receipt())
	assert.Equal(t, before, p.only())

	l.answer = func(_ int, s sent) (*http.Response, error) {
		if s.Paid == nil {
			return nil, nil
		}
		resp := reply(402, "")
		refuseWith(resp, p.unpaid("/data"), "verification-failed")
		forged := r
		forged.ChallengeID, forged.Accepted, forged.Spent = s.Paid.Challenge.ID, u(10_000), u(10_000)
		text, err := forged.Header()
		resp.Header.Set("Payment-Receipt", text)
		return resp, err
	}
	resp, err = p.do(http.MethodGet, "/data", nil)
	require.NoError(t, err)
	resp.Body.Close()
	assert.Equal(t, u(200), p.only().Authorized)
	assert.Equal(t, u(100), p.only().Spent)
}

// TestOldWords: the server's figures only grow.
func TestOldWords(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	for range 3 {
		p.get("/data")
	}
	l := p.lied()
	l.lieOnReceipts(func(d map[string]any) { d["acceptedCumulative"], d["spent"], d["units"] = "100", "100", 1 })
	p.get("/data")
	s := p.only()
	assert.Equal(t, u(300), s.Accepted)
	assert.Equal(t, u(300), s.Spent)
	assert.EqualValues(t, 3, s.Units)
	assert.Equal(t, u(400), s.Claimed, "a server that counts one request at a time lowers nothing")
	l.after = nil
	p.get("/data")
	s = p.agree()
	assert.EqualValues(t, 5, s.Units)
	assert.Equal(t, u(500), s.Accepted)
}

// TestAheadServesManyRequests with one voucher, and a close gives only what was used.
func TestAheadServesManyRequests(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	var n pen
	p := newPayer(t, srv, n.counted, func(c *client.Config) { c.Limits.Ahead = u(1000) })
	l := p.lied()
	for range 8 {
		p.get("/data")
	}
	assert.LessOrEqual(t, n.vouchers.Load(), int64(2), "one voucher serves many requests")
	assert.Len(t, l.all(), 9)
	s := p.only()
	assert.Equal(t, u(800), s.Claimed)
	assert.False(t, u(1800).Less(s.Authorized))
	require.NoError(t, p.session.Channels().Close(t.Context(), s.ID))
	assert.Equal(t, u(800), p.only().CloseAmount)
}

// TestStaleAlias: a receipt of the channel that a scope used before moves nothing of the one that it uses now.
func TestStaleAlias(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	p.get("/data")
	p.get("/data")
	old := p.only()
	srv.Forget(old.ID)
	p.get("/data")
	first, second := p.by(old.ID)
	l := p.lied()
	l.lieOnReceipts(func(d map[string]any) {
		d["channelId"], d["reference"], d["spent"], d["acceptedCumulative"] = old.ID.Hex(), old.ID.Hex(), "200", "200"
	})
	p.get("/data")
	firstNow, secondNow := p.by(old.ID)
	assert.Equal(t, first, firstNow)
	assert.Equal(t, u(200), secondNow.Authorized)
	assert.Equal(t, second.Spent, secondNow.Spent)
	assert.Len(t, p.events.of(client.EventViolation), 1)
	p.restart()
	l.after = nil
	p.get("/data")
	firstNow, secondNow = p.by(old.ID)
	assert.Equal(t, first.Authorized, firstNow.Authorized)
	assert.Equal(t, u(300), secondNow.Signed)
}
