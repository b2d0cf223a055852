// Package channelsdb reads channels.db, the database of other clients of the protocol: mppx, mpp-rs
// and its wallet. Its default path is ~/.tempo/wallet/channels.db. Use it to import the channels of
// these clients.
//
// # The file is not changed
//
// SQLite creates files beside a database even to read it. Therefore the file and its write-ahead log are
// copied to a temporary directory, and the copy is read. If the file changes during the copy, it is
// copied again, at most five times. The copy is removed when the sequence ends.
//
// # Trust
//
// Another program wrote the rows. The descriptor can be verified, because it hashes to the channel id.
// The amounts cannot: only a signature of the payer's voucher key or the chain proves how much was
// signed.
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
	_ "github.com/ncruces/go-sqlite3/embed"  // SQLite itself

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Channel is one row: a channel as the other program recorded it.
type Channel struct {
	ID       common.Hash
	Protocol voucher.Protocol
	ChainID  uint64
	Escrow   common.Address
	// The fields of the descriptor. Operator and ExpiringNonceHash are zero for v1.
	Payer, Payee, Operator, Token, AuthorizedSigner common.Address
	Salt, ExpiringNonceHash                         common.Hash
	// Origin is the payee's origin as the other program wrote it. URL is the last request, or
	// empty. Check both before use.
	Origin, URL string
	// Deposit and Cumulative are the deposit and the highest voucher in base units, according to
	// the other program.
	Deposit, Cumulative voucher.Amount
	// State is "active" for a channel in use, and another value for one that is closing or closed.
	State string
}

// ErrNotADatabase means that the file is not SQLite, is damaged, or lacks the table.
var ErrNotADatabase = errors.New("channelsdb: not a channels.db")

// RowError means that a row cannot be read. Other rows are not affected.
type RowError struct {
	ID  string // the channel_id column, shortened
	Err error
}

func (e *RowError) Error() string { return fmt.Sprintf("channelsdb: channel %q: %v", e.ID, e.Err) }

// Unwrap returns the cause.
func (e *RowError) Unwrap() error { return e.Err }

// query selects the columns in the order of the fields of row.
const query = `SELECT channel_id, version, origin, request_url, chain_id, escrow_contract, token,
	payee, payer, authorized_signer, salt, deposit, cumulative_amount, state, session_protocol,
	COALESCE(descriptor_json, '')
	FROM channels ORDER BY last_used_at DESC, channel_id`

// Read returns the channels of the database at path, the last used first. It yields a [*RowError]
// for each row that cannot be read, and continues. Any other error ends the sequence:
// [ErrNotADatabase], or one of the file system.
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
		err := rows.Scan(
			&r.id, &r.version, &r.origin, &r.url, &r.chainID, &r.escrow, &r.token, &r.payee,
			&r.payer, &r.signer, &r.salt, &r.deposit, &r.cumulative, &r.state, &r.protocol, &r.descriptor,
		)
		if err != nil {
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
