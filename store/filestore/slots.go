package filestore

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"strconv"
)

// A record file of format 2 consists of two slots of equal size. A write fills the slot that does
// not hold the current revision, so the current one stays whole until the new one is durable.
//
// A slot consists of sectors of 512 bytes, the unit that a disk writes as a whole or not at all.
// Every sector ends with the revision that it was written for and a checksum of itself and its
// place. That tells a write that was cut from damage: after a cut, each sector is whole and
// belongs to the old or to the new revision, so the new revision was never acknowledged and the
// other slot is current. A sector that is not whole was damaged, and it may have belonged to an
// acknowledged revision. Then the file is refused. docs/adr/0015-a-record-is-two-slots.md has the
// argument.
//
// The first sector of a slot is its label. After a write is durable, the label of the other slot
// notes its revision, without a sync. A reader that finds the note need not sync before it relies
// on the record.
const (
	sector  = 512
	payload = sector - 27 // "\n", 16 digits of the revision, " ", 8 of the checksum, "\n"
	block   = 4096        // slots do not share a physical sector of a disk

	// maxHead bounds the first line of a record: two keys and maxWriters writers with numbers of 20
	// digits.
	maxHead = 1200
	maxSlot = 18 * block
)

// slotSizes are the sizes of a slot.
var slotSizes = []int{block, 2 * block, 4 * block, 8 * block, maxSlot}

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	padding    [payload]byte
)

// record is the content of a slot.
type record struct {
	key  string
	to   string // the name that Move gives it, or empty. It is valid under both
	born uint32 // a random number that it has for its whole life, and 0 in format 1
	rev  uint64
	by   []written
	data []byte
}

// written is the last revision that one Store wrote. A Store that finds itself in a record with an
// older revision than the one it wrote knows that the record has another history.
type written struct {
	id  string // random
	rev uint64
}

// maxWriters bounds the list of writers. The one that has not written for longest is dropped.
const maxWriters = 16

// writtenBy returns the list of a record after id wrote rev.
func writtenBy(list []written, id string, rev uint64) []written {
	out := append(make([]written, 0, maxWriters), written{id, rev})
	for _, w := range list {
		if w.id != id && len(out) < maxWriters {
			out = append(out, w)
		}
	}
	return out
}

// mark identifies a revision and its content.
type mark struct {
	rev uint64
	sum uint64 // the beginning of the checksum of revision, writers and data
}

// image is a record as it is written.
type image struct {
	mark
	stream []byte // its first line and the data
}

// image returns r as it is written.
func (r *record) image() image {
	b, sum := r.head(len(r.data) + 1)
	return image{mark{r.rev, sum}, append(append(b, r.data...), '\n')}
}

// size returns the size of a slot that has room for the record.
func (m *image) size() int {
	need := sector * (1 + (len(m.stream)+payload-1)/payload)
	for _, size := range slotSizes {
		if need <= size {
			return size
		}
	}
	return 0 // not reached: maxSlot has room for maxHead and store.MaxRecord
}

// signed returns the part of the first line that the checksum covers, with the data. Both keys are
// left out: they are compared with the name of the file.
func (r *record) signed() []byte {
	b := make([]byte, 0, maxHead)
	b = fmt.Appendf(b, "born=%08x rev=%d len=%d by=", r.born, r.rev, len(r.data))
	for i, w := range r.by {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(b, w.id...), '@')
		b = strconv.AppendUint(b, w.rev, 10)
	}
	return b
}

// head returns the first line of a record, with room for more bytes, and the beginning of its
// checksum.
func (r *record) head(room int) (line []byte, sum uint64) {
	signed := r.signed()
	h := sha256.New()
	h.Write(append(signed, '\n'))
	h.Write(r.data)
	digest := h.Sum(make([]byte, 0, sha256.Size))

	line = make([]byte, 0, maxHead+room)
	line = append(append(line, "tallystick record 2 "...), r.key...)
	if r.to != "" {
		line = append(append(line, '>'), r.to...)
	}
	line = append(append(append(line, ' '), signed...), " sha256="...)
	line = append(hex.AppendEncode(line, digest), '\n')
	return line, binary.BigEndian.Uint64(digest)
}

// sectors returns the sectors of a record for a slot, and their offset in the file.
func (m *image) sectors(slot, size int) (raw []byte, at int64) {
	first := slot*size/sector + 1 // after the label
	raw = make([]byte, 0, size)
	for rest := m.stream; len(rest) > 0; {
		part := rest[:min(len(rest), payload)]
		raw = seal(raw, part, m.rev, first+len(raw)/sector, size)
		rest = rest[len(part):]
	}
	return raw, int64(first) * sector
}

// label returns the label of a slot, which notes that m is durable. A zero m notes nothing.
func label(m mark, slot, size int) (raw []byte, at int64) {
	text := "tallystick record 2\n"
	if m.rev != 0 {
		text = fmt.Sprintf("tallystick record 2 durable rev=%d sum=%016x\n", m.rev, m.sum)
	}
	first := slot * size / sector
	return seal(nil, []byte(text), m.rev, first, size), int64(first) * sector
}

// newFile returns the content of a new record file, with a record in its first slot. Sectors without
// content have a checksum too, so zeros are always damage.
func newFile(m *image, size int) []byte {
	raw := make([]byte, 0, 2*size)
	first, _ := label(mark{}, 0, size)
	own, _ := m.sectors(0, size)
	second, _ := label(mark{}, 1, size)
	raw = append(append(raw, first...), own...)
	for len(raw) < size {
		raw = seal(raw, nil, 0, len(raw)/sector, size)
	}
	raw = append(raw, second...)
	for len(raw) < 2*size {
		raw = seal(raw, nil, 0, len(raw)/sector, size)
	}
	return raw
}

// seal appends a sector with content, which is the index-th of a file with slots of size.
func seal(raw, content []byte, rev uint64, index, size int) []byte {
	start := len(raw)
	raw = append(raw, content...)
	raw = append(raw, padding[len(content):]...)
	raw = append(raw, '\n')
	var number [8]byte
	binary.BigEndian.PutUint64(number[:], rev)
	raw = hex.AppendEncode(raw, number[:])
	raw = append(raw, ' ')
	binary.BigEndian.PutUint32(number[:], checksum(raw[start:], index, size))
	raw = hex.AppendEncode(raw, number[:4])
	return append(raw, '\n')
}

// checksum returns the checksum of a sector without its own. It begins with the place of the sector,
// so a sector that was written to a wrong place is damage.
func checksum(content []byte, index, size int) uint32 {
	return crc32.Update(uint32(index<<20|size), castagnoli, content)
}
