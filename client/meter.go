package client

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-5fe1f529/tallystick/internal/sse"
	"github.com/seed-5fe1f529/tallystick/receipt"
	"github.com/seed-5fe1f529/tallystick/store/journal"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

const (
	// maxFrame is how long a payment frame may be, in bytes.
	maxFrame = 64 << 10
	// maxIdleAsks is how often a stream may ask for more than is signed without bringing an event in between.
	maxIdleAsks = 4
	// maxRepeats is how often it may ask so for what is signed already: requests of the same channel use up
	// what was meant for each other.
	maxRepeats = 256
	// maxYields is how often such a stream waits for the others, before it asks for more itself.
	maxYields = 12
	// maxStreamTries bounds how often one need-voucher frame is tried again after a look at the deposit.
	maxStreamTries = 4
	// maxNotices bounds the payment events that wait for a Stream to ask for them.
	maxNotices = 256
)

// meter is the body of a paid stream. The caller reads the application's bytes, unchanged; payment frames
// are taken out and answered on the way. A need-voucher frame is one more ask at the same gate.
type meter struct {
	p      *payment
	ctx    context.Context
	cancel context.CancelFunc
	filter *sse.Filter

	challenges [2]string        // the ids that receipts may name: the one that opened the stream, and the last
	final      *receipt.Receipt // of a receipt frame: what the whole stream cost
	asks       int              // need-voucher frames since the last event, for more than is signed
	repeats    int              // the others
	events     uint64           // at the last need-voucher frame
	problem    string           // of a refused voucher

	notices []notice // for a Stream that reads this body
	watched bool     // there is one

	owing   bool        // a voucher was taken, and no event came since
	stall   *time.Timer // runs while a voucher is presented, and while Read waits for what it paid
	stalled atomic.Bool
	once    sync.Once
}

func isEventStream(resp *http.Response) bool {
	return sse.IsEventStream(resp.Header.Get("Content-Type"))
}

// meter puts the meter under the response's body.
func (p *payment) meter(ctx context.Context, resp *http.Response) {
	body := resp.Body
	switch strings.ToLower(resp.Header.Get("Content-Encoding")) {
	case "", "identity":
	case "gzip":
		body = &gunzip{body: body}
		resp.Header.Del("Content-Encoding")
		resp.Uncompressed = true
	}
	ctx, cancel := context.WithCancel(ctx)
	m := &meter{p: p, ctx: ctx, cancel: cancel}
	m.challenges[0] = p.known.challenge.ID
	m.filter = sse.NewFilter(body, maxFrame, m.frame)
	m.stall = time.AfterFunc(time.Hour, m.hang)
	m.stall.Stop()
	if p.known.offer.UnitType == "request" {
		p.claim.Stream(voucher.Amount{}, nil) // charged once, however many events come
	} else {
		p.claim.Stream(p.known.offer.Price, m.filter.Events)
	}
	resp.Body = m
	resp.ContentLength = -1
	for _, h := range []string{"Content-Length", "Content-Digest", "Digest", "Repr-Digest", "Etag"} {
		resp.Header.Del(h)
	}
}

// Read reads the application's bytes.
func (m *meter) Read(b []byte) (int, error) {
	if m.owing {
		m.stall.Reset(m.p.s.cfg.Stall)
	}
	n, err := m.filter.Read(b)
	m.stall.Stop() // a caller who takes its time is not the payee's fault
	if m.events < m.filter.Events() {
		m.owing = false
	}
	if err == nil {
		return n, nil
	}
	if m.stalled.Load() {
		err = ErrStalled
	}
	m.end(err)
	if errors.Is(err, io.EOF) {
		return n, io.EOF
	}
	return n, m.error(err)
}

// Close ends the stream: it cancels what is in flight and closes the connection.
func (m *meter) Close() error {
	m.cancel()
	err := m.filter.Close()
	m.end(nil)
	return err
}

// hang ends a stream that brings nothing after it was paid.
func (m *meter) hang() {
	m.stalled.Store(true)
	m.cancel()
	_ = m.filter.Close()
}

// end books what the stream cost.
func (m *meter) end(err error) {
	m.once.Do(func() {
		m.stall.Stop()
		m.cancel()
		// Receipts of vouchers lag behind the stream; only its own last one says what it cost.
		m.p.settleClaim(context.WithoutCancel(m.ctx), m.final)
		if errors.Is(err, io.EOF) {
			err = nil
		}
		state := m.p.account.State()
		m.p.s.tell(context.WithoutCancel(m.ctx), Event{
			Kind: EventReceipt, Origin: m.p.origin, ChannelID: state.ID, Price: m.p.claim.Price(), Cumulative: state.Signed,
			Deposit: state.Deposit, Outcome: m.p.info.Outcome, Receipt: m.final, Err: err,
		})
		m.p.record(context.WithoutCancel(m.ctx), journal.KindStream, m.p.info.Outcome, http.StatusOK, m.final)
	})
}

func (m *meter) error(err error) error {
	e := m.p.error(err)
	e.Op, e.Price, e.Cumulative = "stream", m.p.claim.Price(), m.p.account.State().Signed
	e.Problem = m.problem
	return e
}

// notice is a payment event that came after so many of the application's.
type notice struct {
	after uint64
	event StreamEvent
}

// notice keeps a payment event for a Stream.
func (m *meter) notice(e StreamEvent) {
	if !m.watched {
		return
	}
	if len(m.notices) == maxNotices {
		m.notices = m.notices[1:]
	}
	m.notices = append(m.notices, notice{m.filter.Events(), e})
}
