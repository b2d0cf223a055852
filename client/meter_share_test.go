package client_test

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/internal/bubble"
)

// event reads a stream up to the end of its next event.
func event(t *testing.T, r *bufio.Reader) {
	t.Helper()
	for {
		line, err := r.ReadString('\n')
		require.NoError(t, err)
		if line == "\n" {
			return
		}
	}
}

// TestTakenPieces: a payee gives one stream again and again what another one was signed for, without asking for
// its own. The pieces are counted where they came, and who asks in vain is not blamed for it.
func TestTakenPieces(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		const rounds = 8
		p := inMemory(t)
		srv := p.srv
		take := make(chan bool)
		srv.Handle("/taker", srv.Metered(piece, func(m *clienttest.Meter, r *http.Request) error {
			err := send(m, 1)
			for err == nil {
				select {
				case more := <-take:
					if !more {
						return nil
					}
					err = send(m, 1)
				case <-r.Context().Done():
					err = r.Context().Err()
				}
			}
			return err
		}))
		ask := make(chan uint64)
		srv.Handle("/asker", srv.Metered(piece, func(m *clienttest.Meter, r *http.Request) error {
			err := send(m, 1)
			for err == nil {
				select {
				case required := <-ask:
					if required == 0 {
						return send(m, 1)
					}
					err = m.Raw([]byte(needs(srv.Accounts()[0].ChannelID, required)))
				case <-r.Context().Done():
					err = r.Context().Err()
				}
			}
			return err
		}))
		open := func(path string) *bufio.Reader {
			resp, err := p.do(http.MethodGet, path, nil)
			require.NoError(t, err)
			t.Cleanup(func() { resp.Body.Close() })
			r := bufio.NewReader(resp.Body)
			event(t, r)
			return r
		}
		taker, asker := open("/taker"), open("/asker")
		last := make(chan error)
		go func() {
			_, err := io.ReadAll(asker) // answers the frames meanwhile
			last <- err
		}()
		accepted := func() uint64 { return srv.Accounts()[0].Units*10 + 10 }
		for range rounds {
			want := accepted()
			ask <- want
			time.Sleep(time.Second)
			require.Equal(t, u(want), srv.Accounts()[0].Accepted)
			take <- true
			event(t, taker)
		}
		ask <- 0
		require.NoError(t, <-last)
		take <- false
		s := p.only()
		assert.Equal(t, u(10*(2+rounds+1)), srv.Accounts()[0].Spent)
		assert.Equal(t, u(10*(2+rounds+1)), s.Authorized)
	})
}

// TestAskedForWhatIsSigned: two streams ask for the same number, because the payee has heard of neither's voucher yet. Each
// has its own piece to claim.
func TestAskedForWhatIsSigned(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	srv.Handle("/asker", srv.Metered(piece, func(m *clienttest.Meter, _ *http.Request) error {
		if err := send(m, 1); err != nil {
			return err
		}
		if err := m.Raw([]byte(needs(srv.Accounts()[0].ChannelID, 30))); err != nil {
			return err
		}
		return m.Raw([]byte(": asked\n\n"))
	}))
	var readers []*bufio.Reader
	for range 2 {
		resp, err := p.do(http.MethodGet, "/asker", nil)
		require.NoError(t, err)
		defer resp.Body.Close()
		readers = append(readers, bufio.NewReader(resp.Body))
	}
	for i, r := range readers {
		event(t, r)
		event(t, r)
		assert.Equal(t, u(uint64(30+10*i)), p.only().Authorized)
	}
}

// TestReceiptAfterItsMessages: what comes in one read comes in its order all the same.
func TestReceiptAfterItsMessages(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		p := inMemory(t)
		s := p.stream("/stream/5/10?unit=request")
		time.Sleep(time.Second) // all of it is in
		var kinds []string
		for e, err := range s.Events() {
			require.NoError(t, err)
			if e.Receipt != nil {
				e.Type = "receipt"
			}
			kinds = append(kinds, e.Type)
		}
		assert.Equal(t, strings.Repeat("message ", 5)+"receipt", strings.Join(kinds, " "))
	})
}
