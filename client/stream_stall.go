package client

import "time"

// arm begins to wait for an event. The stream ends if none comes, while Read waits, for Config.Stall
// after a voucher was accepted. Comments are no events, and a caller who takes its time is not the
// payee's fault.
func (m *meter) arm() {
	m.since = time.Now()
	m.waiting.Store(true)
	m.stall.Reset(m.rest)
}

// disarm ends the wait.
func (m *meter) disarm() {
	if m.waiting.Swap(false) {
		m.stall.Stop()
		m.rest = max(m.rest-time.Since(m.since), 0)
	}
	if now := m.filter.Events(); m.came < now {
		m.came, m.rest = now, m.a.s.cfg.Stall
		m.owing.Store(false)
	}
}

// owe notes that the payee accepted a voucher and owes an event for it.
func (m *meter) owe() {
	m.came, m.rest = m.filter.Events(), m.a.s.cfg.Stall
	m.owing.Store(true)
	m.arm()
}

// silent ends a stream that delivered no event for Config.Stall, if the payee owes one, or if other
// requests of the channel may have used up what was paid for the next one: a payee may wait for more
// without a word. Any other stream may have nothing to say.
func (m *meter) silent() {
	switch {
	case !m.waiting.Load():
	case m.owing.Load():
		m.hang()
	case m.a.reserved.Starved():
		m.starved.Store(true)
		m.hang()
	default:
		m.stall.Reset(m.a.s.cfg.Stall) // others may do so later
	}
}

// bounded runs one exchange with the payee. It ends the stream if that takes longer than Config.Stall.
func (m *meter) bounded(exchange func() error) error {
	timer := time.AfterFunc(m.a.s.cfg.Stall, m.hang)
	defer timer.Stop()
	return exchange()
}

// hang ends a stream that delivers nothing after it was paid.
func (m *meter) hang() {
	m.stalled.Store(true)
	m.cancel()
	_ = m.filter.Close()
}
