package clienttest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"strings"
)

// inURL and its siblings are the URLs of a server without sockets. They are loopback addresses, to
// which clients send credentials without TLS.
const (
	inURL, inOtherURL       = "http://127.0.0.1:1", "http://127.0.0.1:2"
	inRPCURL, inOtherRPCURL = "http://127.0.0.1:3", "http://127.0.0.1:4"
)

// Transport returns a round tripper that calls the handlers of URL, OtherURL and both nodes directly,
// without a socket. It works with and without [Config.NoSockets], and in the testing/synctest
// bubble in which the server was started. Requests to other hosts fail.
//
// It behaves like a net/http server for a net/http client, with these differences: a handler cannot
// hijack the connection, which looks like a cut connection; interim responses (1xx) are dropped;
// and a handler that panics with anything but http.ErrAbortHandler ends the process.
func (s *Server) Transport() http.RoundTripper { return inside{s} }

type inside struct{ s *Server }

// handler returns the handler of the host, or nil.
func (s *Server) handler(host string) http.Handler {
	switch "http://" + host {
	case s.URL, s.OtherURL:
		return s.Handler()
	case s.RPCURL:
		return s.Node.Handler()
	case s.OtherNode.URL:
		return s.OtherNode.Handler()
	}
	return nil
}

// maxHeader bounds the header of a response in bytes, like the client of net/http.
const maxHeader = 10 << 20

var errHeader = errors.New("clienttest: the header of the response is too long")

// RoundTrip runs the handler in its own goroutine. The context of the request ends when the body of
// the response is closed.
func (i inside) RoundTrip(req *http.Request) (*http.Response, error) {
	body := req.Body
	if body == nil {
		body = http.NoBody
	}
	h := i.s.handler(req.URL.Host)
	if err := req.Context().Err(); err != nil || h == nil {
		_ = body.Close()
		if err == nil {
			err = fmt.Errorf("clienttest: unknown host %s", req.URL.Host)
		}
		return nil, err
	}
	if trace := httptrace.ContextClientTrace(req.Context()); trace != nil {
		if trace.GetConn != nil {
			trace.GetConn(req.URL.Host)
		}
		if trace.WroteHeaders != nil {
			trace.WroteHeaders()
		}
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(req.Context()))
	in := req.WithContext(ctx)
	in.Header, in.Body, in.Host = canonical(req), body, req.URL.Host
	in.RequestURI, in.RemoteAddr, in.Response = req.URL.RequestURI(), "127.0.0.1:9", nil
	w := &inWriter{
		head:   req.Method == http.MethodHead,
		header: http.Header{},
		begun:  make(chan struct{}),
		pipe:   newPipe(cancel),
	}
	stop := context.AfterFunc(
		req.Context(),
		func() { w.pipe.abandon(context.Cause(req.Context())) },
	)
	go func() {
		defer stop()
		defer func() {
			_ = body.Close()
			w.end(recover())
		}()
		h.ServeHTTP(w, in)
	}()
	select {
	case <-w.begun:
	case <-req.Context().Done():
		return nil, context.Cause(req.Context())
	}
	if w.err != nil {
		return nil, w.err
	}
	return w.response(req), nil
}

// canonical returns the header with canonical names, as a server sees it.
func canonical(req *http.Request) http.Header {
	h := make(http.Header, len(req.Header))
	for name, values := range req.Header {
		name = http.CanonicalHeaderKey(name)
		h[name] = append(h[name], values...)
	}
	return h
}

// inWriter is the response writer of a request without a socket.
type inWriter struct {
	head   bool
	header http.Header
	pipe   *pipe
	begun  chan struct{} // closed when status or err is set
	status int
	sent   http.Header // copy of header from when the status was written
	length int64       // Content-Length, or -1
	err    error       // if there is no response
}

func (w *inWriter) Header() http.Header { return w.header }

func (w *inWriter) WriteHeader(status int) {
	if status < 200 || w.status != 0 {
		return
	}
	w.sent, w.length = maps.Clone(w.header), -1
	size := 0
	for name, values := range w.sent {
		for i, v := range values {
			if strings.ContainsAny(v, "\r\n") {
				values = append([]string(nil), values...)
				values[i] = strings.NewReplacer("\r", " ", "\n", " ").Replace(v)
				w.sent[name] = values
			}
			size += len(name) + len(v) + 4
		}
	}
	if size > maxHeader {
		w.fail(errHeader)
		return
	}
	if n, err := strconv.ParseInt(w.sent.Get("Content-Length"), 10, 64); err == nil {
		w.length = n
	}
	w.status = status
	close(w.begun)
}

func (w *inWriter) fail(err error) {
	w.status, w.err = http.StatusInternalServerError, err
	close(w.begun)
}

func (w *inWriter) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	switch {
	case w.err != nil:
		return 0, w.err
	case w.bodiless():
		return 0, http.ErrBodyNotAllowed
	}
	return w.pipe.write(b)
}

func (w *inWriter) bodiless() bool {
	return w.head || w.status == http.StatusNoContent || w.status == http.StatusNotModified
}

// Flush sends the status.
func (w *inWriter) Flush() {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
}

// end ends the response. panicked is the value that the handler panicked with, or nil.
func (w *inWriter) end(panicked any) {
	if w.status == 0 {
		if panicked == nil {
			w.WriteHeader(http.StatusOK)
		} else {
			w.fail(io.ErrUnexpectedEOF)
		}
	}
	if panicked == nil {
		w.pipe.finish(io.EOF)
		return
	}
	w.pipe.finish(io.ErrUnexpectedEOF)
	if err, ok := panicked.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
		panic(panicked)
	}
}

// response returns the response for the client.
func (w *inWriter) response(req *http.Request) *http.Response {
	resp := &http.Response{
		Status: fmt.Sprintf("%d %s", w.status, http.StatusText(w.status)), StatusCode: w.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.sent, Body: w.pipe, ContentLength: w.length, Request: req,
	}
	if w.bodiless() {
		w.pipe.finish(io.EOF)
	} else {
		w.pipe.expect(w.length)
	}
	return resp
}
