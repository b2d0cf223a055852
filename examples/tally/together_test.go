package main

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// TestTogether: several programs share one store and one channel. Nobody is refused, and the books are
// right afterwards.
func TestTogether(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	s.ok("/data")
	const n = 30
	var wg sync.WaitGroup
	ends := make([]ended, n)
	for i := range n {
		wg.Go(func() { ends[i] = s.run("/data") })
	}
	wg.Wait()
	for _, e := range ends {
		assert.Equal(t, 0, e.code, e.stderr)
	}
	accounts := s.srv.Accounts()
	assert.Len(t, accounts, 1)
	assert.Equal(t, voucher.Units(100*(n+1)), accounts[0].Spent)
	assert.Equal(t, accounts[0].Spent, accounts[0].Accepted)
}
