package main

import (
	"os"

	"golang.org/x/sys/windows"
)

// flushInput discards what was typed at a console and not read.
func flushInput(f *os.File) error { return windows.FlushConsoleInputBuffer(windows.Handle(f.Fd())) }
