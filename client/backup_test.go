package client_test

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/internal/wire"
	"github.com/seed-5fe1f529/tallystick/store/filestore"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// onFiles keeps the payer's channels in a directory.
func (p *payer) onFiles(dir string) {
	p.t.Helper()
	files, err := filestore.Open(dir)
	require.NoError(p.t, err)
	p.t.Cleanup(func() { files.Close() })
	k, err := voucher.ParseKey(p.key.Hex)
	require.NoError(p.t, err)
	p.store = files
	p.cfg.Store, p.cfg.Signer = files, judge{k, p.t, files}
	p.restart()
}

// copied is a copy of a directory.
func copied(t *testing.T, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	require.NoError(t, os.CopyFS(to, os.DirFS(dir)))
	return to
}

// TestBackup: the directory of last week is put back. The next request works without help, and nothing is signed above
// what is proved and what was asked for since.
func TestBackup(t *testing.T) {
	for name, c := range map[string]struct {
		path   string
		config func(*client.Config)
		since  func(p *payer, path string) // what happened after the copy
		// fresh says that a new channel is opened; the old deposit is then found in the logs.
		fresh bool
	}{
		"vouchers": {path: "/hinted", since: func(p *payer, path string) {
			for range 5 {
				p.get(path)
			}
		}},
		"vouchers, by proof": {path: "/boot", config: bootstrapping, since: func(p *payer, path string) {
			for range 5 {
				p.get(path)
			}
		}},
		"a top-up": {path: "/hinted?deposit=250", since: func(p *payer, path string) {
			for range 6 {
				p.get(path)
			}
		}},
		"a stream": {path: "/hinted", config: func(c *client.Config) { c.Limits.PieceByPiece = true }, since: func(p *payer, path string) {
			p.get(path)
			p.get("/hinted/stream/60/10")
		}},
		"a settlement": {path: "/data", since: func(p *payer, path string) {
			for range 5 {
				p.get(path)
			}
			_, err := p.srv.Settle(p.only().ID)
			require.NoError(p.t, err)
		}},
		"a settlement, v1": {path: "/v1/data", since: func(p *payer, path string) {
			for range 5 {
				p.get(path)
			}
			_, err := p.srv.Settle(p.only().ID)
			require.NoError(p.t, err)
		}},
		"a close": {path: "/data", fresh: true, since: func(p *payer, path string) {
			p.get(path)
			require.NoError(p.t, p.session.Channels().Close(p.t.Context(), p.only().ID))
		}},
		"a close, v1": {path: "/v1/data", fresh: true, since: func(p *payer, path string) {
			p.get(path)
			require.NoError(p.t, p.session.Channels().Close(p.t.Context(), p.only().ID))
		}},
		"a forced close": {path: "/data", fresh: true, since: func(p *payer, path string) {
			p.get(path)
			require.NoError(p.t, p.session.Channels().RequestClose(p.t.Context(), p.only().ID))
			p.srv.Chain.Advance(escrow.GracePeriod)
			require.NoError(p.t, p.session.Channels().Withdraw(p.t.Context(), p.only().ID))
		}},
		"a close and a new channel": {path: "/data", fresh: true, since: func(p *payer, path string) {
			require.NoError(p.t, p.session.Channels().Close(p.t.Context(), p.only().ID))
			p.get(path)
			p.get(path)
		}},
		"a close and a new channel, by proof": {path: "/boot", config: bootstrapping, since: func(p *payer, path string) {
			require.NoError(p.t, p.session.Channels().Close(p.t.Context(), p.only().ID))
			p.get(path)
			p.get(path)
		}},
		"nothing": {path: "/data", since: func(*payer, string) {}},
	} {
		t.Run(name, func(t *testing.T) {
			srv := clienttest.New(t, clienttest.Config{})
			p := newPayer(t, srv)
			if c.config != nil {
				c.config(&p.cfg)
			}
			dir := filepath.Join(t.TempDir(), "store")
			p.onFiles(dir)
			p.get(c.path)
			backup := copied(t, dir)
			c.since(p, c.path)
			proved := uint64(0) // what our own hand or the chain proves is signed on the channel in use
			var last channel.Info
			for _, s := range p.channels() {
				if s.Phase == channel.Open {
					last = s
				}
			}
			accepted, _ := srv.Account(last.ID)
			proved, _ = accepted.Accepted.Uint64()
			known := len(srv.Accounts())
			srv.Chain.Advance(7 * 24 * time.Hour)

			p.onFiles(backup)
			var n pen
			n.counted(&p.cfg)
			p.restart()
			p.get(c.path)
			var used channel.Info
			for _, s := range p.channels() {
				if s.Phase == channel.Open && s.Scope.Origin != "" {
					require.Zero(t, used.ID, "one open channel")
					used = s
				}
			}
			account, _ := srv.Account(used.ID)
			assert.Equal(t, account.Accepted, used.Signed)
			assert.Equal(t, account.Spent, used.Claimed)
			assert.Equal(t, srv.Chain.Channel(used.ID).Deposit, used.Deposit)
			if c.fresh {
				assert.Equal(t, u(100), used.Authorized)
				assert.Len(t, srv.Accounts(), known+1)
			} else {
				assert.Equal(t, last.ID, used.ID, "the deposit that is there is used")
				assert.Equal(t, u(proved+100), used.Authorized)
				assert.LessOrEqual(t, n.transactions.Load(), int64(1))
			}
			p.get(c.path)
			for _, a := range srv.Accounts() {
				if !a.Finalized && srv.Chain.Channel(a.ChannelID).Exists {
					assert.Equal(t, a.Spent, a.Accepted, "nothing was signed that was not used")
				}
			}
			p.search(false)
			for _, a := range srv.Accounts() { // nothing is lost: what holds money is on record
				st, err := p.session.Channels().Sync(t.Context(), a.ChannelID)
				if srv.Chain.Channel(a.ChannelID).Exists {
					require.NoError(t, err)
					assert.True(t, st.HoldsMoney())
				}
			}
		})
	}
}

// TestBackupWithoutAWord: a server that shows nothing, and a chain that has settled nothing. The answer is the server's,
// what this side makes of it says what to do, each request adds its own price at most, and in the end it works. The
// deposit can be had back meanwhile.
func TestBackupWithoutAWord(t *testing.T) {
	for _, rail := range rails {
		srv := clienttest.New(t, clienttest.Config{})
		p := newPayer(t, srv)
		dir := filepath.Join(t.TempDir(), "store")
		p.onFiles(dir)
		p.get(rail + "/data")
		backup := copied(t, dir)
		for range 3 {
			p.get(rail + "/data")
		}
		p.onFiles(copied(t, backup))
		for n := uint64(1); ; n++ {
			require.Less(t, n, uint64(6))
			resp, err := p.do(http.MethodGet, rail+"/data", nil)
			require.NoError(t, err)
			resp.Body.Close()
			assert.False(t, u(100+100*n).Less(p.only().Authorized), "request %d", n)
			if resp.StatusCode == http.StatusOK {
				break
			}
			paid := client.PaymentOf(resp)
			assert.Equal(t, client.OutcomeRejected, paid.Outcome)
			require.ErrorIs(t, paid.Err, client.ErrBehind)
			assert.ErrorContains(t, paid.Err, "request the close")
			assert.Len(t, p.events.of(client.EventBehind), int(n))
		}
		assert.Equal(t, u(500), p.agree().Signed)

		p.onFiles(backup)
		require.NoError(t, p.session.Channels().RequestClose(t.Context(), p.only().ID))
		srv.Chain.Advance(escrow.GracePeriod)
		require.NoError(t, p.session.Channels().SweepUntilDone(t.Context()))
		assert.Equal(t, channel.Closed, p.only().Phase)
		assert.Equal(t, u(100), p.only().Authorized)
	}
}

// TestBackupOfALiar: what a server says of the channel proves nothing without our signature.
func TestBackupOfALiar(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	dir := filepath.Join(t.TempDir(), "store")
	p.onFiles(dir)
	p.get("/hinted")
	backup := copied(t, dir)
	for range 3 {
		p.get("/hinted")
	}
	real := p.only()
	for name, lie := range map[string]func(map[string]any){
		"no voucher":      func(s map[string]any) { delete(s, "highestVoucher") },
		"somebody else's": func(s map[string]any) { highest(s)["signature"] = p.sign(srv.Payer(), real, u(400)) },
		"another amount":  func(s map[string]any) { highest(s)["cumulativeAmount"] = "9000" },
		"above the deposit": func(s map[string]any) {
			highest(s)["cumulativeAmount"], highest(s)["signature"] = "10001", p.sign(p.key, real, u(10001))
		},
	} {
		t.Run(name, func(t *testing.T) {
			p.onFiles(copied(t, backup))
			l := p.lied()
			defer func() { p.base = l.base }()
			l.hinting(func(d map[string]any) {
				snapshot := p.snapshotOf(real)
				lie(snapshot)
				d["sessionSnapshot"] = snapshot
			})
			resp, err := p.do(http.MethodGet, "/hinted", nil)
			require.NoError(t, err)
			resp.Body.Close()
			assert.Equal(t, http.StatusPaymentRequired, resp.StatusCode)
			assert.Equal(t, u(200), p.only().Authorized, "one price, as asked")
		})
	}
}

// TestBackupAndAWordInTheRefusal: the payee shows our voucher with its no.
func TestBackupAndAWordInTheRefusal(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	dir := filepath.Join(t.TempDir(), "store")
	p.onFiles(dir)
	p.get("/data")
	backup := copied(t, dir)
	for range 4 {
		p.get("/data")
	}
	last := p.only()
	p.onFiles(backup)
	l := p.lied()
	l.after = func(_ int, s sent, resp *http.Response) {
		if s.action() == "voucher" && resp.StatusCode == http.StatusPaymentRequired {
			l.forgeAny(resp, func(_ *wire.Challenge, r map[string]any) { details(r)["sessionSnapshot"] = p.snapshotOf(last) })
		}
	}
	p.get("/data")
	assert.Equal(t, u(600), p.agree().Authorized)
	assert.Empty(t, p.events.of(client.EventBehind))
}
