package client

import (
	"maps"
	"net/http"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/ledger"
	"github.com/seed-5fe1f529/tallystick/internal/purchase"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/internal/wire"
)

// challenge is a challenge that can be answered: its offer is complete and names nothing that is not
// trusted.
type challenge struct {
	wire    wire.Challenge
	offer   channel.Offer
	echo    *wire.Echo
	account *ledger.Account // the channel that answered it last; nil until it was paid
	skew    time.Duration   // by which the clock that dated it is ahead of ours
}

// wants returns the part of the offer that the decision depends on.
func (c *challenge) wants() purchase.Offer {
	o := c.offer
	return purchase.Offer{
		Terms: o.Terms(), Price: o.Price,
		Funding: purchase.Funding{FeeToken: o.FeeToken, Sponsored: o.FeePayer},
	}
}

// live reports whether the challenge can still be answered in so much time.
func (c *challenge) live(in time.Duration) bool {
	return rule.Live(c.offer, time.Now().Add(c.skew+in)) == nil
}

// request is one unit of the offer, as the rule takes it.
func request(o channel.Offer) rule.Request {
	return rule.Request{Price: o.Price, MinDelta: o.MinDelta}
}

// routeKey identifies a remembered challenge. channel is the one that the caller named, zero if none.
type routeKey struct {
	origin, method, path string
	channel              common.Hash
}

// String returns the method and the path.
func (k routeKey) String() string { return k.method + " " + k.path }

func routeOf(origin string, req *http.Request) routeKey {
	method := req.Method
	if method == "" {
		method = http.MethodGet
	}
	named, _ := channelFrom(req.Context())
	return routeKey{origin, method, req.URL.EscapedPath(), named}
}

const (
	// expiryMargin is how long before its expiry a remembered challenge is no longer used: it must be
	// alive when it arrives.
	expiryMargin = 5 * time.Second
	// maxRoutes bounds the memory that servers can fill with challenges.
	maxRoutes = 1024
)

// challengeCache remembers the challenges of routes and the channel that each origin was paid from
// last. The zero value is ready.
type challengeCache struct {
	mu     sync.Mutex // guards what follows
	routes map[routeKey]*challenge
	last   map[string]common.Hash // by origin, for the Payment-Session hint
}

// get returns the live challenge of a route, or nil.
func (c *challengeCache) get(k routeKey) *challenge {
	c.mu.Lock()
	defer c.mu.Unlock()
	found := c.routes[k]
	if found != nil && !found.live(expiryMargin) {
		delete(c.routes, k)
		return nil
	}
	return found
}

// put remembers a paid challenge for the next request of its route, unless it binds one body.
func (c *challengeCache) put(k routeKey, paid *challenge) {
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
	c.setHint(k.origin, paid.account.ID())
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
	c.setHint(origin, id)
}

// hint returns the channel to name to an origin, empty if this session used none there.
func (c *challengeCache) hint(origin string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if id := c.last[origin]; id != (common.Hash{}) {
		return id.Hex()
	}
	return ""
}

// setHint notes the channel of an origin. The caller holds mu.
func (c *challengeCache) setHint(origin string, id common.Hash) {
	if c.last == nil {
		c.last = map[string]common.Hash{}
	}
	if _, known := c.last[origin]; !known && len(c.last) >= maxRoutes {
		for old := range c.last {
			delete(c.last, old)
			break
		}
	}
	c.last[origin] = id
}

// unhint stops naming a channel.
func (c *challengeCache) unhint(origin string, id common.Hash) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last[origin] == id {
		delete(c.last, origin)
	}
}
