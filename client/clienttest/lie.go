package clienttest

import (
	"net/http"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Lie is one way in which a server cheats, breaks or has lost its mind: a switch for [Server.Lie]. It
// is comparable. [Lies] lists all of them; each has a name and one line that says what it does.
type Lie struct{ *deed }

// deed is what a lie does at each point where the server could be honest. A nil field leaves it honest.
type deed struct {
	name, doc string

	// instead answers a request itself; false leaves it to the server. after goes on when the server has
	// answered.
	instead func(*visit) bool
	after   func(*visit)
	// terms changes what a route costs.
	terms func(*visit, *Terms)
	// request changes what a challenge asks for, challenge its parameters, and spell the lines of
	// WWW-Authenticate. Where challenge sets no ID, the id is the true one.
	request   func(*visit, document)
	challenge func(*visit, *challenge)
	spell     func(*visit, *challenge) []string
	// snapshot changes what is told about a channel, receipt what a receipt says.
	snapshot func(*visit, *account, document)
	receipt  func(*visit, document)
	// answer changes the status and the header when they leave.
	answer func(v *visit, status int, h http.Header) int
	// take takes a payment instead of the server where it reports done.
	take func(*exchange, *payload) (done, content bool, err error)
	// pieces is how what a stream writes goes on the wire, one after another.
	pieces func(frame string) []string
	// stream goes before a stream's content; an error ends the stream. need changes a need-voucher frame.
	stream func(*Meter) error
	need   func(*Meter, document)
}

// document is a JSON object that is being written.
type document = map[string]any

// String is the lie's name: lower-case words with hyphens.
func (l Lie) String() string {
	if l.deed == nil {
		return "honest"
	}
	return l.name
}

// Doc says in one line what the server does.
func (l Lie) Doc() string {
	if l.deed == nil {
		return "Nothing but the truth."
	}
	return l.doc
}

// lies are all lies, in the order of the files.
var lies []Lie

// lie makes one.
func lie(name, doc string, d deed) Lie {
	d.name, d.doc = name, doc
	l := Lie{&d}
	lies = append(lies, l)
	return l
}

// Lies lists all lies.
func Lies() []Lie { return slices.Clone(lies) }

// deceit is what a lying server remembers.
type deceit struct {
	on atomic.Pointer[[]Lie]

	mu        sync.Mutex // guards the rest
	counts    map[string]int
	told      map[Lie]int
	receipt   document   // the first of all
	snapshot  document   // likewise
	challenge *challenge // likewise
	held      [][]byte   // transactions that were kept back
}

// Lie makes the server do these things from the next request on, all together, and nothing else; without
// arguments it is honest again. What was done before is not undone.
//
// A lying server still keeps honest books, so [Server.Accounts] and [Server.Requests] tell what the
// client really gave away.
func (s *Server) Lie(lies ...Lie) {
	on := slices.DeleteFunc(slices.Clone(lies), func(l Lie) bool { return l.deed == nil })
	s.deceit.mu.Lock()
	s.deceit.counts, s.deceit.told = map[string]int{}, map[Lie]int{}
	s.deceit.mu.Unlock()
	s.deceit.on.Store(&on)
}

// lying are the lies of the moment.
func (s *Server) lying() []Lie {
	if on := s.deceit.on.Load(); on != nil {
		return *on
	}
	return nil
}

// nth counts what has happened under a name since the server began to lie, from 1.
func (v *visit) nth(name string) int {
	d := &v.s.deceit
	d.mu.Lock()
	defer d.mu.Unlock()
	d.counts[name]++
	return d.counts[name]
}

// action is what the request's credential wants; empty where it has none.
func (v *visit) action() string {
	if v.credential == nil {
		return ""
	}
	return v.credential.payload.action()
}

// paying reports whether the request carries a credential of a session.
func (v *visit) paying() bool { return v.credential != nil && v.action() != "proof" }

// madeUp is a number that means nothing to anybody.
func madeUp(name string) common.Hash { return common.BytesToHash([]byte("made up " + name)) }

// twice is more than anybody agreed to.
func twice(a voucher.Amount) string { return a.AddCapped(a).AddCapped(voucher.Units(1)).String() }
