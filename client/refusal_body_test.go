package client_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/internal/bubble"
	"github.com/seed-5fe1f529/tallystick/internal/wire"
)

// drip is a body that gives its chunks one by one, each after a pause, and then never ends.
type drip struct {
	chunks [][]byte
	pause  time.Duration
	closed chan struct{}
}

func newDrip(pause time.Duration, chunks ...[]byte) *drip {
	return &drip{chunks: chunks, pause: pause, closed: make(chan struct{})}
}

func (d *drip) Read(p []byte) (int, error) {
	if len(d.chunks) > 0 {
		select {
		case <-time.After(d.pause):
		case <-d.closed:
			return 0, http.ErrBodyReadAfterClose
		}
		n := copy(p, d.chunks[0])
		if d.chunks[0] = d.chunks[0][n:]; len(d.chunks[0]) == 0 {
			d.chunks = d.chunks[1:]
		}
		return n, nil
	}
	<-d.closed
	return 0, http.ErrBodyReadAfterClose
}

func (d *drip) Close() error {
	select {
	case <-d.closed:
	default:
		close(d.closed)
	}
	return nil
}

// slowRefusal is a refusal whose body never ends.
type slowRefusal struct {
	status  int
	paid    bool   // the answer to the first credential; otherwise to the request without one
	path    string // whose challenge it carries; none if empty
	demand  demand // changes it
	problem bool
	handed  bool // the caller gets the refusal
}

// seconds is how long a request may wait for the bodies of all its refusals.
const seconds = 5 * time.Second

// TestRefusalWhoseBodyNeverEnds: no refusal makes a request wait for its body, before a payment and
// after one, with problem details and without. If the refusal is the answer, the caller reads all
// of it.
func TestRefusalWhoseBodyNeverEnds(t *testing.T) {
	begin := []byte(
		`{"type":"https://paymentauth.org/problems/invalid-challenge","detail":"` + "not",
	)
	long := bytes.Repeat([]byte("x"), 200_000)
	bodies := map[string]func() *drip{
		"nothing":    func() *drip { return newDrip(0) },
		"half of it": func() *drip { return newDrip(0, begin) },
		"slowly": func() *drip {
			return newDrip(
				time.Second, begin, []byte("a"), []byte("b"),
			)
		},
		"more than is read": func() *drip { return newDrip(0, begin, long) },
		"much, slowly": func() *drip {
			return newDrip(
				100*time.Millisecond, begin, long, long,
			)
		},
	}
	for name, c := range map[string]slowRefusal{
		"unpaid, to be paid":          {status: 402, path: "/data"},
		"unpaid, to be paid, problem": {status: 402, path: "/data", problem: true},
		"unpaid, not for us":          {status: 402, handed: true},
		"unpaid, not for us, problem": {status: 402, problem: true, handed: true},
		"unpaid, refused by us": {
			status: 402, path: "/data", demand: priceIs("5000"), problem: true,
		},
		"unpaid, failed":       {status: 503, handed: true},
		"paid, stale":          {status: 402, paid: true, path: "/data"},
		"paid, stale, problem": {status: 402, paid: true, path: "/data", problem: true},
		"paid, dearer": {
			status: 402, paid: true, path: "/data", demand: priceIs("150"), problem: true,
		},
		"paid, other protocol":    {status: 402, paid: true, path: "/v1/data"},
		"paid, for good":          {status: 402, paid: true, handed: true},
		"paid, for good, problem": {status: 402, paid: true, problem: true, handed: true},
		"paid, above the limits": {
			status: 402, paid: true, path: "/data", demand: priceIs("5000"),
		},
		"paid, gone":          {status: 410, paid: true},
		"paid, gone, problem": {status: 410, paid: true, problem: true},
		"paid, failed":        {status: 503, paid: true, handed: true},
	} {
		for what, body := range bodies {
			t.Run(name+", "+what, func(t *testing.T) {
				bubble.Run(t, func(t *testing.T) { c.run(t, body, false) })
				bubble.Run(t, func(t *testing.T) { c.run(t, body, true) })
			})
		}
	}
}

// run sends a request that is refused so once, or always.
func (c slowRefusal) run(t *testing.T, body func() *drip, always bool) {
	p := inMemory(t)
	p.get("/hinted")
	p.get("/v1/hinted")
	l := p.lied()
	refused := 0
	l.answer = func(_ int, s sent) (*http.Response, error) {
		if (s.Paid != nil) != c.paid || (refused > 0 && !always) {
			return nil, nil
		}
		refused++
		resp := reply(c.status, "")
		if c.path != "" {
			asked := p.unpaid(c.path)
			if c.demand != nil {
				l.forge(asked, func(_ *wire.Challenge, r map[string]any) { c.demand(r) })
			}
			resp.Header["Www-Authenticate"] = asked.Header.Values("WWW-Authenticate")
		}
		if c.problem {
			resp.Header.Set("Content-Type", "application/problem+json")
		}
		resp.Body, resp.ContentLength = body(), -1
		return resp, nil
	}
	began := time.Now()
	resp, err := p.send(p.request(context.Background(), http.MethodGet, "/data", nil))
	assert.Less(t, time.Since(began), seconds)
	require.NotZero(t, refused)
	if err != nil {
		assert.False(t, c.handed, "%v", err)
		return
	}
	defer resp.Body.Close()
	if !c.handed {
		return
	}
	assert.Equal(t, c.status, resp.StatusCode)
	want := bytes.Join(body().chunks, nil)
	got := make([]byte, len(want))
	_, err = io.ReadFull(resp.Body, got)
	require.NoError(t, err)
	assert.True(t, bytes.Equal(want, got), "the caller reads every byte")
	if c.paid {
		assert.NotEqual(t, client.OutcomeNone, client.PaymentOf(resp).Outcome)
	}
}
