package clienttest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Handle adds a route, with the patterns of [http.ServeMux]. It panics where the pattern collides
// with another. What h does is free of charge unless it is made by [Server.Paid] or
// [Server.Metered].
func (s *Server) Handle(pattern string, h http.Handler) { s.mux.Handle(pattern, h) }

// Paid makes h cost the terms' price for each request. h runs after the price is charged; the
// receipt is in the header before that. The result is for [Server.Handle], and for other servers
// that the test runs (with TLS, say). It panics where the price is zero.
func (s *Server) Paid(t Terms, h http.Handler) http.Handler {
	return s.paid(fixed(t, "request"), h)
}

// Metered serves an event stream that run fills and charges for, unit by unit; the request's
// context ends when the client goes away. The stream ends with a receipt when run returns nil or
// [ErrUnpaid], and with a cut connection when it returns another error. It panics where the price
// is zero.
func (s *Server) Metered(t Terms, run func(m *Meter, r *http.Request) error) http.Handler {
	return s.metered(fixed(t, "chunk"), run)
}

// fixed are terms that do not depend on the request.
func fixed(t Terms, unit string) func(*http.Request) (Terms, error) {
	if t.Price.IsZero() {
		panic("clienttest: a paid route needs Terms.Price above zero")
	}
	if t.Unit == "" {
		t.Unit = unit
	}
	if t.Protocol == 0 {
		t.Protocol = voucher.V2
	}
	return func(*http.Request) (Terms, error) { return t, nil }
}

func (s *Server) paid(terms func(*http.Request) (Terms, error), h http.Handler) http.Handler {
	return s.exchanges(terms, false, func(x *paidRequest) {
		x.receipt()
		h.ServeHTTP(x.w, x.r)
	})
}

func (s *Server) metered(terms func(*http.Request) (Terms, error), run func(m *Meter, r *http.Request) error) http.Handler {
	return s.exchanges(terms, true, func(x *paidRequest) { x.stream(run) })
}

// exchanges makes an exchange of each request. Under another server's roof it logs the request too.
func (s *Server) exchanges(terms func(*http.Request) (Terms, error), metered bool, serve func(*paidRequest)) http.Handler {
	var inside http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t, err := terms(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		x := &paidRequest{incoming: *incomingOf(r), t: t, metered: metered}
		x.r = r
		x.lieInTerms(&x.t)
		x.pay(serve)
	})
	outside := s.visited(inside)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if incomingOf(r) == nil {
			outside.ServeHTTP(w, r)
			return
		}
		inside.ServeHTTP(w, r)
	})
}

// routes adds the routes of the package comment.
func (s *Server) routes() {
	s.Handle("/free", s.counted(http.HandlerFunc(echo)))
	for prefix, rail := range map[string]voucher.Protocol{"": voucher.V2, "/v1": voucher.V1} {
		data := Terms{Protocol: rail, Price: voucher.Units(100), Unit: "request", Deposit: voucher.Units(10_000)}
		chunk := Terms{Protocol: rail, Price: voucher.Units(10), Unit: "chunk", Deposit: voucher.Units(10_000)}
		plain := func(path string, change func(*Terms)) {
			t := data
			change(&t)
			s.Handle(prefix+path, s.paid(asked(t), http.HandlerFunc(echo)))
		}
		stream := func(path string, change func(*Terms)) {
			t := chunk
			change(&t)
			s.Handle(prefix+path+"/{n}/{price}", s.metered(asked(t), chunks))
			s.Handle(prefix+path, s.metered(asked(t), chunks))
		}
		plain("/data", func(*Terms) {})
		plain("/boot", func(t *Terms) { t.Bootstrap, t.Hints = rail == voucher.V2, SnapshotHints })
		plain("/hinted", func(t *Terms) { t.Hints = SnapshotHints })
		plain("/flat", func(t *Terms) { t.Hints = FlatHints })
		plain("/sponsored", func(t *Terms) { t.Sponsored = true })
		plain("/min-delta", func(t *Terms) { t.MinDelta = voucher.Units(500) })
		stream("/stream", func(*Terms) {})
		stream("/hinted/stream", func(t *Terms) { t.Hints = SnapshotHints })
		stream("/sponsored/stream", func(t *Terms) { t.Sponsored = true })
	}
}

// counted counts free content too.
func (s *Server) counted(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.log.served(r.URL.Path)
		h.ServeHTTP(w, r)
	})
}

// asked are terms that the request's path and query may change.
func asked(t Terms) func(*http.Request) (Terms, error) {
	return func(r *http.Request) (Terms, error) {
		t, q := t, r.URL.Query()
		for _, one := range []struct {
			text string
			to   *voucher.Amount
		}{{r.PathValue("price"), &t.Price}, {q.Get("price"), &t.Price}, {q.Get("deposit"), &t.Deposit}} {
			if one.text == "" {
				continue
			}
			a, err := voucher.ParseAmount(one.text)
			if err != nil {
				return t, err
			}
			*one.to = a
		}
		if text := q.Get("ttl"); text != "" {
			seconds, err := strconv.ParseFloat(text, 64)
			if err != nil {
				return t, fmt.Errorf("clienttest: ttl: %w", err)
			}
			t.TTL = time.Duration(seconds*float64(time.Second)) - 1 // so that 0 is over at once
		}
		if q.Has("unit") {
			t.Unit = q.Get("unit")
		}
		if t.Price.IsZero() {
			return t, fmt.Errorf("clienttest: a session's price must be above zero")
		}
		return t, nil
	}
}

// maxEcho bounds the body that comes back, in bytes.
const maxEcho = 1 << 20

// echo is the content of the plain routes: what was asked for.
func echo(w http.ResponseWriter, r *http.Request) {
	doc := map[string]any{"ok": true, "method": r.Method, "path": r.URL.RequestURI()}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxEcho))
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if len(body) > 0 {
		doc["echo"] = string(body)
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(doc)
}

// chunks is the content of the stream routes: n messages, each charged before it is sent.
func chunks(m *Meter, r *http.Request) error {
	// A body that was read to its end lets net/http see when the client goes away.
	if _, err := io.Copy(io.Discard, io.LimitReader(r.Body, maxEcho)); err != nil {
		return err
	}
	n := 5
	for _, text := range []string{r.PathValue("n"), r.URL.Query().Get("n")} {
		if text != "" {
			var err error
			if n, err = strconv.Atoi(text); err != nil {
				return err
			}
		}
	}
	for i := range n {
		if err := m.Charge(1); err != nil {
			return err
		}
		if err := m.Send(fmt.Sprintf(`{"i":%d,"of":%d}`, i, n)); err != nil {
			return err
		}
	}
	return nil
}
