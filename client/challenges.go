package client

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/ledger"
	"github.com/seed-5fe1f529/tallystick/internal/purchase"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/internal/wire"
)

// challenge is a challenge that can be answered: its offer is complete and names nothing that is
// not trusted.
type challenge struct {
	wire    wire.Challenge
	offer   channel.Offer
	wants   purchase.Offer // the part of the offer that the decision depends on
	request rule.Request   // one unit of the offer
	scope   channel.Scope  // in which it is paid
	echo    *wire.Echo
	account *ledger.Account // the channel that answered it last; nil until it was paid
	names   bool            // it names a channel of ours that can be used
	skew    time.Duration   // by which the clock that dated it is ahead of ours
}

// routeKey is the route of a request, for which a challenge is remembered. channel is the one that
// the caller named, zero if none.
type routeKey struct {
	origin, method, path string
	channel              common.Hash
}

const (
	// expiryMargin is how long before its expiry a remembered challenge is no longer used: it must
	// be alive when it arrives.
	expiryMargin = 5 * time.Second
	// maxRoutes bounds the memory that servers can fill with challenges.
	maxRoutes = 1024
)

// challengeCache remembers the challenges of routes and the channel that each origin was paid from
// last. The zero value is ready.
type challengeCache struct {
	mu     sync.Mutex // guards what follows
	routes map[routeKey]*challenge
	last   map[string]common.Hash // by origin, for the Payment-Session hint; zero: none
}

// get returns the live challenge of a route, or nil.
func (c *challengeCache) get(k routeKey) *challenge {
	c.mu.Lock()
	defer c.mu.Unlock()
	found := c.routes[k]
	if found != nil && rule.Live(found.offer, time.Now().Add(found.skew+expiryMargin)) != nil {
		delete(c.routes, k)
		return nil
	}
	return found
}

// put remembers a challenge that was paid from a channel for the next request of its route, unless it binds
// one body.
func (c *challengeCache) put(k routeKey, paid *challenge, from common.Hash) {
	if paid.offer.BindsBody {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.routes == nil {
		c.routes = map[routeKey]*challenge{}
	}
	if _, known := c.routes[k]; !known && len(c.routes) >= maxRoutes {
		for old := range c.routes {
			delete(c.routes, old)
			break
		}
	}
	c.routes[k] = paid
	if c.last == nil || len(c.last) >= maxRoutes {
		c.last = map[string]common.Hash{} // it only saves exchanges
	}
	c.last[k.origin] = from
}

// drop forgets a challenge, if it is still the one remembered.
func (c *challengeCache) drop(k routeKey, old *challenge) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.routes[k] == old {
		delete(c.routes, k)
	}
}

// rebind makes requests to an origin name a channel, and forgets its challenges.
func (c *challengeCache) rebind(origin string, id common.Hash) {
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.DeleteFunc(c.routes, func(k routeKey, _ *challenge) bool { return k.origin == origin })
	if c.last == nil {
		c.last = map[string]common.Hash{}
	}
	c.last[origin] = id
}

// hint returns the channel to name to an origin: the one that s used there last, or that an earlier
// session over its store used, if the origin asks who the payer is. It is empty if there is none.
// The store is read once for an origin.
func (c *challengeCache) hint(ctx context.Context, s *Session, origin string) string {
	c.mu.Lock()
	id, known := c.last[origin]
	c.mu.Unlock()
	if !known {
		ctx, cancel := context.WithTimeout(ctx, recallWait)
		defer cancel()
		data, _, err := s.cfg.Store.Get(ctx, payeeKey(origin, s.payer))
		if err == nil {
			id = s.recall(ctx, origin, data)
		}
		c.mu.Lock()
		if _, known := c.last[origin]; !known {
			if c.last == nil || len(c.last) >= maxRoutes {
				c.last = map[string]common.Hash{} // it only saves exchanges
			}
			c.last[origin] = id
		}
		c.mu.Unlock()
	}
	if id == zeroHash {
		return ""
	}
	return id.Hex()
}

// unhint stops naming a channel.
func (c *challengeCache) unhint(origin string, id common.Hash) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last[origin] == id {
		c.last[origin] = zeroHash
	}
}
