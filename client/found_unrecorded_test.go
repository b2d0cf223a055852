package client_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/store"
)

// brokenStore writes no record whose key begins so.
type brokenStore struct {
	store.Store
	prefix string
}

var errBrokenStore = errors.New("the disk is full")

func (b brokenStore) Put(ctx context.Context, key string, data []byte, rev uint64) (uint64, error) {
	if strings.HasPrefix(key, b.prefix) {
		return 0, errBrokenStore
	}
	return b.Store.Put(ctx, key, data, rev)
}

// TestFoundChannelThatCannotBeRecorded: the payee shows a channel of ours, and the store does not take
// it. The request fails, and no other channel is opened in its place.
func TestFoundChannelThatCannotBeRecorded(t *testing.T) {
	for _, path := range []string{"/who", "/boot", "/hinted?payer=PAYER"} {
		for _, prefix := range []string{"channel/", "scope/"} {
			t.Run(path+" "+prefix, func(t *testing.T) {
				var n pen
				p := newPayer(t, clienttest.New(t, clienttest.Config{}), bootstrapping, n.counted)
				path := strings.ReplaceAll(path, "PAYER", p.key.Address.Hex())
				p.get(path)
				id := p.only().ID
				p.cold(n.counted, func(c *client.Config) { c.Store = brokenStore{c.Store, prefix} })
				resp, err := p.do(http.MethodGet, path, nil)
				if err == nil {
					resp.Body.Close()
				}
				require.ErrorIs(t, err, errBrokenStore)
				assert.EqualValues(t, 1, n.transactions.Load(), "no second deposit")

				p.cold(n.counted)
				p.get(path)
				assert.Equal(t, id, p.only().ID)
				assert.EqualValues(t, 1, n.transactions.Load(), "no second deposit")
			})
		}
	}
}
