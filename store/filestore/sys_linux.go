package filestore

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// syncFile makes the content of a file durable, and of its metadata what is needed to read it.
func syncFile(f *os.File) error {
	for {
		err := unix.Fdatasync(int(f.Fd()))
		if !errors.Is(err, unix.EINTR) {
			return os.NewSyscallError("fdatasync", err)
		}
	}
}

// canSyncWhole reports whether a sync of the whole file system of path makes each of its files as durable
// as its own sync does. That is not known of others than these. An overlay, for example, does not report
// a failed write of the file below it.
func canSyncWhole(path string) bool {
	var s unix.Statfs_t
	return unix.Statfs(path, &s) == nil && knownWhole(&s)
}

func knownWhole(s *unix.Statfs_t) bool {
	switch uint32(s.Type) { //nolint:gosec // its size and sign differ between machines
	case unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC:
		return true
	}
	return false
}

// syncWhole makes durable what was written to the file system of f, including names.
func syncWhole(f *os.File) error {
	var s unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &s); err != nil {
		return os.NewSyscallError("fstatfs", err)
	}
	if !knownWhole(&s) {
		return errors.ErrUnsupported
	}
	if err := unix.Syncfs(int(f.Fd())); err != nil {
		return os.NewSyscallError("syncfs", err)
	}
	// If there is nothing to commit, XFS does not flush the cache of the disk. This does.
	return syncFile(f)
}

// writeBack writes the content of a file to the disk, which may still have it in a cache. It returns an
// error if that failed, or if it failed before and nobody was told.
func writeBack(f *os.File) error {
	const all = unix.SYNC_FILE_RANGE_WAIT_BEFORE | unix.SYNC_FILE_RANGE_WRITE | unix.SYNC_FILE_RANGE_WAIT_AFTER
	for {
		err := unix.SyncFileRange(int(f.Fd()), 0, 0, all)
		if !errors.Is(err, unix.EINTR) {
			return os.NewSyscallError("sync_file_range", err)
		}
	}
}

// identity is what a file remains the same by.
type identity struct {
	major, minor uint32
	inode        uint64
}

func (i identity) same(j identity) bool { return i == j }

// statFile returns the size and identity of an open file. It does not ask for the times of the file: once
// somebody did, Linux 6.13 and newer note the next write with a time of its own, and the sync of
// that write takes half as long again.
func statFile(f *os.File) (size int64, regular bool, id identity, err error) {
	return statx(int(f.Fd()), "", unix.AT_EMPTY_PATH)
}

// statPath returns the identity of the file at path.
func statPath(path string) (id identity, err error) {
	_, _, id, err = statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW)
	return id, err
}

func statx(fd int, path string, flags int) (size int64, regular bool, id identity, err error) {
	var s unix.Statx_t
	for {
		err = unix.Statx(fd, path, flags, unix.STATX_TYPE|unix.STATX_SIZE|unix.STATX_INO, &s)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) { // an old kernel, or a filter of calls
		return fstatat(fd, path, flags)
	}
	if err != nil {
		return 0, false, identity{}, os.NewSyscallError("statx", err)
	}
	id = identity{s.Dev_major, s.Dev_minor, s.Ino}
	return int64(s.Size), s.Mode&unix.S_IFMT == unix.S_IFREG, id, nil
}

func fstatat(fd int, path string, flags int) (size int64, regular bool, id identity, err error) {
	var s unix.Stat_t
	if err := unix.Fstatat(fd, path, &s, flags); err != nil {
		return 0, false, identity{}, os.NewSyscallError("fstatat", err)
	}
	dev := uint64(s.Dev) //nolint:unconvert // it has 32 bits on some machines
	id = identity{unix.Major(dev), unix.Minor(dev), s.Ino}
	return s.Size, s.Mode&unix.S_IFMT == unix.S_IFREG, id, nil
}
