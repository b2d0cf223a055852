//go:build !linux

package crash

import (
	"errors"
	"os/exec"
	"testing"
)

// Elsewhere a write that fails stands for a full disk, and the read-only one is left out.
func fillDisk() (empty func()) { panic("crash: there is no such limit here") }

func apart(*exec.Cmd) {}

func mounts(t *testing.T) bool {
	t.Log("no disk is made read-only: only Linux mounts for one process")
	return false
}

func mountReadOnly(string) error { return errors.New("crash: only Linux mounts for one process") }
