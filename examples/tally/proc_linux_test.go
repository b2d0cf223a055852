package main

import (
	"io"
	"net/http"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client/clienttest"
)

// TestFilesWithoutASize: the files of /proc are regular and have no size. What is in them is sent.
func TestFilesWithoutASize(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	const file = "/proc/version"
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	var got []byte
	s.srv.Handle("/up", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got, _ = io.ReadAll(r.Body) }))
	for _, flags := range [][]string{{"--data-binary", "@" + file}, {"-T", file}, {"-F", "f=@" + file}, {"--json", "@" + file}} {
		s.ok(append(flags, "/up")...)
		assert.Contains(t, string(got), string(want), flags)
	}
}
