package client

import (
	"errors"
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/ledger"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/internal/wire"
)

// known is a challenge that can be answered, and the channel that answered it last.
type known struct {
	challenge wire.Challenge
	offer     channel.Offer
	echo      *wire.Echo
	account   *ledger.Account // nil until it was paid once
	skew      time.Duration   // of the clock by which it expires
}

// routeKey is what a challenge is remembered under. channel is the one that the caller named, zero where it
// named none.
type routeKey struct {
	origin, method, path string
	channel              common.Hash
}

// String is the method and the path.
func (k routeKey) String() string { return k.method + " " + k.path }

func routeOf(origin string, req *http.Request) routeKey {
	method := req.Method
	if method == "" {
		method = http.MethodGet
	}
	named, _ := channelFrom(req.Context())
	return routeKey{origin, method, req.URL.Path, named}
}

const (
	// expiryMargin is how long before its expiry a remembered challenge is no longer used: it has to be alive when
	// it arrives.
	expiryMargin = 5 * time.Second
	// maxRoutes bounds the memory that servers can fill with challenges.
	maxRoutes = 1024
)

// Bounds of what is believed of a server's clock. Below the first its Date is too coarse to say anything.
const (
	minSkew = 2 * time.Second
	maxSkew = 15 * time.Minute
)

// skew is how far the clock of a server is ahead of ours, by the Date of its answer (RFC 9110, 6.6.1). A challenge expires by
// the clock that dated it. A false Date hurts only the server: what it calls live is answered to it, and what it calls
// expired is not.
func skew(h http.Header) time.Duration {
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return 0
	}
	ahead := time.Until(date)
	if off := ahead.Abs(); off < minSkew || off > maxSkew {
		return 0
	}
	return ahead
}

// route returns the live challenge of a route, or nil.
func (s *Session) route(k routeKey) *known {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.routes[k]
	if n == nil {
		return nil
	}
	if rule.Live(n.offer, time.Now().Add(n.skew+expiryMargin)) != nil {
		delete(s.routes, k)
		return nil
	}
	return n
}

// remember keeps a challenge for the next request of its route, unless it binds one body.
func (s *Session) remember(k routeKey, n *known) {
	if n.offer.BindsBody {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.routes) >= maxRoutes {
		for old := range s.routes {
			delete(s.routes, old)
			break
		}
	}
	s.routes[k] = n
	s.last[k.origin] = n.account.ID()
}

// dropAll forgets the challenges of an origin, and with them which channels answered them.
func (s *Session) dropAll(origin string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.routes, func(k routeKey, _ *known) bool { return k.origin == origin })
}

// drop forgets a challenge, if it is still the one remembered.
func (s *Session) drop(k routeKey, n *known) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.routes[k] == n {
		delete(s.routes, k)
	}
}

// hint is the channel to announce to an origin, empty where this session used none there.
func (s *Session) hint(origin string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if id := s.last[origin]; id != (common.Hash{}) {
		return id.Hex()
	}
	return ""
}

// announce makes requests to an origin name a channel.
func (s *Session) announce(origin string, id common.Hash) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last[origin] = id
}

// unhint stops announcing a channel.
func (s *Session) unhint(origin string, id common.Hash) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last[origin] == id {
		delete(s.last, origin)
	}
}

// wanted returns those of the challenges that the caller's own Accept-Payment header wants, in its order: all
// where it has none that can be read.
func wanted(req *http.Request, challenges ...wire.Challenge) []wire.Challenge {
	own := strings.Join(req.Header.Values(wire.HeaderAcceptPayment), ",")
	prefs, err := wire.ParseAcceptPayment(own)
	if err != nil {
		return challenges
	}
	return wire.Rank(prefs, challenges)
}

// recognize returns the first challenge of a 402 that this session can pay, or nil where there is none: the
// answer is then the caller's own affair. A challenge that is malformed or has expired does not hide the
// others. The error is why session challenges that were there, and well-formed, cannot be paid.
func (s *Session) recognize(req *http.Request, h http.Header) (*known, error) {
	challenges, malformed := wire.ParseChallenges(h)
	if malformed != nil {
		s.log.Debug("unreadable challenges were skipped", "origin", showOrigin(req.URL), "error", malformed)
	}
	var errs []error
	ahead := skew(h)
	for _, c := range wanted(req, challenges...) {
		o, err := rule.ParseOffer(c)
		if errors.Is(err, channel.ErrNotSession) {
			continue
		}
		if err == nil {
			err = rule.Live(o, time.Now().Add(ahead))
		}
		if err == nil {
			err = s.trust(req.URL, &o)
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		source := wire.FormatSource(o.ChainID, s.payer)
		return &known{challenge: c, offer: o, echo: wire.NewEcho(c, source), skew: ahead}, nil
	}
	return nil, errors.Join(errs...)
}
