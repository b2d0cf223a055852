package client_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
)

// TestEvents are told once each, in order, and a hook that panics stops nothing.
func TestEvents(t *testing.T) {
	for _, rail := range rails {
		srv := clienttest.New(t, clienttest.Config{})
		told := 0
		p := newPayer(t, srv)
		hook := p.cfg.OnEvent
		p.cfg.OnEvent = func(e client.Event) {
			hook(e)
			told++
			panic("the hook is broken")
		}
		p.restart()
		p.get(rail + "/data?deposit=150")
		p.get(rail + "/data?deposit=150")
		require.NoError(t, p.session.Channels().Close(t.Context(), p.only().ID))
		var kinds []client.EventKind
		for _, e := range p.events.all {
			kinds = append(kinds, e.Kind)
		}
		assert.Equal(t, []client.EventKind{
			client.EventChallenge, client.EventOpening, client.EventOpened, client.EventPaid,
			client.EventChallenge, client.EventToppingUp, client.EventToppedUp, client.EventPaid, client.EventClosed,
		}, kinds)
		assert.Equal(t, len(kinds), told)
		paid := p.events.of(client.EventPaid)
		assert.Equal(t, client.OutcomeAccepted, paid[1].Outcome)
		assert.Equal(t, u(100), paid[1].Price)
		assert.Equal(t, u(200), paid[1].Cumulative)
		assert.Equal(t, u(300), paid[1].Deposit)
		assert.Equal(t, 200, paid[1].Status)
		require.NotNil(t, paid[1].Receipt)
		assert.Equal(t, u(200), paid[1].Receipt.Spent)
		assert.Equal(t, srv.URL, paid[1].Origin)
	}
}

// TestSecretsStayHome: what is in a query or in a credential is in no error, event or log line of ours.
func TestSecretsStayHome(t *testing.T) {
	const secret = "hunter2"
	srv := clienttest.New(t, clienttest.Config{})
	var log bytes.Buffer
	p := newPayer(t, srv, func(c *client.Config) {
		c.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	l := p.liedToTheEnd()
	var errs []error
	note := func(resp *http.Response, err error) {
		if err == nil {
			resp.Body.Close()
			return
		}
		errs = append(errs, err)
	}
	send := func(path string) {
		note((&client.Transport{Session: p.session, Base: p.base}).RoundTrip(p.request(t.Context(), http.MethodGet, path+"?token="+secret+"&deposit=150", nil)))
	}
	send("/data")
	send("/data")
	send("/v1/data")
	for _, broken := range []func(n int, s sent) (*http.Response, error){
		func(_ int, s sent) (*http.Response, error) {
			return nil, &url.Error{Op: "Get", URL: s.URL, Err: errors.New("no route")}
		},
		func(_ int, s sent) (*http.Response, error) {
			if s.action() == "topUp" || s.action() == "close" {
				return nil, &url.Error{Op: "Head", URL: s.URL, Err: errors.New("no route")}
			}
			return nil, nil
		},
		func(_ int, s sent) (*http.Response, error) {
			if s.Paid == nil {
				return nil, nil
			}
			return reply(500, "", "Payment-Receipt", "%"), nil
		},
		func(_ int, s sent) (*http.Response, error) {
			return reply(402, "", "WWW-Authenticate", `Payment id="`), nil
		},
	} {
		l.answer = broken
		send("/data")
		send("/data")
		for _, s := range p.channels() {
			note(nil, p.session.Channels().Close(t.Context(), s.ID))
			p.restart()
		}
	}
	l.answer = nil
	send("/data?price=5000")
	require.NotEmpty(t, errs)
	text := log.String()
	for _, err := range errs {
		if err != nil {
			text += err.Error()
		}
	}
	for _, e := range p.events.all {
		if e.Err != nil {
			text += e.Err.Error()
		}
		text += e.Origin
	}
	for _, s := range p.channels() {
		text += s.URL
	}
	for line := range strings.Lines(text) {
		assert.NotContains(t, line, secret)
	}
	assert.NotContains(t, text, p.key.Hex[2:])
	for _, s := range l.paid("") {
		value := s.Header.Get("Authorization")
		assert.NotContains(t, text, value[len("Payment "):][:40])
		if signature := common.Bytes2Hex(s.Paid.Payload.Signature); signature != "" {
			assert.NotContains(t, text, signature)
		}
	}
	assert.NotEmpty(t, log.String())
}

// TestNewSaysWhatIsWrong with a config.
func TestNewSaysWhatIsWrong(t *testing.T) {
	p := newPayer(t, clienttest.New(t, clienttest.Config{}))
	for field, change := range map[string]func(*client.Config){
		"Config.Signer":  func(c *client.Config) { c.Signer = nil },
		"Config.Retries": func(c *client.Config) { c.Retries = -1 },
		"Config.Stall":   func(c *client.Config) { c.Stall = -1 },
		"Limits.Fund":    func(c *client.Config) { c.Limits.Fund = u(1 << 60) },
	} {
		cfg := p.cfg
		change(&cfg)
		_, err := client.New(cfg)
		assert.ErrorContains(t, err, field)
	}
	_, err := (&client.Transport{}).RoundTrip(p.request(t.Context(), http.MethodPost, "/free", strings.NewReader("x")))
	assert.ErrorContains(t, err, "Transport.Session")
	_, err = (&client.Transport{Session: p.session}).RoundTrip(&http.Request{Body: http.NoBody})
	assert.ErrorContains(t, err, "no URL")
}

// TestWarmRequestsReadNothing of the chain, and write only what rises: a channel's record, and that of
// the budgets less often.
func TestWarmRequestsReadNothing(t *testing.T) {
	for _, rail := range rails {
		srv := clienttest.New(t, clienttest.Config{})
		p := newPayer(t, srv)
		calls := 0
		chain, err := escrow.Dial(t.Context(), srv.RPCURL, escrow.WithTransport(counting{http.DefaultTransport, &calls}))
		require.NoError(t, err)
		defer chain.Close()
		p.cfg.Chain = chain
		f := p.faulty()
		p.get(rail + "/data")
		before, puts := calls, f.Puts()
		for range 5 {
			p.get(rail + "/data")
		}
		assert.Equal(t, before, calls)
		assert.GreaterOrEqual(t, f.Puts(), puts+5)
		assert.LessOrEqual(t, f.Puts(), puts+2*5)
	}
}

type counting struct {
	http.RoundTripper
	n *int
}

func (c counting) RoundTrip(r *http.Request) (*http.Response, error) {
	*c.n++
	return c.RoundTripper.RoundTrip(r)
}

// TestSecretsOfAProofStayHome: the same for the requests that show who the payer is.
func TestSecretsOfAProofStayHome(t *testing.T) {
	const secret = "hunter2"
	for path, method := range map[string]string{"/boot": http.MethodHead, "/who": http.MethodGet} {
		var log bytes.Buffer
		p := newPayer(t, clienttest.New(t, clienttest.Config{}), bootstrapping, func(c *client.Config) {
			c.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		})
		l := p.lied()
		broken := 0
		l.answer = func(_ int, s sent) (*http.Response, error) {
			if s.Method == method && (method == http.MethodHead || s.action() == "proof") {
				broken++
				return nil, &url.Error{Op: "Get", URL: s.URL, Err: errors.New("no route")}
			}
			return nil, nil
		}
		req := p.request(t.Context(), http.MethodGet, path+"?token="+secret, nil)
		resp, err := (&client.Transport{Session: p.session, Base: p.base}).RoundTrip(req)
		text := log.String()
		if err == nil {
			resp.Body.Close()
		} else {
			text += err.Error()
		}
		assert.Equal(t, 1, broken, path)
		p.cfg.Base = &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
			return nil, &url.Error{Op: "Get", URL: req.URL.String(), Err: errors.New("no route")}
		}}
		p.restart()
		_, _, err = p.session.Quote(req)
		text += err.Error()
		assert.Equal(t, 2, strings.Count(text, "no route"))
		assert.NotContains(t, text, secret)
	}
}
