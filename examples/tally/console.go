package main

import (
	"errors"
	"io"
	"io/fs"
	"os"

	"golang.org/x/term"
)

// console is the terminal of the person who runs the program.
type console struct {
	in    *os.File
	out   io.Writer
	close func()
}

var errNoTerminal = errors.New("there is no terminal to ask at")

// terminal returns the terminal for a question. It is the one that the program belongs to and never stdin, from which a
// body may come, and whoever writes that answers nothing. If stdin is /dev/null, or is closed, nobody is asked: that is
// how scripts and other users' commands say that nobody is there.
func (w *world) terminal() (*console, error) {
	if f, ok := w.stdin.(*os.File); ok {
		info, err := f.Stat()
		if err != nil || info.Mode()&fs.ModeCharDevice != 0 && !term.IsTerminal(int(f.Fd())) {
			return nil, errNoTerminal
		}
	}
	c, err := w.console()
	if err != nil {
		return nil, errNoTerminal
	}
	w.progress.hide()
	c.out = &visible{w: c.out, messages: true}
	return c, nil
}
