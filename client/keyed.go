package client

import (
	"container/list"
	"context"
	"crypto/sha256"
	"sync"
	"time"

	"github.com/seed-5fe1f529/tallystick/internal/purchase"
)

const (
	// maxKeyed is how many purchases a session remembers by the Idempotency-Keys of its callers.
	maxKeyed = 4096
	// keyedFor is how long a purchase is remembered after its last try ended.
	keyedFor = 24 * time.Hour
)

// keyedPurchases remembers purchases by what makes a request the same one. The oldest that ended
// are forgotten first, those in flight never. The zero value is ready.
type keyedPurchases struct {
	mu    sync.Mutex // guards what follows, and the fields of the entries that are marked so
	all   map[keyedID]*keyed
	ended list.List // of *keyed that nobody uses, the longest ended first
}

// keyedID is a digest of the key and of what the key is for.
type keyedID [sha256.Size]byte

// keyed is a purchase that a later request may go on with. One request at a time does.
type keyed struct {
	id   keyedID
	turn chan struct{} // holds a token while a request has the turn

	// What follows is guarded by the mu of the purchases.

	users   int           // that have the turn or wait for it
	place   *list.Element // among the ended ones, nil while it has users
	at      time.Time     // when the last try ended
	dropped bool
	sum     *digest // of the body; nil while the first request does not know it yet

	// What follows belongs to the request that has the turn.

	bought *bought
	last   purchase.Outcome // of the last try
	tries  uint64           // that ended
}

// first remembers a purchase whose body is not known yet, and gives the caller its turn. It returns
// nil if there is one of that id, or if so many are in flight that no more are remembered.
func (k *keyedPurchases) first(id keyedID) *keyed {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.find(id) != nil {
		return nil
	}
	return k.add(id, nil)
}

// enter returns the purchase of an id with the turn for it, and remembers it if it is new. It waits
// until other requests have ended. It returns nil if so many are in flight that no more are
// remembered. The error is [ErrKeyReused] for another body, or the context's.
func (k *keyedPurchases) enter(ctx context.Context, id keyedID, sum digest) (*keyed, error) {
	for {
		k.mu.Lock()
		e := k.find(id)
		switch {
		case e == nil:
			e = k.add(id, &sum)
			k.mu.Unlock()
			return e, nil
		case e.sum != nil && *e.sum != sum:
			k.mu.Unlock()
			return nil, ErrKeyReused
		}
		k.use(e)
		k.mu.Unlock()
		if err := k.wait(ctx, e); err != nil {
			return nil, err
		}
		k.mu.Lock()
		dropped, other := e.dropped, e.sum != nil && *e.sum != sum
		k.mu.Unlock()
		if !dropped && !other {
			return e, nil
		}
		k.leave(e)
		if other {
			return nil, ErrKeyReused
		}
	}
}

// before returns what became of the purchase of an id that has ended, and the last voucher that left for
// it. ok is false if there is none, if a try of it is under way, or if it had another body.
func (k *keyedPurchases) before(id keyedID, sum digest) (last purchase.Outcome, at shown, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	e := k.find(id)
	if e == nil || e.users > 0 || e.sum == nil || *e.sum != sum {
		return last, at, false
	}
	return e.last, e.bought.last, true
}

// rejoin waits for the turn of a purchase that the caller knows.
func (k *keyedPurchases) rejoin(ctx context.Context, e *keyed) error {
	k.mu.Lock()
	k.use(e)
	k.mu.Unlock()
	return k.wait(ctx, e)
}

// wait waits for the turn of a purchase. After an error the caller uses it no more.
func (k *keyedPurchases) wait(ctx context.Context, e *keyed) error {
	select {
	case e.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		k.mu.Lock()
		defer k.mu.Unlock()
		k.unuse(e)
		return context.Cause(ctx)
	}
}

// leave gives the turn back. The purchase stays as it is.
func (k *keyedPurchases) leave(e *keyed) {
	k.mu.Lock()
	defer k.mu.Unlock()
	<-e.turn
	k.unuse(e)
}

// end gives the turn back after a try. The purchase is forgotten unless keep; sum is the digest of
// its body, if that was not known.
func (k *keyedPurchases) end(e *keyed, keep bool, sum digest) {
	k.mu.Lock()
	defer k.mu.Unlock()
	e.at = time.Now()
	if e.sum == nil {
		e.sum = &sum
	}
	if !keep {
		k.drop(e)
	}
	<-e.turn
	k.unuse(e)
}

// find returns the purchase of an id that is remembered still, or nil. The caller holds mu.
func (k *keyedPurchases) find(id keyedID) *keyed {
	e := k.all[id]
	if e != nil && e.place != nil && time.Since(e.at) >= keyedFor {
		k.drop(e)
		return nil
	}
	return e
}

// add remembers a new purchase, whose turn the caller has. The caller holds mu.
func (k *keyedPurchases) add(id keyedID, sum *digest) *keyed {
	for oldest := k.ended.Front(); oldest != nil; oldest = k.ended.Front() {
		e := oldest.Value.(*keyed) //nolint:forcetypeassert // nothing else is in the list
		if len(k.all) < maxKeyed && time.Since(e.at) < keyedFor {
			break
		}
		k.drop(e)
	}
	if len(k.all) >= maxKeyed {
		return nil
	}
	if k.all == nil {
		k.all = map[keyedID]*keyed{}
	}
	e := &keyed{id: id, turn: make(chan struct{}, 1), users: 1, sum: sum}
	e.turn <- struct{}{}
	k.all[id] = e
	return e
}

// use counts one more that has the turn or waits for it. The caller holds mu.
func (k *keyedPurchases) use(e *keyed) {
	if e.users++; e.place != nil {
		k.ended.Remove(e.place)
		e.place = nil
	}
}

// unuse counts one less. The caller holds mu.
func (k *keyedPurchases) unuse(e *keyed) {
	if e.users--; e.users == 0 && !e.dropped {
		e.place = k.ended.PushBack(e)
	}
}

// drop forgets a purchase. The caller holds mu.
func (k *keyedPurchases) drop(e *keyed) {
	if e.dropped {
		return
	}
	e.dropped = true
	delete(k.all, e.id)
	if e.place != nil {
		k.ended.Remove(e.place)
		e.place = nil
	}
}
