// Package sse removes the payment events from a metered event stream and leaves the rest unchanged.
//
// # The filtered body
//
// A metered stream contains the events of the application and the payment events of the server
// ([NeedVoucher], [Receipt]; draft-tempo-session-00). A [Filter] wraps the response body. It passes
// the bytes of the application on unchanged: comments, ids, retry times, line endings, the byte
// order mark, and characters that are split between two reads. It removes each complete payment
// event and passes it to a callback.
//
// The rules are those of the HTML standard, section 9.2 "Server-sent events":
//
//   - A line ends with LF, CRLF or CR. A CR at the end of a read may be half of a CRLF.
//   - A blank line ends a block. The last event field of a block is its name, so the filter holds a
//     block until its blank line. Blank lines and comments before a block belong to no event and
//     are passed on at once.
//   - A block without a data line is not an event.
//   - An unfinished block at the end of a stream is not an event. The application gets its bytes,
//     as it would without a filter, unless they belong to a payment event.
//
// Only the two exact names are payment events. Other names that begin with "payment-" belong to the
// application.
//
// # Limits of the filter
//
// It needs plain text: request the identity encoding, or let the transport decode. Headers about
// the whole body (Content-Length, Content-Digest, ETag) are no longer valid. The filter works only
// while the application reads.
//
// # The iterator
//
// [Events] returns the application events of a filtered body. It uses go-sse.
package sse

import (
	"errors"
	"strings"
)

// Names of the payment events of a metered stream (draft-tempo-session-00).
const (
	// NeedVoucher asks for a voucher before more is sent.
	NeedVoucher = "payment-need-voucher"
	// Receipt reports what was accepted and spent, usually at the end of the stream.
	Receipt = "payment-receipt"
)

// Default bounds, in bytes, for a maximum of zero or less.
const (
	// MaxFrame bounds the part of a block that a [Filter] holds. Payment events are below 4 KiB.
	MaxFrame = 64 << 10
	// MaxEvent bounds an application event of [Events].
	MaxEvent = 16 << 20
)

// Errors of streams.
var (
	// ErrFrameTooLarge means that a payment event exceeds the maximum of the filter. The server is
	// faulty or hostile. End the stream; start a new one only if the server is still trusted.
	ErrFrameTooLarge = errors.New("sse: payment event is too large")
	// ErrEventTooLarge means that an application event exceeds the maximum of [Events]. Raise the
	// maximum, or read the body directly.
	ErrEventTooLarge = errors.New("sse: event is too large")
)

// IsEventStream reports whether a Content-Type value is text/event-stream, in any case and with or
// without parameters (RFC 9110, section 8.3.1).
func IsEventStream(contentType string) bool {
	mediaType, _, _ := strings.Cut(contentType, ";")
	return strings.EqualFold(strings.Trim(mediaType, " \t"), "text/event-stream")
}
