package crash

import (
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"
)

// fillDisk leaves no room for a file of more than a few bytes, until the returned function is called. To this
// process it looks like a full disk: a part is written, and the rest is refused.
func fillDisk() (empty func()) {
	signal.Ignore(syscall.SIGXFSZ)
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
		panic(err)
	}
	set := func(l syscall.Rlimit) {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &l); err != nil {
			panic(err)
		}
	}
	set(syscall.Rlimit{Cur: 200, Max: was.Max})
	return func() { set(was) }
}

// apart gives the child mounts of its own.
func apart(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
}

// mounts reports whether a process may have mounts of its own here.
func mounts(t *testing.T) bool {
	cmd := exec.Command("true")
	apart(cmd)
	if err := cmd.Run(); err != nil {
		t.Logf("no disk is made read-only, since this system lets no process have mounts of its own: %v", err)
		return false
	}
	return true
}

// mountReadOnly lets this process, which is apart, see a directory as on a read-only disk.
func mountReadOnly(dir string) error {
	if err := syscall.Mount(dir, dir, "", syscall.MS_BIND, ""); err != nil {
		return err
	}
	return syscall.Mount("", dir, "", syscall.MS_BIND|syscall.MS_REMOUNT|syscall.MS_RDONLY|syscall.MS_NOSUID|syscall.MS_NODEV, "")
}
