package clienttest

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/message"
)

// incoming is any request to the server, paid or not.
type incoming struct {
	s     *Server
	w     *answer
	r     *http.Request
	fault Fault
	lies  []lie

	lying string // the name of the lie whose hook runs

	credential    *message.Credential // nil where there is none
	credentialErr error               // it cannot be read
}

// incomingKey finds the incoming request in the request's context.
type incomingKey struct{}

// visited logs each request, lets its faults happen and passes it on to next.
func (s *Server) visited(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.running.Add(1)
		defer s.running.Done()
		s.visit(w, r, next)
	})
}

func (s *Server) visit(w http.ResponseWriter, r *http.Request, next http.Handler) {
	v := &incoming{s: s, lies: s.lies()}
	v.credential, v.credentialErr = message.ReadCredential(r.Header, s.cfg.Header)
	entry := s.log.begin(s.cfg.Now(), r, v.credential, s.strayed(r))
	if decide := s.decide.Load(); decide != nil {
		v.fault = (*decide)(*entry)
	}
	ctx, cancel := context.WithCancel(context.WithValue(r.Context(), incomingKey{}, v))
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	v.r = r.WithContext(ctx)
	v.w = &answer{ResponseWriter: w, log: &s.log, seq: entry.Seq, lose: v.fault.LoseAnswer, v: v}
	if v.fault.Delay > 0 && !sleep(ctx, v.fault.Delay) || v.fault.Hang {
		<-ctx.Done()
		panic(http.ErrAbortHandler)
	}
	if v.fault.Refuse != 0 {
		v.w.WriteHeader(v.fault.Refuse)
		return
	}
	if v.lieInstead() {
		return
	}
	next.ServeHTTP(v.w, v.r)
	v.lieAfter()
	if v.w.lose {
		panic(http.ErrAbortHandler) // closes the connection
	}
}

// visitOf returns the visit that the request belongs to.
func incomingOf(r *http.Request) *incoming {
	v, _ := r.Context().Value(incomingKey{}).(*incoming)
	return v
}

// sleep waits; false: the context ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// refuse answers with problem details and a fresh challenge.
func (v *incoming) refuse(err error, fresh *message.Challenge) {
	var e *message.Refusal
	if !errors.As(err, &e) {
		e = message.InternalError("%v", err)
	}
	h, id := v.w.Header(), fresh.ID
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Type", "application/problem+json")
	if e.Status == http.StatusGone && v.s.cfg.BareGone {
		id = ""
	} else {
		v.ask(fresh)
	}
	v.w.problem = e.Problem
	v.w.WriteHeader(e.Status)
	_, _ = v.w.Write(e.Body(id))
}

// ask puts the challenge into the header.
func (v *incoming) ask(c *message.Challenge) {
	v.w.Header()["Www-Authenticate"] = v.lieInSpelling(c)
}

// accepted answers something that was taken and has no content, unless the fault wants otherwise.
func (v *incoming) accepted(status int) {
	if v.fault.FailAfter != 0 {
		status = v.fault.FailAfter
		v.w.Header().Del("Payment-Receipt")
	}
	v.w.WriteHeader(status)
}

// answer is a response whose status is logged, and which may get lost.
type answer struct {
	http.ResponseWriter
	log     *requestLog
	seq     int
	problem string // the type, once there is one
	lose    bool   // nothing leaves
	begun   bool   // the status has left
	v       *incoming
}

// WriteHeader logs the status before the client can see it.
func (a *answer) WriteHeader(status int) {
	if a.lose || a.begun {
		return
	}
	a.begun = true
	if a.Header().Get("Date") == "" {
		a.Header().Set("Date", a.v.s.cfg.Now().UTC().Format(http.TimeFormat))
	}
	status = a.v.lieInAnswer(status, a.Header())
	a.log.answered(a.seq, status, a.problem)
	a.ResponseWriter.WriteHeader(status)
}

// Write writes, or drops what is to be lost.
func (a *answer) Write(b []byte) (int, error) {
	if a.lose {
		return len(b), nil
	}
	a.WriteHeader(http.StatusOK)
	return a.ResponseWriter.Write(b)
}

// Flush sends what is written, for handlers that ask for an http.Flusher.
func (a *answer) Flush() {
	if !a.lose {
		a.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(a.ResponseWriter).Flush()
	}
}

// Unwrap lets http.ResponseController find what is below.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }
