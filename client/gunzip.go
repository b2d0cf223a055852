package client

import (
	"compress/gzip"
	"io"
)

// gunzip decodes a stream for a caller who asked for gzip by hand. It begins on the first Read.
type gunzip struct {
	body io.ReadCloser
	z    *gzip.Reader
}

func (g *gunzip) Read(b []byte) (n int, err error) {
	if g.z == nil {
		if g.z, err = gzip.NewReader(g.body); err != nil {
			return 0, err
		}
	}
	return g.z.Read(b)
}

func (g *gunzip) Close() error { return g.body.Close() }
