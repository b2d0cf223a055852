// Package wire reads and writes the messages of the protocol: header values, base64url JSON,
// credentials, problem documents and stream frames. It checks their syntax and nothing else.
//
// # Reading
//
// All input comes from a server, so its size is checked before it is decoded. JSON names are
// case-sensitive. An object with a duplicate name is an error, and unknown names are ignored.
// Amounts are decimal strings, never JSON numbers. All errors match [ErrMalformed].
//
// # Writing
//
// Addresses and hashes are written in lower case. The request and opaque strings of a challenge are
// echoed byte for byte. An [Echo] renders the constant part of the credentials for one challenge
// once, so that writing a voucher takes about a microsecond.
//
// The package keeps no state. Its values may be shared between goroutines.
package wire

// Header names in the canonical form of net/http, so that they are keys of a [net/http.Header].
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

// Bounds of the input. They are in bytes unless the comment says otherwise.
const (
	// MaxChallengeBytes bounds the sum of all WWW-Authenticate values of one response.
	MaxChallengeBytes = 128 << 10
	// MaxChallenges bounds the number of Payment challenges of one response.
	MaxChallenges = 32
	// MaxParams bounds the number of parameters of one challenge.
	MaxParams = 64
	// MaxParam bounds the value of one parameter. For request it is the bound of the Payment auth
	// scheme draft and is checked before decoding.
	MaxParam = 16 << 10
	// MaxCredential bounds a credential header value.
	MaxCredential = 256 << 10
	// MaxDocument bounds all other JSON documents: snapshots, receipts, frames and problems.
	MaxDocument = 64 << 10
	// MaxMembers bounds the number of names in one JSON object, and MaxDepth the nesting.
	MaxMembers = 256
	MaxDepth   = 32
)
