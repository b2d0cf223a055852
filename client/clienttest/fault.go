package clienttest

import "time"

// Fault is something that goes wrong with one request. The zero value is nothing. A server that
// lies, as opposed to one that breaks, is the matter of package lies.
type Fault struct {
	// Delay is waited before anything is done.
	Delay time.Duration
	// Hang does nothing and answers nothing until the client or the server goes away.
	Hang bool
	// Refuse answers with this status and does nothing. Zero refuses nothing.
	Refuse int
	// LoseAnswer does all the work and then cuts the connection instead of answering. A stream is
	// cut when its first byte would leave.
	LoseAnswer bool
	// FailAfter answers with this status after the payment was accepted and charged, instead of the
	// content. Zero does not.
	FailAfter int
	// CutAfter cuts the connection of a stream after so many application messages. Zero does not.
	CutAfter int
	// SwallowNeedVoucher keeps the stream's need-voucher frames back: it waits without asking.
	SwallowNeedVoucher bool
}

// OnRequest asks decide about each request before it is handled; nil stops asking. decide is told
// all but the answer, and is called from several goroutines at once.
func (s *Server) OnRequest(decide func(Request) Fault) {
	if decide == nil {
		s.decide.Store(nil)
		return
	}
	s.decide.Store(&decide)
}
