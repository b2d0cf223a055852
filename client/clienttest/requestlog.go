package clienttest

import (
	"net/http"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/message"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Request is one request that was answered, or is being answered. No header values are kept.
type Request struct {
	// Seq counts from 1, in the order of arrival.
	Seq int
	// At is [Config.Now] at arrival.
	At time.Time
	// Method and Path are the request's; Path has the query.
	Method, Path string
	// Strayed: it came to [Server.OtherURL].
	Strayed bool
	// Status is the answer's. Zero: there is none yet, or the connection was cut.
	Status int
	// Action is the credential's: open, topUp, voucher, close or proof. Empty: there was no
	// credential, or it could not be read.
	Action string
	// ChannelID, Cumulative and Additional are the credential's, where it has them.
	ChannelID              common.Hash
	Cumulative, Additional voucher.Amount
	// Problem is the problem type of the answer, without the base URI. Empty: none.
	Problem string
}

// Requests lists all requests so far, in the order of arrival.
func (s *Server) Requests() []Request {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	return append([]Request(nil), s.log.entries...)
}

// Served counts how often the route gave content, also for streams that were cut. The route is a
// path without query.
func (s *Server) Served(path string) int {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	return s.log.content[path]
}

// requestLog is what was asked of the server.
type requestLog struct {
	mu      sync.Mutex // guards the rest
	entries []Request
	content map[string]int // answers with content by path
}

// begin writes down a request that has arrived.
func (l *requestLog) begin(at time.Time, r *http.Request, c *message.Credential, strayed bool) *Request {
	e := Request{At: at, Method: r.Method, Path: r.URL.RequestURI(), Strayed: strayed}
	if c != nil {
		e.Action = c.Payload.Action()
		f := message.Fields{O: c.Payload}
		e.ChannelID = f.Hash("channelId")
		if text, err := c.Payload.Text("cumulativeAmount"); err == nil {
			e.Cumulative, _ = voucher.ParseAmount(text)
		}
		if text, err := c.Payload.Text("additionalDeposit"); err == nil {
			e.Additional, _ = voucher.ParseAmount(text)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	e.Seq = len(l.entries) + 1
	l.entries = append(l.entries, e)
	return &e
}

func (l *requestLog) answered(seq, status int, problem string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries[seq-1].Status, l.entries[seq-1].Problem = status, problem
}

func (l *requestLog) served(path string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.content[path]++
}
