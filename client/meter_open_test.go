package client_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
)

// TestStreamThatOpens: the answer that opens is a stream, which brings no receipt header; the channel is
// open by its frames all the same.
func TestStreamThatOpens(t *testing.T) {
	for name, path := range map[string]string{"vouchers on the way": "/stream/5/10", "a receipt only": "/stream/1/10"} {
		t.Run(name, func(t *testing.T) {
			p := newPayer(t, clienttest.New(t, clienttest.Config{}))
			p.get(path)
			assert.Equal(t, channel.Open, p.only().Phase)
			assert.Len(t, p.events.of(client.EventOpened), 1)
		})
	}
}
