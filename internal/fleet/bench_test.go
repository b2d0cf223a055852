package fleet_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/internal/ledger"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/store/filestore"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// sample is about as long as the record of a channel.
var sample = bytes.Repeat([]byte("r"), 1024)

// durable opens an empty store of each kind; the servers start at the first use and stay for all.
func durable(b *testing.B, run func(b *testing.B, name string, open func(testing.TB) store.Store)) {
	b.Helper()
	files := func(t testing.TB) store.Store {
		s, err := filestore.Open(t.TempDir())
		require.NoError(t, err)
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
	run(b, "file", files)
	r := redisPlace(b)
	run(b, "redis", func(t testing.TB) store.Store { return r.fresh(t)(t) })
	p := postgresPlace(b)
	run(b, "postgres", func(t testing.TB) store.Store { return p.fresh(t)(t) })
}

// timed runs f b.N times and reports the middle one, which a busy machine disturbs less than the mean.
func timed(b *testing.B, f func() error) {
	b.Helper()
	var took []time.Duration
	for b.Loop() {
		start := time.Now()
		if err := f(); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Nanoseconds()), "p50-ns")
}

// bareSync is the floor for anything durable on this disk: a write in place and one fsync.
func bareSync(b *testing.B) {
	f, err := os.Create(filepath.Join(b.TempDir(), "f"))
	require.NoError(b, err)
	defer f.Close()
	timed(b, func() error {
		if _, err := f.WriteAt(sample, 0); err != nil {
			return err
		}
		return f.Sync()
	})
}

// BenchmarkPut is one write of one writer.
func BenchmarkPut(b *testing.B) {
	b.Run("bare fsync", bareSync)
	durable(b, func(b *testing.B, name string, open func(testing.TB) store.Store) {
		s := open(b)
		rev, err := s.Put(b.Context(), "channel/0x01", sample, 0)
		require.NoError(b, err)
		b.Run(name, func(b *testing.B) {
			timed(b, func() (err error) {
				rev, err = s.Put(b.Context(), "channel/0x01", sample, rev)
				return err
			})
		})
	})
}

// BenchmarkGate is what the gate costs a request (rule, write, signature) on each durable store and with so many
// requests ahead, beside a bare fsync and a paid request on loopback that meets the gate in memory.
func BenchmarkGate(b *testing.B) {
	b.Run("bare fsync", bareSync)
	b.Run("paid request", paidRequest)
	durable(b, func(b *testing.B, name string, open func(testing.TB) store.Store) {
		for _, ahead := range []uint64{0, 16, 256} {
			b.Run(fmt.Sprintf("%s, %d ahead", name, ahead), func(b *testing.B) { gate(b, open(b), ahead) })
		}
	})
}

func gate(b *testing.B, s store.Store, ahead uint64) {
	b.Helper()
	k, err := voucher.ParseKey("0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d") // a public test key
	require.NoError(b, err)
	scope := channel.Scope{
		Origin: "https://api.example.com:443", Protocol: voucher.V2, ChainID: 42431, Escrow: common.Address{0x4d},
		Payee: common.Address{1}, Token: escrow.PathUSD, Payer: k.Address(), Signer: k.Address(),
	}
	d := channel.Descriptor{Payer: scope.Payer, Payee: scope.Payee, Token: scope.Token, Salt: common.Hash{1}, AuthorizedSigner: scope.Signer}
	state, err := rule.New(voucher.V2, scope.ChainID, scope.Escrow, d, scope, rule.Funding{Amount: u(1 << 60), Raw: []byte{0x76}, ValidBefore: 100})
	require.NoError(b, err)
	l := ledger.New(s, k, channel.Limits{Price: u(price), Deposit: u(1 << 60), Total: u(1 << 60), Ahead: u(price * ahead)})
	a, _, err := l.Add(b.Context(), state, nil)
	require.NoError(b, err)
	require.NoError(b, a.Update(b.Context(), rule.State.Acknowledged))
	b.ResetTimer()
	took, asks, start := []time.Duration(nil), uint64(0), time.Now()
	for b.Loop() {
		c, _, err := a.Reserve(b.Context(), ledger.Terms{Limits: l.Limits()}, rule.Request{Price: u(price)})
		if err != nil {
			b.Fatal(err)
		}
		c.Keep()
		if asks++; asks%(ahead+1) == 0 { // as many as one write serves
			took = append(took, time.Since(start))
			start = time.Now()
		}
	}
	if len(took) > 0 {
		slices.Sort(took)
		b.ReportMetric(float64(took[len(took)/2].Nanoseconds())/float64(ahead+1), "p50-ns/request")
	}
}

// paidRequest is a paid request to a server on loopback that answers without work, far ahead.
func paidRequest(b *testing.B) {
	srv := clienttest.New(b, clienttest.Config{TTL: time.Hour, Funds: u(1 << 50)})
	lim := channel.Limits{Price: u(price), Deposit: u(1 << 49), Fund: u(1 << 49), Total: u(1 << 50), Ahead: u(1 << 45)}
	m := boot(b, srv, srv.Payer(), store.NewMem(), nil, lim)
	quick := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }))
	b.Cleanup(quick.Close)
	base := &redirected{}
	c := &http.Client{Transport: &client.Transport{Session: m.session, Base: base}}
	get := func() error {
		resp, err := c.Get(srv.URL + "/data")
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		return err
	}
	require.NoError(b, get()) // opens the channel
	base.host = quick.Listener.Addr().String()
	timed(b, get)
}

// redirected sends everything to one address, once it has one.
type redirected struct{ host string }

func (r *redirected) RoundTrip(req *http.Request) (*http.Response, error) {
	if r.host == "" {
		return http.DefaultTransport.RoundTrip(req)
	}
	out, u := *req, *req.URL
	u.Host = r.host
	out.URL = &u
	return http.DefaultTransport.RoundTrip(&out)
}
