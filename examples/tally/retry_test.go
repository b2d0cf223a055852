package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/store/journal"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// TestWhatFailsAfterAPayment does not hide the payment: a further try that fails, and a redirect too many.
func TestWhatFailsAfterAPayment(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	terms := clienttest.Terms{Price: voucher.Units(100), Deposit: voucher.Units(10_000)}
	s.srv.Handle("/busy", s.srv.Paid(terms, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
	})))
	s.srv.Handle("/hop", s.srv.Paid(terms, http.RedirectHandler("/free", http.StatusFound)))
	s.srv.Handle("/stranger", s.srv.Paid(terms, http.RedirectHandler("/free", http.StatusFound)))
	gone := func(http.ResponseWriter) { panic(http.ErrAbortHandler) }
	busy := func(w http.ResponseWriter) { w.WriteHeader(http.StatusServiceUnavailable) }
	for name, c := range map[string]struct {
		path    string
		loses   bool
		then    func(http.ResponseWriter)
		code    int
		outcome client.Outcome
		says    string
	}{
		"charged, then gone": {"/busy", false, gone, exitNoContent, client.OutcomeAcceptedNoContent, "it was paid (0.0001 pathUSD)"},
		"lost, then gone":    {"/data", true, gone, exitUnknown, client.OutcomeUnknown, "it is not known whether it was taken"},
		"lost, then busy":    {"/data", true, busy, exitUnknown, client.OutcomeUnknown, "it is not known whether it was taken"},
		"busy":               {"/stranger", true, busy, exitUnknown, client.OutcomeUnknown, "it is not known whether it was taken"},
		"redirected":         {"/hop", false, busy, exitNoContent, client.OutcomeAcceptedNoContent, "it was paid (0.0001 pathUSD)"},
	} {
		s.env["TALLY_STORE"] = filepath.Join(t.TempDir(), "store")
		var paid atomic.Bool
		front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case paid.Load():
				c.then(w)
			case r.Header.Get("Authorization") == "":
				s.srv.Handler().ServeHTTP(w, r)
			case !c.loses:
				paid.Store(true)
				s.srv.Handler().ServeHTTP(w, r)
			default:
				paid.Store(true)
				s.srv.Handler().ServeHTTP(httptest.NewRecorder(), r)
				if r.URL.Path != "/stranger" {
					panic(http.ErrAbortHandler)
				}
				c.then(w)
			}
		}))
		report := filepath.Join(t.TempDir(), "report.json")
		e := s.run("--retry", "1", "--retry-delay", "0.001", "-L", "--max-redirs", "0", "--json-report", report, front.URL+c.path)
		front.Close()
		assert.Equal(t, c.code, e.code, "%s: %s", name, e.stderr)
		assert.Contains(t, e.stderr, "a payment left before: "+c.says, name)
		text, err := os.ReadFile(report)
		require.NoError(t, err)
		var m struct{ Outcome client.Outcome }
		require.NoError(t, json.Unmarshal(text, &m))
		assert.Equal(t, c.outcome, m.Outcome, name)
	}
}

// TestTimeAfterAPayment: the time that ends between two tries is a timeout only if it is known what became of the money.
func TestTimeAfterAPayment(t *testing.T) {
	line := func(outcome client.Outcome) journal.Entry {
		return journal.Entry{Kind: journal.KindPay, Outcome: string(outcome), Price: voucher.Units(100)}
	}
	late, broken := context.DeadlineExceeded, errors.New("broken")
	for _, c := range []struct {
		lines []journal.Entry
		err   error
		code  int
	}{
		{nil, late, exitTimeout},
		{[]journal.Entry{line(client.OutcomeRefused)}, late, exitTimeout},
		{[]journal.Entry{line(client.OutcomeUnknown)}, late, exitUnknown},
		{[]journal.Entry{line(client.OutcomeAcceptedNoContent)}, late, exitTimeout},
		{[]journal.Entry{line(client.OutcomeUnknown), line(client.OutcomeAcceptedNoContent)}, late, exitTimeout},
		{[]journal.Entry{line(client.OutcomeUnknown), line(client.OutcomeRefused)}, broken, exitUnknown},
		{[]journal.Entry{line(client.OutcomeRejected)}, broken, exitRejected},
		{[]journal.Entry{line(client.OutcomeUnknown)}, fail(exitInterrupted, broken), exitInterrupted},
		{[]journal.Entry{line(client.OutcomeAccepted)}, broken, exitNoContent},
	} {
		f := &fetch{world: &world{}, wallet: wallet{lines: &lines{all: c.lines}}}
		assert.Equal(t, c.code, status(f.afterPayment(t.Context(), c.err)), "%v, %v", c.lines, c.err)
	}
}
