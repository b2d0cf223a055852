package client

import (
	"net/http"
	"slices"
	"sync"

	"github.com/seed-5fe1f529/tallystick/internal/wire"
)

// methods returns how a top-up for this payment is sent, the best first. HEAD is management on every
// server, so it goes first if the URL has a query (an empty POST is content there, unless its action
// shows that it cannot be) or the request was a GET or HEAD; otherwise an empty POST.
func (a *attempt) methods() []string {
	switch m := a.out.req.Method; {
	case a.out.at.RawQuery != "", m == "", m == http.MethodGet, m == http.MethodHead:
		return []string{http.MethodHead, http.MethodPost}
	}
	return []string{http.MethodPost, http.MethodHead}
}

// voucherMethods returns how a voucher is sent. An empty POST of one to a URL with a query buys
// content that nobody reads, so it is not sent.
func (a *attempt) voucherMethods() []string {
	if a.out.at.RawQuery != "" {
		return []string{http.MethodHead}
	}
	return a.methods()
}

// foreign reports whether an answer may come from something before the payee that knows nothing of
// payments: a proxy that takes no empty POST, a gateway, a cache that answers HEAD by itself. The
// same credential is sent by the other method then. What bears a challenge or a problem of the
// protocol, and 402 and 410, is the payee's own; 429 asks for fewer requests, and a redirect is not
// followed.
func (a answer) foreign() bool {
	switch {
	case a.ok():
		return a.bare
	case a.status < http.StatusBadRequest, a.challenged, a.problem.Code > wire.ProblemOther:
		return false
	}
	return !slices.Contains([]int{http.StatusPaymentRequired, http.StatusGone, http.StatusTooManyRequests}, a.status)
}

// unknownMethod reports whether a refusal says that the method is not served.
func (a answer) unknownMethod() bool {
	return slices.Contains([]int{http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented}, a.status)
}

// tryOther reports whether the same credential goes by another method after an answer. An empty POST
// to a URL with a query is sent only if the payee does not know HEAD.
func (a *attempt) tryOther(got answer, method string) bool {
	if method == http.MethodPost && a.out.at.RawQuery != "" {
		return got.unknownMethod() && got.foreign()
	}
	return got.foreign()
}

// better returns which of the answers to two methods counts: an acceptance, with a receipt if there is
// one, or the payee's own refusal, or else the first, unless it only says that the method is unknown.
// The zero answer is none.
func (a answer) better(other answer) answer {
	switch {
	case a.status == 0, other.ok() && (!a.ok() || !other.bare):
		return other
	case a.ok():
		return a
	case !other.foreign(), a.unknownMethod():
		return other
	}
	return a
}

// management remembers for each URL how its payee takes management requests, so that a method that
// something refuses is not tried each time. It only saves requests: it is bounded, and another method
// is tried all the same if the remembered one is refused. The zero value is ready.
type management struct {
	mu sync.Mutex // guards by
	by map[routeKey]managementWay
}

type managementWay struct {
	method string // worked last
	bare   bool   // no method brings a receipt
}

// order returns the methods with the one first that worked last, and whether an acceptance without a
// receipt is all that the payee sends.
func (m *management) order(k routeKey, methods []string) ([]string, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	way := m.by[k]
	if len(methods) == 2 && way.method == methods[1] {
		methods = []string{methods[1], methods[0]}
	}
	return methods, way.bare
}

// worked remembers the method of an acceptance.
func (m *management) worked(k routeKey, method string, bare bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.by == nil || len(m.by) >= maxRoutes {
		m.by = map[routeKey]managementWay{}
	}
	m.by[k] = managementWay{method, bare}
}
