package receipt_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/internal/vectors"
	"github.com/seed-5fe1f529/tallystick/receipt"
)

// FuzzParse checks that a receipt survives formatting and parsing, and that it keeps no more than
// the length of the header value.
func FuzzParse(f *testing.F) {
	seeds := 0
	for _, c := range vectors.Load[struct {
		Cases []struct{ Header string }
	}](f, vectors.Receipt).Cases {
		f.Add(c.Header)
		seeds++
	}
	require.Positive(f, seeds)
	f.Add(encode(account))
	f.Add(encode(base))
	f.Fuzz(func(t *testing.T, header string) {
		r, err := receipt.Parse(header)
		if err != nil {
			require.ErrorIs(t, err, receipt.ErrMalformed)
			require.Zero(t, r)
			return
		}
		require.LessOrEqual(t, len(r.Raw), len(header))
		text, err := r.Header()
		require.NoError(t, err)
		again, err := receipt.Parse(text)
		require.NoError(t, err)
		r.Raw, again.Raw = nil, nil
		require.Equal(t, r, again)
	})
}
