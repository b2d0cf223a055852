package client

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http/httptrace"
	"reflect"
	"strings"
	"sync"
	"time"
)

// reach is how far the sending of a paid request got.
type reach uint8

const (
	stayed  reach = iota // nothing of it left
	refused              // it left, and the server refused it before it was processed
	arrived              // it may have been processed
)

// errWritten is returned for a request whose connection ended after it was written, where net/http
// would have sent it a second time. What ended the connection net/http does not say then.
var errWritten = fmt.Errorf("client: the connection ended after the request was written, "+
	"and before an answer came: %w", io.EOF)

// progress is how far the sending of a paid request got, as the round tripper reports it. It keeps
// net/http from sending the request twice by itself: if a reused HTTP/1 connection dies before an
// answer, net/http repeats GET, HEAD, OPTIONS and TRACE, and anything else without a body that has
// an Idempotency-Key, and the price would be charged twice. Over HTTP/2 it repeats what the server
// refused to process, and that may be.
type progress struct {
	mu        sync.Mutex // guards what follows
	traced    bool       // the round tripper reports something
	ready     bool       // a connection was obtained
	conn      net.Conn   // the last one
	begun     bool       // over HTTP/2 the headers are being written
	written   bool       // the headers were written
	answered  bool       // something came back: who sends it again now, net/http does not
	http1     bool       // over HTTP/1
	repeated  bool       // the round tripper sent it once more
	elsewhere bool       // on another connection; the reason is not known
	stopped   bool       // it would have been repeated
}

// trace returns a context that has the round tripper report to p, and call wrote when it has written
// the headers. A request that was written
// before is stopped on its next connection, unless the server refused to process it. Nothing but
// the connection can stop it for certain: net/http writes to one that it has although the context
// has ended.
func (p *progress) trace(ctx context.Context, wrote func()) context.Context {
	report := func(fact *bool) {
		p.mu.Lock()
		*fact = true
		p.mu.Unlock()
	}
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { report(&p.traced) },
		GotConn: func(info httptrace.GotConnInfo) {
			p.mu.Lock()
			defer p.mu.Unlock()
			last := p.conn
			p.ready, p.conn = true, info.Conn
			p.repeated = p.repeated || p.written
			switch {
			case !p.written, p.answered:
			case same(last, info.Conn): // the server refused the stream (RFC 9113, 8.7)
			case !p.http1 && !p.elsewhere:
				// The connection goes away and the stream was not processed, or the server reset it by
				// PROTOCOL_ERROR. No report tells which.
				p.elsewhere = true
			case info.Conn == nil, info.Reused && overHTTP2(info.Conn): // others use it
			default:
				p.stopped = true
				if info.Conn.SetWriteDeadline(time.Unix(1, 0)) != nil {
					_ = info.Conn.Close()
				}
			}
		},
		WroteHeaderField: func(key string, _ []string) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.http1 = p.http1 || key == "Host" // which comes first; HTTP/2 has :authority
			p.begun = !p.http1
		},
		WroteHeaders: func() {
			report(&p.written)
			wrote()
		},
		GotFirstResponseByte: func() { report(&p.answered) },
	})
}

const (
	// maxRefused is how often a request is sent again that the server refused before it processed it.
	maxRefused = 3
	// refusedPause begins the pauses before: at most 64 ms the first time.
	refusedPause = 5
)

// reached returns how far the sending number try got that failed with err, whether the request may
// be sent again, and the error to show otherwise. ended reports whether its context has ended.
//
// A kept-alive connection that turned out dead before a header was written is nobody's answer: the
// request is sent again, once. So is one that the server refused, a few times.
func (p *progress) reached(err error, ended bool, try int) (got reach, again bool, cause error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.stopped:
		return arrived, false, errWritten
	case !p.traced:
		return arrived, false, err // all of it may have been written
	case p.written && unprocessed(err) && !p.elsewhere && !p.answered:
		return refused, !ended && !p.repeated && try <= maxRefused, err
	case p.written, p.begun, ended && p.ready: // HTTP/2 reports headers after it wrote them, and does not wait
		return arrived, false, err
	}
	return stayed, !ended && try == 1, err
}

// same reports whether two connections are the same one.
func same(a, b net.Conn) bool {
	return a != nil && reflect.TypeOf(a).Comparable() && a == b
}

// overHTTP2 reports whether a connection has negotiated HTTP/2.
func overHTTP2(conn net.Conn) bool {
	c, ok := conn.(interface{ ConnectionState() tls.ConnectionState })
	return ok && c.ConnectionState().NegotiatedProtocol == "h2"
}

// unprocessed reports whether an error of net/http or golang.org/x/net/http2 says that the server
// did not process the request (RFC 9113, 8.7): its stream was refused, or came after the last one
// that the server took before it closed the connection. The errors have no types that can be named
// here. A text that is not known counts as processed.
func unprocessed(err error) bool {
	text := unwrapURL(err).Error()
	if inner, ok := strings.CutPrefix(text, "http2: Transport: cannot retry err ["); ok {
		text, _, _ = strings.Cut(inner, "] after Request.Body was written")
	}
	return text == "http2: Transport received Server's graceful shutdown GOAWAY" ||
		strings.HasPrefix(text, "http2: Transport received GOAWAY from server ErrCode:") ||
		strings.HasPrefix(text, "stream error: stream ID ") &&
			strings.HasSuffix(text, "; REFUSED_STREAM; received from peer")
}
