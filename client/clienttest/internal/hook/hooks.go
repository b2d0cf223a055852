// Package hook is where the lies of package clienttest/lies meet the server of package clienttest.
// A lie is a [Hooks] value under a name; the server calls its functions and gives them what they
// need through the interfaces [Request], [Payment] and [Stream].
package hook

import (
	"errors"
	"net/http"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/message"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Hooks holds what a lie does at each point where the server could be honest. A nil field leaves
// the server honest there.
type Hooks struct {
	// Instead answers a request and returns true, or returns false to leave it to the server.
	Instead func(Request) bool
	// After runs when the server has answered. It calls [Request.Acted] itself.
	After func(Request)
	// Terms changes what the route costs, before the credential is checked.
	Terms func(Request, *Terms)
	// AnyTerms makes the server accept a credential for any challenge that it issued, whatever the
	// terms of the route are now.
	AnyTerms bool
	// Fresh changes the terms of the challenge that goes with a refusal, the first one included.
	Fresh func(Request, *Terms)
	// Request changes the request object of a challenge, Challenge its parameters, and Spell the
	// WWW-Authenticate lines. If Challenge sets no ID, the server computes the right one.
	Request   func(Request, message.Document)
	Challenge func(Request, *message.Challenge)
	Spell     func(Request, *message.Challenge) []string
	// Snapshot changes a snapshot of a channel, Receipt the JSON of a receipt.
	Snapshot func(Channel, message.Document)
	Receipt  func(Request, message.Document)
	// Answer changes the status and the header when they leave.
	Answer func(r Request, status int, h http.Header) int
	// Take accepts a payment instead of the server if it reports done. content reports whether a
	// unit was charged and the content follows.
	Take func(Payment, *message.Payload) (done, content bool, err error)
	// Pieces splits or changes what a stream writes.
	Pieces func(frame string) []string
	// Stream runs before a stream's content. An error ends the stream.
	Stream func(Stream) error
	// Need changes a need-voucher frame.
	Need func(Stream, message.Document)
}

// Terms are the parts of clienttest.Terms that a lie can change, and the payee. The zero Payee is
// the server's.
type Terms struct {
	Price              voucher.Amount
	Unit               string
	Protocol           voucher.Protocol
	Sponsored          bool
	Operator, FeeToken common.Address
	Payee              common.Address
	Hints              Hints
}

// Hints selects what a challenge reports about a channel. The values are those of clienttest.Hints.
type Hints int

// The kinds of hints.
const (
	NoHints Hints = iota
	SnapshotHints
	FlatHints
)

// registry holds all lies. It is filled while packages are initialized and only read afterwards.
var registry = map[string]*Hooks{}

// Register adds a lie. It panics if the name is taken. It must be called during initialization.
func Register(name string, h Hooks) {
	if registry[name] != nil {
		panic("clienttest: two lies are named " + name)
	}
	registry[name] = &h
}

// Find returns the lie of that name, or nil.
func Find(name string) *Hooks { return registry[name] }

// ErrEnd ends a stream with its receipt when a Stream hook returns it.
var ErrEnd = errors.New("clienttest: the stream ends")
