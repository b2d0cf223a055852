package crash

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"sync"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// job is what a child is told at first.
type job struct {
	Flow    string // a name of flows
	Heir    bool   // another child ran it and died: clean up after it
	Dir     string // of the store
	Journal string // its directory
	URL     string // of the paid server
	RPC     string // of the chain
	Key     string
	Stay    bool // go on as an heir in the same session
	Mount   bool // make the store read-only
	Crowded bool // others write the store at the same time
}

// note is one line from a child. It waits for the word after each.
type note struct {
	Kind string // one of the kinds below
	Name string // of a point; of an act that ended
	// Channel and Amount are those of a voucher that was signed, or the price that is asked for.
	Channel common.Hash
	Amount  voucher.Amount
	Text    string // what a transaction does; why an act failed
}

// The kinds of notes.
const (
	kindPoint   = "point"   // a place to die at
	kindBegin   = "begin"   // what came before was only the prelude
	kindAsk     = "ask"     // the program is about to ask for something that costs Amount
	kindEnd     = "end"     // an act ended; Text says why it failed
	kindStay    = "stay"    // whatever failed so far, from here on nothing may
	kindPaid    = "paid"    // the child has asked for all that it wants, and closes now
	kindAdvance = "advance" // the child waits for the grace period
	kindForget  = "forget"  // the child has lost its store; Channel was in it
	kindStuck   = "stuck"   // something waits on although it should not
	kindDone    = "done"    // all of it
)

// word is what the parent answers.
type word string

// The words. All but the first are for the beginning of a write.
const (
	wordGo         word = "go"
	wordFail       word = "fail"        // nothing is written
	wordStored     word = "stored"      // written, and the answer is lost
	wordFull       word = "full"        // the disk has no room
	wordHang       word = "hang"        // as long as the caller waits; nothing is written
	wordHangStored word = "hang-stored" // written, and then as wordHang
)

// pipe is the child's way to its parent. It is safe for concurrent use.
type pipe struct {
	mu  sync.Mutex
	enc *json.Encoder
	dec *json.Decoder
}

func newPipe(in io.Reader, out io.Writer) *pipe {
	return &pipe{enc: json.NewEncoder(out), dec: json.NewDecoder(in)}
}

// tell says where the child stands, and waits for the word.
func (p *pipe) tell(n note) word {
	p.mu.Lock()
	var w word
	if err := errors.Join(p.enc.Encode(n), p.dec.Decode(&w)); err != nil {
		os.Exit(3) // the parent is gone
	}
	p.mu.Unlock()
	return w
}

func (p *pipe) point(name string) word { return p.tell(note{Kind: kindPoint, Name: name}) }
