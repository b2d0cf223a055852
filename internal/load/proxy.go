package main

import (
	"net"
	"sync"
	"time"
)

// proxy forwards TCP connections to one address and delays all bytes by the same time in each
// direction. It keeps their order and does not limit the bandwidth: it reads on while earlier bytes
// wait. The handshake of TCP is not delayed.
type proxy struct {
	listener net.Listener
	to       string
	delay    time.Duration
	running  sync.WaitGroup
	ended    chan struct{} // closed by close

	mu    sync.Mutex // guards conns
	conns map[net.Conn]bool
}

// startProxy listens on a free port. The caller must close it.
func startProxy(to string, delay time.Duration) (*proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{
		listener: l, to: to, delay: delay,
		ended: make(chan struct{}), conns: map[net.Conn]bool{},
	}
	p.running.Go(p.accept)
	return p, nil
}

// address returns host and port.
func (p *proxy) address() string { return p.listener.Addr().String() }

// close ends all connections and waits for the goroutines.
func (p *proxy) close() {
	close(p.ended)
	_ = p.listener.Close()
	p.mu.Lock()
	for c := range p.conns {
		_ = c.Close()
	}
	p.mu.Unlock()
	p.running.Wait()
}

func (p *proxy) accept() {
	for {
		near, err := p.listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", p.to)
		if err != nil {
			_ = near.Close()
			continue
		}
		if !p.keep(near, far) {
			return
		}
		p.running.Go(func() {
			defer p.drop(near, far)
			var both sync.WaitGroup
			both.Go(func() { p.forward(far, near) })
			both.Go(func() { p.forward(near, far) })
			both.Wait()
		})
	}
}

// keep notes the connections for close. It reports false, and closes them, if the proxy has ended.
func (p *proxy) keep(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		p.conns[c] = true
	}
	select {
	case <-p.ended:
		for _, c := range conns {
			_ = c.Close()
		}
		return false
	default:
		return true
	}
}

func (p *proxy) drop(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		_ = c.Close()
		delete(p.conns, c)
	}
}

// parcel is what was read at once, and when it is due. The last one has no bytes.
type parcel struct {
	due   time.Time
	bytes []byte
}

// forward copies from one connection to the other until an error or the end, which it passes on.
func (p *proxy) forward(to, from net.Conn) {
	q := &queue{more: make(chan struct{}, 1)}
	var reader sync.WaitGroup
	reader.Go(func() {
		buffer := make([]byte, 64<<10)
		for {
			n, err := from.Read(buffer)
			if n > 0 {
				q.put(parcel{time.Now().Add(p.delay), append([]byte(nil), buffer[:n]...)})
			}
			if err != nil {
				q.put(parcel{due: time.Now().Add(p.delay)})
				return
			}
		}
	})
	defer reader.Wait()
	for {
		one, ok := p.next(q)
		if !ok {
			return
		}
		if one.bytes == nil {
			if half, ok := to.(interface{ CloseWrite() error }); ok {
				_ = half.CloseWrite()
			}
			return
		}
		if _, err := to.Write(one.bytes); err != nil {
			_ = from.Close() // which ends the reader
			return
		}
	}
}

// next waits for the next parcel to be due. It reports false if the proxy has ended.
func (p *proxy) next(q *queue) (parcel, bool) {
	one, ok := q.take()
	for !ok {
		select {
		case <-q.more:
			one, ok = q.take()
		case <-p.ended:
			return parcel{}, false
		}
	}
	wait := time.NewTimer(time.Until(one.due))
	defer wait.Stop()
	select {
	case <-wait.C:
		return one, true
	case <-p.ended:
		return parcel{}, false
	}
}

// queue holds any number of parcels, so that the reader never waits for the writer.
type queue struct {
	more chan struct{} // has a token after a put

	mu  sync.Mutex // guards all
	all []parcel
}

func (q *queue) put(one parcel) {
	q.mu.Lock()
	q.all = append(q.all, one)
	q.mu.Unlock()
	select {
	case q.more <- struct{}{}:
	default:
	}
}

func (q *queue) take() (one parcel, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.all) == 0 {
		return one, false
	}
	one, q.all = q.all[0], q.all[1:]
	return one, true
}
