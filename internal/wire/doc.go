// Package wire is the spelling of the protocol: header values, base64url JSON, credentials, problems and
// stream frames, read and written strictly. It knows what is well-formed, not what is true or wise.
//
// # Reading
//
// Everything read here came from a server and is bounded before it is decoded. JSON is read with exact,
// case-sensitive names; an object with the same name twice is refused, unknown names are ignored. Amounts
// are decimal strings, never JSON numbers. Whatever does not fit is [ErrMalformed].
//
// # Writing
//
// Addresses and hashes are written in lower case. The request and opaque strings of a challenge are echoed
// byte for byte as they came. An [Echo] renders the part of a credential that stays the same for one
// challenge once, so that a voucher costs about a microsecond.
//
// All values may be shared between goroutines once they are made; nothing here keeps state.
package wire

import "errors"

// ErrMalformed is what every parser returns, wrapped with the place that does not fit.
var ErrMalformed = errors.New("wire: malformed")

// Header names, spelled as net/http keeps them, so that they are keys of an [net/http.Header] too.
const (
	HeaderAcceptPayment          = "Accept-Payment"
	HeaderAuthorization          = "Authorization"
	HeaderIdempotencyKey         = "Idempotency-Key"
	HeaderPaymentAuthorization   = "Payment-Authorization"
	HeaderPaymentReceipt         = "Payment-Receipt"
	HeaderPaymentSession         = "Payment-Session"
	HeaderPaymentSessionSnapshot = "Payment-Session-Snapshot"
	HeaderWWWAuthenticate        = "Www-Authenticate"
)

// Bounds of what is read, in bytes unless they say otherwise.
const (
	// MaxChallengeBytes bounds all WWW-Authenticate values of one response together.
	MaxChallengeBytes = 128 << 10
	// MaxChallenges bounds the Payment challenges of one response.
	MaxChallenges = 32
	// MaxParams bounds the parameters of one challenge.
	MaxParams = 64
	// MaxParam bounds the value of one parameter; for request it is the bound of the Payment auth scheme
	// draft, checked before decoding.
	MaxParam = 16 << 10
	// MaxCredential bounds a credential header value.
	MaxCredential = 256 << 10
	// MaxDocument bounds every other JSON document: snapshots, receipts, frames and problems.
	MaxDocument = 64 << 10
	// MaxMembers bounds the names in one JSON object, and MaxDepth how deep values nest.
	MaxMembers = 256
	MaxDepth   = 32
)
