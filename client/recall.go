package client

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/internal/purchase"
	"github.com/seed-5fe1f529/tallystick/store"
)

// payeeRecord is the stored record of an origin that asks who the payer is: the channel that it
// served a request from last. A later session names that to the origin at once, and is not asked
// again. It holds no money: without it the origin asks once more.
type payeeRecord struct {
	Version   int            `json:"version"`
	Origin    string         `json:"origin"`
	Payer     common.Address `json:"payer"`
	ChannelID common.Hash    `json:"channelId"`
}

// recallWait bounds how long a store may hold up a request that may cost nothing.
const recallWait = 250 * time.Millisecond

// payeeKey returns the key of the record of an origin in a store.
var payeeKey = func(origin string, payer common.Address) string {
	sum := sha256.Sum256([]byte(origin + "\n" + payer.Hex()))
	return "payee/" + hex.EncodeToString(sum[:])
}

// recall returns the channel that a record names, zero if that cannot be paid from.
func (s *Session) recall(ctx context.Context, origin string, data []byte) common.Hash {
	var r payeeRecord
	if json.Unmarshal(data, &r) != nil || r.Version != 1 || r.Origin != origin ||
		r.Payer != s.payer {
		return zeroHash
	}
	account, err := s.ledger.Account(ctx, r.ChannelID)
	if err != nil || standingOf(account.State()) != purchase.Usable {
		return zeroHash
	}
	return r.ChannelID
}

// keepPayee records the channel that an origin which asks who the payer is served a request from.
func (a *attempt) keepPayee(ctx context.Context) {
	s, key := a.s, payeeKey(a.origin.Text, a.s.payer)
	want := payeeRecord{
		Version:   1,
		Origin:    a.origin.Text,
		Payer:     s.payer,
		ChannelID: a.account.ID(),
	}
	data, rev, err := s.cfg.Store.Get(ctx, key)
	var had payeeRecord
	if err == nil && json.Unmarshal(data, &had) == nil && had == want ||
		err != nil && !errors.Is(err, store.ErrNotFound) {
		return
	}
	if data, err = json.Marshal(want); err == nil {
		_, err = s.cfg.Store.Put(ctx, key, data, rev)
	}
	if err != nil {
		s.log.DebugContext(
			ctx,
			"an origin that asks who the payer is was not recorded",
			"origin",
			a.origin.Text,
			"error",
			err,
		)
	}
}
