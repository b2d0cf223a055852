package clienttest_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// BenchmarkServer measures the server alone, with credentials made beforehand. A client measured
// against the server cannot be faster than that.
func BenchmarkServer(b *testing.B) {
	srv := clienttest.New(b, clienttest.Config{})
	get := func(b *testing.B, path, credential string) {
		req, err := http.NewRequestWithContext(b.Context(), "GET", srv.URL+path, nil)
		require.NoError(b, err)
		if credential != "" {
			req.Header.Set("Authorization", credential)
		}
		res, err := http.DefaultClient.Do(req)
		require.NoError(b, err)
		_, err = io.Copy(io.Discard, res.Body)
		require.NoError(b, err)
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK {
			b.Fatal(res.StatusCode)
		}
	}
	b.Run("free", func(b *testing.B) {
		for b.Loop() {
			get(b, "/free", "")
		}
	})
	b.Run("paid", func(b *testing.B) {
		p := newPayer(b, srv)
		payload, c := p.opening(voucher.V2, open{deposit: 50_000_000, amount: 1})
		a := p.ask("/data?price=1")
		get(b, "/data?price=1", p.credential(a, payload, p.source()))
		credentials := make([]string, b.N)
		for i := range credentials {
			credentials[i] = p.credential(a, p.voucher(c, "voucher", uint64(i+2)), p.source())
		}
		b.ResetTimer()
		for i := range b.N {
			get(b, "/data?price=1", credentials[i])
		}
	})
}
