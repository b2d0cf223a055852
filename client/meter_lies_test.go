package client_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/internal/sse"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// needs is a frame that asks for a voucher.
func needs(id common.Hash, required uint64) string {
	return fmt.Sprintf("event: payment-need-voucher\ndata: {\"channelId\":%q,\"requiredCumulative\":\"%d\",\"acceptedCumulative\":\"10\",\"deposit\":\"10000\"}\n\n", id.Hex(), required)
}

// TestForgedFrames: a stream may ask for what it likes; what is signed are the pieces that were agreed to, and
// the error has a type.
func TestForgedFrames(t *testing.T) {
	other := common.HexToHash("0xab")
	for name, c := range map[string]struct {
		frames func(id common.Hash) string
		want   error
		signed uint64
	}{
		"the whole deposit":     {func(id common.Hash) string { return needs(id, 10_000) }, channel.ErrServerReport, 10},
		"above the deposit":     {func(id common.Hash) string { return needs(id, 20_000) }, channel.ErrServerReport, 10},
		"one unit and one more": {func(id common.Hash) string { return needs(id, 21) }, channel.ErrServerReport, 10},
		"another channel":       {func(common.Hash) string { return needs(other, 20) }, client.ErrStream, 10},
		"not JSON":              {func(common.Hash) string { return "event: payment-need-voucher\ndata: {\n\n" }, client.ErrStream, 10},
		"no channel": {func(common.Hash) string {
			return "event: payment-need-voucher\ndata: {\"requiredCumulative\":\"20\"}\n\n"
		}, client.ErrStream, 10},
		"a number too large": {func(id common.Hash) string {
			return strings.ReplaceAll(needs(id, 20), `"20"`, `"1`+strings.Repeat("0", 80)+`"`)
		}, client.ErrStream, 10},
		"a negative number": {func(id common.Hash) string { return strings.ReplaceAll(needs(id, 20), `"20"`, `"-20"`) }, client.ErrStream, 10},
		"a frame without end": {func(common.Hash) string {
			return "event: payment-need-voucher\ndata: " + strings.Repeat("x", 1<<17) + "\n\n"
		}, sse.ErrFrameTooLarge, 10},
		"a slow climb without content": {func(id common.Hash) (all string) {
			for n := uint64(20); n < 1000; n += 10 {
				all += needs(id, n)
			}
			return all
		}, client.ErrStream, 50},
		"a slow climb between comments": {func(id common.Hash) (all string) {
			for n := uint64(20); n < 1000; n += 10 {
				all += needs(id, n) + ": here it comes\n\nevent: nothing\n\n"
			}
			return all
		}, client.ErrStream, 50},
		"the same again and again": {func(id common.Hash) string { return strings.Repeat(needs(id, 10), 1000) }, client.ErrStream, 10},
	} {
		t.Run(name, func(t *testing.T) {
			srv := clienttest.New(t, clienttest.Config{})
			p := newPayer(t, srv)
			srv.Handle("/forged", srv.Metered(piece, func(m *clienttest.Meter, _ *http.Request) error {
				return errors.Join(m.Charge(1), m.Raw([]byte(c.frames(srv.Accounts()[0].ChannelID))), m.Send("never"))
			}))
			body, e := p.broken(p.do(http.MethodGet, "/forged", nil))
			assert.ErrorIs(t, e, c.want)
			assert.NotContains(t, body, "payment-need-voucher")
			assert.NotContains(t, body, "never")
			s := p.only()
			assert.Equal(t, u(c.signed), s.Signed)
			assert.Equal(t, u(c.signed), s.Authorized)
			assert.Equal(t, u(10_000), s.Deposit, "no top-up for a forged number")
		})
	}
}

// TestForgedReceiptFrames: numbers that cannot be change nothing of ours, and cost the caller nothing.
func TestForgedReceiptFrames(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	forged := func(id common.Hash, challenge string, spent int) string {
		return fmt.Sprintf("event: payment-receipt\ndata: {\"method\":\"tempo\",\"intent\":\"session\",\"status\":\"success\",\"timestamp\":\"2026-01-01T00:00:00Z\",\"reference\":%q,\"challengeId\":%q,\"channelId\":%q,\"acceptedCumulative\":\"%d\",\"spent\":\"%d\"}\n\n",
			id.Hex(), challenge, id.Hex(), spent, spent)
	}
	srv.Handle("/forged", srv.Metered(piece, func(m *clienttest.Meter, _ *http.Request) error {
		id := srv.Accounts()[0].ChannelID
		return errors.Join(m.Charge(1),
			m.Raw([]byte("event: payment-receipt\ndata: nonsense\n\n"+forged(id, "another", 11)+forged(common.HexToHash("0xab"), "x", 11))),
			m.Send("content"))
	}))
	resp, err := p.do(http.MethodGet, "/forged", nil)
	assert.Equal(t, "event: message\ndata: content\n\n", p.ok(resp, err))
	assert.Len(t, p.events.of(client.EventViolation), 3, "the numbers of a receipt that is not ours are not looked at")
	require.NotNil(t, client.PaymentOf(resp).Receipt())
	s := p.only()
	assert.Equal(t, u(10), s.Claimed)
	assert.Equal(t, u(10), s.Spent)
	assert.Equal(t, u(10), s.Authorized)
}

// TestPaidOnceMeansOnce: where the unit is the request, no frame gets a second one, whatever the
// limits allow a stream that is charged by its events.
func TestPaidOnceMeansOnce(t *testing.T) {
	for name, c := range map[string]struct {
		limits channel.Limits // the fields that are set
		need   []uint64       // in frames, each after an event
		signed uint64
		end    error
	}{
		"one more":           {need: []uint64{20}, signed: 10, end: channel.ErrServerReport},
		"the whole deposit":  {need: []uint64{10_000}, signed: 10, end: channel.ErrServerReport},
		"what it has, often": {need: []uint64{10, 10, 10, 10, 10, 10}, signed: 10},
		"Step": {
			limits: channel.Limits{Step: u(500)}, need: []uint64{510, 1010, 1510}, signed: 10,
			end: channel.ErrServerReport,
		},
		"Step, one more": {
			limits: channel.Limits{Step: u(500)}, need: []uint64{20, 30}, signed: 10,
			end: channel.ErrServerReport,
		},
		"Step and Stream": {
			limits: channel.Limits{Step: u(500), Stream: u(5000)},
			need:   []uint64{510, 1010, 1510, 2010, 2510, 3010, 3510, 4010, 4510}, signed: 10,
			end: channel.ErrServerReport,
		},
		"Ahead": {
			limits: channel.Limits{Ahead: u(1000)}, need: []uint64{1011}, signed: 1010,
			end: channel.ErrServerReport,
		},
		"Ahead and Step": {
			limits: channel.Limits{Ahead: u(1000), Step: u(500)}, need: []uint64{1010, 1510, 2010},
			signed: 1010, end: channel.ErrServerReport,
		},
	} {
		for _, rail := range rails {
			t.Run(name+rail, func(t *testing.T) {
				srv := clienttest.New(t, clienttest.Config{})
				p := newPayer(t, srv, func(cfg *client.Config) {
					cfg.Limits.Step, cfg.Limits.Ahead = c.limits.Step, c.limits.Ahead
					cfg.Limits.Stream = defaulted(c.limits.Stream, cfg.Limits.Stream)
				})
				terms := piece
				terms.Unit = "request"
				if rail == "/v1" {
					terms.Protocol = voucher.V1
				}
				srv.Handle("/forged", srv.Metered(
					terms, func(m *clienttest.Meter, _ *http.Request) error {
						id := srv.Accounts()[0].ChannelID
						err := m.Charge(1)
						for _, n := range c.need {
							err = errors.Join(err, m.Send("x"), m.Raw([]byte(needs(id, n))))
						}
						return errors.Join(err, m.Send("last"))
					},
				))
				if c.end == nil {
					assert.Equal(t, 1+len(c.need), strings.Count(p.get("/forged"), "\n\n"))
				} else {
					body, e := p.broken(p.do(http.MethodGet, "/forged", nil))
					require.ErrorIs(t, e, c.end)
					assert.Equal(t, u(10), e.Price)
					assert.NotContains(t, body, "last")
				}
				s := p.only()
				assert.Equal(t, u(c.signed), s.Signed)
				assert.Equal(t, u(c.signed), s.Authorized)
				assert.Equal(t, u(10), s.Claimed, "one request, one price")
				assert.Equal(t, u(10), s.Asked)
				assert.Equal(t, u(10_000), s.Deposit)
			})
		}
	}
}

// TestRefusedVoucher: a payee that asks for a voucher and does not take it ends the stream with an error that
// says so.
func TestRefusedVoucher(t *testing.T) {
	for _, status := range []int{400, 402, 403, 409, 410, 500, 503, 301, 307} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			srv := clienttest.New(t, clienttest.Config{})
			p := newPayer(t, srv)
			srv.OnRequest(func(r clienttest.Request) clienttest.Fault {
				if r.Method != http.MethodGet {
					return clienttest.Fault{Refuse: status}
				}
				return clienttest.Fault{}
			})
			body, e := p.broken(p.do(http.MethodGet, "/stream/5/10", nil))
			assert.ErrorIs(t, e, client.ErrRejected)
			assert.ErrorContains(t, e, fmt.Sprint(status))
			assert.Equal(t, 1, strings.Count(body, "\n\n"))
			assert.Equal(t, u(20), p.only().Authorized)
			srv.OnRequest(nil)
			p.get("/data")
			assert.Equal(t, u(110), p.only().Spent)
		})
	}
}
