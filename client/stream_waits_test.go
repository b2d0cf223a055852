package client_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/internal/bubble"
)

// stall is the Config.Stall of these tests.
const stall = 10 * time.Second

// slowManagement is how a payee treats the vouchers or top-ups of a stream.
type slowManagement struct {
	action, method string
	warm           string // a request that goes first
	fault          clienttest.Fault
}

// TestManagementOfAStreamIsBounded: a stream ends if the payee does not answer its voucher or its
// top-up, by HEAD or by POST, for Config.Stall.
func TestManagementOfAStreamIsBounded(t *testing.T) {
	for _, action := range []string{"voucher", "topUp"} {
		for _, method := range []string{http.MethodHead, http.MethodPost} {
			for name, c := range map[string]slowManagement{
				"it hangs": {fault: clienttest.Fault{Hang: true}},
				"it hangs on a channel": {
					warm: "/data?deposit=110", fault: clienttest.Fault{Hang: true},
				},
				"it answers much too late": {fault: clienttest.Fault{Delay: time.Hour}},
				"it is busy for ever": {
					fault: clienttest.Fault{Refuse: http.StatusServiceUnavailable},
				},
				"it is busy on a channel": {
					warm:  "/data?deposit=110",
					fault: clienttest.Fault{Refuse: http.StatusTooManyRequests},
				},
			} {
				c.action, c.method = action, method
				for _, rail := range rails {
					t.Run(
						strings.Join([]string{action, method, name, rail}, " "),
						func(t *testing.T) {
							bubble.Run(t, func(t *testing.T) { c.run(t, rail) })
						},
					)
				}
			}
		}
	}
}

func (c slowManagement) run(t *testing.T, rail string) {
	p := inMemory(t, func(cfg *client.Config) { cfg.Stall = stall })
	if c.warm != "" {
		p.get(rail + c.warm)
	}
	var reading atomic.Bool // the content was answered
	var slow atomic.Int64
	p.srv.OnRequest(func(r clienttest.Request) clienttest.Fault {
		switch {
		case !reading.Load() || r.Action != c.action:
			return clienttest.Fault{}
		case r.Method != c.method:
			return clienttest.Fault{Refuse: http.StatusMethodNotAllowed}
		}
		slow.Add(1)
		return c.fault
	})
	req := p.request(t.Context(), http.MethodGet, rail+"/stream/50/10?deposit=10", nil)
	if c.method == http.MethodPost {
		path := rail + "/stream/50/10?deposit=10"
		if c.action == "voucher" {
			path = rail + "/stream/50/10" // to a URL with a query no voucher goes by POST
		}
		req = p.request(t.Context(), http.MethodPost, path, strings.NewReader("x"))
	}
	resp, err := p.send(req)
	require.NoError(t, err)
	reading.Store(true)
	began := time.Now()
	_, err = io.ReadAll(resp.Body)
	resp.Body.Close()
	require.Error(t, err, "it cannot have been delivered whole")
	assert.LessOrEqual(t, time.Since(began), 2*stall)
	assert.NotZero(t, slow.Load(), "the test tests nothing")
	assert.False(t, u(130).Less(p.only().Signed), "signed %s", p.only().Signed)
}

// TestNothingButEventsCountsAsDelivered: a payee that was paid owes an event. Comments, blank
// lines, fields without data, and frames of its own do not put off the end of a stream that stalls.
func TestNothingButEventsCountsAsDelivered(t *testing.T) {
	for name, text := range map[string]string{
		"comments":          ": x\n\n",
		"bare comments":     ":\n",
		"blank lines":       "\n\n",
		"a type, no data":   "event: tick\n\n",
		"an id, no data":    "id: 7\n\n",
		"a retry time":      "retry: 10\n\n",
		"unknown fields":    "foo: bar\n\n",
		"half an event":     "data: x\n",
		"carriage returns":  ": x\r\r",
		"receipts":          plainReceiptFrame,
		"comments, receipt": ": x\n\n" + plainReceiptFrame,
	} {
		for _, rail := range rails {
			t.Run(name+rail, func(t *testing.T) {
				bubble.Run(t, func(t *testing.T) {
					p := inMemory(t, func(cfg *client.Config) { cfg.Stall = stall })
					terms := piece
					if rail == "/v1" {
						terms.Protocol = 1
					}
					p.srv.Handle(
						"/kept",
						p.srv.Metered(terms, func(m *clienttest.Meter, r *http.Request) error {
							err := errors.Join(m.Charge(1), m.Send("x"), m.Charge(1))
							for err == nil && r.Context().Err() == nil {
								time.Sleep(stall / 10)
								err = m.Raw([]byte(text))
							}
							return err
						}),
					)
					began := time.Now()
					resp, err := p.do(http.MethodGet, "/kept", nil)
					require.NoError(t, err)
					_, err = io.ReadAll(resp.Body)
					resp.Body.Close()
					require.ErrorIs(t, err, client.ErrStalled)
					assert.LessOrEqual(t, time.Since(began), stall+stall/2)
				})
			})
		}
	}
}

// plainReceiptFrame is a receipt frame without the numbers of a session.
const plainReceiptFrame = "event: payment-receipt\n" +
	`data: {"method":"tempo","status":"success","timestamp":"2026-01-01T00:00:00Z","reference":"x"}` +
	"\n\n"
