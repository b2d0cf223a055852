package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
)

// output is where the body goes. Its errors are write errors.
type output struct {
	w    io.Writer
	file *os.File
	made bool // the file was not there before
	used bool
}

// create finds out that the output can be written, before anything is paid. What a file holds is kept until
// there is an answer.
func (f *fetch) create() (*output, error) {
	if f.output == "" || f.output == "-" {
		return &output{w: f.world.body}, nil
	}
	_, statErr := os.Stat(f.output)
	file, err := os.OpenFile(f.output, os.O_WRONLY|os.O_CREATE, 0o666)
	if err != nil {
		return nil, fail(exitWrite, fmt.Errorf("--output: %w", err))
	}
	return &output{w: file, file: file, made: os.IsNotExist(statErr)}, nil
}

// begin empties a file that was there before.
func (o *output) begin() error {
	o.used = true
	if o.file == nil {
		return nil
	}
	if info, err := o.file.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil // a device
	}
	if err := o.file.Truncate(0); err != nil {
		return fail(exitWrite, err)
	}
	return nil
}

// Write implements io.Writer.
func (o *output) Write(b []byte) (int, error) {
	n, err := o.w.Write(b)
	if err != nil {
		return n, fail(exitWrite, fmt.Errorf("the output cannot be written: %w", err))
	}
	return n, nil
}

func (o *output) close() error {
	if o.file == nil {
		return nil
	}
	if o.made && !o.used {
		_ = os.Remove(o.file.Name())
	}
	if err := o.file.Close(); err != nil {
		return fail(exitWrite, err)
	}
	return nil
}

// secret are the headers whose values prove what was paid, or show a voucher.
var secret = []string{"Payment-Receipt", "Payment-Session-Snapshot"}

// writeHeader writes the status line and the headers as they came, but for the values of secret ones and
// what would steer a terminal.
func writeHeader(to io.Writer, resp *http.Response) error {
	w := &visible{w: to}
	if _, err := fmt.Fprintf(w, "%s %s\r\n", resp.Proto, resp.Status); err != nil {
		return err
	}
	h := resp.Header.Clone()
	for _, name := range secret {
		if h.Get(name) != "" {
			h.Set(name, "(not shown)")
		}
	}
	if err := h.Write(w); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\r\n")
	return err
}
