package clienttest

import "time"

// Fault is a fault of one request. The zero value is no fault. For hostile behavior see package
// lies.
type Fault struct {
	// Delay delays the handling of the request.
	Delay time.Duration
	// Hang never responds. It ends when the client disconnects or the server closes.
	Hang bool
	// Refuse responds with this status and does nothing else, if it is not zero.
	Refuse int
	// LoseAnswer handles the request and then closes the connection instead of responding. A stream
	// is cut before its first byte.
	LoseAnswer bool
	// FailAfter responds with this status instead of the content after the payment was accepted and
	// charged, if it is not zero.
	FailAfter int
	// CutAfter closes the connection of a stream after this number of messages, if it is not zero.
	CutAfter int
	// SwallowNeedVoucher suppresses the need-voucher frames of a stream, which still waits for
	// vouchers.
	SwallowNeedVoucher bool
}

// OnRequest sets a function that returns the fault of each request before the request is handled.
// Nil removes it. The Request has no Status yet. decide must be safe for concurrent use.
func (s *Server) OnRequest(decide func(Request) Fault) {
	if decide == nil {
		s.decide.Store(nil)
		return
	}
	s.decide.Store(&decide)
}
