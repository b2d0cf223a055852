package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/store"
)

// searched is the stored record of how far the chain's logs were searched for a payer's channels. It
// holds no money: without it the search begins at the first block again.
type searched struct {
	Version int            `json:"version"`
	ChainID uint64         `json:"chainId"`
	Payer   common.Address `json:"payer"`
	V1      common.Address `json:"v1"`
	V2      common.Address `json:"v2"`
	// Next is the block to go on from.
	Next uint64 `json:"next"`
	// Known is a block that was seen then, none before the one before Next.
	Known escrow.Block `json:"known,omitzero"`
}

func (r searched) key() string {
	return fmt.Sprintf("scan/%d-%s", r.ChainID, strings.ToLower(r.Payer.Hex()))
}

// same reports whether the records are of the same search, however far.
func (r searched) same(other searched) bool {
	r.Next, r.Known, other.Next, other.Known = 0, escrow.Block{}, 0, escrow.Block{}
	return r == other
}

// searched reads the record under the key of r; the zero value if there is none.
func (s *Session) searched(ctx context.Context, r searched) (had searched, rev uint64, err error) {
	data, rev, err := s.cfg.Store.Get(ctx, r.key())
	if errors.Is(err, store.ErrNotFound) {
		return searched{}, 0, nil
	}
	if err == nil {
		if err = json.Unmarshal(data, &had); err == nil && had.Version != 1 {
			err = fmt.Errorf("version %d, this program reads version 1: use the program that wrote it", had.Version)
		}
		if err != nil {
			err = fmt.Errorf("%w: %w", channel.ErrRecord, err)
		}
	}
	if err != nil {
		return searched{}, 0, fmt.Errorf("client: the record %s of how far the chain was searched: %w", r.key(), err)
	}
	return had, rev, nil
}

// mark records that a stretch was searched up to a block. If another search of the same payer is under
// way, the one that is further counts.
func (s *Session) mark(ctx context.Context, r searched, stretch escrow.Stretch, next uint64) error {
	if r.Known = stretch.Known; r.Known.Number > 0 {
		r.Next = min(next, r.Known.Number+1)
	}
	for range maxMarks {
		had, rev, err := s.searched(ctx, r)
		if err != nil || (had.same(r) && had.Next >= r.Next && had.Next <= stretch.Newest) {
			return err
		}
		if err := s.put(ctx, r, rev); !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
	return nil // somebody else searches, and records how far
}

const maxMarks = 8

func (s *Session) put(ctx context.Context, r searched, rev uint64) error {
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	_, err = s.cfg.Store.Put(ctx, r.key(), data, rev)
	return err
}
