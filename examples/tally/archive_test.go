package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client/clienttest"
)

// TestClosedChannelsAreListed with --all only, and the books still explain them.
func TestClosedChannelsAreListed(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	for range 2 {
		s.ok("/data")
		s.ok("/v1/data")
		s.ok("close", "--all")
	}
	assert.Len(t, strings.Split(strings.TrimSpace(s.ok("channels")), "\n"), 1, "the head alone")
	assert.Equal(t, "[]\n", s.ok("channels", "--json"))
	all := s.ok("channels", "--all")
	assert.Equal(t, 4, strings.Count(all, " closed "), all)
	var rows []row
	require.NoError(t, json.Unmarshal([]byte(s.ok("channels", "--all", "--json")), &rows))
	require.Len(t, rows, 4)
	assert.Equal(t, 4, strings.Count(s.ok("ledger", "--check"), " agrees: "))
	e := s.run("close", rows[0].ID.Hex())
	assert.Equal(t, exitUsage, e.code)
	assert.Contains(t, e.stderr, "no channel that holds money begins with")
	s.ok("/data")
	assert.Equal(t, 1, strings.Count(s.ok("channels"), " open "))
	assert.Equal(t, 5, strings.Count(s.ok("ledger", "--check"), " agrees: "))
}

// TestLongTable checks that a table of very many rows is written in pieces, with every row, and that an
// error of the writer is told.
func TestLongTable(t *testing.T) {
	var out strings.Builder
	table := newTable(&out)
	written := 0
	for i := range 2*piece + 7 {
		table.row("row", i)
		if i == piece {
			written = strings.Count(out.String(), "\n")
		}
	}
	require.NoError(t, table.end())
	assert.Equal(t, piece, written)
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	require.Len(t, lines, 2*piece+7)
	for i, line := range lines {
		assert.Equal(t, fmt.Sprintf("row  %d", i), line)
	}

	full := newTable(full{})
	for range piece {
		full.row("row")
	}
	require.ErrorIs(t, full.err, errFull)
	require.ErrorIs(t, full.end(), errFull)
}

type full struct{}

var errFull = errors.New("no space left on device")

func (full) Write([]byte) (int, error) { return 0, errFull }
