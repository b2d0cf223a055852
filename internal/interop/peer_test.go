package interop

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// peer is a program of the rig: commands in, answers out, one JSON line each (rig/lines.mjs). It ends when its
// standard input is closed, which the death of the test does too.
type peer struct {
	t    testing.TB
	in   io.WriteCloser
	mu   sync.Mutex // guards next, waiting and the writes to in
	next int
	// waiting has a channel for each command without an answer; nil after the program has ended.
	waiting map[int]chan answer
}

// answer is what became of a command.
type answer struct {
	ID     int
	Result json.RawMessage
	Error  string
}

// patience is how long one command of a peer may take, on a machine with much else to do. The first one loads mppx.
const patience = 90 * time.Second

// startPeer runs a program of the rig until the test ends.
func startPeer(t testing.TB, args ...string) *peer {
	t.Helper()
	cmd := exec.Command("node", args...)
	cmd.Dir = "rig"
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	p := &peer{t: t, in: in, waiting: map[int]chan answer{0: make(chan answer, 1)}}
	require.NoError(t, cmd.Start())
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.listen(out)
		_ = cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = in.Close()
		select {
		case <-done:
		case <-time.After(5 * time.Second):
			_ = cmd.Process.Kill()
			<-done
		}
	})
	return p
}

// listen hands answers to those who wait. Lines that are no answers are passed over.
func (p *peer) listen(out io.Reader) {
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var a answer
		if json.Unmarshal(lines.Bytes(), &a) != nil {
			continue
		}
		p.mu.Lock()
		if c := p.waiting[a.ID]; c != nil {
			delete(p.waiting, a.ID)
			c <- a
		}
		p.mu.Unlock()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.waiting {
		c <- answer{Error: "the peer ended"}
	}
	p.waiting = nil
}

// try runs a command and reads its result into out, unless that is nil.
func (p *peer) try(name string, args, out any) error {
	p.mu.Lock()
	if p.waiting == nil {
		p.mu.Unlock()
		return fmt.Errorf("%s: the peer has ended", name)
	}
	p.next++
	c := make(chan answer, 1)
	p.waiting[p.next] = c
	line, err := json.Marshal(map[string]any{"id": p.next, "name": name, "args": args})
	if err == nil {
		_, err = p.in.Write(append(line, '\n'))
	}
	p.mu.Unlock()
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return p.await(name, c, out)
}

func (p *peer) await(name string, c chan answer, out any) error {
	select {
	case a := <-c:
		if a.Error != "" {
			return fmt.Errorf("%s: %s", name, a.Error)
		}
		if out == nil {
			return nil
		}
		return json.Unmarshal(a.Result, out)
	case <-time.After(patience):
		return fmt.Errorf("%s: no answer in %s", name, patience)
	}
}

// do is try that must not fail.
func (p *peer) do(t testing.TB, name string, args, out any) {
	t.Helper()
	require.NoError(t, p.try(name, args, out))
}

// started waits for the line that a program says of itself when it is ready.
func (p *peer) started(t testing.TB, out any) {
	t.Helper()
	p.mu.Lock()
	c := p.waiting[0]
	p.mu.Unlock()
	require.NotNil(t, c, "the peer ended at once")
	require.NoError(t, p.await("start", c, out))
}

// args are the arguments of a command.
type args = map[string]any
