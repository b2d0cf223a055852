package client_test

import (
	"net/http"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
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
func (p *payer) sign(key clienttest.Key, s channel.Info, amount voucher.Amount) string {
	p.t.Helper()
	k, err := voucher.ParseKey(key.Hex)
	require.NoError(p.t, err)
	sig, err := k.SignVoucher(p.t.Context(), voucher.NewDomain(s.Protocol, s.ChainID, s.Escrow), voucher.Voucher{ChannelID: s.ID, Cumulative: amount})
	require.NoError(p.t, err)
	return hexutil.Encode(sig)
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
	for name, lie := range map[string]func(p *payer, s channel.Info, d map[string]any){
		"flat figures": func(_ *payer, s channel.Info, d map[string]any) {
			d["channelId"], d["acceptedCumulative"], d["requiredCumulative"] = s.ID.Hex(), "10000", "10000"
			d["spent"], d["deposit"] = "10000", "10000"
		},
		"a low deposit": func(_ *payer, s channel.Info, d map[string]any) {
			d["channelId"], d["acceptedCumulative"], d["requiredCumulative"] = s.ID.Hex(), "200", "300"
			d["spent"], d["deposit"] = "200", "1"
		},
		"our voucher, and more required": func(p *payer, s channel.Info, d map[string]any) {
			snapshot := p.snapshotOf(s)
			snapshot["requiredCumulative"] = "10000"
			d["sessionSnapshot"] = snapshot
		},
		"more accepted, no voucher": func(p *payer, s channel.Info, d map[string]any) {
			snapshot := p.snapshotOf(s)
			snapshot["acceptedCumulative"], snapshot["spent"] = "10000", "10000"
			delete(snapshot, "highestVoucher")
			d["sessionSnapshot"] = snapshot
		},
		"a voucher of a stranger": func(p *payer, s channel.Info, d map[string]any) {
			snapshot := p.snapshotOf(s)
			snapshot["acceptedCumulative"], snapshot["spent"] = "10000", "10000"
			highest(snapshot)["cumulativeAmount"], highest(snapshot)["signature"] = "10000", p.sign(stranger, s, u(10000))
			d["sessionSnapshot"] = snapshot
		},
		"our signature under another amount": func(p *payer, s channel.Info, d map[string]any) {
			snapshot := p.snapshotOf(s)
			snapshot["acceptedCumulative"], snapshot["spent"] = "10000", "10000"
			highest(snapshot)["cumulativeAmount"] = "10000"
			d["sessionSnapshot"] = snapshot
		},
		"our voucher above the deposit": func(p *payer, s channel.Info, d map[string]any) {
			snapshot := p.snapshotOf(s)
			highest(snapshot)["cumulativeAmount"], highest(snapshot)["signature"] = "10001", p.sign(p.key, s, u(10001))
			d["sessionSnapshot"] = snapshot
		},
		"another channel": func(p *payer, s channel.Info, d map[string]any) {
			snapshot := p.snapshotOf(s)
			snapshot["channelId"], highest(snapshot)["channelId"] = common.Hash{9}.Hex(), common.Hash{9}.Hex()
			d["sessionSnapshot"], d["channelId"] = snapshot, common.Hash{9}.Hex()
		},
		"a channel that is not there": func(_ *payer, _ channel.Info, d map[string]any) {
			d["channelId"] = common.Hash{9}.Hex()
		},
		"nothing spent yet": func(p *payer, s channel.Info, d map[string]any) {
			snapshot := p.snapshotOf(s)
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
				assert.Equal(t, u(300), p.agree().Authorized)
				// And beside a voucher that is out already: the price of the route differs by the query.
				p.get(rail + "/data?price=101")
				now := p.agree()
				assert.Equal(t, u(401), now.Authorized)
				assert.Equal(t, s.ID, now.ID)
				assert.Equal(t, u(10_000), now.Deposit)
				assert.EqualValues(t, 1, n.transactions.Load())
			}
		})
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
				assert.Equal(t, u(300), p.agree().Authorized)
				assert.Equal(t, u(200), s.Settled)
				continue
			}
			assert.NotEqual(t, old.ID, s.ID)
			assert.Equal(t, u(100), s.Authorized)
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
			assert.Equal(t, u(300), s.Authorized)
			assert.Equal(t, u(10_000), s.Deposit)
		} else {
			assert.Equal(t, u(100), s.Authorized)
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
		assert.False(t, u(100*request).Less(p.only().Authorized))
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
			require.NoError(p.t, p.session.Channels().Close(p.t.Context(), id))
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
				d["sessionSnapshot"] = p.snapshotOf(s)
			} else {
				d["channelId"] = s.ID.Hex()
			}
		})
		p.ok(p.send(p.request(t.Context(), http.MethodGet, twin(srv)+rail+"/data", nil)))
		first, second := p.by(s.ID)
		assert.Equal(t, s, first)
		assert.Equal(t, u(100), second.Authorized)
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
	require.NoError(t, p.session.Channels().Close(t.Context(), id))
	p.get("/free")
	assert.Empty(t, named(), "a closed one is not either")
}
