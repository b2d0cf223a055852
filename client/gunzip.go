package client

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// codingOf returns the content coding of an answer in lower case, empty if there is none.
func codingOf(h http.Header) string {
	coding := strings.ToLower(strings.Trim(strings.Join(h["Content-Encoding"], ","), " \t"))
	if coding == "identity" {
		return ""
	}
	return coding
}

// inflate returns the beginning of a coded text, at most maxRefusal bytes of it. It is empty if the
// coding cannot be read.
func inflate(coding string, text []byte) []byte {
	var r io.Reader
	var err error
	switch coding {
	case "gzip", "x-gzip": // the same (RFC 9110, 8.4.1.3)
		r, err = gzip.NewReader(bytes.NewReader(text))
	case "deflate":
		if r, err = zlib.NewReader(bytes.NewReader(text)); err != nil {
			r, err = flate.NewReader(bytes.NewReader(text)), nil // as some servers understand deflate
		}
	default:
		return nil
	}
	if err != nil {
		return nil
	}
	text, _ = io.ReadAll(io.LimitReader(r, maxRefusal))
	return text
}

// decoded returns the body of a paid stream without its content coding. The body of a coding that
// payment frames cannot be read through is closed, and the stream ends at once.
func decoded(coding string, body io.ReadCloser) io.ReadCloser {
	switch coding {
	case "":
		return body
	case "gzip", "x-gzip":
		return &gunzip{body: body}
	}
	_ = body.Close()
	return unreadable{fmt.Errorf("%w: its Content-Encoding is %.40q; "+
		"ask for gzip or identity in Accept-Encoding, or set none", ErrStream, coding)}
}

// unreadable is a body that cannot be read.
type unreadable struct{ err error }

func (u unreadable) Read([]byte) (int, error) { return 0, u.err }
func (u unreadable) Close() error             { return nil }

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
