package client_test

import (
	"net/http"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/internal/wire"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// cold forgets the store as well, but not the keys.
func (p *payer) cold(change ...func(*client.Config)) {
	p.t.Helper()
	p.store = store.NewMem()
	p.cfg.Store = p.store
	k, err := voucher.ParseKey(p.key.Hex)
	require.NoError(p.t, err)
	p.cfg.Signer, p.cfg.Payer = judge{k, p.t, p.store}, k
	for _, c := range change {
		c(&p.cfg)
	}
	p.restart()
}

// sign is a voucher in a key's hand.
func (p *payer) sign(key clienttest.Key, s channel.State, amount uint64) string {
	p.t.Helper()
	k, err := voucher.ParseKey(key.Hex)
	require.NoError(p.t, err)
	sig, err := k.SignVoucher(p.t.Context(), s.Domain(), voucher.Voucher{ChannelID: s.ID, Cumulative: u(amount)})
	require.NoError(p.t, err)
	return hexutil.Encode(sig)
}

// snapshotOf is what a server could say of a channel.
func snapshotOf(s channel.State) map[string]any {
	d := s.Descriptor
	return map[string]any{
		"chainId": s.ChainID, "channelId": s.ID.Hex(), "escrow": s.Escrow.Hex(), "units": 2,
		"acceptedCumulative": s.Signed.String(), "spent": s.Claimed.String(), "requiredCumulative": s.Claimed.String(),
		"deposit": s.Deposit.String(), "settled": s.Settled.String(),
		"descriptor": map[string]any{
			"payer": d.Payer.Hex(), "payee": d.Payee.Hex(), "operator": d.Operator.Hex(), "token": d.Token.Hex(), "salt": d.Salt.Hex(),
			"authorizedSigner": d.AuthorizedSigner.Hex(), "expiringNonceHash": d.ExpiringNonceHash.Hex(),
		},
		"highestVoucher": map[string]any{"channelId": s.ID.Hex(), "cumulativeAmount": s.Signed.String(), "signature": hexutil.Encode(s.Voucher)},
	}
}

func highest(snapshot map[string]any) map[string]any {
	return snapshot["highestVoucher"].(map[string]any)
}

// hinting puts hints into every challenge.
func (l *liar) hinting(change func(d map[string]any)) {
	l.after = func(_ int, _ sent, resp *http.Response) {
		l.forge(resp, func(_ *wire.Challenge, request map[string]any) { change(details(request)) })
	}
}

// TestForgedHintsOnAChannelThatWeHave: ours is the only answer. The next voucher is for what was asked, no
// deposit moves, and the channel stays the one it was.
func TestForgedHintsOnAChannelThatWeHave(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	stranger := srv.Payer()
	for name, lie := range map[string]func(p *payer, s channel.State, d map[string]any){
		"flat figures": func(_ *payer, s channel.State, d map[string]any) {
			d["channelId"], d["acceptedCumulative"], d["requiredCumulative"] = s.ID.Hex(), "10000", "10000"
			d["spent"], d["deposit"] = "10000", "10000"
		},
		"a low deposit": func(_ *payer, s channel.State, d map[string]any) {
			d["channelId"], d["acceptedCumulative"], d["requiredCumulative"] = s.ID.Hex(), "200", "300"
			d["spent"], d["deposit"] = "200", "1"
		},
		"our voucher, and more required": func(_ *payer, s channel.State, d map[string]any) {
			snapshot := snapshotOf(s)
			snapshot["requiredCumulative"] = "10000"
			d["sessionSnapshot"] = snapshot
		},
		"more accepted, no voucher": func(_ *payer, s channel.State, d map[string]any) {
			snapshot := snapshotOf(s)
			snapshot["acceptedCumulative"], snapshot["spent"] = "10000", "10000"
			delete(snapshot, "highestVoucher")
			d["sessionSnapshot"] = snapshot
		},
		"a voucher of a stranger": func(p *payer, s channel.State, d map[string]any) {
			snapshot := snapshotOf(s)
			snapshot["acceptedCumulative"], snapshot["spent"] = "10000", "10000"
			highest(snapshot)["cumulativeAmount"], highest(snapshot)["signature"] = "10000", p.sign(stranger, s, 10000)
			d["sessionSnapshot"] = snapshot
		},
		"our signature under another amount": func(_ *payer, s channel.State, d map[string]any) {
			snapshot := snapshotOf(s)
			snapshot["acceptedCumulative"], snapshot["spent"] = "10000", "10000"
			highest(snapshot)["cumulativeAmount"] = "10000"
			d["sessionSnapshot"] = snapshot
		},
		"our voucher above the deposit": func(p *payer, s channel.State, d map[string]any) {
			snapshot := snapshotOf(s)
			highest(snapshot)["cumulativeAmount"], highest(snapshot)["signature"] = "10001", p.sign(p.key, s, 10001)
			d["sessionSnapshot"] = snapshot
		},
		"another channel": func(_ *payer, s channel.State, d map[string]any) {
			snapshot := snapshotOf(s)
			snapshot["channelId"], highest(snapshot)["channelId"] = common.Hash{9}.Hex(), common.Hash{9}.Hex()
			d["sessionSnapshot"], d["channelId"] = snapshot, common.Hash{9}.Hex()
		},
		"a channel that is not there": func(_ *payer, _ channel.State, d map[string]any) {
			d["channelId"] = common.Hash{9}.Hex()
		},
		"nothing spent yet": func(_ *payer, s channel.State, d map[string]any) {
			snapshot := snapshotOf(s)
			snapshot["spent"] = "0"
			d["sessionSnapshot"] = snapshot
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, rail := range rails {
				var n pen
				p := newPayer(t, srv, n.counted)
				p.get(rail + "/data")
				p.get(rail + "/data")
				s := p.only()
				l := p.lied()
				l.hinting(func(d map[string]any) { lie(p, s, d) })
				p.restart() // a challenge is asked for again
				p.get(rail + "/data")
				assert.Equal(t, u(300), p.agree().Authorized())
				// And beside a voucher that is out already: the price of the route differs by the query.
				p.get(rail + "/data?price=101")
				now := p.agree()
				assert.Equal(t, u(401), now.Authorized())
				assert.Equal(t, s.ID, now.ID)
				assert.Equal(t, u(10_000), now.Deposit)
				assert.EqualValues(t, 1, n.transactions.Load())
			}
		})
	}
}

// TestSnapshotsThatAreNotUsed by a client without a record: it opens a channel of its own.
func TestSnapshotsThatAreNotUsed(t *testing.T) {
	stranger := common.HexToAddress("0x00000000000000000000000000000000000000aa").Hex()
	descriptor := func(field string) func(*payer, channel.State, map[string]any) {
		return func(_ *payer, _ channel.State, s map[string]any) { s["descriptor"].(map[string]any)[field] = stranger }
	}
	for name, lie := range map[string]func(p *payer, s channel.State, snapshot map[string]any){
		"no voucher": func(_ *payer, _ channel.State, s map[string]any) { delete(s, "highestVoucher") },
		"a voucher of a stranger": func(p *payer, c channel.State, s map[string]any) {
			highest(s)["signature"] = p.sign(p.srv.Payer(), c, 200)
		},
		"a voucher for another channel": func(_ *payer, _ channel.State, s map[string]any) { highest(s)["channelId"] = common.Hash{9}.Hex() },
		"a voucher for another amount":  func(_ *payer, _ channel.State, s map[string]any) { highest(s)["cumulativeAmount"] = "199" },
		"a voucher for less than it says": func(p *payer, c channel.State, s map[string]any) {
			highest(s)["cumulativeAmount"], highest(s)["signature"] = "100", p.sign(p.key, c, 100)
		},
		"a voucher above the deposit": func(p *payer, c channel.State, s map[string]any) {
			s["acceptedCumulative"] = "10001"
			highest(s)["cumulativeAmount"], highest(s)["signature"] = "10001", p.sign(p.key, c, 10001)
		},
		"more spent than accepted":    func(_ *payer, _ channel.State, s map[string]any) { s["spent"] = "201" },
		"more settled than deposited": func(_ *payer, _ channel.State, s map[string]any) { s["settled"], s["deposit"] = "2", "1" },
		"closing":                     func(_ *payer, _ channel.State, s map[string]any) { s["closeRequestedAt"] = "1" },
		"another escrow":              func(_ *payer, _ channel.State, s map[string]any) { s["escrow"] = stranger },
		"another chain":               func(_ *payer, _ channel.State, s map[string]any) { s["chainId"] = 4217 },
		"another id":                  func(_ *payer, _ channel.State, s map[string]any) { s["channelId"] = common.Hash{9}.Hex() },
		"another payer":               descriptor("payer"),
		"another payee":               descriptor("payee"),
		"another token":               descriptor("token"),
		"another operator":            descriptor("operator"),
		"another signer":              descriptor("authorizedSigner"),
		"closing on chain": func(p *payer, c channel.State, _ map[string]any) {
			if p.srv.Chain.Channel(c.ID).CloseRequestedAt == 0 {
				p.requestClose(c)
			}
		},
		"closed on chain": func(p *payer, c channel.State, _ map[string]any) {
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
				snapshot := snapshotOf(s)
				lie(p, s, snapshot)
				d["sessionSnapshot"] = snapshot
			})
			p.get("/data")
			mine := p.only()
			assert.NotEqual(t, s.ID, mine.ID)
			assert.Equal(t, u(100), mine.Authorized())
			assert.Empty(t, p.events.of(client.EventFound))
		})
	}
}

// requestClose and withdraw are another program with the payer's key.
func (p *payer) requestClose(s channel.State) {
	p.t.Helper()
	_, err := p.cfg.Chain.RequestClose(p.t.Context(), escrow.CloseParams{Protocol: s.Protocol, ChainID: s.ChainID, Escrow: s.Escrow, Payer: p.cfg.Payer, Descriptor: s.Descriptor})
	require.NoError(p.t, err)
}

func (p *payer) withdraw(s channel.State) {
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
		snapshot := snapshotOf(s)
		snapshot["requiredCumulative"], snapshot["deposit"] = "10000", "20000"
		d["sessionSnapshot"] = snapshot
	})
	p.get("/data")
	now := p.agree()
	assert.Equal(t, s.ID, now.ID)
	assert.Equal(t, u(300), now.Authorized())
	assert.Equal(t, u(10_000), now.Deposit, "as the chain has it")
	assert.Zero(t, n.transactions.Load())
	assert.Len(t, p.events.of(client.EventFound), 1)
	require.NoError(t, p.session.CloseChannel(t.Context(), s.ID))
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
	assert.Equal(t, u(100), p.only().Authorized())
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
		data, _, err := p.store.Get(t.Context(), channel.StateKey(p.only().ID))
		require.NoError(t, err)
		for range 3 {
			p.get(rail + "/data")
		}
		_, rev, err := p.store.Get(t.Context(), channel.StateKey(p.only().ID))
		require.NoError(t, err)
		_, err = p.store.Put(t.Context(), channel.StateKey(p.only().ID), data, rev)
		require.NoError(t, err)
		p.restart()
		served := srv.Served(rail + "/data")
		for n := uint64(1); srv.Served(rail+"/data") == served; n++ {
			require.Less(t, n, uint64(10))
			resp, err := p.do(http.MethodGet, rail+"/data", nil)
			require.NoError(t, err)
			resp.Body.Close()
			assert.False(t, u(100+100*n).Less(p.only().Authorized()), "request %d", n)
		}
		assert.Equal(t, u(500), p.agree().Signed)
	}
}

// TestFlatHintsOnAColdClient prove nothing (PR-260). What the chain has settled does.
func TestFlatHintsOnAColdClient(t *testing.T) {
	for _, rail := range rails {
		for _, settled := range []bool{false, true} {
			srv := clienttest.New(t, clienttest.Config{})
			p := newPayer(t, srv)
			p.get(rail + "/flat")
			p.get(rail + "/flat")
			old := p.only()
			if settled {
				_, err := srv.Settle(old.ID)
				require.NoError(t, err)
			}
			p.cold()
			p.get(rail + "/flat?payer=" + p.key.Address.Hex())
			s := p.only()
			if settled && rail == "/v1" { // its id is enough to read who the parties are
				assert.Equal(t, old.ID, s.ID)
				assert.Equal(t, u(300), p.agree().Authorized())
				assert.Equal(t, u(200), s.Settled)
				continue
			}
			assert.NotEqual(t, old.ID, s.ID)
			assert.Equal(t, u(100), s.Authorized())
		}
	}
}

// TestForgedFlatHintsOnAColdClient: nothing is signed above what the chain proves and the price.
func TestForgedFlatHintsOnAColdClient(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	for _, accepted := range []string{"200", "5000", "10000"} {
		p := newPayer(t, srv)
		p.get("/v1/data")
		p.get("/v1/data")
		old := p.only()
		_, err := srv.Settle(old.ID)
		require.NoError(t, err)
		p.cold()
		l := p.lied()
		l.hinting(func(d map[string]any) {
			d["channelId"], d["acceptedCumulative"], d["requiredCumulative"] = old.ID.Hex(), accepted, "10000"
			d["spent"], d["deposit"] = "200", "99999"
		})
		p.get("/v1/data")
		s := p.only()
		if s.ID == old.ID {
			assert.Equal(t, "200", accepted)
			assert.Equal(t, u(300), s.Authorized())
			assert.Equal(t, u(10_000), s.Deposit)
		} else {
			assert.Equal(t, u(100), s.Authorized())
		}
	}
}

// TestBareChannelID on v1: recovery starts at what is settled, and gives one price a request until the payee is
// content.
func TestBareChannelID(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	p.get("/v1/hinted")
	p.get("/v1/hinted")
	old := p.only()
	p.cold()
	var n pen
	n.counted(&p.cfg)
	p.restart()
	served := srv.Served("/v1/hinted")
	for request := uint64(1); srv.Served("/v1/hinted") == served; request++ {
		require.Less(t, request, uint64(6))
		resp, err := p.do(http.MethodGet, "/v1/hinted?payer="+p.key.Address.Hex(), nil)
		require.NoError(t, err)
		resp.Body.Close()
		assert.False(t, u(100*request).Less(p.only().Authorized()))
	}
	assert.Equal(t, old.ID, p.only().ID)
	assert.Equal(t, u(300), p.agree().Signed)
	assert.Zero(t, n.transactions.Load())
}

// TestBareChannelIDThatIsNotOurs: one of another payer, payee, token or signer, one that is missing or closing.
func TestBareChannelIDThatIsNotOurs(t *testing.T) {
	for name, prepare := range map[string]func(p *payer, other *payer) common.Hash{
		"missing": func(*payer, *payer) common.Hash { return common.Hash{9} },
		"another payer": func(_, other *payer) common.Hash {
			other.get("/v1/data")
			return other.only().ID
		},
		"another signer": func(p, other *payer) common.Hash {
			k, err := voucher.ParseKey(other.key.Hex)
			require.NoError(p.t, err)
			p.cfg.Signer = k
			p.restart()
			p.get("/v1/data")
			id := p.only().ID
			p.cold()
			return id
		},
		"closing": func(p, _ *payer) common.Hash {
			p.get("/v1/data")
			s := p.only()
			p.requestClose(s)
			p.cold()
			return s.ID
		},
		"closed": func(p, _ *payer) common.Hash {
			p.get("/v1/data")
			id := p.only().ID
			require.NoError(p.t, p.session.CloseChannel(p.t.Context(), id))
			p.cold()
			return id
		},
	} {
		t.Run(name, func(t *testing.T) {
			srv := clienttest.New(t, clienttest.Config{})
			p := newPayer(t, srv)
			id := prepare(p, newPayer(t, srv))
			l := p.lied()
			l.hinting(func(d map[string]any) { d["channelId"] = id.Hex() })
			p.get("/v1/data")
			assert.NotEqual(t, id, p.only().ID)
			assert.Equal(t, u(100), p.agree().Signed)
		})
	}
}

// TestHintFromAnotherOrigin: one channel has one name. What one origin uses is not given to another by its word.
func TestHintFromAnotherOrigin(t *testing.T) {
	for _, rail := range rails {
		srv := clienttest.New(t, clienttest.Config{})
		p := newPayer(t, srv)
		p.get(rail + "/data")
		s := p.only()
		l := p.lied()
		l.hinting(func(d map[string]any) {
			if rail == "" {
				d["sessionSnapshot"] = snapshotOf(s)
			} else {
				d["channelId"] = s.ID.Hex()
			}
		})
		p.ok(p.send(p.request(t.Context(), http.MethodGet, twin(srv)+rail+"/data", nil)))
		first, second := p.by(s.ID)
		assert.Equal(t, s, first)
		assert.Equal(t, u(100), second.Authorized())
		assert.Contains(t, second.Scope.Origin, "localhost")
	}
}

// TestAnnouncing: the channel in use is named on unpaid requests to its origin; the caller's own header stays.
func TestAnnouncing(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	l := p.lied()
	p.get("/data")
	id := p.only().ID
	named := func() []string { return l.all()[len(l.all())-1].Header["Payment-Session"] }
	p.get("/free")
	assert.Equal(t, []string{id.Hex()}, named())
	p.get("/data")
	assert.Empty(t, named(), "a voucher names its channel")
	p.ok(p.send(p.request(t.Context(), http.MethodGet, twin(srv)+"/free", nil)))
	assert.Empty(t, named())
	req := p.request(t.Context(), http.MethodGet, "/free", nil)
	req.Header.Set("Payment-Session", "the caller's")
	p.ok(p.send(req))
	assert.Equal(t, []string{"the caller's"}, named())
	p.restart()
	p.get("/free")
	assert.Empty(t, named(), "one that is only stored is not announced")
	p.get("/data")
	require.NoError(t, p.session.CloseChannel(t.Context(), id))
	p.get("/free")
	assert.Empty(t, named(), "a closed one is not either")
}
