package client_test

import (
	"net/http"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// snapshotOf is what a server could say of a channel.
func (p *payer) snapshotOf(s channel.Info) map[string]any {
	d := s.Descriptor
	return map[string]any{
		"chainId": s.ChainID, "channelId": s.ID.Hex(), "escrow": s.Escrow.Hex(), "units": 2,
		"acceptedCumulative": s.Signed.String(), "spent": s.Claimed.String(), "requiredCumulative": s.Claimed.String(),
		"deposit": s.Deposit.String(), "settled": s.Settled.String(),
		"descriptor": map[string]any{
			"payer": d.Payer.Hex(), "payee": d.Payee.Hex(), "operator": d.Operator.Hex(), "token": d.Token.Hex(), "salt": d.Salt.Hex(),
			"authorizedSigner": d.AuthorizedSigner.Hex(), "expiringNonceHash": d.ExpiringNonceHash.Hex(),
		},
		"highestVoucher": map[string]any{"channelId": s.ID.Hex(), "cumulativeAmount": s.Signed.String(), "signature": p.sign(p.key, s, s.Signed)},
	}
}

func highest(snapshot map[string]any) map[string]any {
	return snapshot["highestVoucher"].(map[string]any)
}

// TestSnapshotsThatAreNotUsed by a client without a record: it opens a channel of its own.
func TestSnapshotsThatAreNotUsed(t *testing.T) {
	stranger := common.HexToAddress("0x00000000000000000000000000000000000000aa").Hex()
	descriptor := func(field string) func(*payer, channel.Info, map[string]any) {
		return func(_ *payer, _ channel.Info, s map[string]any) { s["descriptor"].(map[string]any)[field] = stranger }
	}
	for name, lie := range map[string]func(p *payer, s channel.Info, snapshot map[string]any){
		"no voucher": func(_ *payer, _ channel.Info, s map[string]any) { delete(s, "highestVoucher") },
		"a voucher of a stranger": func(p *payer, c channel.Info, s map[string]any) {
			highest(s)["signature"] = p.sign(p.srv.Payer(), c, u(200))
		},
		"a voucher for another channel": func(_ *payer, _ channel.Info, s map[string]any) { highest(s)["channelId"] = common.Hash{9}.Hex() },
		"a voucher for another amount":  func(_ *payer, _ channel.Info, s map[string]any) { highest(s)["cumulativeAmount"] = "199" },
		"a voucher for less than it says": func(p *payer, c channel.Info, s map[string]any) {
			highest(s)["cumulativeAmount"], highest(s)["signature"] = "100", p.sign(p.key, c, u(100))
		},
		"a voucher above the deposit": func(p *payer, c channel.Info, s map[string]any) {
			s["acceptedCumulative"] = "10001"
			highest(s)["cumulativeAmount"], highest(s)["signature"] = "10001", p.sign(p.key, c, u(10001))
		},
		"more spent than accepted":    func(_ *payer, _ channel.Info, s map[string]any) { s["spent"] = "201" },
		"more settled than deposited": func(_ *payer, _ channel.Info, s map[string]any) { s["settled"], s["deposit"] = "2", "1" },
		"closing":                     func(_ *payer, _ channel.Info, s map[string]any) { s["closeRequestedAt"] = "1" },
		"another escrow":              func(_ *payer, _ channel.Info, s map[string]any) { s["escrow"] = stranger },
		"another chain":               func(_ *payer, _ channel.Info, s map[string]any) { s["chainId"] = 4217 },
		"another id":                  func(_ *payer, _ channel.Info, s map[string]any) { s["channelId"] = common.Hash{9}.Hex() },
		"another payer":               descriptor("payer"),
		"another payee":               descriptor("payee"),
		"another token":               descriptor("token"),
		"another operator":            descriptor("operator"),
		"another signer":              descriptor("authorizedSigner"),
		"closing on chain": func(p *payer, c channel.Info, _ map[string]any) {
			if p.srv.Chain.Channel(c.ID).CloseRequestedAt == 0 {
				p.requestClose(c)
			}
		},
		"closed on chain": func(p *payer, c channel.Info, _ map[string]any) {
			if p.srv.Chain.Channel(c.ID).CloseRequestedAt == 0 && p.srv.Chain.Channel(c.ID).Exists {
				p.requestClose(c)
				p.srv.Chain.Advance(escrow.GracePeriod)
				p.withdraw(c)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			srv := clienttest.New(t, clienttest.Config{})
			p := newPayer(t, srv)
			p.get("/data")
			p.get("/data")
			s := p.only()
			p.cold()
			l := p.lied()
			l.hinting(func(d map[string]any) {
				snapshot := p.snapshotOf(s)
				lie(p, s, snapshot)
				d["sessionSnapshot"] = snapshot
			})
			p.get("/data")
			mine := p.only()
			assert.NotEqual(t, s.ID, mine.ID)
			assert.Equal(t, u(100), mine.Authorized)
			assert.Empty(t, p.events.of(client.EventFound))
		})
	}
}

// requestClose and withdraw are another program with the payer's key.
func (p *payer) requestClose(s channel.Info) {
	p.t.Helper()
	_, err := p.cfg.Chain.RequestClose(p.t.Context(), escrow.CloseParams{Protocol: s.Protocol, ChainID: s.ChainID, Escrow: s.Escrow, Payer: p.cfg.Payer, Descriptor: s.Descriptor})
	require.NoError(p.t, err)
}

func (p *payer) withdraw(s channel.Info) {
	p.t.Helper()
	_, err := p.cfg.Chain.Withdraw(p.t.Context(), escrow.CloseParams{Protocol: s.Protocol, ChainID: s.ChainID, Escrow: s.Escrow, Payer: p.cfg.Payer, Descriptor: s.Descriptor})
	require.NoError(p.t, err)
}

// TestGoodSnapshot: our own voucher in it proves what we signed; what it requires does not.
func TestGoodSnapshot(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	p.get("/data")
	p.get("/data")
	s := p.only()
	var n pen
	p.cold(n.counted)
	l := p.lied()
	l.hinting(func(d map[string]any) {
		snapshot := p.snapshotOf(s)
		snapshot["requiredCumulative"], snapshot["deposit"] = "10000", "20000"
		d["sessionSnapshot"] = snapshot
	})
	p.get("/data")
	now := p.agree()
	assert.Equal(t, s.ID, now.ID)
	assert.Equal(t, u(300), now.Authorized)
	assert.Equal(t, u(10_000), now.Deposit, "as the chain has it")
	assert.Zero(t, n.transactions.Load())
	assert.Len(t, p.events.of(client.EventFound), 1)
	require.NoError(t, p.session.Channels().Close(t.Context(), s.ID))
}

// TestStoreFromABackup learns from a snapshot what this key has signed since.
func TestStoreFromABackup(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	p.get("/hinted")
	backup := store.NewMem()
	for e, err := range p.store.List(t.Context(), "") {
		require.NoError(t, err)
		_, err = backup.Put(t.Context(), e.Key, e.Data, 0)
		require.NoError(t, err)
	}
	for range 4 {
		p.get("/hinted")
	}
	k, err := voucher.ParseKey(p.key.Hex)
	require.NoError(t, err)
	var n pen
	p.store = backup
	p.cfg.Store, p.cfg.Signer, p.cfg.Payer = backup, judge{k, t, backup}, k
	n.counted(&p.cfg)
	p.restart()
	assert.Equal(t, u(100), p.only().Authorized)
	p.get("/hinted?payer=" + p.key.Address.Hex())
	assert.Equal(t, u(600), p.agree().Signed)
	assert.EqualValues(t, 1, n.vouchers.Load())
	assert.Zero(t, n.transactions.Load())
}

// TestStoreFromABackupWithoutAWord from the server climbs by one price a request, and never further than a caller
// asked.
func TestStoreFromABackupWithoutAWord(t *testing.T) {
	for _, rail := range rails {
		srv := clienttest.New(t, clienttest.Config{})
		p := newPayer(t, srv)
		p.get(rail + "/data")
		data, _, err := p.store.Get(t.Context(), rule.StateKey(p.only().ID))
		require.NoError(t, err)
		for range 3 {
			p.get(rail + "/data")
		}
		_, rev, err := p.store.Get(t.Context(), rule.StateKey(p.only().ID))
		require.NoError(t, err)
		_, err = p.store.Put(t.Context(), rule.StateKey(p.only().ID), data, rev)
		require.NoError(t, err)
		p.restart()
		served := srv.Served(rail + "/data")
		for n := uint64(1); srv.Served(rail+"/data") == served; n++ {
			require.Less(t, n, uint64(10))
			resp, err := p.do(http.MethodGet, rail+"/data", nil)
			require.NoError(t, err)
			resp.Body.Close()
			assert.False(t, u(100+100*n).Less(p.only().Authorized), "request %d", n)
		}
		assert.Equal(t, u(500), p.agree().Signed)
	}
}

// TestChannelThatHadNotEnded: the payee shows a channel that is in the archive, wrongly. If the chain shows it
// open, it is paid from again, and no other is opened. If it has ended, another one is.
func TestChannelThatHadNotEnded(t *testing.T) {
	for name, ended := range map[string]bool{"open on chain": false, "closed on chain": true} {
		t.Run(name, func(t *testing.T) {
			srv := clienttest.New(t, clienttest.Config{})
			p := newPayer(t, srv)
			p.get("/data")
			s := p.only()
			if ended {
				p.requestClose(s)
				srv.Chain.Advance(escrow.GracePeriod)
				p.withdraw(s)
			}
			places := rule.Places(s.ID)
			data, rev, err := p.store.Get(t.Context(), places[0])
			require.NoError(t, err)
			record, err := rule.Decode(data)
			require.NoError(t, err)
			data, err = record.Settle(rule.OnChain{Ended: true}).Encode()
			require.NoError(t, err)
			rev, err = p.store.Put(t.Context(), places[0], data, rev)
			require.NoError(t, err)
			require.NoError(t, p.store.(store.Mover).Move(t.Context(), places[0], rev, places[1]))
			var n pen
			n.counted(&p.cfg)
			p.restart()
			l := p.lied()
			l.hinting(func(d map[string]any) { d["sessionSnapshot"] = p.snapshotOf(s) })
			p.get("/data")
			_, _, err = p.store.Get(t.Context(), places[2])
			if ended {
				require.ErrorIs(t, err, store.ErrNotFound)
				assert.EqualValues(t, 1, n.transactions.Load())
				return
			}
			require.NoError(t, err)
			assert.Zero(t, n.transactions.Load())
			now := p.agree()
			assert.Equal(t, s.ID, now.ID)
			assert.Equal(t, u(200), now.Authorized)
			require.NoError(t, p.session.Channels().Close(t.Context(), s.ID))
		})
	}
}
