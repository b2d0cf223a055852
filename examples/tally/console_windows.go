package main

import "os"

// openConsole opens the console that the program belongs to.
func openConsole() (*console, error) {
	in, err := os.OpenFile("CONIN$", os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	out, err := os.OpenFile("CONOUT$", os.O_RDWR, 0)
	if err != nil {
		_ = in.Close()
		return nil, err
	}
	return &console{in: in, out: out, close: func() { _ = in.Close(); _ = out.Close() }}, nil
}
