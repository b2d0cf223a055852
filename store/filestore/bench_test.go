package filestore

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// sample has about the length of a channel record.
var sample = bytes.Repeat([]byte("r"), 1024)

// BenchmarkBareSync measures the least durable write on this disk: a write in place and one fsync.
func BenchmarkBareSync(b *testing.B) {
	f, err := os.Create(filepath.Join(b.TempDir(), "f"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	for b.Loop() {
		if _, err := f.WriteAt(sample, 0); err != nil {
			b.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPut(b *testing.B) {
	s := openAt(b, b.TempDir())
	var rev uint64
	for b.Loop() {
		var err error
		if rev, err = s.Put(b.Context(), "channel/0x01", sample, rev); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkGet(b *testing.B) {
	s := openAt(b, b.TempDir())
	if _, err := s.Put(b.Context(), "channel/0x01", sample, 0); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, _, err := s.Get(b.Context(), "channel/0x01"); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkGetOfAnother reads a revision that this process did not write, so it syncs the
// directory.
func BenchmarkGetOfAnother(b *testing.B) {
	s := openAt(b, b.TempDir())
	if _, err := s.Put(b.Context(), "channel/0x01", sample, 0); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		s.slot("channel/0x01").durable.Store(0)
		if _, _, err := s.Get(b.Context(), "channel/0x01"); err != nil {
			b.Fatal(err)
		}
	}
}
