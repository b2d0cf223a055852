// Package channelsdb reads the channels.db that other clients of the protocol keep their channels in: mppx, mpp-rs and the
// wallet that comes with it, by default at ~/.tempo/wallet/channels.db. It is for moving channels from there to here.
//
// # Their file stays as it is
//
// SQLite writes beside a database that it only reads. So the file is copied to a temporary directory, with its
// write-ahead log where there is one, and the copy is read. A copy that was made while somebody wrote is thrown away and
// made again.
//
// # What a row is worth
//
// A row is what another program wrote down. Its identity can be checked: it hashes to the channel's id. Its amounts
// cannot: how much was signed is proved by our own signature or by the chain, and by nothing in here.
package channelsdb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"net/url"
	"os"
	"path/filepath"

	"github.com/ethereum/go-ethereum/common"
	_ "github.com/ncruces/go-sqlite3/driver" // registers "sqlite3"
	_ "github.com/ncruces/go-sqlite3/embed"  // is SQLite itself

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Channel is one row.
type Channel struct {
	ID       common.Hash
	Protocol voucher.Protocol
	ChainID  uint64
	Escrow   common.Address
	// The descriptor. Operator and ExpiringNonceHash are zero for v1.
	Payer, Payee, Operator, Token, AuthorizedSigner common.Address
	Salt, ExpiringNonceHash                         common.Hash
	// Origin is where it is paid, as the other program spelled it; URL is the last place, empty where it names none. Both
	// are to be checked before use.
	Origin, URL string
	// Deposit and Cumulative are what the other program believes it put in and signed, in base units.
	Deposit, Cumulative voucher.Amount
	// State is "active" for a channel that it uses; another word for one that is closing or closed.
	State string
}

// ErrNotADatabase: the file is no channels.db: not SQLite, damaged, or without the table.
var ErrNotADatabase = errors.New("channelsdb: not a channels.db")

// RowError says which row cannot be read. Others are.
type RowError struct {
	ID  string // as it stands there, cut short
	Err error
}

func (e *RowError) Error() string { return fmt.Sprintf("channelsdb: channel %q: %v", e.ID, e.Err) }

// Unwrap returns the cause.
func (e *RowError) Unwrap() error { return e.Err }

// columns are those that are read, in the order of row.
const query = `SELECT channel_id, version, origin, request_url, chain_id, escrow_contract, token, payee, payer,
	authorized_signer, salt, deposit, cumulative_amount, state, session_protocol, COALESCE(descriptor_json, '')
	FROM channels ORDER BY last_used_at DESC, channel_id`

// Read yields the channels of the database at path, the last used first. A row that cannot be read is yielded as a
// [*RowError], and the iteration goes on; any other error is the end: [ErrNotADatabase], or those of the file system.
func Read(ctx context.Context, path string) iter.Seq2[Channel, error] {
	return func(yield func(Channel, error) bool) {
		if err := read(ctx, path, yield); err != nil {
			yield(Channel{}, err)
		}
	}
}

func read(ctx context.Context, path string, yield func(Channel, error) bool) error {
	dir, err := os.MkdirTemp("", "tallystick-import-")
	if err != nil {
		return fmt.Errorf("channelsdb: %w", err)
	}
	defer os.RemoveAll(dir)
	copied := filepath.Join(dir, "channels.db")
	if err := copyAll(ctx, path, copied); err != nil {
		return err
	}
	db, err := sql.Open("sqlite3", (&url.URL{Scheme: "file", Path: copied}).String())
	if err != nil {
		return fmt.Errorf("channelsdb: %w", err)
	}
	defer db.Close()
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("channelsdb: %w", err)
		}
		return fmt.Errorf("%w: %s: %w", ErrNotADatabase, path, err)
	}
	defer rows.Close()
	for rows.Next() {
		var r row
		if err := rows.Scan(&r.id, &r.version, &r.origin, &r.url, &r.chainID, &r.escrow, &r.token, &r.payee, &r.payer, &r.signer,
			&r.salt, &r.deposit, &r.cumulative, &r.state, &r.protocol, &r.descriptor); err != nil {
			return fmt.Errorf("%w: %s: %w", ErrNotADatabase, path, err)
		}
		c, err := r.channel()
		if err != nil {
			err = &RowError{ID: fmt.Sprintf("%.66s", r.id), Err: err}
		}
		if !yield(c, err) {
			return nil
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrNotADatabase, path, err)
	}
	return nil
}
