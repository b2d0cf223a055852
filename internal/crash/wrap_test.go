package crash

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/store/journal"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// tellingStore tells of each write, and breaks those that the parent wants broken.
type tellingStore struct {
	store.Store
	dir    string // empty leaves nothing torn there
	p      *pipe
	giveUp func() // ends the context of the act under way
}

var errBroken = errors.New("crash: the write was broken on purpose")

func (s tellingStore) Put(ctx context.Context, key string, data []byte, rev uint64) (uint64, error) {
	kind, _, _ := strings.Cut(key, "/")
	name := "put " + kind
	how := s.p.point(name + ": begin")
	switch how {
	case wordFail:
		return 0, errBroken
	case wordHang:
		return 0, s.hang(ctx)
	}
	// Where a store on files makes a new file, it gives it the old one's name when it is whole. A writer that
	// dies before leaves this. What a writer in place leaves is tried by the tests of filestore.
	half := filepath.Join(s.dir, ".tmp+"+strings.ReplaceAll(key, "/", "=")+".rec")
	if s.dir != "" {
		if err := os.WriteFile(half, data[:len(data)/2], 0o600); err != nil {
			return 0, err
		}
	}
	s.p.point(name + ": torn")
	if s.dir != "" {
		_ = os.Remove(half) // a writer beside it may have used the name
	}
	if how == wordFull {
		defer fillDisk()()
	}
	next, err := s.Store.Put(ctx, key, data, rev)
	if err == nil {
		switch how {
		case wordStored:
			return 0, errBroken
		case wordHangStored:
			return 0, s.hang(ctx)
		}
	}
	s.p.point(name + ": done")
	return next, err
}

// Move tells of the move of a channel that has ended. Its steps in the store are the store's own test.
func (s tellingStore) Move(ctx context.Context, key string, rev uint64, to string) error {
	m, ok := s.Store.(store.Mover)
	if !ok {
		return errors.ErrUnsupported
	}
	kind, _, _ := strings.Cut(key, "/")
	name := "move " + kind
	how := s.p.point(name + ": begin")
	switch how {
	case wordFail:
		return errBroken
	case wordHang:
		return s.hang(ctx)
	case wordFull:
		defer fillDisk()()
	}
	err := m.Move(ctx, key, rev, to)
	if err == nil {
		switch how {
		case wordStored:
			return errBroken
		case wordHangStored:
			return s.hang(ctx)
		}
	}
	s.p.point(name + ": done")
	return err
}

// hang waits until the caller no longer does, and the caller gives up now.
func (s tellingStore) hang(ctx context.Context) error {
	s.giveUp()
	select {
	case <-ctx.Done():
		return fmt.Errorf("crash: a write that hangs: %w", ctx.Err())
	case <-time.After(10 * time.Second):
		s.p.tell(note{Kind: kindStuck, Text: "a write hangs, its caller has given up, and somebody waits on"})
		return errBroken
	}
}

// tellingJournal tells of each line.
type tellingJournal struct {
	journal.Appender
	p *pipe
}

func (j tellingJournal) Append(ctx context.Context, e journal.Entry) error {
	j.p.point("journal " + string(e.Kind) + ": begin")
	err := j.Appender.Append(ctx, e)
	j.p.point("journal " + string(e.Kind) + ": done")
	return err
}

// tellingSigner tells of each signature, and hands none out before the parent has seen it.
type tellingSigner struct {
	*voucher.KeySigner
	p *pipe
}

func (s tellingSigner) SignVoucher(ctx context.Context, d *voucher.Domain, v voucher.Voucher) ([]byte, error) {
	s.p.point("sign voucher: begin")
	sig, err := s.KeySigner.SignVoucher(ctx, d, v)
	s.p.tell(note{Kind: kindPoint, Name: "sign voucher: done", Channel: v.ChannelID, Amount: v.Cumulative})
	return sig, err
}

func (s tellingSigner) SignTransaction(ctx context.Context, tx voucher.Transaction) ([]byte, error) {
	name := "sign " + deedOf(tx.String())
	s.p.point(name + ": begin")
	sig, err := s.KeySigner.SignTransaction(ctx, tx)
	s.p.tell(note{Kind: kindPoint, Name: name + ": done", Text: tx.String()})
	return sig, err
}

func (s tellingSigner) SignProof(ctx context.Context, proof voucher.Proof) ([]byte, error) {
	s.p.point("sign proof: begin")
	sig, err := s.KeySigner.SignProof(ctx, proof)
	s.p.point("sign proof: done")
	return sig, err
}

// deeds are what transactions do, by the words that describe them.
var deeds = map[string]string{"open a v": "open", "top up ": "top-up", "request the close": "close request", "withdraw from": "withdrawal"}

func deedOf(text string) string {
	for has, deed := range deeds {
		if strings.Contains(text, has) {
			return deed
		}
	}
	return text
}

// tellingTransport tells of each request.
type tellingTransport struct {
	base http.RoundTripper
	p    *pipe
	name func(*http.Request) (string, error)
}

func (t tellingTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	name, err := t.name(r)
	if err != nil {
		return nil, err
	}
	t.p.point(name + ": send")
	resp, err := t.base.RoundTrip(r)
	if err != nil {
		t.p.point(name + ": broken")
		return nil, err
	}
	t.p.point(name + ": answered")
	resp.Body = &tellingBody{ReadCloser: resp.Body, p: t.p, name: name, stream: strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream")}
	return resp, nil
}

// tellingBody tells of the end of an answer, and of each piece of a stream.
type tellingBody struct {
	io.ReadCloser
	p      *pipe
	name   string
	stream bool
	once   sync.Once
}

// Pieces of a stream come as the network likes it: what follows at once is the same point.
const pieces = ": bytes"

func (b *tellingBody) Read(to []byte) (int, error) {
	n, err := b.ReadCloser.Read(to)
	if n > 0 && b.stream {
		b.p.point(b.name + pieces)
	}
	if err != nil {
		b.end()
	}
	return n, err
}

func (b *tellingBody) Close() error {
	b.end()
	return b.ReadCloser.Close()
}

func (b *tellingBody) end() { b.once.Do(func() { b.p.point(b.name + ": read") }) }

// httpName is the method of a request to the server, and what its credential does.
func httpName(r *http.Request) (string, error) {
	name := "http " + r.Method
	if action := actionOf(r.Header.Get("Authorization")); action != "" {
		name += " " + action
	}
	return name, nil
}

// credential is what the payer's word for a payment says, as far as the tests look at it.
type credential struct {
	Payload struct{ Action, ChannelID, Transaction string }
}

func credentialOf(header string) (c credential, err error) {
	text, ok := strings.CutPrefix(header, "Payment ")
	if !ok {
		return c, errors.New("no credential")
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err == nil {
		err = json.Unmarshal(raw, &c)
	}
	return c, err
}

// actionOf is what a credential does.
func actionOf(header string) string {
	c, _ := credentialOf(header)
	return c.Payload.Action
}

// rpcName is what a request asks of the chain.
func rpcName(r *http.Request) (string, error) {
	raw, err := io.ReadAll(r.Body)
	r.Body.Close()
	r.Body = io.NopCloser(bytes.NewReader(raw))
	return "rpc " + strings.Join(methodsOf(raw), "+"), err
}

// methodsOf lists the methods of a JSON-RPC call or batch, each once.
func methodsOf(raw []byte) (names []string) {
	type call struct{ Method string }
	var calls []call
	if json.Unmarshal(raw, &calls) != nil {
		calls = make([]call, 1)
		_ = json.Unmarshal(raw, &calls[0])
	}
	for _, c := range calls {
		if !slices.Contains(names, c.Method) {
			names = append(names, c.Method)
		}
	}
	return names
}
