package client

import (
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/internal/bubble"
)

// stuck is a body whose Close does not return before it is released, as one that waits for a Read.
type stuck struct {
	io.Reader
	closing, release chan struct{}
}

func (s *stuck) Close() error {
	close(s.closing)
	<-s.release
	return nil
}

// TestCloseOfASendingWaitsForNoOther: a Close that waits for the Read of another sending, as bodies of GetBody may
// that share what they read, is waited for 100 ms, and made once.
func TestCloseOfASendingWaitsForNoOther(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		body := &stuck{io.LimitReader(nil, 0), make(chan struct{}), make(chan struct{})}
		b := &replay{src: body, fresh: true, getBody: func() (io.ReadCloser, error) { return body, nil }}
		sending, err := b.next(t.Context())
		require.NoError(t, err)
		began := time.Now()
		require.NoError(t, sending.Close())
		assert.Equal(t, closeGrace, time.Since(began))
		<-body.closing
		require.NoError(t, sending.Close(), "it is closed once")
		assert.Equal(t, closeGrace, time.Since(began))
		close(body.release)
	})
}
