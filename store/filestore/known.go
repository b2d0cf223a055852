package filestore

import (
	"fmt"
	"slices"
	"strings"
	"sync"
)

// known remembers what a Store read and wrote of every key, to notice records that were set back,
// replaced or removed under it.
type known struct {
	mu   sync.RWMutex // guards keys
	keys map[string]memory
}

// memory is what a Store remembers of one key. The zero value means that it has not seen the key.
type memory struct {
	mark           // the highest revision seen
	wrote   uint64 // the highest revision that this Store wrote
	born    uint32 // see record
	durable bool   // the revision is known to be durable
	moved   bool   // the record moved to another key
}

func (k *known) of(key string) memory {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.keys[key]
}

// update changes the memory of key.
func (k *known) update(key string, change func(*memory)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.keys == nil {
		k.keys = map[string]memory{}
	}
	m := k.keys[key]
	change(&m)
	k.keys[strings.Clone(key)] = m
}

// saw notes a revision that is durable.
func (k *known) saw(key string, at mark, born uint32, wrote bool) {
	if have := k.of(key); !wrote && have.durable && have.mark == at && have.born == born {
		return
	}
	k.update(key, func(m *memory) {
		if at.rev >= m.rev {
			m.mark, m.born, m.durable = at, born, true
		}
		if wrote {
			m.wrote = max(m.wrote, at.rev)
		}
	})
}

// moved notes that the record of key moved, to another key if it is known.
func (k *known) moved(key, to string) {
	was := k.of(key)
	k.update(key, func(m *memory) { m.moved = true })
	if to != "" {
		k.saw(to, was.mark, was.born, false)
		k.update(to, func(m *memory) { m.wrote = max(m.wrote, was.wrote) })
	}
}

// under returns the keys with a prefix that should have a record.
func (k *known) under(prefix string) (keys []string) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	for key, m := range k.keys {
		if !m.moved && strings.HasPrefix(key, prefix) {
			keys = append(keys, key)
		}
	}
	return keys
}

// denies returns why v cannot be the record that was there at the time of m, or "" if it can. id is
// the name of this Store among the writers of a record. A writer that was dropped from a full list
// is no contradiction.
func (m memory) denies(v view, id string) (reason string) {
	const elsewhere = "it has another history than the record that this program wrote"
	at := slices.IndexFunc(v.by, func(w written) bool { return w.id == id })
	switch {
	case m.moved:
		return "it is an old copy, the record moved to another key"
	case v.mark.rev < m.rev:
		return fmt.Sprintf(
			"it had revision %d and now has %d: it was replaced by an old copy", m.rev, v.mark.rev,
		)
	case v.mark.rev == m.rev && v.mark != m.mark:
		return fmt.Sprintf("its revision %d is not the one that was there: %s", m.rev, elsewhere)
	case m.born != 0 && v.born != m.born:
		return "another record is in its place"
	case m.wrote == 0:
		return ""
	case at >= 0 && v.by[at].rev < m.wrote:
		return elsewhere
	case at < 0 && (len(v.by) < maxWriters || v.by[len(v.by)-1].rev <= m.wrote):
		return elsewhere
	}
	return ""
}
