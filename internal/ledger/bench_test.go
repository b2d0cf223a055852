package ledger_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/ledger"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/store/filestore"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// BenchmarkGate measures one request: rule, write, signature. "bare signature" and "bare
// fsync" are its floor, in the same run.
func BenchmarkGate(b *testing.B) {
	k, err := voucher.ParseKey(key)
	require.NoError(b, err)
	domain := voucher.NewDomain(voucher.V2, 42431, [20]byte{0x4d})
	b.Run("bare signature", func(b *testing.B) {
		b.ReportAllocs()
		for n := uint64(1); b.Loop(); n++ {
			if _, err := k.SignVoucher(
				b.Context(), domain, voucher.Voucher{Cumulative: u(n)},
			); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("bare fsync", func(b *testing.B) {
		f, err := os.Create(filepath.Join(b.TempDir(), "f"))
		require.NoError(b, err)
		defer f.Close()
		block := make([]byte, 1024)
		for b.Loop() {
			if _, err := f.WriteAt(block, 0); err != nil {
				b.Fatal(err)
			}
			if err := f.Sync(); err != nil {
				b.Fatal(err)
			}
		}
	})
	for _, ahead := range []uint64{0, 16, 64, 256} {
		lim := channel.Limits{Price: u(100), Deposit: u(1 << 60), Ahead: u(100 * ahead)}
		name := ""
		if ahead > 0 {
			name = fmt.Sprintf(", %d ahead", ahead)
		}
		b.Run("memory store"+name, func(b *testing.B) { gate(b, store.NewMem(), k, lim) })
		b.Run("file store"+name, func(b *testing.B) {
			s, err := filestore.Open(b.TempDir())
			require.NoError(b, err)
			defer s.Close()
			gate(b, s, k, lim)
		})
	}
}

func gate(
	b *testing.B, s store.Store, k *voucher.KeySigner, lim channel.Limits, others ...rule.State,
) {
	b.Helper()
	n := &bench{Ledger: ledger.New(s, k, lim), scope: newBench(b, lim).scope}
	a, _, err := n.Add(b.Context(), n.state(b, 1, 1<<60), nil)
	require.NoError(b, err)
	require.NoError(b, a.Update(b.Context(), rule.State.Acknowledged))
	for _, old := range others {
		_, err := s.Put(b.Context(), rule.StateKey(old.ID), encoded(b, old), 0)
		require.NoError(b, err)
	}
	b.ReportAllocs()
	for b.Loop() {
		c, _, err := a.Reserve(b.Context(), a.Terms(), rule.Request{Price: u(100)})
		if err != nil {
			b.Fatal(err)
		}
		c.Keep()
	}
}

// BenchmarkGateLimits is the gate with every limit set and twenty other channels with a month of
// payments behind them, beside the gate with the least that pays.
func BenchmarkGateLimits(b *testing.B) {
	k, err := voucher.ParseKey(key)
	require.NoError(b, err)
	least := channel.Limits{Price: u(100), Deposit: u(1 << 60)}
	every := channel.Limits{
		Price: u(100), Deposit: u(1 << 60), Total: u(1 << 61), Fund: u(1 << 50),
		Stream: u(1 << 50), Step: u(1 << 40), Ask: u(1 << 50),
	}
	for _, w := range []*channel.Windows{&every.All, &every.Origin, &every.Payee} {
		*w = channel.Windows{Hour: u(1 << 60), Day: u(1<<60 + 1), Month: u(1<<60 + 2)}
	}
	var others []rule.State
	for i := range byte(20) {
		s := newBench(b, least).state(b, 100+i, 1<<60).Acknowledged()
		for at := time.Now().Add(-30 * 24 * time.Hour).Unix(); at < time.Now().Unix(); at += 600 {
			next, _, _, err := s.Authorize(rule.Request{Price: u(100)}, rule.Of(least))
			require.NoError(b, err)
			s = next.Noted(s, s.Scope.Origin, at)
		}
		others = append(others, s)
	}
	b.Run("least", func(b *testing.B) { gate(b, store.NewMem(), k, least) })
	b.Run("every", func(b *testing.B) { gate(b, store.NewMem(), k, every, others...) })
}

func encoded(b *testing.B, s rule.State) []byte {
	data, err := s.Encode()
	require.NoError(b, err)
	return data
}

// BenchmarkGateTogether measures many goroutines on one channel: requests that wait share a write.
func BenchmarkGateTogether(b *testing.B) {
	k, err := voucher.ParseKey(key)
	require.NoError(b, err)
	s, err := filestore.Open(b.TempDir())
	require.NoError(b, err)
	defer s.Close()
	lim := channel.Limits{Price: u(100), Deposit: u(1 << 60)}
	n := &bench{Ledger: ledger.New(s, k, lim), scope: newBench(b, lim).scope}
	a, _, err := n.Add(b.Context(), n.state(b, 1, 1<<60), nil)
	require.NoError(b, err)
	require.NoError(b, a.Update(b.Context(), rule.State.Acknowledged))
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			c, _, err := a.Reserve(b.Context(), a.Terms(), rule.Request{Price: u(100)})
			if err != nil {
				b.Error(err)
				return
			}
			c.Keep()
		}
	})
}
