package client

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestInflateIsBounded: a refusal that is small on the wire is not made large here.
func TestInflateIsBounded(t *testing.T) {
	for coding, open := range map[string]func(io.Writer) io.WriteCloser{
		"gzip":    func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
		"x-gzip":  func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
		"deflate": func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) },
	} {
		for _, size := range []int{0, 10, maxRefusal, maxRefusal + 1, 32 << 20} {
			text := bytes.Repeat([]byte("x"), size)
			var b bytes.Buffer
			w := open(&b)
			_, err := w.Write(text)
			require.NoError(t, err)
			require.NoError(t, w.Close())
			assert.Equal(t, text[:min(size, maxRefusal)], inflate(coding, b.Bytes()), "%s %d", coding, size)
			if size > 0 {
				cut := inflate(coding, b.Bytes()[:b.Len()/2]) // as a long refusal is read
				assert.LessOrEqual(t, len(cut), maxRefusal)
			}
		}
		assert.Empty(t, inflate(coding, nil))
		assert.Empty(t, inflate(coding, []byte("not that")))
	}
	assert.Empty(t, inflate("br", []byte("x")))
}
