package clienttest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Handle adds a route with a pattern of [http.ServeMux]. It panics if the pattern conflicts with
// another. The route is free unless h was returned by [Server.Paid] or [Server.Metered].
func (s *Server) Handle(pattern string, h http.Handler) { s.mux.Handle(pattern, h) }

// Paid returns a handler that charges the price for each request and then calls h. The receipt
// header is already set. The handler can be used with [Server.Handle] or in another server of the
// test. Paid panics if the price is zero.
func (s *Server) Paid(t Terms, h http.Handler) http.Handler {
	return s.paid(fixed(t, "request"), h)
}

// Metered returns a handler that serves an event stream, which run fills and charges unit by unit.
// The context of the request ends when the client disconnects. The stream ends with a receipt if
// run returns nil or [ErrUnpaid], and with a cut connection if it returns another error. Metered
// panics if the price is zero.
func (s *Server) Metered(t Terms, run func(m *Meter, r *http.Request) error) http.Handler {
	return s.metered(fixed(t, "chunk"), run)
}

// fixed returns terms that do not depend on the request.
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

func (s *Server) metered(
	terms func(*http.Request) (Terms, error),
	run func(m *Meter, r *http.Request) error,
) http.Handler {
	return s.exchanges(terms, true, func(x *paidRequest) { x.stream(run) })
}

// exchanges returns a handler for a paid route. In another server it also logs the request.
func (s *Server) exchanges(
	terms func(*http.Request) (Terms, error),
	metered bool,
	serve func(*paidRequest),
) http.Handler {
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
	outside := s.received(inside)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if incomingOf(r) == nil {
			outside.ServeHTTP(w, r)
			return
		}
		inside.ServeHTTP(w, r)
	})
}

// routes adds the routes that the package comment lists.
func (s *Server) routes() {
	s.Handle("/free", s.counted(http.HandlerFunc(echo)))
	for prefix, proto := range map[string]voucher.Protocol{"": voucher.V2, "/v1": voucher.V1} {
		data := Terms{
			Protocol: proto,
			Price:    voucher.Units(100),
			Unit:     "request",
			Deposit:  voucher.Units(10_000),
		}
		chunk := Terms{
			Protocol: proto,
			Price:    voucher.Units(10),
			Unit:     "chunk",
			Deposit:  voucher.Units(10_000),
		}
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
		plain("/boot", func(t *Terms) { t.Bootstrap, t.Hints = proto == voucher.V2, SnapshotHints })
		plain("/hinted", func(t *Terms) { t.Hints = SnapshotHints })
		plain("/flat", func(t *Terms) { t.Hints = FlatHints })
		plain("/sponsored", func(t *Terms) { t.Sponsored = true })
		plain("/who", func(t *Terms) { t.Identify, t.Hints = IdentifyFirst, SnapshotHints })
		plain("/min-delta", func(t *Terms) { t.MinDelta = voucher.Units(500) })
		stream("/stream", func(*Terms) {})
		stream("/hinted/stream", func(t *Terms) { t.Hints = SnapshotHints })
		stream("/who/stream", func(t *Terms) { t.Identify, t.Hints = IdentifyFirst, SnapshotHints })
		stream("/sponsored/stream", func(t *Terms) { t.Sponsored = true })
	}
}

// counted counts the deliveries of free content.
func (s *Server) counted(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.log.served(r.URL.Path)
		h.ServeHTTP(w, r)
	})
}

// asked returns terms that the path and the query of a request can change.
func asked(t Terms) func(*http.Request) (Terms, error) {
	return func(r *http.Request) (Terms, error) {
		t, q := t, r.URL.Query()
		for _, one := range []struct {
			text string
			to   *voucher.Amount
		}{
			{r.PathValue("price"), &t.Price},
			{q.Get("price"), &t.Price},
			{q.Get("deposit"), &t.Deposit},
		} {
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
			t.TTL = time.Duration(seconds*float64(time.Second)) - 1 // so that 0 is expired
		}
		if q.Has("unit") {
			t.Unit = q.Get("unit")
		}
		if err := askedIdentity(&t, q); err != nil {
			return t, err
		}
		if t.Price.IsZero() {
			return t, fmt.Errorf("clienttest: a session's price must be above zero")
		}
		return t, nil
	}
}

// askedIdentity reads the parameters of the routes that ask who the payer is.
func askedIdentity(t *Terms, q url.Values) error {
	if hints := q.Get("hints"); hints != "" {
		all := map[string]Hints{
			"none": NoHints, "snapshot": SnapshotHints, "flat": FlatHints, "full": FullHints,
		}
		var ok bool
		if t.Hints, ok = all[hints]; !ok {
			return fmt.Errorf("clienttest: hints=%s", hints)
		}
	}
	if t.Identify != AnyPayer {
		if t.Cookie = q.Has("cookie"); q.Has("apart") {
			t.Identify = IdentifyApart
		}
	}
	return nil
}

// maxEcho bounds the echoed body, in bytes.
const maxEcho = 1 << 20

// echo is the content of the plain routes: it describes the request.
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

// chunks is the content of the stream routes: n messages, each of which is charged before it is
// sent.
func chunks(m *Meter, r *http.Request) error {
	// net/http notices that a client disconnects only after the body was read.
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
