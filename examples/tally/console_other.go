//go:build !windows

package main

import "os"

// openConsole opens the terminal that the program belongs to.
func openConsole() (*console, error) {
	f, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	return &console{in: f, out: f, close: func() { _ = f.Close() }}, nil
}
