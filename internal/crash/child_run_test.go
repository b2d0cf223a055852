package crash

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// fate is what the parent does to a child at a point.
type fate struct {
	word  word
	kill  bool          // now
	after time.Duration // above zero: goes on, and is killed so much later
	keep  string        // goes on; its next request of this kind is kept on the way, and then it is killed
}

var goOn = fate{word: wordGo}

// ending is how a child ended.
type ending struct {
	killed bool
	died   string   // why it ended by itself before it was done
	failed []string // acts that ended with an error, "name: error"
	points []string // the points that it came to, in order
	doubt  bool     // when it began there was a funding transaction in doubt
}

// run starts a child and goes with it to its end. decide is asked at each point after the child's beginning; nil
// lets it live. point counts from zero; a stream's pieces that follow each other are one.
func (w *world) run(j job, decide func(point int, name string) fate) (end ending) {
	end.doubt = w.doubt()
	c, err := startChild(j)
	if err != nil {
		end.died = err.Error()
		return end
	}
	defer c.wait(&end)
	var deadline <-chan time.Time
	var kept <-chan struct{}
	begun := false
	silence := time.NewTimer(w.wait)
	defer silence.Stop()
	for {
		select {
		case <-deadline:
			c.kill()
			return end
		case <-kept:
			c.kill()
			return end
		case <-silence.C:
			w.wrong("a child hung: the last it said was %q", last(end.points))
			c.kill()
			return end
		case n, ok := <-c.notes:
			if !ok {
				return end
			}
			silence.Reset(w.wait)
			w.hear(n, &end)
			what := goOn
			switch n.Kind {
			case kindBegin:
				begun, end.points = true, nil
			case kindDone:
				c.done = true
			case kindPoint:
				again := strings.HasSuffix(n.Name, pieces) && last(end.points) == n.Name
				if !again {
					end.points = append(end.points, n.Name)
				}
				if begun && !again && decide != nil {
					what = decide(len(end.points)-1, n.Name)
				}
			}
			switch {
			case what.kill:
				c.kill()
				return end
			case what.after > 0:
				deadline = time.After(what.after)
			case what.keep == "eth_sendRawTransaction":
				kept = w.node.hold(what.keep).there
			case what.keep != "":
				kept = w.shop.hold(what.keep).there
			}
			c.say(what.word)
		}
	}
}

func last(all []string) string {
	if len(all) == 0 {
		return ""
	}
	return all[len(all)-1]
}

// child is a process that plays.
type child struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	notes  chan note
	stop   chan struct{}
	stderr bytes.Buffer
	done   bool
	killed bool
}

func startChild(j job) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &child{cmd: exec.Command(self, "-test.run=^$"), notes: make(chan note), stop: make(chan struct{})}
	// One processor and no collections: it lives for a moment, and there are many. The race detector, where
	// there is no go command, would wait a second at the end.
	c.cmd.Env = append(os.Environ(), childEnv+"=1", "GOMAXPROCS=1", "GOGC=off", "GORACE=atexit_sleep_ms=0")
	c.cmd.Stderr = &c.stderr
	if j.Mount {
		apart(c.cmd)
	}
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(c.notes)
		for lines := json.NewDecoder(out); ; {
			var n note
			if lines.Decode(&n) != nil {
				return
			}
			select {
			case c.notes <- n:
			case <-c.stop:
				return
			}
		}
	}()
	if err := json.NewEncoder(c.in).Encode(j); err != nil {
		c.kill()
	}
	return c, nil
}

func (c *child) say(w word) { _ = json.NewEncoder(c.in).Encode(w) } // one that died meanwhile does not listen

func (c *child) kill() {
	c.killed = true
	_ = c.cmd.Process.Kill()
}

// wait waits for the process, and notes how it ended.
func (c *child) wait(end *ending) {
	close(c.stop)
	for range c.notes { // the reader has to be at the end of the pipe before Wait closes it
	}
	c.in.Close()
	err := c.cmd.Wait()
	var exit *exec.ExitError
	end.killed = c.killed && errors.As(err, &exit) && !exit.Exited()
	if !c.killed && (err != nil || !c.done) {
		end.died = fmt.Sprintf("%v: %s", err, bytes.TrimSpace(c.stderr.Bytes()))
	}
}
