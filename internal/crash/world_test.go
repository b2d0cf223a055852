package crash

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/store/filestore"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// world is what one story of a client happens in: a server, a chain, a directory, and the judge of all of it.
type world struct {
	flow  flow
	job   job // of the first child; the others differ in Heir
	srv   *clienttest.Server
	shop  *gate // before the server
	node  *gate // before the chain
	rpc   *rpc.Client
	dir   string
	files *filestore.Store // to read what the child wrote
	wait  time.Duration    // for a child's next note
	skew  atomic.Int64     // by how much the server's clock is ahead of the client's
	key   clienttest.Key
	began voucher.Amount // the wallet
	payee voucher.Amount // what the payee had

	crowded bool // it began with several children at the same time

	paid func() // is called when a child has paid for all that it wants

	mu      sync.Mutex // guards what follows
	closing int        // children that began to close everything
	asked   voucher.Amount
	pieces  uint64                         // of streams, among what was asked for
	signed  map[common.Hash]voucher.Amount // the highest voucher that exists
	left    []departure                    // funding transactions that reached the server
	lost    map[common.Hash]bool           // channels that a child has forgotten, and that are not back yet
	bad     []string                       // what should not have been
}

func newWorld(name string) (*world, error) {
	f, ok := flows[name]
	if !ok {
		return nil, fmt.Errorf("there is no flow %q", name)
	}
	w := &world{flow: f, signed: map[common.Hash]voucher.Amount{}, lost: map[common.Hash]bool{}, wait: time.Minute}
	var err error
	now := func() time.Time { return time.Now().Add(time.Duration(w.skew.Load())) }
	if w.srv, err = clienttest.Start(clienttest.Config{Now: now}); err != nil {
		return nil, err
	}
	w.sell()
	if w.rpc, err = rpc.Dial(w.srv.RPCURL); err != nil {
		return nil, err
	}
	if w.dir, err = os.MkdirTemp(memory(), "crash"); err != nil {
		return nil, err
	}
	at := filepath.Join(w.dir, "store")
	if w.files, err = filestore.Open(at); err != nil {
		return nil, err
	}
	chain, err := url.Parse(w.srv.RPCURL)
	if err != nil {
		return nil, err
	}
	w.shop = newGate(w.srv.Handler(), func(r *http.Request, _ []byte) string { return actionOf(r.Header.Get("Authorization")) })
	w.shop.arrived = w.departed
	w.node = newGate(&httputil.ReverseProxy{
		Rewrite:  func(r *httputil.ProxyRequest) { r.SetURL(chain) },
		ErrorLog: log.New(io.Discard, "", 0), // the dead do not wait for answers
	}, func(_ *http.Request, body []byte) string {
		if names := methodsOf(body); len(names) == 1 && names[0] == "eth_sendRawTransaction" {
			return names[0]
		}
		return ""
	})
	w.key = w.srv.Payer()
	w.began, w.payee = w.srv.Chain.Balance(w.key.Address), w.srv.Chain.Balance(w.srv.Payee)
	w.job = job{Flow: name, Dir: at, Journal: filepath.Join(w.dir, "journal"), URL: w.shop.URL, RPC: w.node.URL, Key: w.key.Hex}
	return w, nil
}

// memory is a directory that is not on a disk, where there is one: to a process that is killed both are the same,
// and there are thousands. It is empty for the default place, which -disk asks for.
func memory() string {
	const shm = "/dev/shm"
	if info, err := os.Stat(shm); *disk || err != nil || !info.IsDir() {
		return ""
	}
	return shm
}

func (w *world) close() {
	w.shop.close()
	w.node.close()
	w.rpc.Close()
	w.srv.Close()
	_ = os.RemoveAll(w.dir)
}

// sell adds routes whose units the world counts as they are asked for.
func (w *world) sell() {
	for _, r := range []rail{v2, v1, sponsored, assisted, who, boot, hinted} {
		t := clienttest.Terms{Price: piece, Deposit: voucher.Units(10_000), Protocol: voucher.V2, Sponsored: r == sponsored || r == assisted}
		switch r {
		case v1, assisted:
			t.Protocol = voucher.V1
		case who:
			t.Identify, t.Hints = clienttest.IdentifyFirst, clienttest.SnapshotHints
		case boot:
			t.Bootstrap, t.Hints = true, clienttest.SnapshotHints
		case hinted:
			t.Hints = clienttest.SnapshotHints
		}
		w.srv.Handle(r.units, w.srv.Metered(t, func(m *clienttest.Meter, r *http.Request) error {
			n := 0
			if _, err := fmt.Sscan(r.URL.Query().Get("n"), &n); err != nil {
				return err
			}
			for i := range n {
				if i > 0 { // the first is in the request
					w.ask(piece)
				}
				if err := m.Charge(1); err != nil {
					return err
				}
				if err := m.Send(fmt.Sprintf("piece %d", i)); err != nil {
					return err
				}
			}
			return nil
		}))
	}
}

// release lets a request go on that was kept on its way.
func (w *world) release() {
	w.shop.release()
	w.node.release()
}

func (w *world) ask(amount voucher.Amount) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = w.asked.AddCapped(amount)
	if amount == piece {
		w.pieces++
	}
}

// wrong notes what should not have been.
func (w *world) wrong(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.bad = append(w.bad, fmt.Sprintf(format, args...))
}
