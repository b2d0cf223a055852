//go:build !linux && !darwin && !dragonfly && !freebsd && !netbsd && !openbsd && !windows

package main

import (
	"errors"
	"os"
)

// flushInput cannot discard what was typed, so nothing can be asked here.
func flushInput(*os.File) error { return errors.ErrUnsupported }
