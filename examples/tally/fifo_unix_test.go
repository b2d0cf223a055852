//go:build unix

package main

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client/clienttest"
)

// TestReportIntoAPipe: who reads it gets the report; if nobody does, nothing is paid and the program ends.
func TestReportIntoAPipe(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	pipe := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	e := s.process(nil, nil, "-m", "0.05", "--json-report", pipe, s.srv.URL+"/data")
	assert.Equal(t, exitWrite, e.code)
	assert.Contains(t, e.stderr, "nobody has opened "+pipe)
	assert.Empty(t, s.srv.Accounts())

	read := make(chan []byte, 1)
	go func() {
		f, err := os.Open(pipe)
		if err != nil {
			read <- nil
			return
		}
		defer f.Close()
		text, _ := io.ReadAll(f)
		read <- text
	}()
	e = s.process(nil, nil, "--json-report", pipe, s.srv.URL+"/data")
	require.Equal(t, 0, e.code, e.stderr)
	var m money
	require.NoError(t, json.Unmarshal(<-read, &m))
	assert.Equal(t, "100", m.Amount.String())
	s.books(100)
}
