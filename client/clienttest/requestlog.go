package clienttest

import (
	"net/http"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/message"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Request describes one request to the server. It contains no header values.
type Request struct {
	// Seq is the number of the request, from 1, in the order of arrival.
	Seq int
	// At is the time of arrival by [Config.Now].
	At time.Time
	// Method and Path are those of the request. Path includes the query.
	Method, Path string
	// Strayed reports whether the request came to [Server.OtherURL].
	Strayed bool
	// Status is the status of the response. Zero means that there is none yet, or that the
	// connection was cut.
	Status int
	// Action is the action of the credential: open, topUp, voucher, close or proof. It is empty if
	// there was no readable credential.
	Action string
	// ChannelID, Cumulative and Additional are those of the credential, or zero.
	ChannelID              common.Hash
	Cumulative, Additional voucher.Amount
	// Problem is the problem type of the response without its base URI, or empty.
	Problem string
}

// Requests returns all requests so far in the order of arrival.
func (s *Server) Requests() []Request {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	return append([]Request(nil), s.log.entries...)
}

// Served returns how often content of the path was delivered, including streams that were cut. The
// path has no query.
func (s *Server) Served(path string) int {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	return s.log.content[path]
}

// requestLog records the requests.
type requestLog struct {
	mu      sync.Mutex // guards the rest
	entries []Request
	content map[string]int // number of deliveries of content by path
}

// begin records a request that has arrived.
func (l *requestLog) begin(
	at time.Time,
	r *http.Request,
	c *message.Credential,
	strayed bool,
) *Request {
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
