package client

import (
	"errors"
	"fmt"
	"net/http"
)

// Transport is an [http.RoundTripper] that answers 402 challenges. It may be copied before its
// first use and is safe for concurrent use.
//
// A request that costs nothing reaches Base as the caller made it, body, trailers and
// Accept-Encoding included, with at most two headers more:
//
//   - Accept-Payment: tempo/session, unless the request has an Accept-Payment;
//   - Payment-Session, the id of the channel that the session used last at that origin, if it used
//     one and the request has no Payment-Session.
//
// A request that is paid is the same request with
//
//   - Accept-Payment as above, and no Payment-Session but the caller's;
//   - the credential in the header that the challenge names, in the place of the caller's value:
//     Authorization, if it names none;
//   - Idempotency-Key, the same for all sendings of the request: the caller's, or a new one;
//   - the codings of the caller's Accept-Encoding that payment frames can be read through: gzip,
//     x-gzip and identity. Nothing is added to a request without Accept-Encoding;
//   - Accept: */*, for the first voucher of a stream of protocol v1 on a channel that is open;
//   - no GetBody, so that Base does not send the body again by itself.
//
// Vouchers, top-ups and proofs are requests without content to the URL of the request that they pay
// for. They have its headers but those that describe its content, its connection or its answer, and the
// cookies that answers set since the request was made, in place of the caller's of the same name. The
// request itself has the caller's cookies only.
//
// The caller's answer has the Set-Cookie headers of all answers that the payment took, of 402s, top-ups
// and proofs, in the order in which they came: at most 64 of them, and 8 KiB. The body of a paid event stream comes without content
// coding and payment frames.
//
// A request that its caller makes again is a new purchase. It is the same purchase if it has the
// same Idempotency-Key, method, URL, Host, body and budgets: its price is authorized once, a second
// one at the same time waits for the first, and what was served is presented again without another
// payment. A session remembers 4096 such purchases, each for 24 hours, if the body has a GetBody or
// is at most Config.Spool long. The one that ended longest ago is forgotten first. If all are under
// way, one more request is paid as if it had no key. The same key with another body is
// [ErrKeyReused]. See docs/recipes.md.
type Transport struct {
	// Session pays. Required.
	Session *Session
	// Base sends. Nil means the session's Config.Base.
	Base http.RoundTripper
}

// CloseIdleConnections closes the idle connections of Base, if it has such a method, and those that
// vouchers were sent on beside its streams. [http.Client.CloseIdleConnections] calls it.
func (t *Transport) CloseIdleConnections() {
	base := t.Base
	if base == nil && t.Session != nil {
		base = t.Session.cfg.Base
	}
	if c, ok := base.(interface{ CloseIdleConnections() }); ok && !typedNil(base) {
		c.CloseIdleConnections()
	}
	if pool, ok := base.(*http.Transport); ok && t.Session != nil {
		t.Session.mu.Lock()
		twin := t.Session.twins[pool]
		t.Session.mu.Unlock()
		if twin != nil {
			twin.CloseIdleConnections()
		}
	}
}

// unusable returns why a request cannot be sent at all.
func (t *Transport) unusable(req *http.Request) error {
	if req.Body != nil {
		_ = req.Body.Close()
	}
	switch {
	case t.Session == nil:
		return errors.New("client: Transport.Session is nil: set it to a session from client.New")
	case typedNil(t.Base):
		return fmt.Errorf("client: Transport.Base holds a nil pointer (%T): "+
			"leave it unset, or set it to a value", t.Base)
	}
	return errors.New("client: the request has no URL")
}
