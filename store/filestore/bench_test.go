package filestore

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-5fe1f529/tallystick/store"
)

// sample has about the length of a channel record.
var sample = bytes.Repeat([]byte("r"), 1024)

// BenchmarkBareSync measures the least durable write on this disk: a write in place, and one sync of
// the data.
func BenchmarkBareSync(b *testing.B) { bareSync(b, syncFile) }

// BenchmarkBareFsync syncs the time of the last change as well.
func BenchmarkBareFsync(b *testing.B) { bareSync(b, (*os.File).Sync) }

func bareSync(b *testing.B, sync func(*os.File) error) {
	f, err := os.Create(filepath.Join(b.TempDir(), "f"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	for b.Loop() {
		if _, err := f.WriteAt(sample, 0); err != nil {
			b.Fatal(err)
		}
		if err := sync(f); err != nil {
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

// BenchmarkGetOfAnother reads a revision that another Store wrote. The writer noted that it is
// durable, so it needs no sync.
func BenchmarkGetOfAnother(b *testing.B) {
	s := openAt(b, b.TempDir())
	if _, err := s.Put(b.Context(), "channel/0x01", sample, 0); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		s.known.keys = nil
		if _, _, err := s.Get(b.Context(), "channel/0x01"); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPutBesideSync alternates twenty Puts with twenty bare writes and syncs, and reports the
// medians of both and their ratio: the disk of a busy machine changes more between two benchmarks than Put costs.
func BenchmarkPutBesideSync(b *testing.B) {
	for _, n := range []int{400, 1024, 8 << 10, store.MaxRecord} {
		b.Run(fmt.Sprintf("%d bytes", n), func(b *testing.B) {
			s := openAt(b, b.TempDir())
			data := bytes.Repeat([]byte("r"), n)
			f, err := os.Create(filepath.Join(b.TempDir(), "f"))
			if err != nil {
				b.Fatal(err)
			}
			defer f.Close()
			var rev uint64
			var bare, put []time.Duration
			for b.Loop() {
				for range 20 {
					start := time.Now()
					_, err := f.WriteAt(data, 0)
					if err = errors.Join(err, syncFile(f)); err != nil {
						b.Fatal(err)
					}
					bare = append(bare, time.Since(start))
				}
				for range 20 {
					start := time.Now()
					if rev, err = s.Put(b.Context(), "channel/0x01", data, rev); err != nil {
						b.Fatal(err)
					}
					put = append(put, time.Since(start))
				}
			}
			mean := float64(sum(put)) / float64(sum(bare))
			slices.Sort(bare)
			slices.Sort(put)
			low, high := bare[len(bare)/2], put[len(put)/2]
			b.ReportMetric(float64(low.Nanoseconds()), "sync-ns")
			b.ReportMetric(float64(high.Nanoseconds()), "put-ns")
			b.ReportMetric(float64(high)/float64(low), "put/sync")
			b.ReportMetric(mean, "mean-put/sync")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func sum(all []time.Duration) (total time.Duration) {
	for _, d := range all {
		total += d
	}
	return total
}

// BenchmarkPutTogether writes from many goroutines, each a record of its own, beside the same with
// bare writes and syncs of as many files: the disk makes the writes of several syncs durable at once.
func BenchmarkPutTogether(b *testing.B) {
	for _, n := range []int{1, 4, 16} {
		together := func(b *testing.B, one func(i int) error) {
			b.Helper()
			var done sync.WaitGroup
			var left atomic.Int64
			left.Store(int64(b.N))
			b.ResetTimer()
			for i := range n {
				done.Go(func() {
					for left.Add(-1) >= 0 {
						if err := one(i); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			done.Wait()
		}
		b.Run(fmt.Sprintf("bare, %d at once", n), func(b *testing.B) {
			files := make([]*os.File, n)
			for i := range files {
				f, err := os.Create(filepath.Join(b.TempDir(), "f"))
				if err != nil {
					b.Fatal(err)
				}
				defer f.Close()
				files[i] = f
			}
			together(b, func(i int) error {
				_, err := files[i].WriteAt(sample, 0)
				return errors.Join(err, syncFile(files[i]))
			})
		})
		b.Run(fmt.Sprintf("Put, %d at once", n), func(b *testing.B) {
			s, revs := openAt(b, b.TempDir()), make([]uint64, n)
			together(b, func(i int) (err error) {
				revs[i], err = s.Put(b.Context(), fmt.Sprint("channel/", i), sample, revs[i])
				return err
			})
		})
	}
}

// BenchmarkList lists by a Store that has seen no record yet, as a program that starts does.
func BenchmarkList(b *testing.B) {
	for _, n := range []int{1000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			dir := b.TempDir()
			openAt(b, dir)
			for i := range n {
				key := fmt.Sprintf("channel/0x%064x", i)
				m := (&record{key: key, rev: 1, by: []written{{"0badcafe", 1}}, data: sample}).image()
				raw := newFile(&m, m.size())
				noted, at := label(m.mark, 1, m.size())
				copy(raw[at:], noted)
				if err := os.WriteFile(filepath.Join(dir, fileName(key, recordExt)), raw, 0o600); err != nil {
					b.Fatal(err)
				}
			}
			var start, end runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&start)
			var s *Store
			for b.Loop() {
				s = openAt(b, dir)
				listed := 0
				for _, err := range s.List(b.Context(), "channel/") {
					if err != nil {
						b.Fatal(err)
					}
					listed++
				}
				if listed != n {
					b.Fatalf("%d of %d", listed, n)
				}
			}
			runtime.GC()
			runtime.ReadMemStats(&end)
			b.ReportMetric((float64(end.HeapAlloc)-float64(start.HeapAlloc))/float64(n)/float64(b.N), "kept-B/record")
			runtime.KeepAlive(s)
		})
	}
}
