package client_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
)

// TestOpeningThatDidNotLeave: the transaction is signed and written down, the voucher key is locked. The outcome says
// that something was signed, and the next request sends that transaction and no other.
func TestOpeningThatDidNotLeave(t *testing.T) {
	for _, rail := range rails {
		srv := clienttest.New(t, clienttest.Config{})
		var vouchers, transactions pen
		p := newPayer(t, srv)
		payer := p.cfg.Payer
		vouchers.counted(&p.cfg)
		p.cfg.Payer = penPayer{payer, &transactions}
		p.restart()
		locked := errors.New("the key is locked")
		vouchers.broken.Store(&locked)
		e := p.refused(p.do(http.MethodGet, rail+"/data", nil))
		require.ErrorIs(t, e, locked)
		assert.Equal(t, client.OutcomeNotSent, e.Outcome)
		assert.Equal(t, "open", e.Op)
		assert.Equal(t, channel.Opening, p.only().Phase)
		vouchers.broken.Store(nil)
		p.get(rail + "/data")
		assert.Equal(t, u(100), p.agree().Signed)
		assert.EqualValues(t, 1, transactions.transactions.Load())
	}
}
