package clienttest

import (
	"net/http"

	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/node"
	"github.com/seed-5fe1f529/tallystick/client/clienttest/nodefaults"
	"github.com/seed-5fe1f529/tallystick/internal/devchain"
)

// Node is a node of the chain. It answers JSON-RPC at its URL, correctly unless [Node.Fail] made it
// faulty. It is safe for concurrent use.
type Node struct {
	// URL is the URL of the node's JSON-RPC.
	URL string

	server *node.Server
}

func newNode(chain *devchain.Chain) *Node { return &Node{server: node.New(chain)} }

// Fail gives the node these faults from the next request on, all together and no others. Without
// arguments the node is right again. Package nodefaults lists the faults; Fail panics if one is not on
// its list. A server's own transactions do not go through a node.
func (n *Node) Fail(faults ...nodefaults.Fault) { n.fail(0, faults) }

// FailTimes is like Fail, but each fault acts in this many HTTP requests only. It panics if times is
// not positive.
func (n *Node) FailTimes(times int, faults ...nodefaults.Fault) {
	if times <= 0 {
		panic("clienttest: FailTimes: times must be positive")
	}
	n.fail(times, faults)
}

func (n *Node) fail(times int, faults []nodefaults.Fault) {
	names := make([]string, len(faults))
	for i, f := range faults {
		names[i] = string(f)
	}
	n.server.Fail(times, names...)
}

// Failed returns in how many HTTP requests a fault made a difference since the last call of Fail or
// FailTimes. Zero after a test means that the test did not try the fault.
func (n *Node) Failed(f nodefaults.Fault) int { return n.server.Acted(string(f)) }

// Handler returns the handler of the node, for other listeners.
func (n *Node) Handler() http.Handler { return n.server }
