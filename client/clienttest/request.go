package clienttest

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/message"
)

// incoming is a request to the server, paid or not.
type incoming struct {
	s     *Server
	w     *answer
	r     *http.Request
	fault Fault
	lies  []lie

	lying string // the name of the lie whose hook is running

	credential    *message.Credential // nil if there is none
	credentialErr error               // set if the credential cannot be read
	payer         common.Address      // who the request is from, zero if that is not known
}

// incomingKey is the context key of *incoming.
type incomingKey struct{}

// received returns a handler that logs each request, applies its fault and lies, and calls next.
func (s *Server) received(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.running.Add(1)
		defer s.running.Done()
		s.receive(w, r, next)
	})
}

func (s *Server) receive(w http.ResponseWriter, r *http.Request, next http.Handler) {
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
		panic(http.ErrAbortHandler) // close the connection
	}
}

// incomingOf returns the incoming request in the context of r, or nil.
func incomingOf(r *http.Request) *incoming {
	v, _ := r.Context().Value(incomingKey{}).(*incoming)
	return v
}

// sleep waits for d. It returns false if the context ends first.
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

// refuse responds with problem details and a fresh challenge.
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
		v.challenge(fresh)
	}
	v.w.problem = e.Problem
	v.w.WriteHeader(e.Status)
	_, _ = v.w.Write(e.Body(id))
}

// challenge sets the WWW-Authenticate header.
func (v *incoming) challenge(c *message.Challenge) {
	v.w.Header()["Www-Authenticate"] = v.lieInSpelling(c)
}

// accepted responds to an accepted credential without content, or with the status of the fault.
func (v *incoming) accepted(status int) {
	if v.fault.FailAfter != 0 {
		status = v.fault.FailAfter
		v.w.Header().Del("Payment-Receipt")
	}
	v.w.WriteHeader(status)
}

// answer is a response writer that logs the status and can drop the response.
type answer struct {
	http.ResponseWriter
	log     *requestLog
	seq     int
	problem string // problem type of the response
	lose    bool   // drop the response
	begun   bool   // the status was written
	v       *incoming
}

// WriteHeader logs the status before it sends it.
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

// Write writes b, or drops it if the response is to be lost.
func (a *answer) Write(b []byte) (int, error) {
	if a.lose {
		return len(b), nil
	}
	a.WriteHeader(http.StatusOK)
	return a.ResponseWriter.Write(b)
}

// Flush implements [http.Flusher].
func (a *answer) Flush() {
	if !a.lose {
		a.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(a.ResponseWriter).Flush()
	}
}

// Unwrap supports [http.ResponseController].
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }
