package client

import (
	"context"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

const (
	// proofEvery is how long an origin is not given a proof again, whatever it answered, unless it
	// served a request since.
	proofEvery = 10 * time.Minute
	// proofsServed is how many more proofs an origin may be given in that time once it served a
	// paid request: one for each request that it asks.
	proofsServed = 32
	// maxPardons is how many more it may be given in that time because what its proof showed could not be
	// recorded: that is no fault of the origin's.
	maxPardons = 3
)

// proofBook remembers which origins were shown who the payer is, so that each is once in a while.
// The zero value is ready.
type proofBook struct {
	any     atomic.Bool // an origin is remembered
	mu      sync.Mutex  // guards origins
	origins map[string]shownProof
}

// shownProof is when an origin was given a proof, and how many more it may be given until it has to
// wait.
type shownProof struct {
	at      time.Time
	left    int
	pardons int           // that were given in this time
	found   *shownChannel // by the proof, and not recorded
}

// shownChannel is what an origin shows of a channel of ours for a proof.
type shownChannel struct {
	snap  *channel.Snapshot
	id    common.Hash
	hints *channel.Snapshot
}

// begin notes that an origin is given a proof now, and reports whether it may be: not if it was
// given one lately, and not if more origins than can be remembered were.
func (b *proofBook) begin(origin string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	had, known := b.origins[origin]
	if known && now.Sub(had.at) < proofEvery {
		return false
	}
	if !known && len(b.origins) >= maxIntervals {
		for other, had := range b.origins {
			if now.Sub(had.at) >= proofEvery {
				delete(b.origins, other)
			}
		}
		if len(b.origins) >= maxIntervals {
			return false
		}
	}
	if b.origins == nil {
		b.origins = map[string]shownProof{}
	}
	b.origins[origin] = shownProof{at: now, found: had.found}
	b.any.Store(true)
	return true
}

// more is begin for an origin that served a request since its last proof and asks for another.
func (b *proofBook) more(origin string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	had := b.origins[origin]
	if had.left == 0 || time.Since(had.at) >= proofEvery {
		return false
	}
	had.left--
	b.origins[origin] = had
	return true
}

// unsent takes back what begin noted, or what more did: the proof certainly did not leave.
func (b *proofBook) unsent(origin string, more bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	had, known := b.origins[origin]
	switch {
	case known && more:
		had.left = min(had.left+1, proofsServed)
		b.origins[origin] = had
	case had.left == 0 && had.found == nil: // nothing was served since
		delete(b.origins, origin)
	}
}

// ended notes what became of a request to an origin that was given a proof: served allows some
// more, anything else none for a while.
func (b *proofBook) ended(origin string, served bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	had, known := b.origins[origin]
	switch {
	case !known:
	case served:
		had.left = proofsServed
		b.origins[origin] = had
	default:
		b.origins[origin] = shownProof{at: time.Now(), pardons: had.pardons, found: had.found}
	}
}

// keep remembers what a proof showed and what could not be recorded, so that a later request takes it
// in: without it that one would open a second channel, because no other proof is given.
func (b *proofBook) keep(origin string, f shownChannel) {
	b.mu.Lock()
	defer b.mu.Unlock()
	had, known := b.origins[origin]
	if !known {
		return
	}
	had.found = &f
	b.origins[origin] = had
}

// pardon lets an origin be given one more proof, a few times: the channel that the last one led to could
// not be recorded, and a payee may name no price without a proof.
func (b *proofBook) pardon(origin string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if had, known := b.origins[origin]; known && had.left == 0 && had.pardons < maxPardons {
		had.pardons++
		had.left = 1
		b.origins[origin] = had
	}
}

// kept returns what keep remembers of an origin, nil if nothing.
func (b *proofBook) kept(origin string) *shownChannel {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.origins[origin].found
}

// drop forgets what keep remembers: it was recorded, or is no channel of ours to use.
func (b *proofBook) drop(origin string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if had, known := b.origins[origin]; known {
		had.found = nil
		b.origins[origin] = had
	}
}

// prover returns the key that proves who the payer is, nil if there is none.
func (s *Session) prover() voucher.ProofSigner {
	if signer, ok := s.cfg.Payer.(voucher.ProofSigner); ok {
		return signer
	}
	if signer, ok := s.cfg.Signer.(voucher.ProofSigner); ok && s.cfg.Payer == nil {
		return signer
	}
	return nil
}

// signProof lets a key sign a proof. A key that ignores its context is left behind, and what it
// signs is dropped.
func signProof(ctx context.Context, key voucher.ProofSigner, proof voucher.Proof) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, prepareWait)
	defer cancel()
	type result struct {
		sig []byte
		err error
	}
	signed := make(chan result, 1)
	go func() {
		sig, err := key.SignProof(ctx, proof)
		signed <- result{sig, err}
	}()
	select {
	case r := <-signed:
		return r.sig, r.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// dialing is whether a round tripper has a connection for a request. Before it has one, nothing of the
// request can have left.
type dialing struct{ traced, ready atomic.Bool }

// trace returns a context that has the round tripper report to d.
func (d *dialing) trace(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { d.traced.Store(true) },
		GotConn: func(httptrace.GotConnInfo) { d.ready.Store(true) },
	})
}

// stayed reports whether the request certainly did not leave. A round tripper that reports nothing may
// have sent it.
func (d *dialing) stayed() bool { return d.traced.Load() && !d.ready.Load() }
