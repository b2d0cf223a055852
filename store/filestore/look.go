package filestore

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/seed-5fe1f529/tallystick/store"
)

// view is what a record file holds.
type view struct {
	record
	mark
	old   bool // format 1
	slot  int  // the slot that holds the record
	size  int  // of a slot
	noted mark // revision that the labels call durable
}

// unseal returns the payload of a sector and the revision that it was written for. ok is false if
// the sector is damaged.
func unseal(raw []byte, index, size int) (content []byte, rev uint64, ok bool) {
	var rest [12]byte
	end := raw[payload:]
	if end[0] != '\n' || end[17] != ' ' || end[26] != '\n' {
		return nil, 0, false
	}
	_, err := hex.Decode(rest[:8], end[1:17])
	_, err2 := hex.Decode(rest[8:], end[18:26])
	if err != nil || err2 != nil ||
		binary.BigEndian.Uint32(rest[8:]) != checksum(raw[:payload+18], index, size) {
		return nil, 0, false
	}
	return raw[:payload], binary.BigEndian.Uint64(rest[:8]), true
}

// look reads a record file of format 2 that is or was the record of key. The reason is empty if the
// file is in order.
func look(key string, raw []byte) (v view, reason string) {
	size := len(raw) / 2
	if len(raw)%(2*block) != 0 || size == 0 || size > maxSlot {
		return view{}, "it does not have the size of a record"
	}
	revs := make([]uint64, len(raw)/sector)
	for i := range revs {
		_, rev, ok := unseal(raw[i*sector:(i+1)*sector], i, size)
		if !ok {
			return view{}, fmt.Sprintf("bytes %d to %d are damaged", i*sector, (i+1)*sector-1)
		}
		revs[i] = rev
	}
	v = newest(raw, revs)
	started := slices.Max(revs) // the revision of the last write that began
	switch {
	case v.record.rev == 0:
		return view{}, "it has no whole revision"
	case started > v.record.rev+1 || v.noted.rev > v.record.rev:
		return view{}, fmt.Sprintf("revision %d is lost", max(started-1, v.noted.rev))
	case v.noted.rev == v.record.rev && v.noted != v.mark:
		return view{}, fmt.Sprintf("its revision %d is not the one that was written", v.noted.rev)
	case v.key != key && v.to != key:
		return view{}, "it is the record of another key"
	}
	return v, ""
}

// newest returns the newest whole record of a file, whose sectors were written for revs.
func newest(raw []byte, revs []uint64) view {
	half := len(revs) / 2
	v := view{size: len(raw) / 2}
	slots := []int{0, 1}
	if revs[1] < revs[half+1] {
		slots = []int{1, 0} // the slot that may hold the newer record
	}
	for _, slot := range slots {
		part := raw[slot*v.size : (slot+1)*v.size]
		if noted, ok := noteOf(part[:payload]); ok && noted.rev >= v.noted.rev {
			v.noted = noted
		}
		if v.record.rev > 0 {
			continue
		}
		if r, sum, ok := whole(part[sector:], revs[slot*half+1:(slot+1)*half]); ok {
			v.record, v.mark, v.slot = r, mark{r.rev, sum}, slot
		}
	}
	return v
}

// whole returns the record of a slot, whose sectors after the label were written for revs. ok is
// false if the slot has none or the write of it was cut.
func whole(raw []byte, revs []uint64) (r record, sum uint64, ok bool) {
	n := 0
	for n < len(revs) && revs[n] == revs[0] {
		n++
	}
	if revs[0] == 0 {
		return record{}, 0, false
	}
	stream := make([]byte, 0, n*payload)
	for i := range n {
		stream = append(stream, raw[i*sector:i*sector+payload]...)
	}
	r, length, ok := parseHead(stream[:min(len(stream), maxHead)])
	if !ok || r.rev != revs[0] {
		return record{}, 0, false
	}
	line := bytes.IndexByte(stream, '\n') + 1
	if line+length+1 > len(stream) || stream[line+length] != '\n' {
		return record{}, 0, false
	}
	r.data = stream[line : line+length : line+length]
	head, sum := r.head(0)
	return r, sum, bytes.Equal(stream[:line], head)
}

// parseHead reads the first line of a record except its checksum. Whoever calls it compares the line
// with that of the result.
func parseHead(stream []byte) (r record, length int, ok bool) {
	line, _, found := bytes.Cut(stream, []byte("\n"))
	words := strings.Split(string(line), " ")
	if !found || len(words) != 9 {
		return record{}, 0, false
	}
	r.key, r.to, _ = strings.Cut(words[3], ">")
	born, err := strconv.ParseUint(strings.TrimPrefix(words[4], "born="), 16, 32)
	r.born = uint32(born)
	r.rev, ok = number(words[5], "rev=")
	n, ok2 := number(words[6], "len=")
	list, ok3 := strings.CutPrefix(words[7], "by=")
	if err != nil || !ok || !ok2 || !ok3 || n > store.MaxRecord || r.rev == 0 {
		return record{}, 0, false
	}
	for entry := range strings.SplitSeq(list, ",") {
		if list == "" {
			break
		}
		id, at, _ := strings.Cut(entry, "@")
		rev, ok := number(at, "")
		if !ok {
			return record{}, 0, false
		}
		r.by = append(r.by, written{id, rev})
	}
	return r, int(n), len(r.by) <= maxWriters
}

// noteOf reads the note of a label.
func noteOf(content []byte) (m mark, ok bool) {
	line, _, _ := bytes.Cut(content, []byte("\n"))
	words := strings.Split(string(line), " ")
	if len(words) != 6 || words[3] != "durable" {
		return mark{}, false
	}
	m.rev, ok = number(words[4], "rev=")
	sum, err := strconv.ParseUint(strings.TrimPrefix(words[5], "sum="), 16, 64)
	m.sum = sum
	return m, ok && err == nil
}

func number(word, prefix string) (uint64, bool) {
	digits, ok := strings.CutPrefix(word, prefix)
	n, err := strconv.ParseUint(digits, 10, 64)
	return n, ok && err == nil
}
