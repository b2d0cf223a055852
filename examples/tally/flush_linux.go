package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// flushInput discards what was typed at a terminal and not read.
func flushInput(f *os.File) error {
	return unix.IoctlSetInt(int(f.Fd()), unix.TCFLSH, unix.TCIFLUSH)
}
