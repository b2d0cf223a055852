package client

import (
	"context"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"time"
)

// digest is that of a request body; the zero value is that of a request without one.
type digest [sha256.Size]byte

// sum returns the digest of the request's body. ok is false if the body cannot be read again and
// was not read to its end.
func (o *outgoing) sum() (d digest, ok bool) {
	if o.body == nil {
		return d, true
	}
	return o.body.digest(o.req.Context())
}

// summing is a body whose digest is computed while it is sent.
type summing struct {
	io.ReadCloser
	of   *replay
	hash hash.Hash
}

// sums returns body, or a reader of it that computes the digest.
func (b *replay) sums(body io.ReadCloser) io.ReadCloser {
	if !b.summed || body == nil {
		return body
	}
	return &summing{ReadCloser: body, of: b, hash: sha256.New()}
}

func (s *summing) Read(p []byte) (int, error) {
	n, err := s.ReadCloser.Read(p)
	s.hash.Write(p[:n])
	if errors.Is(err, io.EOF) {
		s.of.mu.Lock()
		s.of.sum = (*digest)(s.hash.Sum(nil))
		s.of.mu.Unlock()
	}
	return n, err
}

// digestGrace is how long a body is read for its digest after the context of its request has ended.
const digestGrace = time.Second

// digest returns the digest of the body: the one that was computed while it was sent, or that of
// what is kept. Only if no sending read the body to its end, it is read once more.
func (b *replay) digest(ctx context.Context) (d digest, ok bool) {
	b.mu.Lock()
	sum := b.sum
	if sum == nil && b.getBody == nil && !b.over && b.first == 0 && errors.Is(b.end, io.EOF) {
		d = sha256.Sum256(b.kept)
		sum = &d
	}
	b.mu.Unlock()
	if sum == nil && b.getBody != nil {
		sum = b.reread(ctx)
	}
	if sum == nil {
		return d, false
	}
	b.mu.Lock()
	b.sum = sum
	b.mu.Unlock()
	return *sum, true
}

// reread returns the digest of a body of GetBody, nil if it cannot be read.
func (b *replay) reread(ctx context.Context) *digest {
	read := make(chan *digest, 1)
	go func() {
		defer close(read)
		body, err := b.getBody()
		if err != nil {
			return
		}
		defer body.Close()
		h := sha256.New()
		if _, err := io.Copy(h, body); err == nil {
			read <- (*digest)(h.Sum(nil))
		}
	}()
	select {
	case d := <-read:
		return d
	case <-ctx.Done():
	}
	grace := time.NewTimer(digestGrace)
	defer grace.Stop()
	select {
	case d := <-read:
		return d
	case <-grace.C:
		return nil
	}
}
