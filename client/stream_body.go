package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
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
	// maxNotices bounds the payment events that wait for a Stream to read them.
	maxNotices = 256
)

// meter is the body of a paid stream. The caller reads the application's bytes, unchanged; payment
// frames are removed and answered on the way. A need-voucher frame is one more request to the gate.
// Read is for one goroutine at a time; Close may be called from another.
type meter struct {
	a      *attempt
	ctx    context.Context
	cancel context.CancelFunc
	filter *sse.Filter
	once   bool // the stream is charged once, however many events it delivers
	holds  bool // the turn of the remembered purchase, until the end

	reading sync.Mutex // held by Read, and by whoever ends the stream; guards what follows
	opened  string     // the challenge that opened the stream: receipts may name it to the end
	final   *receipt.Receipt
	asks    askCounter
	problem string // of a refused voucher
	ended   bool
	came    uint64        // the events that had come when the last wait began
	rest    time.Duration // of Config.Stall, until the next event
	since   time.Time     // when Read began to wait
	stall   *time.Timer   // runs while Read waits

	watched atomic.Bool // a Stream reads this body
	noting  sync.Mutex  // guards notices, which are for it
	notices []notice

	closed  atomic.Bool
	waiting atomic.Bool // Read waits for an event
	owing   atomic.Bool // the stream began or a voucher was accepted, and no event came since
	stalled atomic.Bool
	starved atomic.Bool // and others may have used up what was paid for it
}

// askCounter counts need-voucher frames since the last event.
type askCounter struct {
	events  uint64 // at the last frame
	raised  int    // frames for more than was signed
	repeats int    // the others
}

// meter puts the meter under the response's body.
func (a *attempt) meter(ctx context.Context, resp *http.Response) {
	coding := codingOf(resp.Header)
	body := decoded(coding, resp.Body)
	if resp.Header.Del("Content-Encoding"); coding != "" {
		resp.Uncompressed = true
	}
	ctx, cancel := context.WithCancel(ctx)
	m := &meter{a: a, ctx: ctx, cancel: cancel, opened: a.challenge.wire.ID, once: a.challenge.offer.UnitType == "request"}
	m.filter = sse.NewFilter(body, maxFrame, m.frame)
	m.rest = a.s.cfg.Stall
	m.owing.Store(true) // the first piece
	m.stall = time.AfterFunc(time.Hour, m.silent)
	m.stall.Stop()
	if m.once {
		a.reserved.Stream(voucher.Amount{}, nil)
	} else {
		a.reserved.Stream(a.price, m.filter.Events)
		a.reserved.RunAhead(m.filter.Contents)
	}
	m.holds, a.holds = a.holds, false
	resp.Body, a.info.stream = m, m
	a.info.cost = a.info.cost.SubFloor(a.price) // that of its first piece is in the reservation
	resp.ContentLength = -1
	for _, h := range []string{"Content-Length", "Content-Digest", "Digest", "Repr-Digest", "Etag"} {
		resp.Header.Del(h)
	}
}

// Read reads the application's bytes.
func (m *meter) Read(b []byte) (int, error) {
	defer m.endIfClosed()
	m.reading.Lock()
	defer m.reading.Unlock() // also if the body panics
	return m.read(b)
}

// read is Read. The caller holds reading.
func (m *meter) read(b []byte) (int, error) {
	m.arm()
	n, err := m.filter.Read(b)
	m.disarm()
	if err == nil {
		if err = m.a.reserved.Overspent(); err == nil {
			return n, nil
		}
	}
	if m.stalled.Load() {
		if err = ErrStalled; m.starved.Load() || !m.a.reserved.Alone() {
			err = fmt.Errorf("%w: other requests of the channel may have used up what was paid for it", err)
		}
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
	m.closed.Store(true)
	m.endIfClosed()
	return err
}

// endIfClosed books the end of a stream that was closed. While a Read is under way, it does so when it
// returns.
func (m *meter) endIfClosed() {
	if m.closed.Load() && m.reading.TryLock() {
		m.end(nil)
		m.reading.Unlock()
	}
}

// end books what the stream cost, once. The caller holds reading.
func (m *meter) end(err error) {
	if m.ended {
		return
	}
	m.ended = true
	m.stall.Stop()
	m.cancel()
	ctx := context.WithoutCancel(m.ctx)
	if errors.Is(err, io.EOF) {
		m.a.reserved.Complete()
	}
	// Receipts of vouchers lag behind the stream; only its own last one shows what it cost.
	m.a.settle(ctx, m.final)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	state := m.a.account.State()
	m.a.s.tell(ctx, Event{
		Kind: EventReceipt, Origin: m.a.origin.Text, ChannelID: state.ID, Price: m.a.reserved.Price(), Cumulative: state.Signed,
		Deposit: state.Deposit, Outcome: m.a.info.Outcome, Receipt: m.final, Err: err,
	})
	m.a.record(ctx, journal.KindStream, m.a.info.Outcome, m.final)
	if m.holds {
		m.a.reserved.Stream(voucher.Amount{}, nil)
		m.a.done()
	}
}

func (m *meter) error(err error) error {
	e := m.a.error(err)
	e.Op, e.Price, e.Cumulative = "stream", m.a.reserved.Price(), m.a.account.State().Signed
	e.Problem = m.problem
	return e
}

// notice is a payment event that came after so many events of the application.
type notice struct {
	after uint64
	event StreamEvent
}

// notice keeps a payment event for a Stream. It is called by Read.
func (m *meter) notice(e StreamEvent) {
	if !m.watched.Load() {
		return
	}
	m.noting.Lock()
	defer m.noting.Unlock()
	if len(m.notices) == maxNotices {
		m.notices = m.notices[1:]
	}
	m.notices = append(m.notices, notice{m.filter.Events(), e})
}

// take removes and returns the oldest payment event that came before the application event number
// came, or before the end. It returns nil if there is none.
func (m *meter) take(came uint64, end bool) *StreamEvent {
	m.noting.Lock()
	defer m.noting.Unlock()
	if len(m.notices) == 0 || (!end && came < m.notices[0].after) {
		return nil
	}
	e := m.notices[0].event
	m.notices = m.notices[1:]
	return &e
}
