package client

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/sse"
	"github.com/seed-5fe1f529/tallystick/internal/wire"
	"github.com/seed-5fe1f529/tallystick/receipt"
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
	maxYields = 6
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
	})
}

func (m *meter) error(err error) error {
	e := m.p.error(err)
	e.Op, e.Price, e.Cumulative = "stream", m.p.claim.Price(), m.p.account.State().Signed
	e.Problem = m.problem
	return e
}

// frame answers one payment frame. An error ends the stream.
func (m *meter) frame(name string, data []byte) error {
	switch name {
	case sse.Receipt:
		m.receipt(data)
		return nil
	default:
		n, err := wire.ParseNeedVoucher(data)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrStream, err)
		}
		return m.need(n)
	}
}

// receipt books a receipt frame. One that is not for this stream counts for nothing.
func (m *meter) receipt(data []byte) {
	r, err := receipt.ParseFrame(data)
	if err == nil && r.Session && r.ChallengeID == m.challenges[0] {
		r.ChallengeID = m.p.known.challenge.ID // the stream's own challenge, refreshed since for its vouchers
	}
	if err == nil {
		err = m.p.bound(r)
	}
	if err != nil {
		m.p.tellViolation(m.ctx, err)
		return
	}
	m.acknowledged()
	m.p.info.setReceipt(r)
	m.final = &r
	m.notice(StreamEvent{Kind: StreamReceipt, Receipt: &r})
	if r.Session {
		if err := m.p.account.Reconcile(word(r)); err != nil {
			m.p.tellViolation(m.ctx, err)
		}
	}
}

// acknowledged books an opening that this stream carried: its answer has no receipt header, so the first sign
// that the payee holds the channel is a voucher that it takes, or a receipt frame.
func (m *meter) acknowledged() {
	if m.p.openTx != nil {
		m.p.opened(m.ctx)
	}
}

// need answers a need-voucher frame: by the voucher that exists, by a new one, or by a top-up and then a
// voucher.
func (m *meter) need(n wire.NeedVoucher) error {
	p := m.p
	if n.ChannelID != p.account.ID() {
		return fmt.Errorf("%w: it is for channel %s, the stream is paid from %s", ErrStream, n.ChannelID, p.account.ID())
	}
	if now := m.filter.Events(); now != m.events {
		m.events, m.asks, m.repeats = now, 0, 0
	}
	before := p.claim.Price()
	defer func() {
		if before.Less(p.claim.Price()) {
			m.asks++
		} else {
			m.repeats++
		}
	}()
	p.overtaken = 0
	for m.asks > 0 && p.overtaken < maxYields && p.account.State().Signed.Less(n.Required) && !p.claim.Alone() {
		// Another stream took what this one asked for; it is about to ask for its own.
		if err := p.stepAside(m.ctx); err != nil {
			return err
		}
	}
	if (m.asks >= maxIdleAsks && p.account.State().Signed.Less(n.Required)) || m.repeats >= maxRepeats {
		return fmt.Errorf("%w: it asked for %d vouchers in a row and brought nothing", ErrStream, m.asks+m.repeats+1)
	}
	p.overtaken = 0
	for tries := 0; tries < maxStreamTries && p.overtaken < maxOvertaken; {
		signed, err := p.account.More(m.ctx, p.claim, n.Required)
		if errors.Is(err, channel.ErrDeposit) {
			if err = m.topUp(n.Required); err != nil {
				return err
			}
			tries++
			continue
		}
		if err != nil {
			return err
		}
		m.stall.Reset(p.s.cfg.Stall)
		again, err := m.present(signed)
		switch {
		case err != nil:
			return err
		case !again:
			m.owing = true
			m.stall.Reset(p.s.cfg.Stall)
			return nil
		}
		m.stall.Stop()
		if signed.Cumulative.Less(p.account.State().Signed) {
			if err := p.stepAside(m.ctx); err != nil {
				return err
			}
		} else {
			tries++
		}
	}
	return fmt.Errorf("%w: the payee does not take the voucher that it asked for", ErrRejected)
}

// present hands the voucher over beside the stream. again says that a higher one exists by now.
func (m *meter) present(signed voucher.Signed) (again bool, err error) {
	p := m.p
	p.signed = signed
	a, err := p.manage(m.ctx, p.order(), func(k *known) (string, error) {
		return k.echo.Payload(wire.Voucher(p.account.ID(), wireDescriptor(p.account.State()), signed.Cumulative, signed.Signature))
	})
	state := p.account.State()
	switch {
	case err != nil:
		return false, err
	case a.ok():
		m.acknowledged()
		p.account.Took(signed.Cumulative)
		if a.receipt != nil && a.receipt.Session {
			p.info.setReceipt(*a.receipt)
			if err := p.account.Reconcile(word(*a.receipt)); err != nil {
				p.tellViolation(m.ctx, err)
			}
		}
		m.notice(StreamEvent{Kind: StreamVoucher, Cumulative: signed.Cumulative, Receipt: a.receipt})
		p.s.tell(m.ctx, Event{Kind: EventVoucher, Origin: p.origin, ChannelID: state.ID, Price: p.claim.Price(), Cumulative: signed.Cumulative, Deposit: state.Deposit, Outcome: Accepted, Status: a.status, Receipt: a.receipt})
		return false, nil
	case signed.Cumulative.Less(state.Signed):
		return true, nil // another request's voucher came first; present the highest
	case a.problem.Code == wire.ProblemAmountExceedsDeposit:
		_, err := p.s.settle(m.ctx, p.account)
		return true, err
	case a.equalRefused() && (!p.account.Taken().Less(signed.Cumulative) || !p.claim.Alone()):
		return false, nil // the payee has it from another request, and takes no voucher twice
	}
	m.problem = a.problem.Name()
	return false, a.err(nil)
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

// topUp puts more into the channel while the stream waits. required was found to be within what we agreed
// to, and the deposit too small for it.
func (m *meter) topUp(required voucher.Amount) error {
	p := m.p
	need := ask(p.known.offer)
	need.Floor = required
	return p.topUp(m.ctx, p.account, need, p.account.State)
}

// gunzip decodes a stream for a caller who asked for gzip by hand. It begins on the first Read.
type gunzip struct {
	body io.ReadCloser
	z    *gzip.Reader
}

func (g *gunzip) Read(b []byte) (n int, err error) {
	if g.z == nil {
		if g.z, err = gzip.NewReader(g.body); err != nil {
			return 0, err
		}
	}
	return g.z.Read(b)
}

func (g *gunzip) Close() error { return g.body.Close() }
