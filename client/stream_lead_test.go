package client_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

func long(c *client.Config) { c.Limits.Stream, c.Limits.Deposit = u(100_000), u(200_000) }

// TestStreamRunsAhead: a stream of 1,000 pieces waits for 26 vouchers, and for 999 with
// Limits.PieceByPiece. Either way it costs what it delivered, and what was signed ahead pays the
// next request.
func TestStreamRunsAhead(t *testing.T) {
	for _, rail := range rails {
		for want, exact := range map[int]bool{26: false, 999: true} {
			t.Run(fmt.Sprint(want, rail), func(t *testing.T) {
				srv := clienttest.New(t, clienttest.Config{})
				p := newPayer(t, srv, long, func(c *client.Config) {
					c.Limits.PieceByPiece = exact
				})
				body := p.get(rail + "/stream/1000/10?deposit=50000")
				assert.Equal(t, 1000, strings.Count(body, "\n\n"))
				assert.Len(t, p.events.of(client.EventVoucher), want)
				s := p.agree()
				assert.Equal(t, u(10_000), s.Claimed)
				assert.Equal(t, u(10_000), s.Spent)
				assert.False(t, u(10*1251).Less(s.Signed), "signed %s", s.Signed)
				p.get(rail + "/data?deposit=50000")
				assert.Equal(t, u(10_100), p.agree().Claimed)
				assert.Equal(t, s.Signed.Max(u(10_100)), p.only().Signed)
			})
		}
	}
}

// TestStreamLeadBound: a payee that delivers so many pieces and then asks for whatever it likes
// gets the price of one more and of a quarter of them, or of the four more that it may ask for
// without delivering. Empty events earn no quarter.
func TestStreamLeadBound(t *testing.T) {
	for name, c := range map[string]struct {
		pieces  int
		data    string
		pause   bool // asks for each piece before it delivers it
		signed  uint64
		refused error
	}{
		"nothing":            {0, "x", true, 50, client.ErrStream},
		"three":              {3, "x", true, 70, client.ErrStream},
		"a hundred":          {100, "x", true, 10 * 126, channel.ErrServerReport},
		"a hundred, at once": {100, "x", false, 10 * 126, channel.ErrServerReport},
		"a hundred, empty":   {100, "", true, 10 * 104, client.ErrStream},
	} {
		for _, rail := range rails {
			t.Run(name+rail, func(t *testing.T) {
				srv := clienttest.New(t, clienttest.Config{})
				p := newPayer(t, srv, long)
				terms := piece
				if rail == "/v1" {
					terms.Protocol = voucher.V1
				}
				srv.Handle(rail+"/greedy", srv.Metered(terms, func(m *clienttest.Meter, _ *http.Request) error {
					id := srv.Accounts()[0].ChannelID
					err := m.Charge(1)
					for n := range uint64(c.pieces) {
						if c.pause && n > 0 {
							err = errors.Join(err, m.Raw([]byte(needs(id, 10*(n+1)))))
						}
						err = errors.Join(err, m.Send(c.data))
					}
					if !c.pause {
						err = errors.Join(err, m.Raw([]byte(needs(id, 10*uint64(c.pieces)))))
					}
					for required := uint64(10 * c.pieces); required < 5000; required += 10 {
						err = errors.Join(err, m.Raw([]byte(needs(id, required))))
					}
					return err
				}))
				body, e := p.broken(p.do(http.MethodGet, rail+"/greedy", nil))
				require.ErrorIs(t, e, c.refused)
				assert.Equal(t, c.pieces, strings.Count(body, "\n\n"))
				s := p.only()
				assert.Equal(t, u(c.signed), s.Signed)
				assert.Equal(t, u(c.signed), s.Authorized)
			})
		}
	}
}

// TestLeadWithoutReceipts: of a payee that sends no receipts, what a stream was authorized ahead
// pays the next request too, if the stream was read to its end.
func TestLeadWithoutReceipts(t *testing.T) {
	for _, rail := range rails {
		srv := clienttest.New(t, clienttest.Config{Receipts: clienttest.NoReceipts, PlainV1: true})
		p := newPayer(t, srv, long)
		p.get(rail + "/stream/100/10?deposit=50000")
		s := p.only()
		assert.Equal(t, u(1000), s.Claimed)
		require.True(t, u(1100).Less(s.Signed), "signed %s", s.Signed)
		p.get(rail + "/data?deposit=50000")
		after := p.agree()
		assert.Equal(t, u(1100), after.Claimed)
		assert.Equal(t, s.Signed, after.Signed)
	}
}

// TestStreamClosedEarly: the payee charged for pieces that the caller did not read. They are not
// free for the next request, and nobody is refused for them.
func TestStreamClosedEarly(t *testing.T) {
	for _, rail := range rails {
		srv := clienttest.New(t, clienttest.Config{PlainV1: true})
		served := serveMetered(
			srv, rail+"/long", clienttest.Terms{Price: u(10), Deposit: u(50_000)},
			func(m *clienttest.Meter) error { return send(m, 1000) },
		)
		p := newPayer(t, srv, long)
		resp, err := p.do(http.MethodGet, rail+"/long", nil)
		require.NoError(t, err)
		stream, err := client.NewStream(resp)
		require.NoError(t, err)
		for pieces := 0; pieces < 100; {
			e, err := stream.Next()
			require.NoError(t, err)
			if e.Type != "" {
				pieces++
			}
		}
		signed := p.only().Signed
		require.NoError(t, stream.Close())
		served.Wait() // it may charge one more piece after it lost the reader
		s := p.only()
		assert.Equal(t, signed, s.Signed)
		assert.Equal(t, signed, s.Claimed, "it may have charged for all of it")
		sends := len(srv.Requests())
		p.get(rail + "/data?deposit=50000")
		sent := srv.Requests()[sends:]
		assert.Len(t, sent, 2, "for a challenge, and paid once")
		account, _ := srv.Account(s.ID)
		assert.Equal(t, account.Spent, p.only().Claimed, "the receipt tells what it charged for")
		assert.False(t, signed.AddCapped(u(100)).Less(p.only().Authorized))
		p.get(rail + "/stream/1000/10?deposit=50000")
		p.agree()
	}
}

// TestLongStreamsShareAChannel: streams that run at the same time have a lead each, and end as they
// should however their readers lag.
func TestLongStreamsShareAChannel(t *testing.T) {
	for _, rail := range rails {
		srv := clienttest.New(t, clienttest.Config{PlainV1: true})
		p := newPayer(t, srv, long)
		p.get(rail + "/data?deposit=50000")
		const streams, pieces = 4, 300
		var wg sync.WaitGroup
		for range streams {
			path := fmt.Sprintf("%s/stream/%d/10?deposit=50000", rail, pieces)
			resp, err := p.do(http.MethodGet, path, nil)
			require.NoError(t, err)
			wg.Go(func() { readAll(t, resp, pieces) })
		}
		wg.Wait()
		s := p.agree()
		assert.Equal(t, u(100+streams*pieces*10), s.Spent)
		// Each may have asked for four pieces that the voucher of another one brought it.
		assert.False(t, u(100+streams*(pieces*5/4+5)*10).Less(s.Authorized), "%s", s.Authorized)
	}
}
