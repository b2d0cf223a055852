//go:build unix

package main

import (
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/term"
)

// session runs a program in a session of its own: its terminal is stdin, if that is one, and never that of the tests.
func session(cmd *exec.Cmd) {
	f, ok := cmd.Stdin.(*os.File)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: ok && term.IsTerminal(int(f.Fd()))}
}
