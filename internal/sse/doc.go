// Package sse takes the payment events out of a metered event stream and leaves the rest alone.
//
// # The body an application reads
//
// A metered stream carries two kinds of event: the application's, and the server's payment events
// ([NeedVoucher], [Receipt]; draft-tempo-session-00). A [Filter] stands in front of the response
// body. It hands the application's bytes on unchanged: comments, ids, retry times, line endings,
// byte order mark, characters that are split between two reads. Every whole block that is a payment
// event is cut out and given to a callback.
//
// The rules are those of the HTML standard, section 9.2 "Server-sent events":
//
//   - A line ends with LF, CRLF or CR. A CR at the end of a read may be half of a CRLF.
//   - A blank line ends a block. The last event field of a block names it, so nothing is known
//     before that blank line, and a block is held until then. Blank lines and comments in front of
//     a block belong to no event and go through at once.
//   - A block without a data line is no event.
//   - The unfinished block at the end of a stream is no event. The application gets its bytes, as
//     it would without a filter; those of a payment event are dropped.
//
// The two names are matched exactly. Other names that begin with "payment-" are application events.
//
// # What the filter cannot do
//
// It sees events in plain text only: ask for identity encoding, or let the transport decode. What
// says something about the length or digest of the whole body (Content-Length, Content-Digest,
// ETag) no longer holds. The filter works while the application reads, and only then.
//
// # The iterator
//
// [Events] reads application events from a filtered body. It is built on go-sse.
package sse

import (
	"errors"
	"strings"
)

// Names of the payment events of a metered stream (draft-tempo-session-00).
const (
	// NeedVoucher asks for a voucher before more is sent.
	NeedVoucher = "payment-need-voucher"
	// Receipt says what was accepted and spent, usually at the end of the stream.
	Receipt = "payment-receipt"
)

// Default bounds, in bytes, for a maximum of zero or less.
const (
	// MaxFrame is how much of a block a [Filter] holds. Payment events are below 4 KiB.
	MaxFrame = 64 << 10
	// MaxEvent is how large an application event of [Events] may be.
	MaxEvent = 16 << 20
)

// Errors of streams.
var (
	// ErrFrameTooLarge: a payment event is larger than the filter's maximum. The server is broken
	// or hostile; end the stream and start a new one if the server is still trusted.
	ErrFrameTooLarge = errors.New("sse: payment event is too large")
	// ErrEventTooLarge: an application event is larger than the maximum given to [Events]. Raise
	// the maximum, or read the body itself.
	ErrEventTooLarge = errors.New("sse: event is too large")
)

// IsEventStream reports whether a Content-Type value names an event stream: the media type
// text/event-stream in any case, with or without parameters (RFC 9110, section 8.3.1).
func IsEventStream(contentType string) bool {
	mediaType, _, _ := strings.Cut(contentType, ";")
	return strings.EqualFold(strings.Trim(mediaType, " \t"), "text/event-stream")
}
