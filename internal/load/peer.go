package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"time"
)

// peer is another process that does what it is told, one JSON line for each command and answer: a
// program of internal/interop/rig, or this program as a client of its own. It ends when its
// standard input does, and so with this process.
type peer struct {
	in     io.WriteCloser
	cmd    *exec.Cmd
	errors *tail // the end of its standard error
	exited chan struct{}

	mu sync.Mutex // guards what follows, and the writes to in
	id int
	// waiting has a channel for each command without an answer; nil after the process has ended.
	waiting map[int]chan answer
}

type command struct {
	ID   int             `json:"id"`
	Name string          `json:"name"`
	Args json.RawMessage `json:"args"`
}

type answer struct {
	ID     int             `json:"id"`
	Result json.RawMessage `json:"result,omitempty"`
	Error  string          `json:"error,omitempty"`
}

// startPeer starts a process. The caller must close it.
func startPeer(dir, program string, args ...string) (*peer, error) {
	cmd := exec.Command(program, args...)
	last := &tail{}
	cmd.Dir, cmd.Stderr = dir, last
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p := &peer{
		in:      in,
		cmd:     cmd,
		errors:  last,
		exited:  make(chan struct{}),
		waiting: map[int]chan answer{},
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(p.exited)
		p.listen(out)
		_ = cmd.Wait() // until errors is complete
		p.end()
	}()
	return p, nil
}

// close ends the process, by force if it does not end within five seconds.
func (p *peer) close() {
	_ = p.in.Close()
	select {
	case <-p.exited:
	case <-time.After(5 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.exited
	}
}

// listen passes answers on. Lines that are no answers are ignored.
func (p *peer) listen(out io.Reader) {
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var a answer
		if json.Unmarshal(line, &a) != nil {
			continue
		}
		p.mu.Lock()
		if c := p.waiting[a.ID]; c != nil {
			delete(p.waiting, a.ID)
			c <- a
		}
		p.mu.Unlock()
	}
}

// end fails the commands that wait, and all later ones.
func (p *peer) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.waiting {
		c <- answer{Error: "the process ended"}
	}
	p.waiting = nil
}

// maxCall bounds one command of another process; a job has a deadline of its own below it.
const maxCall = 20 * time.Minute

// call runs a command and reads its result into out, unless that is nil.
func (p *peer) call(ctx context.Context, name string, args, out any) error {
	ctx, cancel := context.WithTimeout(ctx, maxCall)
	defer cancel()
	text, err := json.Marshal(args)
	if err != nil {
		return err
	}
	answered, err := p.send(command{Name: name, Args: text})
	if err != nil {
		return fmt.Errorf("load: %s: %w", name, err)
	}
	select {
	case a := <-answered:
		if a.Error != "" {
			return fmt.Errorf("load: %s: %s\n%s", name, a.Error, p.errors)
		}
		if out == nil {
			return nil
		}
		return json.Unmarshal(a.Result, out)
	case <-ctx.Done():
		return fmt.Errorf("load: %s: %w\n%s", name, ctx.Err(), p.errors)
	}
}

// tail keeps the end of what is written to it. It is shown only if a command fails, because mppx
// reports every stream that breaks off.
type tail struct {
	mu   sync.Mutex // guards text
	text []byte
}

const maxTail = 4 << 10

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, b...)
	t.text = t.text[max(len(t.text)-maxTail, 0):]
	return len(b), nil
}

// String returns what was kept.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text)
}

func (p *peer) send(c command) (<-chan answer, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waiting == nil {
		return nil, errors.New("the process has ended")
	}
	p.id++
	c.ID = p.id
	line, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	answered := make(chan answer, 1)
	p.waiting[c.ID] = answered
	_, err = p.in.Write(append(line, '\n'))
	return answered, err
}

// serve is the other side: it runs commands one after the other until the input ends.
func serve(
	in io.Reader,
	out io.Writer,
	run func(name string, args json.RawMessage) (any, error),
) error {
	commands, answers := json.NewDecoder(in), json.NewEncoder(out)
	for {
		var c command
		if err := commands.Decode(&c); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		a := answer{ID: c.ID}
		result, err := run(c.Name, c.Args)
		if err == nil {
			a.Result, err = json.Marshal(result)
		}
		if err != nil {
			a.Error = err.Error()
		}
		if err := answers.Encode(a); err != nil {
			return err
		}
	}
}
